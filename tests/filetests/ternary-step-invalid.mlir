// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-ternary-step{threshold=rule})' --split-input-file --verify-diagnostics

func.func @main(
  %image: tensor<2x4x4x1xf32> {hla.name = "image"}, 
  // expected-error @+1 {{has 2 inputs, but training takes a model with one}}
  %w1: tensor<2x3x3x1xf32>, %mean: tensor<1x1x1x2xf32> {hla.param = "bn1.running_mean"}, %variance: tensor<1x1x1x2xf32> {hla.param = "bn1.running_var"}, %scale: tensor<1x1x1x2xf32> {hla.param = "bn1.weight"}, %offset: tensor<1x1x1x2xf32> {hla.param = "bn1.bias"}, %w2: tensor<3x2x2x2xf32> {hla.param = "conv2.weight"}, %w3: tensor<1x3x4xf32> {hla.param = "fc.weight"}) -> tensor<1x2x4xf32> {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %epsilon = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %0 = tosa.conv2d %image, %w1, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<2x3x3x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x2x2x2xf32>
  %1 = tosa.sub %0, %mean : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>) -> tensor<2x2x2x2xf32>
  %2 = tosa.add %variance, %epsilon : (tensor<1x1x1x2xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x2xf32>
  %3 = tosa.rsqrt %2 : (tensor<1x1x1x2xf32>) -> tensor<1x1x1x2xf32>
  %4 = tosa.mul %1, %3, %shift : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>, tensor<1xi8>) -> tensor<2x2x2x2xf32>
  %5 = tosa.mul %4, %scale, %shift : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>, tensor<1xi8>) -> tensor<2x2x2x2xf32>
  %6 = tosa.add %5, %offset : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>) -> tensor<2x2x2x2xf32>
  %7 = tosa.clamp %6 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<2x2x2x2xf32>) -> tensor<2x2x2x2xf32>
  %8 = tosa.conv2d %7, %w2, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1x1x3xf32>
  %rows = tosa.const_shape {values = dense<[1, 2, 3]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %9 = tosa.reshape %8, %rows : (tensor<2x1x1x3xf32>, !tosa.shape<3>) -> tensor<1x2x3xf32>
  %10 = tosa.matmul %9, %w3, %zp, %zp : (tensor<1x2x3xf32>, tensor<1x3x4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x4xf32>
  return %10 : tensor<1x2x4xf32>
}

// -----

func.func @constant(%image: tensor<1x2x3xf32>) -> tensor<1x2x4xf32> {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %w = "tosa.const"() {values = dense<0.5> : tensor<1x3x4xf32>} : () -> tensor<1x3x4xf32>
  // expected-error @+1 {{'constant' has no parameters to train}}
  %0 = tosa.matmul %image, %w, %zp, %zp : (tensor<1x2x3xf32>, tensor<1x3x4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x4xf32>
  return %0 : tensor<1x2x4xf32>
}

// -----

// expected-error @+1 {{hla-ste: quantizer=hla has no rule for its threshold}}
func.func @main(%image: tensor<2x4x4x1xf32> {hla.name = "image"}, %w1: tensor<2x3x3x1xf32> {hla.param = "conv1.weight"}, %mean: tensor<1x1x1x2xf32> {hla.param = "bn1.running_mean"}, %variance: tensor<1x1x1x2xf32> {hla.param = "bn1.running_var"}, %scale: tensor<1x1x1x2xf32> {hla.param = "bn1.weight"}, %offset: tensor<1x1x1x2xf32> {hla.param = "bn1.bias"}, %w2: tensor<3x2x2x2xf32> {hla.param = "conv2.weight"}, %w3: tensor<1x3x4xf32> {hla.param = "fc.weight"}) -> tensor<1x2x4xf32> {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %epsilon = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %0 = tosa.conv2d %image, %w1, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<2x3x3x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x2x2x2xf32>
  %1 = tosa.sub %0, %mean : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>) -> tensor<2x2x2x2xf32>
  %2 = tosa.add %variance, %epsilon : (tensor<1x1x1x2xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x2xf32>
  %3 = tosa.rsqrt %2 : (tensor<1x1x1x2xf32>) -> tensor<1x1x1x2xf32>
  %4 = tosa.mul %1, %3, %shift : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>, tensor<1xi8>) -> tensor<2x2x2x2xf32>
  %5 = tosa.mul %4, %scale, %shift : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>, tensor<1xi8>) -> tensor<2x2x2x2xf32>
  %6 = tosa.add %5, %offset : (tensor<2x2x2x2xf32>, tensor<1x1x1x2xf32>) -> tensor<2x2x2x2xf32>
  %7 = tosa.clamp %6 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<2x2x2x2xf32>) -> tensor<2x2x2x2xf32>
  %8 = tosa.conv2d %7, %w2, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1x1x3xf32>
  %rows = tosa.const_shape {values = dense<[1, 2, 3]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %9 = tosa.reshape %8, %rows : (tensor<2x1x1x3xf32>, !tosa.shape<3>) -> tensor<1x2x3xf32>
  %10 = tosa.matmul %9, %w3, %zp, %zp : (tensor<1x2x3xf32>, tensor<1x3x4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x4xf32>
  return %10 : tensor<1x2x4xf32>
}
