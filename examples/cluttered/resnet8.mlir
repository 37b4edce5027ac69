// ResNet-8 for examples/cluttered, written by make.py: a first convolution, three residual
// blocks that halve the image, a classifier; 76,674 parameters of batch norm, convolutions and classifier.
func.func @main(
    %image: tensor<1x32x32x1xf32> {hla.name = "image"},
    %conv1.weight: tensor<8x3x3x1xf32> {hla.param = "conv1.weight"},
    %bn1.weight: tensor<1x1x1x8xf32> {hla.param = "bn1.weight"},
    %bn1.bias: tensor<1x1x1x8xf32> {hla.param = "bn1.bias"},
    %bn1.running_mean: tensor<1x1x1x8xf32> {hla.param = "bn1.running_mean"},
    %bn1.running_var: tensor<1x1x1x8xf32> {hla.param = "bn1.running_var"},
    %block1.conv1.weight: tensor<16x3x3x8xf32> {hla.param = "block1.conv1.weight"},
    %block1.bn1.weight: tensor<1x1x1x16xf32> {hla.param = "block1.bn1.weight"},
    %block1.bn1.bias: tensor<1x1x1x16xf32> {hla.param = "block1.bn1.bias"},
    %block1.bn1.running_mean: tensor<1x1x1x16xf32> {hla.param = "block1.bn1.running_mean"},
    %block1.bn1.running_var: tensor<1x1x1x16xf32> {hla.param = "block1.bn1.running_var"},
    %block1.conv2.weight: tensor<16x3x3x16xf32> {hla.param = "block1.conv2.weight"},
    %block1.bn2.weight: tensor<1x1x1x16xf32> {hla.param = "block1.bn2.weight"},
    %block1.bn2.bias: tensor<1x1x1x16xf32> {hla.param = "block1.bn2.bias"},
    %block1.bn2.running_mean: tensor<1x1x1x16xf32> {hla.param = "block1.bn2.running_mean"},
    %block1.bn2.running_var: tensor<1x1x1x16xf32> {hla.param = "block1.bn2.running_var"},
    %block1.shortcut.weight: tensor<16x1x1x8xf32> {hla.param = "block1.shortcut.weight"},
    %block1.bn3.weight: tensor<1x1x1x16xf32> {hla.param = "block1.bn3.weight"},
    %block1.bn3.bias: tensor<1x1x1x16xf32> {hla.param = "block1.bn3.bias"},
    %block1.bn3.running_mean: tensor<1x1x1x16xf32> {hla.param = "block1.bn3.running_mean"},
    %block1.bn3.running_var: tensor<1x1x1x16xf32> {hla.param = "block1.bn3.running_var"},
    %block2.conv1.weight: tensor<32x3x3x16xf32> {hla.param = "block2.conv1.weight"},
    %block2.bn1.weight: tensor<1x1x1x32xf32> {hla.param = "block2.bn1.weight"},
    %block2.bn1.bias: tensor<1x1x1x32xf32> {hla.param = "block2.bn1.bias"},
    %block2.bn1.running_mean: tensor<1x1x1x32xf32> {hla.param = "block2.bn1.running_mean"},
    %block2.bn1.running_var: tensor<1x1x1x32xf32> {hla.param = "block2.bn1.running_var"},
    %block2.conv2.weight: tensor<32x3x3x32xf32> {hla.param = "block2.conv2.weight"},
    %block2.bn2.weight: tensor<1x1x1x32xf32> {hla.param = "block2.bn2.weight"},
    %block2.bn2.bias: tensor<1x1x1x32xf32> {hla.param = "block2.bn2.bias"},
    %block2.bn2.running_mean: tensor<1x1x1x32xf32> {hla.param = "block2.bn2.running_mean"},
    %block2.bn2.running_var: tensor<1x1x1x32xf32> {hla.param = "block2.bn2.running_var"},
    %block2.shortcut.weight: tensor<32x1x1x16xf32> {hla.param = "block2.shortcut.weight"},
    %block2.bn3.weight: tensor<1x1x1x32xf32> {hla.param = "block2.bn3.weight"},
    %block2.bn3.bias: tensor<1x1x1x32xf32> {hla.param = "block2.bn3.bias"},
    %block2.bn3.running_mean: tensor<1x1x1x32xf32> {hla.param = "block2.bn3.running_mean"},
    %block2.bn3.running_var: tensor<1x1x1x32xf32> {hla.param = "block2.bn3.running_var"},
    %block3.conv1.weight: tensor<64x3x3x32xf32> {hla.param = "block3.conv1.weight"},
    %block3.bn1.weight: tensor<1x1x1x64xf32> {hla.param = "block3.bn1.weight"},
    %block3.bn1.bias: tensor<1x1x1x64xf32> {hla.param = "block3.bn1.bias"},
    %block3.bn1.running_mean: tensor<1x1x1x64xf32> {hla.param = "block3.bn1.running_mean"},
    %block3.bn1.running_var: tensor<1x1x1x64xf32> {hla.param = "block3.bn1.running_var"},
    %block3.conv2.weight: tensor<64x3x3x64xf32> {hla.param = "block3.conv2.weight"},
    %block3.bn2.weight: tensor<1x1x1x64xf32> {hla.param = "block3.bn2.weight"},
    %block3.bn2.bias: tensor<1x1x1x64xf32> {hla.param = "block3.bn2.bias"},
    %block3.bn2.running_mean: tensor<1x1x1x64xf32> {hla.param = "block3.bn2.running_mean"},
    %block3.bn2.running_var: tensor<1x1x1x64xf32> {hla.param = "block3.bn2.running_var"},
    %block3.shortcut.weight: tensor<64x1x1x32xf32> {hla.param = "block3.shortcut.weight"},
    %block3.bn3.weight: tensor<1x1x1x64xf32> {hla.param = "block3.bn3.weight"},
    %block3.bn3.bias: tensor<1x1x1x64xf32> {hla.param = "block3.bn3.bias"},
    %block3.bn3.running_mean: tensor<1x1x1x64xf32> {hla.param = "block3.bn3.running_mean"},
    %block3.bn3.running_var: tensor<1x1x1x64xf32> {hla.param = "block3.bn3.running_var"},
    %fc.weight: tensor<10x1x1x64xf32> {hla.param = "fc.weight"},
    %fc.bias: tensor<10xf32> {hla.param = "fc.bias"}) -> tensor<1x10xf32> {
  %no_bias_8 = "tosa.const"() {values = dense<0.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %zero_point = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %eps_4d = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %no_shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %no_bias_16 = "tosa.const"() {values = dense<0.0> : tensor<16xf32>} : () -> tensor<16xf32>
  %no_bias_32 = "tosa.const"() {values = dense<0.0> : tensor<32xf32>} : () -> tensor<32xf32>
  %no_bias_64 = "tosa.const"() {values = dense<0.0> : tensor<64xf32>} : () -> tensor<64xf32>
  %shape_n_10 = tosa.const_shape {values = dense<[-1, 10]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %conv1 = tosa.conv2d %image, %conv1.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x32x32x1xf32>, tensor<8x3x3x1xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x16x16x8xf32>
  %bn1.centred = tosa.sub %conv1, %bn1.running_mean : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x16x16x8xf32>
  %bn1.var_eps = tosa.add %bn1.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %bn1.rsqrt = tosa.rsqrt %bn1.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %bn1.unit = tosa.mul %bn1.centred, %bn1.rsqrt, %no_shift : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x16x16x8xf32>
  %bn1.scaled = tosa.mul %bn1.unit, %bn1.weight, %no_shift : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x16x16x8xf32>
  %bn1 = tosa.add %bn1.scaled, %bn1.bias : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x16x16x8xf32>
  %relu1 = tosa.clamp %bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x16x16x8xf32>) -> tensor<1x16x16x8xf32>
  %block1.conv1 = tosa.conv2d %relu1, %block1.conv1.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x16x16x8xf32>, tensor<16x3x3x8xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn1.centred = tosa.sub %block1.conv1, %block1.bn1.running_mean : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn1.var_eps = tosa.add %block1.bn1.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn1.rsqrt = tosa.rsqrt %block1.bn1.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn1.unit = tosa.mul %block1.bn1.centred, %block1.bn1.rsqrt, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn1.scaled = tosa.mul %block1.bn1.unit, %block1.bn1.weight, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn1 = tosa.add %block1.bn1.scaled, %block1.bn1.bias : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.relu1 = tosa.clamp %block1.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.conv2 = tosa.conv2d %block1.relu1, %block1.conv2.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x16xf32>, tensor<16x3x3x16xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn2.centred = tosa.sub %block1.conv2, %block1.bn2.running_mean : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn2.var_eps = tosa.add %block1.bn2.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn2.rsqrt = tosa.rsqrt %block1.bn2.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn2.unit = tosa.mul %block1.bn2.centred, %block1.bn2.rsqrt, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn2.scaled = tosa.mul %block1.bn2.unit, %block1.bn2.weight, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn2 = tosa.add %block1.bn2.scaled, %block1.bn2.bias : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.half = tosa.avg_pool2d %relu1, %zero_point, %zero_point {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x16x16x8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x8xf32>
  %block1.shortcut = tosa.conv2d %block1.half, %block1.shortcut.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<16x1x1x8xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn3.centred = tosa.sub %block1.shortcut, %block1.bn3.running_mean : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.bn3.var_eps = tosa.add %block1.bn3.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn3.rsqrt = tosa.rsqrt %block1.bn3.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %block1.bn3.unit = tosa.mul %block1.bn3.centred, %block1.bn3.rsqrt, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn3.scaled = tosa.mul %block1.bn3.unit, %block1.bn3.weight, %no_shift : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x8x8x16xf32>
  %block1.bn3 = tosa.add %block1.bn3.scaled, %block1.bn3.bias : (tensor<1x8x8x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.sum = tosa.add %block1.bn2, %block1.bn3 : (tensor<1x8x8x16xf32>, tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %block1.relu2 = tosa.clamp %block1.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  %block2.conv1 = tosa.conv2d %block1.relu2, %block2.conv1.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x16xf32>, tensor<32x3x3x16xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn1.centred = tosa.sub %block2.conv1, %block2.bn1.running_mean : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn1.var_eps = tosa.add %block2.bn1.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn1.rsqrt = tosa.rsqrt %block2.bn1.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn1.unit = tosa.mul %block2.bn1.centred, %block2.bn1.rsqrt, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn1.scaled = tosa.mul %block2.bn1.unit, %block2.bn1.weight, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn1 = tosa.add %block2.bn1.scaled, %block2.bn1.bias : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.relu1 = tosa.clamp %block2.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.conv2 = tosa.conv2d %block2.relu1, %block2.conv2.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x32xf32>, tensor<32x3x3x32xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn2.centred = tosa.sub %block2.conv2, %block2.bn2.running_mean : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn2.var_eps = tosa.add %block2.bn2.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn2.rsqrt = tosa.rsqrt %block2.bn2.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn2.unit = tosa.mul %block2.bn2.centred, %block2.bn2.rsqrt, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn2.scaled = tosa.mul %block2.bn2.unit, %block2.bn2.weight, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn2 = tosa.add %block2.bn2.scaled, %block2.bn2.bias : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.half = tosa.avg_pool2d %block1.relu2, %zero_point, %zero_point {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x8x8x16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %block2.shortcut = tosa.conv2d %block2.half, %block2.shortcut.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x16xf32>, tensor<32x1x1x16xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn3.centred = tosa.sub %block2.shortcut, %block2.bn3.running_mean : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.bn3.var_eps = tosa.add %block2.bn3.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn3.rsqrt = tosa.rsqrt %block2.bn3.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %block2.bn3.unit = tosa.mul %block2.bn3.centred, %block2.bn3.rsqrt, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn3.scaled = tosa.mul %block2.bn3.unit, %block2.bn3.weight, %no_shift : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x4x4x32xf32>
  %block2.bn3 = tosa.add %block2.bn3.scaled, %block2.bn3.bias : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.sum = tosa.add %block2.bn2, %block2.bn3 : (tensor<1x4x4x32xf32>, tensor<1x4x4x32xf32>) -> tensor<1x4x4x32xf32>
  %block2.relu2 = tosa.clamp %block2.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x32xf32>) -> tensor<1x4x4x32xf32>
  %block3.conv1 = tosa.conv2d %block2.relu2, %block3.conv1.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x32xf32>, tensor<64x3x3x32xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn1.centred = tosa.sub %block3.conv1, %block3.bn1.running_mean : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn1.var_eps = tosa.add %block3.bn1.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn1.rsqrt = tosa.rsqrt %block3.bn1.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn1.unit = tosa.mul %block3.bn1.centred, %block3.bn1.rsqrt, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn1.scaled = tosa.mul %block3.bn1.unit, %block3.bn1.weight, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn1 = tosa.add %block3.bn1.scaled, %block3.bn1.bias : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.relu1 = tosa.clamp %block3.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.conv2 = tosa.conv2d %block3.relu1, %block3.conv2.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x64xf32>, tensor<64x3x3x64xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn2.centred = tosa.sub %block3.conv2, %block3.bn2.running_mean : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn2.var_eps = tosa.add %block3.bn2.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn2.rsqrt = tosa.rsqrt %block3.bn2.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn2.unit = tosa.mul %block3.bn2.centred, %block3.bn2.rsqrt, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn2.scaled = tosa.mul %block3.bn2.unit, %block3.bn2.weight, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn2 = tosa.add %block3.bn2.scaled, %block3.bn2.bias : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.half = tosa.avg_pool2d %block2.relu2, %zero_point, %zero_point {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x4x4x32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %block3.shortcut = tosa.conv2d %block3.half, %block3.shortcut.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x32xf32>, tensor<64x1x1x32xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn3.centred = tosa.sub %block3.shortcut, %block3.bn3.running_mean : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.bn3.var_eps = tosa.add %block3.bn3.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn3.rsqrt = tosa.rsqrt %block3.bn3.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %block3.bn3.unit = tosa.mul %block3.bn3.centred, %block3.bn3.rsqrt, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn3.scaled = tosa.mul %block3.bn3.unit, %block3.bn3.weight, %no_shift : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x2x2x64xf32>
  %block3.bn3 = tosa.add %block3.bn3.scaled, %block3.bn3.bias : (tensor<1x2x2x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.sum = tosa.add %block3.bn2, %block3.bn3 : (tensor<1x2x2x64xf32>, tensor<1x2x2x64xf32>) -> tensor<1x2x2x64xf32>
  %block3.relu2 = tosa.clamp %block3.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x64xf32>) -> tensor<1x2x2x64xf32>
  %mean = tosa.avg_pool2d %block3.relu2, %zero_point, %zero_point {kernel = array<i64: 2, 2>, stride = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x2x2x64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %fc = tosa.conv2d %mean, %fc.weight, %fc.bias, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<10x1x1x64xf32>, tensor<10xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x10xf32>
  %logits = tosa.reshape %fc, %shape_n_10 : (tensor<1x1x1x10xf32>, !tosa.shape<2>) -> tensor<1x10xf32>
  return %logits : tensor<1x10xf32>
}
