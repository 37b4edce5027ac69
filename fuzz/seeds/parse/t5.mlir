
module {
  func.func @main() -> tensor<3xf32> {
    %c = "tosa.const"() <{values = dense_resource<blob> : tensor<3xf32>}> : () -> tensor<3xf32>
    "other.use"() {a = dense_resource<blob> : tensor<3xf32>, s = "dense_resource<x>"} : () -> ()
    return %c : tensor<3xf32>
  }
}
{-# dialect_resources: { builtin: { blob: "0x040000000000803F0000004000004040" } } #-}
