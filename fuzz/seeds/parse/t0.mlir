
module {
  func.func @main(%x: tensor<2x8x8x3xf32> {hla.name = "image"}, %w: tensor<4x3x3x3xf32> {hla.param = "conv.weight"}) -> (tensor<2x8x8x4xf32>, tensor<2x8x8x3xf32>) {
    %b = "tosa.const"() <{values = dense<0.5> : tensor<4xf32>}> : () -> tensor<4xf32>
    %zp = "tosa.const"() <{values = dense<0.0> : tensor<1xf32>}> : () -> tensor<1xf32>
    %y = tosa.conv2d %x, %w, %b, %zp, %zp {acc_type = f32, dilation = array<i64: 1, 1>, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>} : (tensor<2x8x8x3xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x8x8x4xf32>
    %r = tosa.clamp %y {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<2x8x8x4xf32>) -> tensor<2x8x8x4xf32>
    return %r, %x : tensor<2x8x8x4xf32>, tensor<2x8x8x3xf32>
  }
}
