// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-freeze)'

// Batch norm in inference form becomes one multiplication and one addition per channel: with
// standard deviations 2, 4, 8 the scales are 0.5, 0.5, 0.5, the bias of the convolution joins in.
func.func @batch_norm(%input: tensor<1x2x2x1xf32> {hla.name = "input"}) -> tensor<1x2x2x3xf32> {
  %w = "tosa.const"() {values = dense<[[[[1.0]]], [[[2.0]]], [[[-1.0]]]]> : tensor<3x1x1x1xf32>} : () -> tensor<3x1x1x1xf32>
  %b = "tosa.const"() {values = dense<[1.0, 0.0, 0.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %x = tosa.conv2d %input, %w, %b, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x1xf32>, tensor<3x1x1x1xf32>, tensor<3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x3xf32>
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
