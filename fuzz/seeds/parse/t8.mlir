
func.func @main(%x: tensor<1x4x4x2xf32>, %w: tensor<1x32x3xf32> {hla.param = "w"}) -> (tensor<1x3xf32>, tensor<1xi32>, tensor<3x1xf32>) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %bias = "tosa.const"() {values = dense<0.5> : tensor<1x1x3xf32>} : () -> tensor<1x1x3xf32>
  %flat = tosa.const_shape {values = dense<[1, 1, 32]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %two = tosa.const_shape {values = dense<[1, 3]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %p = tosa.max_pool2d %x {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %f = tosa.reshape %p, %flat : (tensor<1x4x4x2xf32>, !tosa.shape<3>) -> tensor<1x1x32xf32>
  %m = tosa.matmul %f, %w, %zp, %zp : (tensor<1x1x32xf32>, tensor<1x32x3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x3xf32>
  %b = tosa.add %m, %bias : (tensor<1x1x3xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  %r = tosa.reshape %b, %two : (tensor<1x1x3xf32>, !tosa.shape<2>) -> tensor<1x3xf32>
  %i = tosa.argmax %r {axis = 1 : i32} : (tensor<1x3xf32>) -> tensor<1xi32>
  %t = tosa.transpose %r {perms = array<i32: 1, 0>} : (tensor<1x3xf32>) -> tensor<3x1xf32>
  return %r, %i, %t : tensor<1x3xf32>, tensor<1xi32>, tensor<3x1xf32>
}