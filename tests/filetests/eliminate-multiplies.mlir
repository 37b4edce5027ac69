// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-eliminate-multiplies)'

// The scale of batch norm joins that of the ternary matrix product, and crosses relu.
func.func @scale(%x: tensor<1x2x4xf32>) -> tensor<1x2x2xf32> {
  %w = "tosa.const"() {values = dense<[[1, -1, 0, 1], [0, 0, -1, 0]]> : tensor<2x4xi8>} : () -> tensor<2x4xi8>
  %scale = "tosa.const"() {values = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %bias = "tosa.const"() {values = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %gamma = "tosa.const"() {values = dense<[[[3.0, 5.0]]]> : tensor<1x1x2xf32>} : () -> tensor<1x1x2xf32>
  %two = "tosa.const"() {values = dense<2.0> : tensor<1x1x1xf32>} : () -> tensor<1x1x1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = "hla.ternary_matmul"(%x, %w, %scale, %bias) {min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x2x4xf32>, tensor<2x4xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  %1 = tosa.mul %0, %gamma, %shift : (tensor<1x2x2xf32>, tensor<1x1x2xf32>, tensor<1xi8>) -> tensor<1x2x2xf32>
  %2 = tosa.clamp %1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %3 = tosa.mul %2, %two, %shift : (tensor<1x2x2xf32>, tensor<1x1x1xf32>, tensor<1xi8>) -> tensor<1x2x2xf32>
  return %3 : tensor<1x2x2xf32>
}
