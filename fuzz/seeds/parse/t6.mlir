
func.func @f(%x: tensor<2xf32>) -> tensor<3xf32> {
  %a = "hla.quantise"(%x) {scale = 1.0 : f32} : (tensor<2xf32>) -> tensor<2xi8>
  %b = "hla.quantize"(%x) {scale = 0.0 : f32} : (tensor<2xf32>) -> tensor<2xi8>
  %c = "hla.quantize"(%x) {scale = 1.0 : f32} : (tensor<2xf32>) -> tensor<3xi8>
  %d = "hla.dequantize"(%c) {scale = 1.0 : f32} : (tensor<3xi8>) -> tensor<3xf32>
  return %d : tensor<3xf32>
}