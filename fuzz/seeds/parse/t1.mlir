
func.func @main(%x: tensor<1x4xi32>) -> tensor<2x1x5xi32> {
  %shape = tosa.const_shape {values = dense<[2, -1, 2]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %shift = "tosa.const"() <{values = dense<3> : tensor<1xi8>}> : () -> tensor<1xi8>
  %pads = tosa.const_shape {values = dense<[0, 0, 0, 0, 1, 2]> : tensor<6xindex>} : () -> !tosa.shape<6>
  %value = "tosa.const"() <{values = dense<-7> : tensor<1xi32>}> : () -> tensor<1xi32>
  %m = tosa.mul %x, %x, %shift : (tensor<1x4xi32>, tensor<1x4xi32>, tensor<1xi8>) -> tensor<1x4xi32>
  %r = tosa.reshape %m, %shape : (tensor<1x4xi32>, !tosa.shape<3>) -> tensor<2x1x2xi32>
  %p = tosa.pad %r, %pads, %value : (tensor<2x1x2xi32>, !tosa.shape<6>, tensor<1xi32>) -> tensor<2x1x5xi32>
  return %p : tensor<2x1x5xi32>
}