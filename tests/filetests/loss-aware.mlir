// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-hyperspherical,hla-loss,hla-loss-aware)'
// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-hyperspherical,hla-ste,hla-loss,hla-loss-aware)'

// Eq. 7 for each layer on the sphere, at a threshold that is a buffer in stage 1 and the quantizer's
// in stage 2; objective = loss + loss_aware_weight·Σ L_d.
func.func @main(%x: tensor<2x4x4x1xf32> {hla.name = "image"}, %w1: tensor<2x3x3x1xf32> {hla.param = "conv1.weight"}, %w2: tensor<3x2x2x2xf32> {hla.param = "conv2.weight"}, %b2: tensor<3xf32> {hla.param = "conv2.bias"}, %w3: tensor<1x3x4xf32> {hla.param = "fc1.weight"}, %w4: tensor<1x4x5xf32> {hla.param = "fc2.weight"}) -> tensor<1x2x5xf32> {
  %none = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.conv2d %x, %w1, %none, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<2x3x3x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x2x2x2xf32>
  %1 = tosa.conv2d %0, %w2, %b2, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1x1x3xf32>
  %rows = tosa.const_shape {values = dense<[1, 2, 3]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %2 = tosa.reshape %1, %rows : (tensor<2x1x1x3xf32>, !tosa.shape<3>) -> tensor<1x2x3xf32>
  %3 = tosa.matmul %2, %w3, %zp, %zp : (tensor<1x2x3xf32>, tensor<1x3x4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x4xf32>
  %4 = tosa.matmul %3, %w4, %zp, %zp : (tensor<1x2x4xf32>, tensor<1x4x5xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x5xf32>
  return %4 : tensor<1x2x5xf32>
}
