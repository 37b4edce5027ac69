// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-mixed-precision{precision=f16})' --split-input-file --verify-diagnostics

// Gradients without the step that uses them.
// expected-error @+1 {{'main' has gradients, but no step that could be skipped when they overflow f16}}
func.func @main(%x: tensor<1x1x2xf32> {hla.name = "x"}, %w: tensor<1x2x2xf32> {hla.param = "w"}) -> (tensor<1x1x2xf32> {hla.name = "logits"}, tensor<1x2x2xf32> {hla.gradient = "w"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.matmul %x, %w, %zp, %zp : (tensor<1x1x2xf32>, tensor<1x2x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x2xf32>
  %1 = tosa.transpose %x {perms = array<i32: 0, 2, 1>} : (tensor<1x1x2xf32>) -> tensor<1x2x1xf32>
  %2 = tosa.exp %0 : (tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  %3 = tosa.matmul %1, %2, %zp, %zp : (tensor<1x2x1xf32>, tensor<1x1x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2xf32>
  return %0, %3 : tensor<1x1x2xf32>, tensor<1x2x2xf32>
}

// -----

func.func @main(%x: tensor<1x1x2xf32> {hla.name = "x"}, %w: tensor<1x2x2xf32> {hla.param = "w"}, %m: tensor<1x2x2xf32> {hla.param = "w.momentum"}, %rate: tensor<1xf32> {hla.name = "learning_rate"},
  // expected-error @+1 {{parameter 'loss_scale' is tensor<2xf32>, but training keeps tensor<1xf32> under this name}}
  %s: tensor<2xf32> {hla.param = "loss_scale"}) -> (tensor<1x1x2xf32> {hla.name = "logits"}, tensor<1x2x2xf32> {hla.updates = "w"}, tensor<1x2x2xf32> {hla.updates = "w.momentum"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.matmul %x, %w, %zp, %zp : (tensor<1x1x2xf32>, tensor<1x2x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x2xf32>
  %1 = tosa.transpose %x {perms = array<i32: 0, 2, 1>} : (tensor<1x1x2xf32>) -> tensor<1x2x1xf32>
  %2 = tosa.exp %0 : (tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  %3 = tosa.matmul %1, %2, %zp, %zp : (tensor<1x2x1xf32>, tensor<1x1x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x2x2xf32>
  %4:2 = "hla.sgd_update"(%w, %3, %m, %rate) {mu = 0.9 : f32, nesterov = false, weight_decay = 0.0 : f32} : (tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1xf32>) -> (tensor<1x2x2xf32>, tensor<1x2x2xf32>)
  return %0, %4#0, %4#1 : tensor<1x1x2xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>
}

// -----

func.func @main(%x: tensor<1x1x2xf32>) -> tensor<1x1x2xf32> {
  // expected-error @+1 {{hla-mixed-precision does not know 'foreign.op'}}
  %0 = "foreign.op"(%x) : (tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  return %0 : tensor<1x1x2xf32>
}
