// RUN: hlac opt %s --pass-pipeline='builtin.module(hla-canonicalize)'

// Two transposes that undo each other, a reshape of a reshape, a sum with zero.
func.func @tidy(%x: tensor<2x3xf32>) -> tensor<6xf32> {
  %zero = "tosa.const"() {values = dense<0.0> : tensor<6xf32>} : () -> tensor<6xf32>
  %s32 = tosa.const_shape {values = dense<[3, 2]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %s6 = tosa.const_shape {values = dense<6> : tensor<1xindex>} : () -> !tosa.shape<1>
  %0 = tosa.transpose %x {perms = array<i32: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = tosa.transpose %0 {perms = array<i32: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %2 = tosa.reshape %1, %s32 : (tensor<2x3xf32>, !tosa.shape<2>) -> tensor<3x2xf32>
  %3 = tosa.reshape %2, %s6 : (tensor<3x2xf32>, !tosa.shape<1>) -> tensor<6xf32>
  %4 = tosa.identity %3 : (tensor<6xf32>) -> tensor<6xf32>
  return %4 : tensor<6xf32>
}
