// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-cse)'

// Equal nodes are computed once, dead ones not at all; what hlac does not know stays.
func.func @equal(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = tosa.exp %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = tosa.exp %x : (tensor<2xf32>) -> tensor<2xf32>
  %dead = tosa.log %x : (tensor<2xf32>) -> tensor<2xf32>
  "other.effect"(%x) {note = "kept"} : (tensor<2xf32>) -> ()
  "other.effect"(%x) {note = "kept"} : (tensor<2xf32>) -> ()
  %2 = tosa.add %0, %1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
