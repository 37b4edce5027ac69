// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-train-mode)'

// (x - mean)·rsqrt(variance + ε)·scale + offset over 2·2·2 = 8 values a channel: the variance's
// update has the factor 0.1·8/7. The factors stand in any order.
func.func @batch_norm(%x: tensor<2x2x2x3xf32>, %mean: tensor<1x1x1x3xf32> {hla.param = "bn.running_mean"}, %variance: tensor<1x1x1x3xf32> {hla.param = "bn.running_var"}, %scale: tensor<1x1x1x3xf32> {hla.param = "bn.weight"}, %offset: tensor<1x1x1x3xf32> {hla.param = "bn.bias"}) -> tensor<2x2x2x3xf32> {
  %epsilon = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1x1x1xf32>} : () -> tensor<1x1x1x1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = tosa.add %epsilon, %variance : (tensor<1x1x1x1xf32>, tensor<1x1x1x3xf32>) -> tensor<1x1x1x3xf32>
  %1 = tosa.rsqrt %0 : (tensor<1x1x1x3xf32>) -> tensor<1x1x1x3xf32>
  %2 = tosa.mul %scale, %1, %shift : (tensor<1x1x1x3xf32>, tensor<1x1x1x3xf32>, tensor<1xi8>) -> tensor<1x1x1x3xf32>
  %3 = tosa.sub %x, %mean : (tensor<2x2x2x3xf32>, tensor<1x1x1x3xf32>) -> tensor<2x2x2x3xf32>
  %4 = tosa.mul %2, %3, %shift : (tensor<1x1x1x3xf32>, tensor<2x2x2x3xf32>, tensor<1xi8>) -> tensor<2x2x2x3xf32>
  %5 = tosa.add %offset, %4 : (tensor<1x1x1x3xf32>, tensor<2x2x2x3xf32>) -> tensor<2x2x2x3xf32>
  return %5 : tensor<2x2x2x3xf32>
}
