
#map = affine_map<(d0) -> (d0)>
module attributes {a.b = "c\00\FF", a.u} {
  "other.top"() {x = 1 : i3} : () -> ()
  func.func private @declared(tensor<2xf32>) -> tensor<2xf32>
  func.func private @main(%x: tensor<2xf32> {a.note = [1, 2]}, %odd: !other.type<"x>">, %dyn: tensor<2x!other.e>) -> (tensor<2xf32> {hla.name = "y"}, !other.type<"x>">) attributes {a.b} {
    %c = arith.constant 2.0 : f32
    %e = tensor.empty() : tensor<2xf32>
    %n:2 = "other.op"(%x, %odd) <{p = 1 : i32}> ({
      ^bb0(%i: i32):
        %k:2 = "other.inner"(%i, %x) {s = "%x \" %k"} : (i32, tensor<2xf32>) -> (i32, i32)
        "other.yield"(%k#1) : (i32) -> ()
    }) {q = @sym} : (tensor<2xf32>, !other.type<"x>">) -> (tensor<2xf32>, () -> i1) loc("here")
    %g = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%n#0 : tensor<2xf32>) outs(%e : tensor<2xf32>) {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %c : f32
        linalg.yield %s : f32
    } -> tensor<2xf32>
    %z = tosa.add %g, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    return %z, %odd : tensor<2xf32>, !other.type<"x>">
  }
}