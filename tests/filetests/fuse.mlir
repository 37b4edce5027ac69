// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-fuse)'

// A residual sum, relu and the quantization for the next layer go into the ternary op.
func.func @residual(%x: tensor<1x2x2x2xi8>, %skip: tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xi8> {
  %w = "tosa.const"() {values = dense<[[[[1, -1]]], [[[0, 1]]]]> : tensor<2x1x1x2xi8>} : () -> tensor<2x1x1x2xi8>
  %scale = "tosa.const"() {values = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %bias = "tosa.const"() {values = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "hla.ternary_conv2d"(%x, %w, %scale, %bias) {pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x2x2x2xi8>, tensor<2x1x1x2xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  %1 = tosa.add %0, %skip : (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %2 = tosa.clamp %1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %3 = "hla.quantize"(%2) {scale = 0.5 : f32} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xi8>
  return %3 : tensor<1x2x2x2xi8>
}
