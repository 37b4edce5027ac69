// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-mixed-precision)'

// A convolution, its activation, and the gradients. What the first convolution gives is kept as bf16
// (%conv → cast → cast back for who needs f32); the second one, whose result goes outside by arithmetic
// alone, gives f32 that nobody rounds. The gradient of a weight stays f32.
func.func @main(%image: tensor<2x4x4x1xf32> {hla.name = "image"}, %w1: tensor<2x3x3x1xf32> {hla.param = "conv1.weight"}, %w2: tensor<3x2x2x2xf32> {hla.param = "conv2.weight"}) -> (tensor<2x1x1x3xf32> {hla.name = "logits"}, tensor<3x2x2x2xf32> {hla.updates = "conv2.weight"}, tensor<2x3x3x1xf32> {hla.updates = "conv1.weight"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %zero = "tosa.const"() {values = dense<0.0> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %conv = tosa.conv2d %image, %w1, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<2x3x3x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x2x2x2xf32>
  %relu = tosa.clamp %conv {max_val = 3.40282347E+38 : f32, min_val = 0.0 : f32} : (tensor<2x2x2x2xf32>) -> tensor<2x2x2x2xf32>
  %logits = tosa.conv2d %relu, %w2, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1x1x3xf32>
  %g = tosa.exp %logits : (tensor<2x1x1x3xf32>) -> tensor<2x1x1x3xf32>
  %gw2 = "hla.conv2d_weight_grad"(%relu, %g) {dilation = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<2x2x2x2xf32>, tensor<2x1x1x3xf32>) -> tensor<3x2x2x2xf32>
  %gx = "hla.conv2d_input_grad"(%g, %w2) {dilation = array<i64: 1, 1>, input_shape = array<i64: 2, 2, 2, 2>, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<2x1x1x3xf32>, tensor<3x2x2x2xf32>) -> tensor<2x2x2x2xf32>
  %mask = tosa.greater %relu, %zero : (tensor<2x2x2x2xf32>, tensor<1x1x1x1xf32>) -> tensor<2x2x2x2xi1>
  %gc = tosa.select %mask, %gx, %zero : (tensor<2x2x2x2xi1>, tensor<2x2x2x2xf32>, tensor<1x1x1x1xf32>) -> tensor<2x2x2x2xf32>
  %gw1 = "hla.conv2d_weight_grad"(%image, %gc) {dilation = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<2x2x2x2xf32>) -> tensor<2x3x3x1xf32>
  return %logits, %gw2, %gw1 : tensor<2x1x1x3xf32>, tensor<3x2x2x2xf32>, tensor<2x3x3x1xf32>
}
