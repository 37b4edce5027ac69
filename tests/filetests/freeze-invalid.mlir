// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-freeze)' --verify-diagnostics

// expected-error @+1 {{w}}
func.func @unbound(%x: tensor<2xf32>, %w: tensor<2xf32> {hla.param = "w"}) -> tensor<2xf32> {
  %0 = tosa.add %x, %w : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
