// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-plan-layout)'

// Between two ternary convolutions a value stays planar; inputs and results are row-major.
func.func @chain(%x: tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32> {
  %w = "tosa.const"() {values = dense<1> : tensor<2x3x3x2xi8>} : () -> tensor<2x3x3x2xi8>
  %scale = "tosa.const"() {values = dense<0.5> : tensor<2xf32>} : () -> tensor<2xf32>
  %bias = "tosa.const"() {values = dense<0.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "hla.ternary_conv2d"(%x, %w, %scale, %bias) {pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, min_val = 0.0 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x4x4x2xf32>, tensor<2x3x3x2xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x4x4x2xf32>
  %1 = "hla.ternary_conv2d"(%0, %w, %scale, %bias) {pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, min_val = 0.0 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x4x4x2xf32>, tensor<2x3x3x2xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x4x4x2xf32>
  return %1 : tensor<1x4x4x2xf32>
}
