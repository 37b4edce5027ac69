// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-fold-constants)'

func.func @fold(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = "tosa.const"() {values = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %b = "tosa.const"() {values = dense<[0.25, 0.75]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = tosa.add %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %1 = tosa.maximum %0, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %2 = tosa.add %x, %1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
