//! Reading models, and what is said about bad ones.

use hla_ir::{Attr, DType, Diagnostic, Module, Op, Tensor, TensorType};
use hla_mlir::{PrintOptions, parse_source, print_pretty, to_bytecode};

fn parse(text: &str) -> Module {
    match parse_source("m.mlir", text.as_bytes()) {
        Ok(module) => module,
        Err(errors) => panic!("{}", list(&errors)),
    }
}

fn errors(text: &str) -> Vec<Diagnostic> {
    parse_source("m.mlir", text.as_bytes()).unwrap_err()
}

fn list(errors: &[Diagnostic]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// Printed and parsed again, as generic text, as pretty text and as bytecode.
fn round_trip(module: &Module) {
    for text in [
        hla_ir::print::module(module, hla_ir::print::Options { locations: true }),
        print_pretty(
            module,
            PrintOptions {
                locations: true,
                ..PrintOptions::default()
            },
        )
        .unwrap(),
        print_pretty(
            module,
            PrintOptions {
                locations: true,
                generic: true,
                ..PrintOptions::default()
            },
        )
        .unwrap(),
    ] {
        let again = parse(&text);
        assert_eq!(&again, module, "{text}");
    }
    let again = parse_source("m", &to_bytecode(module).unwrap()).unwrap();
    assert_eq!(&again, module);
}

const CONV: &str = r#"
module {
  func.func @main(%x: tensor<2x8x8x3xf32> {hla.name = "image"}, %w: tensor<4x3x3x3xf32> {hla.param = "conv.weight"}) -> (tensor<2x8x8x4xf32>, tensor<2x8x8x3xf32>) {
    %b = "tosa.const"() <{values = dense<0.5> : tensor<4xf32>}> : () -> tensor<4xf32>
    %zp = "tosa.const"() <{values = dense<0.0> : tensor<1xf32>}> : () -> tensor<1xf32>
    %y = tosa.conv2d %x, %w, %b, %zp, %zp {acc_type = f32, dilation = array<i64: 1, 1>, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>} : (tensor<2x8x8x3xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x8x8x4xf32>
    %r = tosa.clamp %y {min_val = 0.0 : f32, max_val = 3.40282347E+38 : f32} : (tensor<2x8x8x4xf32>) -> tensor<2x8x8x4xf32>
    return %r, %x : tensor<2x8x8x4xf32>, tensor<2x8x8x3xf32>
  }
}
"#;

#[test]
fn a_convolution_with_its_constants_locations_and_names() {
    let module = parse(CONV);
    let f = module.function("main").unwrap();
    assert_eq!(f.args[0].name.as_deref(), Some("image"));
    assert_eq!(f.args[1].param.as_deref(), Some("conv.weight"));
    // The zero point is an attribute now, the bias stays a constant.
    let ops: Vec<Op> = f.nodes.iter().map(|n| n.op).collect();
    assert_eq!(ops, [Op::Const, Op::Conv2d, Op::Clamp]);
    assert_eq!(f.nodes[1].attrs.get("input_zp"), Some(&Attr::F32(0.0)));
    assert_eq!(f.nodes[1].attrs.i64s("pad"), Some(&[1, 1, 1, 1][..]));
    assert_eq!(
        f.nodes[0].constant(),
        Some(&Tensor::splat(TensorType::f32([4]), 0.5))
    );
    let at = &f.nodes[1].location;
    assert_eq!(
        (at.file.as_deref(), at.line, at.column),
        (Some("m.mlir"), 6, 10)
    );
    assert_eq!(f.results.len(), 2);
    round_trip(&module);
}

#[test]
fn integers_shapes_and_scalars() {
    let module = parse(
        r#"
func.func @main(%x: tensor<1x4xi32>) -> tensor<2x1x5xi32> {
  %shape = tosa.const_shape {values = dense<[2, -1, 2]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %shift = "tosa.const"() <{values = dense<3> : tensor<1xi8>}> : () -> tensor<1xi8>
  %pads = tosa.const_shape {values = dense<[0, 0, 0, 0, 1, 2]> : tensor<6xindex>} : () -> !tosa.shape<6>
  %value = "tosa.const"() <{values = dense<-7> : tensor<1xi32>}> : () -> tensor<1xi32>
  %m = tosa.mul %x, %x, %shift : (tensor<1x4xi32>, tensor<1x4xi32>, tensor<1xi8>) -> tensor<1x4xi32>
  %r = tosa.reshape %m, %shape : (tensor<1x4xi32>, !tosa.shape<3>) -> tensor<2x1x2xi32>
  %p = tosa.pad %r, %pads, %value : (tensor<2x1x2xi32>, !tosa.shape<6>, tensor<1xi32>) -> tensor<2x1x5xi32>
  return %p : tensor<2x1x5xi32>
}"#,
    );
    let f = module.function("main").unwrap();
    assert_eq!(f.nodes.len(), 3);
    assert_eq!(f.nodes[0].attrs.i64("shift"), Some(3));
    assert_eq!(f.nodes[1].attrs.i64s("shape"), Some(&[2, 1, 2][..]));
    assert_eq!(f.nodes[2].attrs.i64("pad_const"), Some(-7));
    round_trip(&module);
}

#[test]
fn what_hlac_does_not_know_stays() {
    let text = r#"
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
}"#;
    let module = parse(text);
    assert_eq!(module.opaque.len(), 2);
    let f = module.function("main").unwrap();
    let names: Vec<&str> = f.nodes.iter().map(hla_ir::Node::name).collect();
    assert_eq!(
        names,
        [
            "arith.constant",
            "tensor.empty",
            "other.op",
            "linalg.generic",
            "tosa.add"
        ]
    );
    // The captured constant is an operand of the graph, though not of the op.
    assert_eq!(f.nodes[3].operands.len(), 3);
    assert_eq!(f.nodes[2].location.name.as_deref(), Some("here"));
    round_trip(&module);
}

#[test]
fn instances_of_known_ops_that_hlac_has_not_stay_too() {
    let module = parse(
        r#"
func.func @main(%x: tensor<2xf64>, %s: tensor<1xi8>, %i: tensor<2xi32>, %q: tensor<2x!quant.uniform<i8:f32, 0.5:1>>) -> tensor<2xi32> {
  %d = tosa.add %x, %x : (tensor<2xf64>, tensor<2xf64>) -> tensor<2xf64>
  %m = tosa.mul %i, %i, %s : (tensor<2xi32>, tensor<2xi32>, tensor<1xi8>) -> tensor<2xi32>
  return %m : tensor<2xi32>
}"#,
    );
    let f = module.function("main").unwrap();
    assert!(f.nodes.iter().all(|n| n.op == Op::Opaque));
    round_trip(&module);
}

#[test]
fn special_floats_and_odd_strings_keep_their_bits() {
    let module = parse(
        r#"
module {
  func.func @"odd name \22"(%x: tensor<2xf32> {hla.name = "a\22b\\ \C3\A4"}) -> tensor<2xf32> {
    %c = "tosa.const"() <{values = dense<[0x7FA00001, -0.0]> : tensor<2xf32>}> {a.f = 0x7F800001 : f32, a.g = -0.0 : f32, a.h = 1.0e-45 : f32} : () -> tensor<2xf32>
    %h = "tosa.const"() <{values = dense<[0x7C01, 0xFC00]> : tensor<2xf16>}> : () -> tensor<2xf16>
    %b = "tosa.const"() <{values = dense<[true, false, true, true, false, true, true, true, true]> : tensor<9xi1>}> : () -> tensor<9xi1>
    %s = "tosa.const"() <{values = dense<true> : tensor<9xi1>}> : () -> tensor<9xi1>
    return %c : tensor<2xf32>
  }
}"#,
    );
    let f = &module.functions[0];
    assert_eq!(f.name, "odd name \"");
    assert_eq!(f.args[0].name.as_deref(), Some("a\"b\\ ä"));
    assert_eq!(
        f.nodes[0].constant().unwrap().dense_bytes().unwrap(),
        [1, 0, 0xA0, 0x7F, 0, 0, 0, 0x80]
    );
    assert!(
        matches!(f.nodes[0].attrs.get("a.f"), Some(Attr::F32(v)) if v.to_bits() == 0x7F80_0001)
    );
    assert_eq!(
        f.nodes[2].constant().unwrap().to_i64s().unwrap(),
        [1, 0, 1, 1, 0, 1, 1, 1, 1]
    );
    assert_eq!(
        f.nodes[3].constant(),
        Some(&Tensor::splat(TensorType::new([9], DType::I1), 1.0))
    );
    round_trip(&module);
}

#[test]
fn resources_inline_and_in_bytecode() {
    let text = r#"
module {
  func.func @main() -> tensor<3xf32> {
    %c = "tosa.const"() <{values = dense_resource<blob> : tensor<3xf32>}> : () -> tensor<3xf32>
    "other.use"() {a = dense_resource<blob> : tensor<3xf32>, s = "dense_resource<x>"} : () -> ()
    return %c : tensor<3xf32>
  }
}
{-# dialect_resources: { builtin: { blob: "0x040000000000803F0000004000004040" } } #-}
"#;
    let module = parse(text);
    let want = Tensor::from_f32s([3], &[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(module.functions[0].nodes[0].constant(), Some(&want));
    // Text of unknown ops cannot refer to a blob that is elsewhere: it holds the values now.
    let Some(Attr::Raw(kept)) = module.functions[0].nodes[1].attrs.get("mlir.suffix") else {
        panic!()
    };
    assert_eq!(
        &**kept,
        " {a = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, s = \"dense_resource<x>\"}"
    );
    round_trip(&parse(&module.to_string()));
    let missing = text.replace("blob: ", "other: ");
    assert!(
        list(&errors(&missing)).contains("blob"),
        "{}",
        list(&errors(&missing))
    );
    let short = text.replace("00004040", "");
    assert!(list(&errors(&short)).contains("has 8 bytes, but tensor<3xf32> needs 12"));
}

#[test]
fn errors_have_places() {
    let at = |text: &str| {
        let errors = errors(text);
        let first = &errors[0];
        (first.location.line, first.location.column, list(&errors))
    };
    let (line, column, text) =
        at("module {\n  func.func @f() -> tensor<2xf32> {\n    return\n  }\n}");
    assert_eq!((line, column), (3, 5), "{text}");
    assert!(text.contains("m.mlir:3:5: error: "), "{text}");
    let (line, _, text) = at("module {\n func.func @f(");
    assert_eq!(line, 2, "{text}");
    // All of hlac's own errors at once.
    let text = list(&errors(
        r#"
func.func @f(%x: tensor<2xf32>) -> tensor<3xf32> {
  %a = "hla.quantise"(%x) {scale = 1.0 : f32} : (tensor<2xf32>) -> tensor<2xi8>
  %b = "hla.quantize"(%x) {scale = 0.0 : f32} : (tensor<2xf32>) -> tensor<2xi8>
  %c = "hla.quantize"(%x) {scale = 1.0 : f32} : (tensor<2xf32>) -> tensor<3xi8>
  %d = "hla.dequantize"(%c) {scale = 1.0 : f32} : (tensor<3xi8>) -> tensor<3xf32>
  return %d : tensor<3xf32>
}"#,
    ));
    assert!(
        text.contains(
            "m.mlir:3:8: error: there is no op 'hla.quantise'\n  help: did you mean 'hla.quantize'?"
        ),
        "{text}"
    );
    assert!(
        text.contains("m.mlir:4:8: error: 'hla.quantize': the scale 0"),
        "{text}"
    );
    assert!(text.contains("m.mlir:5:8: error: 'hla.quantize': the result is declared as tensor<3xi8>, but its operands imply tensor<2xi8>"), "{text}");
}

#[test]
fn several_functions_need_no_module() {
    let text = "func.func @a() {\n  return\n}\nfunc.func @b(%x: tensor<1xf32>) {\n  return\n}\n";
    let module = parse(text);
    assert_eq!(module.functions.len(), 2);
    assert_eq!(
        module.functions[1].location,
        hla_ir::Location::file("m.mlir", 4, 1)
    );
    assert_eq!(
        module.functions[1].args[0].location.file.as_deref(),
        Some("m.mlir")
    );
    round_trip(&module);
    let errors = errors(&text.replace("@b", "@a"));
    assert_eq!(
        errors[0].location.file.as_deref(),
        Some("m.mlir"),
        "{}",
        list(&errors)
    );
}
