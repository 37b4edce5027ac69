// RUN: hlac opt %s --split-input-file --verify-diagnostics

// What the reader refuses, with the place.
func.func @shapes(%x: tensor<2xf32>, %y: tensor<3xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{tosa.add}}
  %0 = tosa.add %x, %y : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @undefined(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{undeclared}}
  %0 = tosa.add %x, %y : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @code_11(%x: tensor<1x1x4xf32>) -> tensor<1x1x1xf32> {
  %packed = "tosa.const"() {values = dense<3> : tensor<1xi8>} : () -> tensor<1xi8>
  %w = "hla.unpack"(%packed) {shape = array<i64: 1, 4>, layout_version = 2 : i64} : (tensor<1xi8>) -> tensor<1x4xi8> // expected-error {{layout}}
  %scale = "tosa.const"() {values = dense<0.5> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = "hla.ternary_matmul"(%x, %w, %scale, %scale) {min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x1x4xf32>, tensor<1x4xi8>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1xf32>
  return %0 : tensor<1x1x1xf32>
}
