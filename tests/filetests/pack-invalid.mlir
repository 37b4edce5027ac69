// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-pack)' --split-input-file --verify-diagnostics

func.func @two_is_not_ternary(%x: tensor<1x2x4xf32>) -> tensor<1x2x2xf32> {
  // expected-error @+1 {{these weights cannot be packed}}
  %w = "tosa.const"() {values = dense<[[1, -1, 0, 2], [0, 0, -1, 0]]> : tensor<2x4xi8>} : () -> tensor<2x4xi8>
  %scale = "tosa.const"() {values = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %bias = "tosa.const"() {values = dense<0.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "hla.ternary_matmul"(%x, %w, %scale, %bias) {min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x2x4xf32>, tensor<2x4xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  return %0 : tensor<1x2x2xf32>
}

// -----

// A layout of the future is refused, not guessed.
func.func @newer_layout(%x: tensor<1x2x4xf32>) -> tensor<2x4xi8> {
  %p = "tosa.const"() {values = dense<[73, 8]> : tensor<2xi8>} : () -> tensor<2xi8>
  // expected-error @+1 {{version 2}}
  %0 = "hla.unpack"(%p) {shape = array<i64: 2, 4>, layout_version = 2 : i64} : (tensor<2xi8>) -> tensor<2x4xi8>
  return %0 : tensor<2x4xi8>
}

// -----

// A repeated value is a few bytes of source; written out it would be more than any memory.
func.func @too_large(%x: tensor<1x1x1073741824xf32>) -> tensor<1x1x1xf32> {
  // expected-error @+1 {{beyond what hlac writes out}}
  %w = "tosa.const"() {values = dense<1> : tensor<1x1073741824xi8>} : () -> tensor<1x1073741824xi8>
  %one = "tosa.const"() {values = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = "hla.ternary_matmul"(%x, %w, %one, %one) {min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x1x1073741824xf32>, tensor<1x1073741824xi8>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1xf32>
  return %0 : tensor<1x1x1xf32>
}
