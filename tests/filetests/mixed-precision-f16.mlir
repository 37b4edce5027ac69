// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-loss{kind=mse},hla-autodiff,hla-sgd,hla-mixed-precision{precision=f16})'

// The gradient of the product, g, is kept as round(S·g); what the second matmul gives of it is divided by
// S. If Σ 0·gradient is not 0 and S > 1, weight and momentum stay and S is halved; else S doubles after
// 2000 steps.
func.func @main(%x: tensor<1x2x3xf32> {hla.name = "x"}, %w: tensor<1x3x2xf32> {hla.param = "fc.weight"}) -> (tensor<1x2x2xf32> {hla.name = "logits"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.matmul %x, %w, %zp, %zp : (tensor<1x2x3xf32>, tensor<1x3x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2xf32>
  return %0 : tensor<1x2x2xf32>
}
