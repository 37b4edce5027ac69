// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-freeze)'

// Batch norm in inference form becomes one multiplication and one addition per channel.
func.func @batch_norm(%x: tensor<1x2x2x3xf32> {hla.name = "x"}) -> tensor<1x2x2x3xf32> {
  %mean = "tosa.const"() {values = dense<[[[[1.0, 2.0, 3.0]]]]> : tensor<1x1x1x3xf32>} : () -> tensor<1x1x1x3xf32>
  %variance = "tosa.const"() {values = dense<[[[[3.0, 15.0, 63.0]]]]> : tensor<1x1x1x3xf32>} : () -> tensor<1x1x1x3xf32>
  %gamma = "tosa.const"() {values = dense<[[[[1.0, 2.0, 4.0]]]]> : tensor<1x1x1x3xf32>} : () -> tensor<1x1x1x3xf32>
  %beta = "tosa.const"() {values = dense<[[[[0.5, 0.0, -0.5]]]]> : tensor<1x1x1x3xf32>} : () -> tensor<1x1x1x3xf32>
  %epsilon = "tosa.const"() {values = dense<1.0> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = tosa.sub %x, %mean : (tensor<1x2x2x3xf32>, tensor<1x1x1x3xf32>) -> tensor<1x2x2x3xf32>
  %1 = tosa.add %variance, %epsilon : (tensor<1x1x1x3xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x3xf32>
  %2 = tosa.rsqrt %1 : (tensor<1x1x1x3xf32>) -> tensor<1x1x1x3xf32>
  %3 = tosa.mul %0, %2, %shift : (tensor<1x2x2x3xf32>, tensor<1x1x1x3xf32>, tensor<1xi8>) -> tensor<1x2x2x3xf32>
  %4 = tosa.mul %3, %gamma, %shift : (tensor<1x2x2x3xf32>, tensor<1x1x1x3xf32>, tensor<1xi8>) -> tensor<1x2x2x3xf32>
  %5 = tosa.add %4, %beta : (tensor<1x2x2x3xf32>, tensor<1x1x1x3xf32>) -> tensor<1x2x2x3xf32>
  return %5 : tensor<1x2x2x3xf32>
}
