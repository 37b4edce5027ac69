
func.func @main(%x: tensor<2xf64>, %s: tensor<1xi8>, %i: tensor<2xi32>, %q: tensor<2x!quant.uniform<i8:f32, 0.5:1>>) -> tensor<2xi32> {
  %d = tosa.add %x, %x : (tensor<2xf64>, tensor<2xf64>) -> tensor<2xf64>
  %m = tosa.mul %i, %i, %s : (tensor<2xi32>, tensor<2xi32>, tensor<1xi8>) -> tensor<2xi32>
  return %m : tensor<2xi32>
}