// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-autodiff)'

// ∂/∂w = xᵀ·g, ∂/∂b = Σ g; relu passes g where its result is positive. The input gets no gradient.
func.func @dense(%x: tensor<1x4x3xf32> {hla.name = "x"}, %w: tensor<1x3x2xf32> {hla.param = "w"}, %b: tensor<1x1x2xf32> {hla.param = "b"}, %labels: tensor<4xi32> {hla.name = "labels"}) -> (tensor<1xf32> {hla.name = "loss"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.matmul %x, %w, %zp, %zp : (tensor<1x4x3xf32>, tensor<1x3x2xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x2xf32>
  %1 = tosa.add %0, %b : (tensor<1x4x2xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
  %2 = tosa.clamp %1 {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  %shape = tosa.const_shape {values = dense<[4, 2]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %3 = tosa.reshape %2, %shape : (tensor<1x4x2xf32>, !tosa.shape<2>) -> tensor<4x2xf32>
  %4 = "hla.softmax_cross_entropy"(%3, %labels) {label_smoothing = 0.0 : f32} : (tensor<4x2xf32>, tensor<4xi32>) -> tensor<1xf32>
  return %4 : tensor<1xf32>
}

// The gradient of a convolution by its weight is one op, and nobody wants that by its input. Batch
// norm has sums over [M, C] and one expression over x. The running mean is a
// buffer.
func.func @convolution(%x: tensor<2x4x4x1xf32> {hla.name = "x"}, %w: tensor<3x3x3x1xf32> {hla.param = "w"}, %s: tensor<1x1x1x3xf32> {hla.param = "s"}, %o: tensor<1x1x1x3xf32> {hla.param = "o"}, %mean: tensor<1x1x1x3xf32> {hla.buffer = true, hla.param = "mean"}) -> (tensor<1x1x1x1xf32> {hla.name = "objective"}, tensor<1x1x1x3xf32> {hla.updates = "mean"}) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = tosa.conv2d %x, %w, %zp, %zp, %zp {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<2x4x4x1xf32>, tensor<3x3x3x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x4x4x3xf32>
  %1:3 = "hla.batch_norm"(%0, %s, %o) {epsilon = 1.0e-05 : f32} : (tensor<2x4x4x3xf32>, tensor<1x1x1x3xf32>, tensor<1x1x1x3xf32>) -> (tensor<2x4x4x3xf32>, tensor<1x1x1x3xf32>, tensor<1x1x1x3xf32>)
  %2 = tosa.max_pool2d %1#0 {kernel = array<i64: 2, 2>, stride = array<i64: 2, 2>, pad = array<i64: 0, 0, 0, 0>} : (tensor<2x4x4x3xf32>) -> tensor<2x2x2x3xf32>
  %3 = tosa.reduce_sum %2 {axis = 0 : i32} : (tensor<2x2x2x3xf32>) -> tensor<1x2x2x3xf32>
  %4 = tosa.reduce_sum %3 {axis = 1 : i32} : (tensor<1x2x2x3xf32>) -> tensor<1x1x2x3xf32>
  %5 = tosa.reduce_sum %4 {axis = 2 : i32} : (tensor<1x1x2x3xf32>) -> tensor<1x1x1x3xf32>
  %6 = tosa.reduce_sum %5 {axis = 3 : i32} : (tensor<1x1x1x3xf32>) -> tensor<1x1x1x1xf32>
  return %6, %1#1 : tensor<1x1x1x1xf32>, tensor<1x1x1x3xf32>
}

// Stage 2 of HLA: ∂/∂ŵ = v, times S = 1 − w² (Eq. 11–12), plus λ·∂L_d/∂w; the threshold gets Eq. 13
// from the first part only.
func.func @ternary(%w: tensor<2x3xf32> {hla.param = "w"}, %d: tensor<1xf32> {hla.param = "w.threshold"}, %v: tensor<2x3xf32> {hla.name = "v"}, %lambda: tensor<1xf32> {hla.name = "loss_aware_weight"}) -> (tensor<1xf32> {hla.name = "objective"}) {
  %shift = "tosa.const"() {values = dense<0> : tensor<1xi8>} : () -> tensor<1xi8>
  %0 = "hla.ste_ternarize"(%w, %d) {axis = 0 : i64, rescale = "weight", threshold_gradient = "signed"} : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x3xf32>
  %1 = tosa.mul %0, %v, %shift : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<1xi8>) -> tensor<2x3xf32>
  %2 = tosa.reduce_sum %1 {axis = 0 : i32} : (tensor<2x3xf32>) -> tensor<1x3xf32>
  %3 = tosa.reduce_sum %2 {axis = 1 : i32} : (tensor<1x3xf32>) -> tensor<1x1xf32>
  %shape = tosa.const_shape {values = dense<1> : tensor<1xindex>} : () -> !tosa.shape<1>
  %4 = tosa.reshape %3, %shape : (tensor<1x1xf32>, !tosa.shape<1>) -> tensor<1xf32>
  %5 = "hla.loss_aware"(%w, %d) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<1xf32>
  %6 = tosa.mul %lambda, %5, %shift : (tensor<1xf32>, tensor<1xf32>, tensor<1xi8>) -> tensor<1xf32>
  %7 = tosa.add %4, %6 : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
  return %7 : tensor<1xf32>
}

// Floor is constant but for jumps: p gets zeros. What prints is not on the path and stays.
func.func @apart(%w: tensor<1xf32> {hla.param = "w"}, %p: tensor<1xf32> {hla.param = "p"}) -> (tensor<1xf32> {hla.name = "loss"}) {
  "other.print"(%w) : (tensor<1xf32>) -> ()
  %0 = tosa.floor %p : (tensor<1xf32>) -> tensor<1xf32>
  %1 = tosa.exp %w : (tensor<1xf32>) -> tensor<1xf32>
  %2 = tosa.add %0, %1 : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}
