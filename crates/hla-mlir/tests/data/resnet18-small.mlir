// ResNet with random weights (seed 0), written by generate.py:
// blocks 2,2,2,2, width 8, 32x32 images.
// The tensors are in resnet18-small.safetensors.
func.func @main(
    %image: tensor<1x32x32x3xf32> {hla.name = "image"},
    %conv1.weight: tensor<8x7x7x3xf32> {hla.param = "conv1.weight"},
    %bn1.weight: tensor<1x1x1x8xf32> {hla.param = "bn1.weight"},
    %bn1.bias: tensor<1x1x1x8xf32> {hla.param = "bn1.bias"},
    %bn1.running_mean: tensor<1x1x1x8xf32> {hla.param = "bn1.running_mean"},
    %bn1.running_var: tensor<1x1x1x8xf32> {hla.param = "bn1.running_var"},
    %layer1.0.conv1.weight: tensor<8x3x3x8xf32> {hla.param = "layer1.0.conv1.weight"},
    %layer1.0.bn1.weight: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn1.weight"},
    %layer1.0.bn1.bias: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn1.bias"},
    %layer1.0.bn1.running_mean: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn1.running_mean"},
    %layer1.0.bn1.running_var: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn1.running_var"},
    %layer1.0.conv2.weight: tensor<8x3x3x8xf32> {hla.param = "layer1.0.conv2.weight"},
    %layer1.0.bn2.weight: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn2.weight"},
    %layer1.0.bn2.bias: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn2.bias"},
    %layer1.0.bn2.running_mean: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn2.running_mean"},
    %layer1.0.bn2.running_var: tensor<1x1x1x8xf32> {hla.param = "layer1.0.bn2.running_var"},
    %layer1.1.conv1.weight: tensor<8x3x3x8xf32> {hla.param = "layer1.1.conv1.weight"},
    %layer1.1.bn1.weight: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn1.weight"},
    %layer1.1.bn1.bias: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn1.bias"},
    %layer1.1.bn1.running_mean: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn1.running_mean"},
    %layer1.1.bn1.running_var: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn1.running_var"},
    %layer1.1.conv2.weight: tensor<8x3x3x8xf32> {hla.param = "layer1.1.conv2.weight"},
    %layer1.1.bn2.weight: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn2.weight"},
    %layer1.1.bn2.bias: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn2.bias"},
    %layer1.1.bn2.running_mean: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn2.running_mean"},
    %layer1.1.bn2.running_var: tensor<1x1x1x8xf32> {hla.param = "layer1.1.bn2.running_var"},
    %layer2.0.conv1.weight: tensor<16x3x3x8xf32> {hla.param = "layer2.0.conv1.weight"},
    %layer2.0.bn1.weight: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn1.weight"},
    %layer2.0.bn1.bias: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn1.bias"},
    %layer2.0.bn1.running_mean: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn1.running_mean"},
    %layer2.0.bn1.running_var: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn1.running_var"},
    %layer2.0.conv2.weight: tensor<16x3x3x16xf32> {hla.param = "layer2.0.conv2.weight"},
    %layer2.0.bn2.weight: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn2.weight"},
    %layer2.0.bn2.bias: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn2.bias"},
    %layer2.0.bn2.running_mean: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn2.running_mean"},
    %layer2.0.bn2.running_var: tensor<1x1x1x16xf32> {hla.param = "layer2.0.bn2.running_var"},
    %layer2.0.downsample.0.weight: tensor<16x1x1x8xf32> {hla.param = "layer2.0.downsample.0.weight"},
    %layer2.0.downsample.1.weight: tensor<1x1x1x16xf32> {hla.param = "layer2.0.downsample.1.weight"},
    %layer2.0.downsample.1.bias: tensor<1x1x1x16xf32> {hla.param = "layer2.0.downsample.1.bias"},
    %layer2.0.downsample.1.running_mean: tensor<1x1x1x16xf32> {hla.param = "layer2.0.downsample.1.running_mean"},
    %layer2.0.downsample.1.running_var: tensor<1x1x1x16xf32> {hla.param = "layer2.0.downsample.1.running_var"},
    %layer2.1.conv1.weight: tensor<16x3x3x16xf32> {hla.param = "layer2.1.conv1.weight"},
    %layer2.1.bn1.weight: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn1.weight"},
    %layer2.1.bn1.bias: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn1.bias"},
    %layer2.1.bn1.running_mean: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn1.running_mean"},
    %layer2.1.bn1.running_var: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn1.running_var"},
    %layer2.1.conv2.weight: tensor<16x3x3x16xf32> {hla.param = "layer2.1.conv2.weight"},
    %layer2.1.bn2.weight: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn2.weight"},
    %layer2.1.bn2.bias: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn2.bias"},
    %layer2.1.bn2.running_mean: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn2.running_mean"},
    %layer2.1.bn2.running_var: tensor<1x1x1x16xf32> {hla.param = "layer2.1.bn2.running_var"},
    %layer3.0.conv1.weight: tensor<32x3x3x16xf32> {hla.param = "layer3.0.conv1.weight"},
    %layer3.0.bn1.weight: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn1.weight"},
    %layer3.0.bn1.bias: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn1.bias"},
    %layer3.0.bn1.running_mean: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn1.running_mean"},
    %layer3.0.bn1.running_var: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn1.running_var"},
    %layer3.0.conv2.weight: tensor<32x3x3x32xf32> {hla.param = "layer3.0.conv2.weight"},
    %layer3.0.bn2.weight: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn2.weight"},
    %layer3.0.bn2.bias: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn2.bias"},
    %layer3.0.bn2.running_mean: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn2.running_mean"},
    %layer3.0.bn2.running_var: tensor<1x1x1x32xf32> {hla.param = "layer3.0.bn2.running_var"},
    %layer3.0.downsample.0.weight: tensor<32x1x1x16xf32> {hla.param = "layer3.0.downsample.0.weight"},
    %layer3.0.downsample.1.weight: tensor<1x1x1x32xf32> {hla.param = "layer3.0.downsample.1.weight"},
    %layer3.0.downsample.1.bias: tensor<1x1x1x32xf32> {hla.param = "layer3.0.downsample.1.bias"},
    %layer3.0.downsample.1.running_mean: tensor<1x1x1x32xf32> {hla.param = "layer3.0.downsample.1.running_mean"},
    %layer3.0.downsample.1.running_var: tensor<1x1x1x32xf32> {hla.param = "layer3.0.downsample.1.running_var"},
    %layer3.1.conv1.weight: tensor<32x3x3x32xf32> {hla.param = "layer3.1.conv1.weight"},
    %layer3.1.bn1.weight: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn1.weight"},
    %layer3.1.bn1.bias: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn1.bias"},
    %layer3.1.bn1.running_mean: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn1.running_mean"},
    %layer3.1.bn1.running_var: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn1.running_var"},
    %layer3.1.conv2.weight: tensor<32x3x3x32xf32> {hla.param = "layer3.1.conv2.weight"},
    %layer3.1.bn2.weight: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn2.weight"},
    %layer3.1.bn2.bias: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn2.bias"},
    %layer3.1.bn2.running_mean: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn2.running_mean"},
    %layer3.1.bn2.running_var: tensor<1x1x1x32xf32> {hla.param = "layer3.1.bn2.running_var"},
    %layer4.0.conv1.weight: tensor<64x3x3x32xf32> {hla.param = "layer4.0.conv1.weight"},
    %layer4.0.bn1.weight: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn1.weight"},
    %layer4.0.bn1.bias: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn1.bias"},
    %layer4.0.bn1.running_mean: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn1.running_mean"},
    %layer4.0.bn1.running_var: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn1.running_var"},
    %layer4.0.conv2.weight: tensor<64x3x3x64xf32> {hla.param = "layer4.0.conv2.weight"},
    %layer4.0.bn2.weight: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn2.weight"},
    %layer4.0.bn2.bias: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn2.bias"},
    %layer4.0.bn2.running_mean: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn2.running_mean"},
    %layer4.0.bn2.running_var: tensor<1x1x1x64xf32> {hla.param = "layer4.0.bn2.running_var"},
    %layer4.0.downsample.0.weight: tensor<64x1x1x32xf32> {hla.param = "layer4.0.downsample.0.weight"},
    %layer4.0.downsample.1.weight: tensor<1x1x1x64xf32> {hla.param = "layer4.0.downsample.1.weight"},
    %layer4.0.downsample.1.bias: tensor<1x1x1x64xf32> {hla.param = "layer4.0.downsample.1.bias"},
    %layer4.0.downsample.1.running_mean: tensor<1x1x1x64xf32> {hla.param = "layer4.0.downsample.1.running_mean"},
    %layer4.0.downsample.1.running_var: tensor<1x1x1x64xf32> {hla.param = "layer4.0.downsample.1.running_var"},
    %layer4.1.conv1.weight: tensor<64x3x3x64xf32> {hla.param = "layer4.1.conv1.weight"},
    %layer4.1.bn1.weight: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn1.weight"},
    %layer4.1.bn1.bias: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn1.bias"},
    %layer4.1.bn1.running_mean: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn1.running_mean"},
    %layer4.1.bn1.running_var: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn1.running_var"},
    %layer4.1.conv2.weight: tensor<64x3x3x64xf32> {hla.param = "layer4.1.conv2.weight"},
    %layer4.1.bn2.weight: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn2.weight"},
    %layer4.1.bn2.bias: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn2.bias"},
    %layer4.1.bn2.running_mean: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn2.running_mean"},
    %layer4.1.bn2.running_var: tensor<1x1x1x64xf32> {hla.param = "layer4.1.bn2.running_var"},
    %fc.weight: tensor<10x1x1x64xf32> {hla.param = "fc.weight"},
    %fc.bias: tensor<10xf32> {hla.param = "fc.bias"}) -> tensor<1x10xf32> {
  %no_bias_8 = "tosa.const"() {values = dense<0.0> : tensor<8xf32>} : () -> tensor<8xf32>
  %zero_point = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %eps_4d = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %no_shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %no_bias_16 = "tosa.const"() {values = dense<0.0> : tensor<16xf32>} : () -> tensor<16xf32>
  %shape_0_0_0_0 = tosa.const_shape {values = dense<[0, 0, 0, 0]> : tensor<4xindex>} : () -> !tosa.shape<4>
  %shape_1_7_7_8 = tosa.const_shape {values = dense<[1, 7, 7, 8]> : tensor<4xindex>} : () -> !tosa.shape<4>
  %no_bias_32 = "tosa.const"() {values = dense<0.0> : tensor<32xf32>} : () -> tensor<32xf32>
  %shape_1_3_3_16 = tosa.const_shape {values = dense<[1, 3, 3, 16]> : tensor<4xindex>} : () -> !tosa.shape<4>
  %no_bias_64 = "tosa.const"() {values = dense<0.0> : tensor<64xf32>} : () -> tensor<64xf32>
  %shape_1_1_1_32 = tosa.const_shape {values = dense<[1, 1, 1, 32]> : tensor<4xindex>} : () -> !tosa.shape<4>
  %shape_1_10 = tosa.const_shape {values = dense<[1, 10]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %conv1 = tosa.conv2d %image, %conv1.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 3, 2, 3, 2>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x32x32x3xf32>, tensor<8x7x7x3xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x16x16x8xf32>
  %bn1.centred = tosa.sub %conv1, %bn1.running_mean : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x16x16x8xf32>
  %bn1.var_eps = tosa.add %bn1.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %bn1.rsqrt = tosa.rsqrt %bn1.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %bn1.unit = tosa.mul %bn1.centred, %bn1.rsqrt, %no_shift : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x16x16x8xf32>
  %bn1.scaled = tosa.mul %bn1.unit, %bn1.weight, %no_shift : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x16x16x8xf32>
  %bn1 = tosa.add %bn1.scaled, %bn1.bias : (tensor<1x16x16x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x16x16x8xf32>
  %relu = tosa.clamp %bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x16x16x8xf32>) -> tensor<1x16x16x8xf32>
  %maxpool = tosa.max_pool2d %relu {kernel = array<i64: 3, 3>, stride = array<i64: 2, 2>, pad = array<i64: 1, 0, 1, 0>} : (tensor<1x16x16x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.conv1 = tosa.conv2d %maxpool, %layer1.0.conv1.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<8x3x3x8xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn1.centred = tosa.sub %layer1.0.conv1, %layer1.0.bn1.running_mean : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn1.var_eps = tosa.add %layer1.0.bn1.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %layer1.0.bn1.rsqrt = tosa.rsqrt %layer1.0.bn1.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %layer1.0.bn1.unit = tosa.mul %layer1.0.bn1.centred, %layer1.0.bn1.rsqrt, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn1.scaled = tosa.mul %layer1.0.bn1.unit, %layer1.0.bn1.weight, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn1 = tosa.add %layer1.0.bn1.scaled, %layer1.0.bn1.bias : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.relu1 = tosa.clamp %layer1.0.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.conv2 = tosa.conv2d %layer1.0.relu1, %layer1.0.conv2.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<8x3x3x8xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn2.centred = tosa.sub %layer1.0.conv2, %layer1.0.bn2.running_mean : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn2.var_eps = tosa.add %layer1.0.bn2.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %layer1.0.bn2.rsqrt = tosa.rsqrt %layer1.0.bn2.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %layer1.0.bn2.unit = tosa.mul %layer1.0.bn2.centred, %layer1.0.bn2.rsqrt, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn2.scaled = tosa.mul %layer1.0.bn2.unit, %layer1.0.bn2.weight, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.0.bn2 = tosa.add %layer1.0.bn2.scaled, %layer1.0.bn2.bias : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.sum = tosa.add %layer1.0.bn2, %maxpool : (tensor<1x8x8x8xf32>, tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.0.relu2 = tosa.clamp %layer1.0.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.conv1 = tosa.conv2d %layer1.0.relu2, %layer1.1.conv1.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<8x3x3x8xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn1.centred = tosa.sub %layer1.1.conv1, %layer1.1.bn1.running_mean : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn1.var_eps = tosa.add %layer1.1.bn1.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %layer1.1.bn1.rsqrt = tosa.rsqrt %layer1.1.bn1.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %layer1.1.bn1.unit = tosa.mul %layer1.1.bn1.centred, %layer1.1.bn1.rsqrt, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn1.scaled = tosa.mul %layer1.1.bn1.unit, %layer1.1.bn1.weight, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn1 = tosa.add %layer1.1.bn1.scaled, %layer1.1.bn1.bias : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.relu1 = tosa.clamp %layer1.1.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.conv2 = tosa.conv2d %layer1.1.relu1, %layer1.1.conv2.weight, %no_bias_8, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<8x3x3x8xf32>, tensor<8xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn2.centred = tosa.sub %layer1.1.conv2, %layer1.1.bn2.running_mean : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn2.var_eps = tosa.add %layer1.1.bn2.running_var, %eps_4d : (tensor<1x1x1x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x8xf32>
  %layer1.1.bn2.rsqrt = tosa.rsqrt %layer1.1.bn2.var_eps : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %layer1.1.bn2.unit = tosa.mul %layer1.1.bn2.centred, %layer1.1.bn2.rsqrt, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn2.scaled = tosa.mul %layer1.1.bn2.unit, %layer1.1.bn2.weight, %no_shift : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>, tensor<1xi8>) -> tensor<1x8x8x8xf32>
  %layer1.1.bn2 = tosa.add %layer1.1.bn2.scaled, %layer1.1.bn2.bias : (tensor<1x8x8x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.sum = tosa.add %layer1.1.bn2, %layer1.0.relu2 : (tensor<1x8x8x8xf32>, tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer1.1.relu2 = tosa.clamp %layer1.1.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %layer2.0.conv1 = tosa.conv2d %layer1.1.relu2, %layer2.0.conv1.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x8x8x8xf32>, tensor<16x3x3x8xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn1.centred = tosa.sub %layer2.0.conv1, %layer2.0.bn1.running_mean : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn1.var_eps = tosa.add %layer2.0.bn1.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.bn1.rsqrt = tosa.rsqrt %layer2.0.bn1.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.bn1.unit = tosa.mul %layer2.0.bn1.centred, %layer2.0.bn1.rsqrt, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn1.scaled = tosa.mul %layer2.0.bn1.unit, %layer2.0.bn1.weight, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn1 = tosa.add %layer2.0.bn1.scaled, %layer2.0.bn1.bias : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.relu1 = tosa.clamp %layer2.0.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.conv2 = tosa.conv2d %layer2.0.relu1, %layer2.0.conv2.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x16xf32>, tensor<16x3x3x16xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn2.centred = tosa.sub %layer2.0.conv2, %layer2.0.bn2.running_mean : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn2.var_eps = tosa.add %layer2.0.bn2.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.bn2.rsqrt = tosa.rsqrt %layer2.0.bn2.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.bn2.unit = tosa.mul %layer2.0.bn2.centred, %layer2.0.bn2.rsqrt, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn2.scaled = tosa.mul %layer2.0.bn2.unit, %layer2.0.bn2.weight, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.bn2 = tosa.add %layer2.0.bn2.scaled, %layer2.0.bn2.bias : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.downsample.0.cropped = tosa.slice %layer1.1.relu2, %shape_0_0_0_0, %shape_1_7_7_8 : (tensor<1x8x8x8xf32>, !tosa.shape<4>, !tosa.shape<4>) -> tensor<1x7x7x8xf32>
  %layer2.0.downsample.0 = tosa.conv2d %layer2.0.downsample.0.cropped, %layer2.0.downsample.0.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x7x7x8xf32>, tensor<16x1x1x8xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.downsample.1.centred = tosa.sub %layer2.0.downsample.0, %layer2.0.downsample.1.running_mean : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.downsample.1.var_eps = tosa.add %layer2.0.downsample.1.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.downsample.1.rsqrt = tosa.rsqrt %layer2.0.downsample.1.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %layer2.0.downsample.1.unit = tosa.mul %layer2.0.downsample.1.centred, %layer2.0.downsample.1.rsqrt, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.downsample.1.scaled = tosa.mul %layer2.0.downsample.1.unit, %layer2.0.downsample.1.weight, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.0.downsample.1 = tosa.add %layer2.0.downsample.1.scaled, %layer2.0.downsample.1.bias : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.sum = tosa.add %layer2.0.bn2, %layer2.0.downsample.1 : (tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.0.relu2 = tosa.clamp %layer2.0.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.conv1 = tosa.conv2d %layer2.0.relu2, %layer2.1.conv1.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x16xf32>, tensor<16x3x3x16xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn1.centred = tosa.sub %layer2.1.conv1, %layer2.1.bn1.running_mean : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn1.var_eps = tosa.add %layer2.1.bn1.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %layer2.1.bn1.rsqrt = tosa.rsqrt %layer2.1.bn1.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %layer2.1.bn1.unit = tosa.mul %layer2.1.bn1.centred, %layer2.1.bn1.rsqrt, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn1.scaled = tosa.mul %layer2.1.bn1.unit, %layer2.1.bn1.weight, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn1 = tosa.add %layer2.1.bn1.scaled, %layer2.1.bn1.bias : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.relu1 = tosa.clamp %layer2.1.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.conv2 = tosa.conv2d %layer2.1.relu1, %layer2.1.conv2.weight, %no_bias_16, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x16xf32>, tensor<16x3x3x16xf32>, tensor<16xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn2.centred = tosa.sub %layer2.1.conv2, %layer2.1.bn2.running_mean : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn2.var_eps = tosa.add %layer2.1.bn2.running_var, %eps_4d : (tensor<1x1x1x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x16xf32>
  %layer2.1.bn2.rsqrt = tosa.rsqrt %layer2.1.bn2.var_eps : (tensor<1x1x1x16xf32>) -> tensor<1x1x1x16xf32>
  %layer2.1.bn2.unit = tosa.mul %layer2.1.bn2.centred, %layer2.1.bn2.rsqrt, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn2.scaled = tosa.mul %layer2.1.bn2.unit, %layer2.1.bn2.weight, %no_shift : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>, tensor<1xi8>) -> tensor<1x4x4x16xf32>
  %layer2.1.bn2 = tosa.add %layer2.1.bn2.scaled, %layer2.1.bn2.bias : (tensor<1x4x4x16xf32>, tensor<1x1x1x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.sum = tosa.add %layer2.1.bn2, %layer2.0.relu2 : (tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer2.1.relu2 = tosa.clamp %layer2.1.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32>
  %layer3.0.conv1 = tosa.conv2d %layer2.1.relu2, %layer3.0.conv1.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x16xf32>, tensor<32x3x3x16xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn1.centred = tosa.sub %layer3.0.conv1, %layer3.0.bn1.running_mean : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn1.var_eps = tosa.add %layer3.0.bn1.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.bn1.rsqrt = tosa.rsqrt %layer3.0.bn1.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.bn1.unit = tosa.mul %layer3.0.bn1.centred, %layer3.0.bn1.rsqrt, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn1.scaled = tosa.mul %layer3.0.bn1.unit, %layer3.0.bn1.weight, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn1 = tosa.add %layer3.0.bn1.scaled, %layer3.0.bn1.bias : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.relu1 = tosa.clamp %layer3.0.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.conv2 = tosa.conv2d %layer3.0.relu1, %layer3.0.conv2.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x32xf32>, tensor<32x3x3x32xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn2.centred = tosa.sub %layer3.0.conv2, %layer3.0.bn2.running_mean : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn2.var_eps = tosa.add %layer3.0.bn2.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.bn2.rsqrt = tosa.rsqrt %layer3.0.bn2.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.bn2.unit = tosa.mul %layer3.0.bn2.centred, %layer3.0.bn2.rsqrt, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn2.scaled = tosa.mul %layer3.0.bn2.unit, %layer3.0.bn2.weight, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.bn2 = tosa.add %layer3.0.bn2.scaled, %layer3.0.bn2.bias : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.downsample.0.cropped = tosa.slice %layer2.1.relu2, %shape_0_0_0_0, %shape_1_3_3_16 : (tensor<1x4x4x16xf32>, !tosa.shape<4>, !tosa.shape<4>) -> tensor<1x3x3x16xf32>
  %layer3.0.downsample.0 = tosa.conv2d %layer3.0.downsample.0.cropped, %layer3.0.downsample.0.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x3x3x16xf32>, tensor<32x1x1x16xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.downsample.1.centred = tosa.sub %layer3.0.downsample.0, %layer3.0.downsample.1.running_mean : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.downsample.1.var_eps = tosa.add %layer3.0.downsample.1.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.downsample.1.rsqrt = tosa.rsqrt %layer3.0.downsample.1.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %layer3.0.downsample.1.unit = tosa.mul %layer3.0.downsample.1.centred, %layer3.0.downsample.1.rsqrt, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.downsample.1.scaled = tosa.mul %layer3.0.downsample.1.unit, %layer3.0.downsample.1.weight, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.0.downsample.1 = tosa.add %layer3.0.downsample.1.scaled, %layer3.0.downsample.1.bias : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.sum = tosa.add %layer3.0.bn2, %layer3.0.downsample.1 : (tensor<1x2x2x32xf32>, tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.0.relu2 = tosa.clamp %layer3.0.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.conv1 = tosa.conv2d %layer3.0.relu2, %layer3.1.conv1.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x32xf32>, tensor<32x3x3x32xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn1.centred = tosa.sub %layer3.1.conv1, %layer3.1.bn1.running_mean : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn1.var_eps = tosa.add %layer3.1.bn1.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %layer3.1.bn1.rsqrt = tosa.rsqrt %layer3.1.bn1.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %layer3.1.bn1.unit = tosa.mul %layer3.1.bn1.centred, %layer3.1.bn1.rsqrt, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn1.scaled = tosa.mul %layer3.1.bn1.unit, %layer3.1.bn1.weight, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn1 = tosa.add %layer3.1.bn1.scaled, %layer3.1.bn1.bias : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.relu1 = tosa.clamp %layer3.1.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.conv2 = tosa.conv2d %layer3.1.relu1, %layer3.1.conv2.weight, %no_bias_32, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x32xf32>, tensor<32x3x3x32xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn2.centred = tosa.sub %layer3.1.conv2, %layer3.1.bn2.running_mean : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn2.var_eps = tosa.add %layer3.1.bn2.running_var, %eps_4d : (tensor<1x1x1x32xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x32xf32>
  %layer3.1.bn2.rsqrt = tosa.rsqrt %layer3.1.bn2.var_eps : (tensor<1x1x1x32xf32>) -> tensor<1x1x1x32xf32>
  %layer3.1.bn2.unit = tosa.mul %layer3.1.bn2.centred, %layer3.1.bn2.rsqrt, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn2.scaled = tosa.mul %layer3.1.bn2.unit, %layer3.1.bn2.weight, %no_shift : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>, tensor<1xi8>) -> tensor<1x2x2x32xf32>
  %layer3.1.bn2 = tosa.add %layer3.1.bn2.scaled, %layer3.1.bn2.bias : (tensor<1x2x2x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.sum = tosa.add %layer3.1.bn2, %layer3.0.relu2 : (tensor<1x2x2x32xf32>, tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer3.1.relu2 = tosa.clamp %layer3.1.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x2x2x32xf32>) -> tensor<1x2x2x32xf32>
  %layer4.0.conv1 = tosa.conv2d %layer3.1.relu2, %layer4.0.conv1.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 0, 1, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x2x2x32xf32>, tensor<64x3x3x32xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1.centred = tosa.sub %layer4.0.conv1, %layer4.0.bn1.running_mean : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1.var_eps = tosa.add %layer4.0.bn1.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1.rsqrt = tosa.rsqrt %layer4.0.bn1.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1.unit = tosa.mul %layer4.0.bn1.centred, %layer4.0.bn1.rsqrt, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1.scaled = tosa.mul %layer4.0.bn1.unit, %layer4.0.bn1.weight, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn1 = tosa.add %layer4.0.bn1.scaled, %layer4.0.bn1.bias : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.relu1 = tosa.clamp %layer4.0.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.conv2 = tosa.conv2d %layer4.0.relu1, %layer4.0.conv2.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<64x3x3x64xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2.centred = tosa.sub %layer4.0.conv2, %layer4.0.bn2.running_mean : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2.var_eps = tosa.add %layer4.0.bn2.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2.rsqrt = tosa.rsqrt %layer4.0.bn2.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2.unit = tosa.mul %layer4.0.bn2.centred, %layer4.0.bn2.rsqrt, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2.scaled = tosa.mul %layer4.0.bn2.unit, %layer4.0.bn2.weight, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.bn2 = tosa.add %layer4.0.bn2.scaled, %layer4.0.bn2.bias : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.0.cropped = tosa.slice %layer3.1.relu2, %shape_0_0_0_0, %shape_1_1_1_32 : (tensor<1x2x2x32xf32>, !tosa.shape<4>, !tosa.shape<4>) -> tensor<1x1x1x32xf32>
  %layer4.0.downsample.0 = tosa.conv2d %layer4.0.downsample.0.cropped, %layer4.0.downsample.0.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x32xf32>, tensor<64x1x1x32xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1.centred = tosa.sub %layer4.0.downsample.0, %layer4.0.downsample.1.running_mean : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1.var_eps = tosa.add %layer4.0.downsample.1.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1.rsqrt = tosa.rsqrt %layer4.0.downsample.1.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1.unit = tosa.mul %layer4.0.downsample.1.centred, %layer4.0.downsample.1.rsqrt, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1.scaled = tosa.mul %layer4.0.downsample.1.unit, %layer4.0.downsample.1.weight, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.0.downsample.1 = tosa.add %layer4.0.downsample.1.scaled, %layer4.0.downsample.1.bias : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.sum = tosa.add %layer4.0.bn2, %layer4.0.downsample.1 : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.0.relu2 = tosa.clamp %layer4.0.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.conv1 = tosa.conv2d %layer4.0.relu2, %layer4.1.conv1.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<64x3x3x64xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1.centred = tosa.sub %layer4.1.conv1, %layer4.1.bn1.running_mean : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1.var_eps = tosa.add %layer4.1.bn1.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1.rsqrt = tosa.rsqrt %layer4.1.bn1.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1.unit = tosa.mul %layer4.1.bn1.centred, %layer4.1.bn1.rsqrt, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1.scaled = tosa.mul %layer4.1.bn1.unit, %layer4.1.bn1.weight, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn1 = tosa.add %layer4.1.bn1.scaled, %layer4.1.bn1.bias : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.relu1 = tosa.clamp %layer4.1.bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.conv2 = tosa.conv2d %layer4.1.relu1, %layer4.1.conv2.weight, %no_bias_64, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<64x3x3x64xf32>, tensor<64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2.centred = tosa.sub %layer4.1.conv2, %layer4.1.bn2.running_mean : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2.var_eps = tosa.add %layer4.1.bn2.running_var, %eps_4d : (tensor<1x1x1x64xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2.rsqrt = tosa.rsqrt %layer4.1.bn2.var_eps : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2.unit = tosa.mul %layer4.1.bn2.centred, %layer4.1.bn2.rsqrt, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2.scaled = tosa.mul %layer4.1.bn2.unit, %layer4.1.bn2.weight, %no_shift : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>, tensor<1xi8>) -> tensor<1x1x1x64xf32>
  %layer4.1.bn2 = tosa.add %layer4.1.bn2.scaled, %layer4.1.bn2.bias : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.sum = tosa.add %layer4.1.bn2, %layer4.0.relu2 : (tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %layer4.1.relu2 = tosa.clamp %layer4.1.sum {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x1x64xf32>) -> tensor<1x1x1x64xf32>
  %avgpool = tosa.avg_pool2d %layer4.1.relu2, %zero_point, %zero_point {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>, acc_type = f32} : (tensor<1x1x1x64xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x64xf32>
  %fc = tosa.conv2d %avgpool, %fc.weight, %fc.bias, %zero_point, %zero_point {acc_type = f32, pad = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x1x1x64xf32>, tensor<10x1x1x64xf32>, tensor<10xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1x10xf32>
  %logits = tosa.reshape %fc, %shape_1_10 : (tensor<1x1x1x10xf32>, !tosa.shape<2>) -> tensor<1x10xf32>
  return %logits : tensor<1x10xf32>
}
