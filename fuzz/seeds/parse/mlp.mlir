// Digit classifier `mlp`, written by make.py; the trained tensors are in mlp.safetensors.
func.func @main(
    %image: tensor<1x8x8x1xf32> {hla.name = "image"},
    %fc1.weight: tensor<1x64x128xf32> {hla.param = "fc1.weight"},
    %bn1.weight: tensor<1x1x128xf32> {hla.param = "bn1.weight"},
    %bn1.bias: tensor<1x1x128xf32> {hla.param = "bn1.bias"},
    %bn1.running_mean: tensor<1x1x128xf32> {hla.param = "bn1.running_mean"},
    %bn1.running_var: tensor<1x1x128xf32> {hla.param = "bn1.running_var"},
    %fc2.weight: tensor<1x128x128xf32> {hla.param = "fc2.weight"},
    %bn2.weight: tensor<1x1x128xf32> {hla.param = "bn2.weight"},
    %bn2.bias: tensor<1x1x128xf32> {hla.param = "bn2.bias"},
    %bn2.running_mean: tensor<1x1x128xf32> {hla.param = "bn2.running_mean"},
    %bn2.running_var: tensor<1x1x128xf32> {hla.param = "bn2.running_var"},
    %fc3.weight: tensor<1x128x10xf32> {hla.param = "fc3.weight"},
    %fc3.bias: tensor<1x1x10xf32> {hla.param = "fc3.bias"}) -> tensor<1x10xf32> {
  %shape_1_n_64 = tosa.const_shape {values = dense<[1, -1, 64]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %zero_point = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %eps_3d = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1xf32>} : () -> tensor<1x1x1xf32>
  %no_shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %shape_n_10 = tosa.const_shape {values = dense<[-1, 10]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %rows = tosa.reshape %image, %shape_1_n_64 : (tensor<1x8x8x1xf32>, !tosa.shape<3>) -> tensor<1x1x64xf32>
  %fc1 = tosa.matmul %rows, %fc1.weight, %zero_point, %zero_point : (tensor<1x1x64xf32>, tensor<1x64x128xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x128xf32>
  %bn1.centred = tosa.sub %fc1, %bn1.running_mean : (tensor<1x1x128xf32>, tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %bn1.var_eps = tosa.add %bn1.running_var, %eps_3d : (tensor<1x1x128xf32>, tensor<1x1x1xf32>) -> tensor<1x1x128xf32>
  %bn1.rsqrt = tosa.rsqrt %bn1.var_eps : (tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %bn1.unit = tosa.mul %bn1.centred, %bn1.rsqrt, %no_shift : (tensor<1x1x128xf32>, tensor<1x1x128xf32>, tensor<1xi8>) -> tensor<1x1x128xf32>
  %bn1.scaled = tosa.mul %bn1.unit, %bn1.weight, %no_shift : (tensor<1x1x128xf32>, tensor<1x1x128xf32>, tensor<1xi8>) -> tensor<1x1x128xf32>
  %bn1 = tosa.add %bn1.scaled, %bn1.bias : (tensor<1x1x128xf32>, tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %relu1 = tosa.clamp %bn1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %fc2 = tosa.matmul %relu1, %fc2.weight, %zero_point, %zero_point : (tensor<1x1x128xf32>, tensor<1x128x128xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x128xf32>
  %bn2.centred = tosa.sub %fc2, %bn2.running_mean : (tensor<1x1x128xf32>, tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %bn2.var_eps = tosa.add %bn2.running_var, %eps_3d : (tensor<1x1x128xf32>, tensor<1x1x1xf32>) -> tensor<1x1x128xf32>
  %bn2.rsqrt = tosa.rsqrt %bn2.var_eps : (tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %bn2.unit = tosa.mul %bn2.centred, %bn2.rsqrt, %no_shift : (tensor<1x1x128xf32>, tensor<1x1x128xf32>, tensor<1xi8>) -> tensor<1x1x128xf32>
  %bn2.scaled = tosa.mul %bn2.unit, %bn2.weight, %no_shift : (tensor<1x1x128xf32>, tensor<1x1x128xf32>, tensor<1xi8>) -> tensor<1x1x128xf32>
  %bn2 = tosa.add %bn2.scaled, %bn2.bias : (tensor<1x1x128xf32>, tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %relu2 = tosa.clamp %bn2 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x1x128xf32>) -> tensor<1x1x128xf32>
  %fc3 = tosa.matmul %relu2, %fc3.weight, %zero_point, %zero_point : (tensor<1x1x128xf32>, tensor<1x128x10xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x10xf32>
  %biased = tosa.add %fc3, %fc3.bias : (tensor<1x1x10xf32>, tensor<1x1x10xf32>) -> tensor<1x1x10xf32>
  %logits = tosa.reshape %biased, %shape_n_10 : (tensor<1x1x10xf32>, !tosa.shape<2>) -> tensor<1x10xf32>
  return %logits : tensor<1x10xf32>
}
