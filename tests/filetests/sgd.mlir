// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-sgd)'
// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-sgd{momentum=0.5 nesterov weight-decay=0.01})'

// Each gradient becomes the new parameter and its momentum. The bias and the threshold have no decay;
// the threshold stays at or above 0, the last weight on the sphere.
func.func @main(%w: tensor<2x3xf32> {hla.param = "fc.weight"}, %b: tensor<1x2xf32> {hla.no_decay = true, hla.param = "fc.bias"}, %d: tensor<1xf32> {hla.lower_bound = 0.0 : f32, hla.no_decay = true, hla.param = "fc.weight.threshold"}, %s: tensor<2x3xf32> {hla.param = "sphere.weight", hla.sphere_axis = 0 : i64}) -> (tensor<1xf32> {hla.name = "loss"}, tensor<2x3xf32> {hla.gradient = "fc.weight"}, tensor<1x2xf32> {hla.gradient = "fc.bias"}, tensor<1xf32> {hla.gradient = "fc.weight.threshold"}, tensor<2x3xf32> {hla.gradient = "sphere.weight"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.negate %w, %zp, %zp : (tensor<2x3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x3xf32>
  return %d, %0, %b, %d, %s : tensor<1xf32>, tensor<2x3xf32>, tensor<1x2xf32>, tensor<1xf32>, tensor<2x3xf32>
}
