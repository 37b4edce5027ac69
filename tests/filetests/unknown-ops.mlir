// RUN: not hlac compile %s -o - --emit mlir
// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-cse)'

// Ops hlac does not know pass through `hlac opt`; `hlac compile` names every one of them at once.
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "other.first"(%x) {size = 3 : i32} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = tosa.exp %0 : (tensor<2xf32>) -> tensor<2xf32>
  %2 = tosa.custom %1 {domain_name = "mine", implementation_attrs = "", operator_name = "second"} : (tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
