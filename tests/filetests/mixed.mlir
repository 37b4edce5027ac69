// RUN: hlac opt %s --pass-pipeline='builtin.module(func.func(hla-fold-constants,tosa-make-broadcastable),canonicalize,hla-cse)'

// Passes of hlac and of MLIR in one pipeline.
func.func @mixed(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %a = "tosa.const"() {values = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %b = "tosa.const"() {values = dense<[[1.0, 2.0, 3.0]]> : tensor<1x3xf32>} : () -> tensor<1x3xf32>
  %0 = tosa.add %a, %b : (tensor<1x1xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  %1 = tosa.add %x, %0 : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %2 = tosa.abs %1 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = tosa.abs %2 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %3 : tensor<2x3xf32>
}
