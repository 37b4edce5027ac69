// Digit classifier `cnn`, written by make.py; the trained tensors are in cnn.safetensors.
func.func @main(
    %image: tensor<1x8x8x1xf32> {hla.name = "image"},
    %conv1.weight: tensor<16x3x3x1xf32> {hla.param = "conv1.weight"},
    %bn1.weight: tensor<1x1x1x16xf32> {hla.param = "bn1.weight"},
    %bn1.bias: tensor<1x1x1x16xf32> {hla.param = "bn1.bias"},
    %bn1.running_mean: tensor<1x1x1x16xf32> {hla.param = "bn1.running_mean"},
    %bn1.running_var: tensor<1x1x1x16xf32> {hla.param = "bn1.running_var"},
    %conv2.weight: tensor<32x3x3x16xf32> {hla.param = "conv2.weight"},
    %bn2.weight: tensor<1x1x1x32xf32> {hla.param = "bn2.weight"},
    %bn2.bias: tensor<1x1x1x32xf32> {hla.param = "bn2.bias"},
    %bn2.running_mean: tensor<1x1x1x32xf32> {hla.param = "bn2.running_mean"},
    %bn2.running_var: tensor<1x1x1x32xf32> {hla.param = "bn2.running_var"},
    %conv3.weight: tensor<32x3x3x32xf32> {hla.param = "conv3.weight"},
    %bn3.weight: tensor<1x1x1x32xf32> {hla.param = "bn3.weight"},
    %bn3.bias: tensor<1x1x1x32xf32> {hla.param = "bn3.bias"},
    %bn3.running_mean: tensor<1x1x1x32xf32> {hla.param = "bn3.running_mean"},
    %bn3.running_var: tensor<1x1x1x32xf32> {hla.param = "bn3.running_var"},
    %conv4.weight: tensor<64x3x3x32xf32> {hla.param = "conv4.weight"},
    %bn4.weight: tensor<1x1x1x64xf32> {hla.param = "bn4.weight"},
    %bn4.bias: tensor<1x1x1x64xf32> {hla.param = "bn4.bias"},
    %bn4.running_mean: tensor<1x1x1x64xf32> {hla.param = "bn4.running_mean"},
    %bn4.running_var: tensor<1x1x1x64xf32> {hla.param = "bn4.running_var"},
    %fc.weight: tensor<10x1x1x64xf32> {hla.param = "fc.weight"},
    %fc.bias: tensor<10xf32> {hla.param = "fc.bias"}) -> tensor<1x10xf32> {
  %no_bias_16 = "tosa.const"() {values = dense<0.0> : tensor<16xf32>} : () -> tensor<16xf32>
  %zero_point = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %eps_4d = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %no_shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %no_bias_32 = "tosa.const"() {values = dense<0.0> : tensor<32xf32>} : () -> tensor<32xf32>
  %no_bias_64 = "tosa.const"() {values = dense<0.0> : tensor<64xf32>} : () -> tensor<64xf32>
  %shape_1_10 = tosa.const_shape {values = dense<[1, 10]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %conv1 = tosa.conv2d %image, %conv1.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x1xf32>, tensor<16x3x3x1xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x16xf32>
  %bn1.centred = tosa.sub %conv1, %bn1.running_mean : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %bn1.var_eps = tosa.add %bn1.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %bn1.rsqrt = tosa.rsqrt %bn1.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %bn1.unit = tosa.mul %bn1.centred, %bn1.rsqrt, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %bn1.scaled = tosa.mul %bn1.unit, %bn1.weight, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %bn1 = tosa.add %bn1.scaled, %bn1.bias : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %relu1 = tosa.clamp %bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %conv2 = tosa.conv2d %relu1, %conv2.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x16xf32>, tensor<32x3x3x16xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x32xf32>
  %bn2.centred = tosa.sub %conv2, %bn2.running_mean : (tensor<1x8x8x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x8x8x32xf32>
  %bn2.var_eps = tosa.add %bn2.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %bn2.rsqrt = tosa.rsqrt %bn2.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %bn2.unit = tosa.mul %bn2.centred, %bn2.rsqrt, %no_shift : (tensor<1x8x8x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x8x8x32xf32>
  %bn2.scaled = tosa.mul %bn2.unit, %bn2.weight, %no_shift : (tensor<1x8x8x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x8x8x32xf32>
  %bn2 = tosa.add %bn2.scaled, %bn2.bias : (tensor<1x8x8x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x8x8x32xf32>
  %relu2 = tosa.clamp %bn2 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
  %pool = tosa.max_pool2d %relu2 {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>} : (tensor<1x8x8x32xf32>) -> tensor<1x4x4x32xf32>
  %conv3 = tosa.conv2d %pool, %conv3.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x32xf32>, tensor<32x3x3x32xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x32xf32>
  %bn3.centred = tosa.sub %conv3, %bn3.running_mean : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %bn3.var_eps = tosa.add %bn3.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %bn3.rsqrt = tosa.rsqrt %bn3.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %bn3.unit = tosa.mul %bn3.centred, %bn3.rsqrt, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %bn3.scaled = tosa.mul %bn3.unit, %bn3.weight, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %bn3 = tosa.add %bn3.scaled, %bn3.bias : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %sum3 = tosa.add %bn3, %pool : (tensor<1x4x4x32xf32>, tensor<1x4x4x32xf32>) -> tensor<1x4x4x32xf32>
  %relu3 = tosa.clamp %sum3 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x32xf32>) -> tensor<1x4x4x32xf32>
  %conv4 = tosa.conv2d %relu3, %conv4.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x32xf32>, tensor<64x3x3x32xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x64xf32>
  %bn4.centred = tosa.sub %conv4, %bn4.running_mean : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %bn4.var_eps = tosa.add %bn4.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %bn4.rsqrt = tosa.rsqrt %bn4.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %bn4.unit = tosa.mul %bn4.centred, %bn4.rsqrt, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %bn4.scaled = tosa.mul %bn4.unit, %bn4.weight, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %bn4 = tosa.add %bn4.scaled, %bn4.bias : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %relu4 = tosa.clamp %bn4 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x64xf32>) -> tensor<1x2x2x64xf32>
  %mean = tosa.avg_pool2d %relu4, %zero_point, %zero_point {kernel = array<i64: 2, 2>, stride = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x2x2x64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %fc = tosa.conv2d %mean, %fc.weight, %fc.bias, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<10x1x1x64xf32>, tensor<10xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x10xf32>
  %logits = tosa.reshape %fc, %shape_1_10 : (tensor<1x1x1x10xf32>, !tosa.shape<2>) -> tensor<1x10xf32>
  return %logits : tensor<1x10xf32>
}
