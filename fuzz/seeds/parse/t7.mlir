
func.func @main(%x: tensor<?x4x?xf32> {hla.name = "x"}, %y: tensor<?x4x3xf32>, %w: tensor<1x4x3xf32> {hla.param = "w"}) -> tensor<?x?xf32> {
  %s = tosa.const_shape {values = dense<[-1, 12]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %a = tosa.add %x, %y : (tensor<?x4x?xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xf32>
  %b = tosa.add %a, %w : (tensor<?x4x3xf32>, tensor<1x4x3xf32>) -> tensor<?x4x3xf32>
  %r = tosa.reshape %b, %s : (tensor<?x4x3xf32>, !tosa.shape<2>) -> tensor<?x?xf32>
  return %r : tensor<?x?xf32>
}