// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-train-mode)' --split-input-file --verify-diagnostics

func.func @one_value(%x: tensor<1x3xf32>, %mean: tensor<1x3xf32> {hla.param = "bn.running_mean"}, %variance: tensor<1x3xf32> {hla.param = "bn.running_var"}) -> tensor<1x3xf32> {
  %epsilon = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = tosa.sub %x, %mean : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  %1 = tosa.add %variance, %epsilon : (tensor<1x3xf32>, tensor<1x1xf32>) -> tensor<1x3xf32>
  %2 = tosa.rsqrt %1 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  // expected-error @+1 {{sees one value a channel, which has no variance}}
  %3 = tosa.mul %0, %2, %shift : (tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi8>) -> tensor<1x3xf32>
  return %3 : tensor<1x3xf32>
}

// -----

func.func @shared(%x: tensor<2x3xf32>, %mean: tensor<1x3xf32> {hla.param = "bn.running_mean"}, %variance: tensor<1x3xf32> {hla.param = "bn.running_var"}) -> tensor<2x3xf32> {
  %epsilon = "tosa.const"() {values = dense<1.0e-05> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = tosa.sub %x, %mean : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %1 = tosa.add %variance, %epsilon : (tensor<1x3xf32>, tensor<1x1xf32>) -> tensor<1x3xf32>
  %2 = tosa.rsqrt %1 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  %3 = tosa.mul %0, %2, %shift : (tensor<2x3xf32>, tensor<1x3xf32>, tensor<1xi8>) -> tensor<2x3xf32>
  %4 = tosa.sub %3, %mean : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  // expected-error @+1 {{two batch norms share the running statistic 'bn.running_mean'}}
  %5 = tosa.mul %4, %2, %shift : (tensor<2x3xf32>, tensor<1x3xf32>, tensor<1xi8>) -> tensor<2x3xf32>
  return %5 : tensor<2x3xf32>
}
