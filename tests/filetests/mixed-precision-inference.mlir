// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-mixed-precision)'

// A residual block with ternary weights: inputs and the residual are read as bf16, what the first
// convolution gives is kept so; scale, bias and the result stay f32. A convolution of i8 is left as it is.
func.func @main(%x: tensor<1x4x4x4xf32> {hla.name = "x"}, %q: tensor<1x4x4x4xi8> {hla.name = "q"}) -> (tensor<1x4x4x4xf32> {hla.name = "y"}, tensor<1x4x4x4xf32> {hla.name = "z"}) {
  %packed = "tosa.const"() {values = dense<[65, 4, 16, 64]> : tensor<4xi8>} : () -> tensor<4xi8>
  %w = "hla.unpack"(%packed) {layout_version = 1 : i64, shape = array<i64: 4, 1, 1, 4>} : (tensor<4xi8>) -> tensor<4x1x1x4xi8>
  %scale = "tosa.const"() {values = dense<[0.5, 0.25, 1.0, 2.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %bias = "tosa.const"() {values = dense<0.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %first = "hla.ternary_conv2d"(%x, %w, %scale, %bias) {dilation = array<i64: 1, 1>, min_val = 0.0 : f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x1x1x4xi8>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  %second = "hla.ternary_conv2d"(%first, %w, %scale, %bias, %first) {dilation = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x1x1x4xi8>, tensor<4xf32>, tensor<4xf32>, tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %third = "hla.ternary_conv2d"(%q, %w, %scale, %bias) {dilation = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x4x4xi8>, tensor<4x1x1x4xi8>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  return %second, %third : tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>
}
