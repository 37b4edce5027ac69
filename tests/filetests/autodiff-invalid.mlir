// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-autodiff)' --split-input-file --verify-diagnostics

func.func @jumps(%w: tensor<1xf32> {hla.param = "w"}) -> (tensor<1xf32> {hla.name = "loss"}) {
  // expected-error @+1 {{'tosa.cast' to tensor<1xi32> on the way from a parameter to the objective and 1 other op have no derivative}}
  %0 = tosa.cast %w : (tensor<1xf32>) -> tensor<1xi32>
  %1 = tosa.cast %0 : (tensor<1xi32>) -> tensor<1xf32>
  // expected-note @+1 {{'other.scale'}}
  %2 = "other.scale"(%1) : (tensor<1xf32>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}

// -----

// expected-error @+1 {{'unnamed' has no result named 'objective' or 'loss'}}
func.func @unnamed(%w: tensor<1xf32> {hla.param = "w"}) -> tensor<1xf32> {
  return %w : tensor<1xf32>
}

// -----

// expected-error @+1 {{the result 'loss' of 'wide' has type tensor<2xf32>, but only one float can be differentiated}}
func.func @wide(%w: tensor<2xf32> {hla.param = "w"}) -> (tensor<2xf32> {hla.name = "loss"}) {
  return %w : tensor<2xf32>
}
