//! MLIR text: numbers keep their bits, names are quoted, constants shared.

use half::{bf16, f16};
use hla_ir::graph::{Module, UPDATES};
use hla_ir::print::{Options, attr_text, dense_text, float_text, module, string_text};
use hla_ir::{Arg, Attr, DType, Function, Location, Op, Tensor, TensorType, Type};
use proptest::prelude::*;

use crate::common::{function, none, ty};

/// The bits that MLIR reads from a float literal of a type: hexadecimal is bits, a decimal is
/// parsed as f64 and rounded once.
fn read(text: &str, dtype: DType) -> u32 {
    if let Some(hex) = text.strip_prefix("0x") {
        assert_eq!(hex.len(), 2 * dtype.bytes(), "{text}");
        return u32::from_str_radix(hex, 16).unwrap();
    }
    assert!(text.contains('.'), "MLIR wants a point in '{text}'");
    let wide: f64 = text.parse().unwrap();
    match dtype {
        DType::F16 => f16::from_f64(wide).to_bits().into(),
        DType::BF16 => bf16::from_f64(wide).to_bits().into(),
        _ => (wide as f32).to_bits(),
    }
}

#[test]
fn every_narrow_float_keeps_its_bits() {
    for bits in 0..=u16::MAX {
        let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
        if !half.is_nan() {
            assert_eq!(
                read(&float_text(half.to_f32(), DType::F16), DType::F16),
                bits.into()
            );
        }
        if !brain.is_nan() {
            assert_eq!(
                read(&float_text(brain.to_f32(), DType::BF16), DType::BF16),
                bits.into()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn floats_keep_their_bits(bits in any::<u32>()) {
        prop_assert_eq!(read(&float_text(f32::from_bits(bits), DType::F32), DType::F32), bits);
    }

    #[test]
    fn small_tensors_keep_their_bits(bits in prop::collection::vec(any::<u32>(), 1..9)) {
        let bytes = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let tensor = Tensor::from_bytes(TensorType::f32([bits.len()]), bytes).unwrap();
        let text = dense_text(&tensor);
        let inner = text.strip_prefix("dense<[").unwrap().strip_suffix("]>").unwrap();
        let back: Vec<u32> = inner.split(", ").map(|n| read(n, DType::F32)).collect();
        prop_assert_eq!(back, bits);
    }

    #[test]
    fn strings_keep_their_bytes(text in "\\PC*|[\\x00-\\x7f]*") {
        let quoted = string_text(&text);
        prop_assert!(quoted.is_ascii());
        let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let mut bytes = Vec::new();
        let mut rest = inner.bytes();
        while let Some(byte) = rest.next() {
            prop_assert_ne!(byte, b'"');
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            match rest.next().unwrap() {
                escaped @ (b'"' | b'\\') => bytes.push(escaped),
                high => {
                    let digits = [high, rest.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                }
            }
        }
        prop_assert_eq!(bytes, text.into_bytes());
    }
}

#[test]
fn numbers_are_as_mlir_spells_them() {
    let text = |v| float_text(v, DType::F32);
    assert_eq!([text(1.0), text(-0.0), text(0.1)], ["1.0", "-0.0", "0.1"]);
    assert_eq!(
        [text(1e-5), text(1e20), text(2.5e-7)],
        ["1.0e-5", "1.0e20", "2.5e-7"]
    );
    assert_eq!(
        [text(f32::INFINITY), text(f32::NEG_INFINITY)],
        ["0x7F800000", "0xFF800000"]
    );
    assert_eq!(float_text(f32::INFINITY, DType::F16), "0x7C00");
}

#[test]
fn tensors_are_nested_or_hexadecimal() {
    let ints =
        |text: &str, values: &[i64]| dense_text(&Tensor::from_i64s(ty(text), values).unwrap());
    assert_eq!(
        ints("2x3xi8", &[1, -2, 3, 4, 5, 6]),
        "dense<[[1, -2, 3], [4, 5, 6]]>"
    );
    assert_eq!(ints("2x1xi1", &[1, 0]), "dense<[[true], [false]]>");
    assert_eq!(ints("i64", &[i64::MIN]), "dense<-9223372036854775808>");
    assert_eq!(ints("0x3xi8", &[]), "dense<>");
    assert_eq!(
        dense_text(&Tensor::splat(ty("1000xi64"), -3.0)),
        "dense<-3>"
    );
    let many: Vec<i64> = (0..65).collect();
    let hex = ints("65xi16", &many);
    assert!(hex.starts_with("dense<\"0x000001000200"), "{hex}");
    assert_eq!(hex.len(), "dense<\"0x\">".len() + 65 * 4);
    // Booleans have no hexadecimal form.
    let bools: Vec<i64> = (0..65).map(|i| i % 2).collect();
    assert!(ints("65xi1", &bools).starts_with("dense<[false, true, "));
}

#[test]
fn attributes_have_their_types() {
    assert_eq!(attr_text(&Attr::I64(3)), "3 : i64");
    assert_eq!(attr_text(&Attr::I64s(vec![])), "array<i64>");
    assert_eq!(
        attr_text(&Attr::F32s(vec![0.5, 2.0])),
        "array<f32: 0.5, 2.0>"
    );
    assert_eq!(attr_text(&Attr::from("a\"b\n")), "\"a\\\"b\\0A\"");
    assert_eq!(attr_text(&Attr::Raw("#acme.x<1>".into())), "#acme.x<1>");
}

#[test]
fn operand_constants_are_written_once_before_their_first_user() {
    let (mut f, x) = function(&["2x3xf32", "2x3xf32"]);
    let shape = || none().with("shape", vec![3, 2]);
    let a = f
        .push(Op::Reshape, &[x[0]], shape(), Location::unknown())
        .unwrap();
    let b = f
        .push(Op::Reshape, &[x[1]], shape(), Location::unknown())
        .unwrap();
    let c = f
        .push(Op::Mul, &[a, b], none(), Location::unknown())
        .unwrap();
    f.results = vec![c];
    assert_eq!(
        f.to_string(),
        r#"  func.func @test(%arg0: tensor<2x3xf32>, %arg1: tensor<2x3xf32>) -> tensor<3x2xf32> {
    %0 = "tosa.const_shape"() <{values = dense<[3, 2]> : tensor<2xindex>}> : () -> !tosa.shape<2>
    %1 = "tosa.reshape"(%arg0, %0) : (tensor<2x3xf32>, !tosa.shape<2>) -> tensor<3x2xf32>
    %2 = "tosa.reshape"(%arg1, %0) : (tensor<2x3xf32>, !tosa.shape<2>) -> tensor<3x2xf32>
    %3 = "tosa.const"() <{values = dense<0> : tensor<1xi8>}> : () -> tensor<1xi8>
    %4 = "tosa.mul"(%1, %2, %3) : (tensor<3x2xf32>, tensor<3x2xf32>, tensor<1xi8>) -> tensor<3x2xf32>
    "func.return"(%4) : (tensor<3x2xf32>) -> ()
  }
"#
    );
}

#[test]
fn attributes_are_spelt_in_their_own_way() {
    let text = |op: Op, operand: &str, attrs| {
        let (mut f, x) = function(&[operand]);
        f.push(op, &x, attrs, Location::unknown()).unwrap();
        f.to_string()
    };
    let perms = none().with("perms", vec![1, 0]);
    assert!(text(Op::Transpose, "2x3xf32", perms).contains("<{perms = array<i32: 1, 0>}>"));
    let max = text(Op::ReduceMax, "2x3xf32", none().with("axis", 1i64));
    assert!(
        max.contains("<{axis = 1 : i32, nan_mode = #tosa.nan_mode<PROPAGATE>}>"),
        "{max}"
    );
    let clamp = none()
        .with("min_val", 0.0f32)
        .with("max_val", f32::INFINITY);
    let clamp = text(Op::Clamp, "2xf16", clamp);
    assert!(
        clamp.contains("max_val = 0x7C00 : f16, min_val = 0.0 : f16"),
        "{clamp}"
    );
    let cast = text(Op::Cast, "2xf16", none().with("out_type", DType::I8));
    assert!(
        cast.contains("\"tosa.cast\"(%arg0) : (tensor<2xf16>) -> tensor<2xi8>"),
        "{cast}"
    );
    // Dynamic dialects have no properties.
    let quantize = text(Op::Quantize, "2xf32", none().with("scale", 0.5f32));
    assert!(
        quantize.contains("\"hla.quantize\"(%arg0) {scale = 0.5 : f32} :"),
        "{quantize}"
    );
    let noted = text(
        Op::Abs,
        "2xf32",
        none().with("acme.note", Attr::Raw("unit".into())),
    );
    assert!(
        noted.contains("\"tosa.abs\"(%arg0) {acme.note} :"),
        "{noted}"
    );
}

#[test]
fn names_locations_and_opaque_ops() {
    let mut f = Function::new("a name");
    let mut arg = Arg::new(TensorType::f32([2]))
        .named("image")
        .param("w \"0\"");
    arg.location = Location::file("m.mlir", 1, 2);
    let x = f.add_arg(arg);
    let mut location = Location::file("dir/\u{e9}.mlir", 3, 4);
    location.name = Some("conv1".into());
    let types = vec![Type::Opaque("!acme.list".into()), Type::Tensor(ty("2xi8"))];
    let id = f.push_opaque("acme.split", &[x], " {k = 1 : i64}", types, location);
    f.results = vec![f.node(id).results[1]];
    let m = Module {
        functions: vec![f],
        opaque: vec!["\"acme.top\"() : () -> ()".into()],
        ..Module::default()
    };
    let text = module(&m, Options { locations: true });
    for expected in [
        "  \"acme.top\"() : () -> ()\n",
        "func.func @\"a name\"(%arg0: tensor<2xf32> {hla.name = \"image\", hla.param = \"w \\\"0\\\"\"} loc(\"m.mlir\":1:2))",
        "%0:2 = \"acme.split\"(%arg0) {k = 1 : i64} : (tensor<2xf32>) -> (!acme.list, tensor<2xi8>) loc(\"conv1\"(\"dir/\\C3\\A9.mlir\":3:4))",
        "\"func.return\"(%0#1) : (tensor<2xi8>) -> ()",
    ] {
        assert!(text.contains(expected), "{text}\nlacks: {expected}");
    }
    assert!(!m.to_string().contains("loc("));
}

#[test]
fn results_have_attributes() {
    let (mut f, x) = function(&["2xf32", "1xf32"]);
    f.args[0].param = Some("w".into());
    f.results = vec![x[1]];
    f.add_result(x[0], UPDATES, "w");
    f.set_result_attr(1, "test.i", 3);
    let text = f.to_string();
    let signature = text.lines().find(|line| line.contains("@test")).unwrap();
    let results = r#" -> (tensor<1xf32>, tensor<2xf32> {hla.updates = "w", test.i = 3 : i64})"#;
    assert!(signature.contains(results), "{signature}");
    // One result with an attribute is in parentheses, too.
    f.results.remove(0);
    f.result_attrs.remove(0);
    let results = r#" -> (tensor<2xf32> {hla.updates = "w", test.i = 3 : i64})"#;
    assert!(f.to_string().contains(results), "{f}");
}
