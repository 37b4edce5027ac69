
module {
  func.func @"odd name \22"(%x: tensor<2xf32> {hla.name = "a\22b\\ \C3\A4"}) -> tensor<2xf32> {
    %c = "tosa.const"() <{values = dense<[0x7FA00001, -0.0]> : tensor<2xf32>}> {a.f = 0x7F800001 : f32, a.g = -0.0 : f32, a.h = 1.0e-45 : f32} : () -> tensor<2xf32>
    %h = "tosa.const"() <{values = dense<[0x7C01, 0xFC00]> : tensor<2xf16>}> : () -> tensor<2xf16>
    %b = "tosa.const"() <{values = dense<[true, false, true, true, false, true, true, true, true]> : tensor<9xi1>}> : () -> tensor<9xi1>
    %s = "tosa.const"() <{values = dense<true> : tensor<9xi1>}> : () -> tensor<9xi1>
    return %c : tensor<2xf32>
  }
}