// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-quantize-activations{mode=int8})' --verify-diagnostics

// Ranges come from samples, from the option `range`, or at run time; here from nowhere.
// expected-error @+1 {{8-bit activations need ranges}}
func.func @matmul(%x: tensor<1x2x4xf32>) -> tensor<1x2x2xf32> {
  %w = "tosa.const"() {values = dense<[[1, -1, 0, 1], [0, 0, -1, 0]]> : tensor<2x4xi8>} : () -> tensor<2x4xi8>
  %scale = "tosa.const"() {values = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %bias = "tosa.const"() {values = dense<0.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %0 = "hla.ternary_matmul"(%x, %w, %scale, %bias) {min_val = 0xFF800000 : f32, max_val = 0x7F800000 : f32, residual_scale = 1.0 : f32} : (tensor<1x2x4xf32>, tensor<2x4xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  return %0 : tensor<1x2x2xf32>
}
