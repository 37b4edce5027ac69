//! Binding safetensors files.

use std::path::{Path, PathBuf};

use hla_ir::{DType, Diagnostic, Module, Op};
use hla_mlir::parse_source;
use hla_mlir::weights::{BindOptions, bind, bind_with};

const MODEL: &str = r#"
func.func @main(%x: tensor<2xf32>, %a: tensor<2xf32> {hla.param = "layer.weight"}, %b: tensor<2xf32> {hla.param = "layer.bias"}) -> tensor<2xf32> {
  %m = tosa.add %x, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %r = tosa.add %m, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}"#;

/// A file with this header and data; the length of the header is written unless given.
fn file(dir: &Path, header: &str, data: &[u8], length: Option<u64>) -> PathBuf {
    let path = dir.join("w.safetensors");
    let mut bytes = length.unwrap_or(header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn entry(name: &str, dtype: &str, shape: &str, start: usize, end: usize) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn model() -> Module {
    parse_source("m.mlir", MODEL.as_bytes()).unwrap()
}

fn list(errors: &[Diagnostic]) -> String {
    errors.iter().map(|e| format!("{e}\n")).collect()
}

#[test]
fn parameters_become_constants_over_the_mapped_file() {
    let dir = tempfile::tempdir().unwrap();
    let header = format!(
        "{{{},{},{}}}",
        entry("layer.weight", "F32", "[2]", 0, 8),
        entry("layer.bias", "BF16", "[2]", 8, 12),
        entry("extra", "F64", "[1]", 12, 20)
    );
    let mut data = floats(&[1.5, -2.0]);
    data.extend_from_slice(&[0x80, 0x3F, 0x00, 0xC0]);
    data.extend_from_slice(&[0; 8]);
    let path = file(dir.path(), &header, &data, None);
    let mut module = model();
    let warnings = list(&bind(&mut module, &path).unwrap());
    assert!(
        warnings.contains("'layer.bias' is converted from bf16 to f32"),
        "{warnings}"
    );
    assert!(warnings.contains("no parameter uses extra"), "{warnings}");
    let f = &module.functions[0];
    assert_eq!(f.args.len(), 1);
    let constants: Vec<_> = f.nodes.iter().filter(|n| n.op == Op::Const).collect();
    assert_eq!(constants[0].attrs.str("hla.param"), Some("layer.weight"));
    assert_eq!(constants[0].constant().unwrap().to_f32s(), [1.5, -2.0]);
    assert_eq!(constants[1].constant().unwrap().dtype(), DType::F32);
    assert_eq!(constants[1].constant().unwrap().to_f32s(), [1.0, -2.0]);
    hla_ir::verify::verify_module(&module).unwrap();
    // The name survives a round trip.
    assert_eq!(
        parse_source("again", module.to_string().as_bytes())
            .unwrap()
            .functions[0]
            .nodes[0]
            .attrs
            .str("hla.param"),
        Some("layer.weight")
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let header = format!(
        "{{{},{}}}",
        entry("layer.wieght", "F32", "[2]", 0, 8),
        entry("layer.bias", "F32", "[1,2]", 8, 16)
    );
    let path = file(dir.path(), &header, &floats(&[0.0; 4]), None);
    let before = model();
    let mut module = before.clone();
    let errors = bind(&mut module, &path).unwrap_err();
    assert_eq!(errors.len(), 2);
    let text = list(&errors);
    assert!(
        text.contains("m.mlir:2:36: error: parameter 'layer.weight' is not in"),
        "{text}"
    );
    assert!(text.contains("did you mean 'layer.wieght'"), "{text}");
    assert!(
        text.contains("parameter 'layer.bias' is tensor<2xf32>, but the file has tensor<1x2xf32>"),
        "{text}"
    );
    assert_eq!(module, before, "a refused file changes nothing");
}

#[test]
fn weights_that_are_no_numbers_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let header = format!(
        "{{{},{}}}",
        entry("layer.weight", "F32", "[2]", 0, 8),
        entry("layer.bias", "F32", "[2]", 8, 16)
    );
    let data = floats(&[0.0, f32::NAN, f32::INFINITY, 1.0]);
    let path = file(dir.path(), &header, &data, None);
    let text = list(&bind(&mut model(), &path).unwrap_err());
    assert!(
        text.contains("tensor 'layer.weight' holds NaN at index [1]"),
        "{text}"
    );
    assert!(
        text.contains("tensor 'layer.bias' holds inf at index [0]"),
        "{text}"
    );
    bind_with(
        &mut model(),
        &path,
        BindOptions {
            allow_non_finite: true,
        },
    )
    .unwrap();
}

#[test]
fn hostile_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = format!(
        "{{{},{}}}",
        entry("layer.weight", "F32", "[2]", 0, 8),
        entry("layer.bias", "F32", "[2]", 8, 16)
    );
    let data = floats(&[0.0; 4]);
    let refuse = |header: &str, data: &[u8], length: Option<u64>| {
        let path = file(dir.path(), header, data, length);
        let errors = bind(&mut model(), &path).unwrap_err();
        assert!(
            errors
                .iter()
                .all(|e| !e.location.is_unknown() && e.help.is_some()),
            "{}",
            list(&errors)
        );
    };
    let path = file(dir.path(), &good, &data, None);
    bind(&mut model(), &path).unwrap();
    refuse(&good, &data, Some(u64::MAX));
    refuse(&good, &data, Some(1 << 40));
    refuse(&good, &data, Some(0));
    refuse(&good, &data[..15], None);
    refuse(&good, &[], None);
    refuse("", &[], None);
    refuse("[1]", &data, None);
    refuse(&"[".repeat(100_000), &data, None);
    refuse(&good.replace("[8,16]", "[0,8]"), &data, None);
    refuse(&good.replace("[8,16]", "[16,8]"), &data, None);
    refuse(&good.replace("\"F32\"", "\"F99\""), &data, None);
    refuse(&good.replace("[2]", "[-2]"), &data, None);
    refuse(
        &good.replace("[2]", "[18446744073709551615,2]"),
        &data,
        None,
    );
    refuse(
        &good.replace("[2]", "[4611686018427387904,4,2]"),
        &data,
        None,
    );
    refuse(&good.replace("layer.bias", "layer.weight"), &data, None);
    std::fs::write(dir.path().join("empty"), b"").unwrap();
    for bad in ["empty", "absent", "."] {
        let errors = bind(&mut model(), &dir.path().join(bad)).unwrap_err();
        assert!(errors[0].help.is_some());
    }
}

#[test]
fn the_digits_models_bind() {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/digits");
    for name in ["cnn", "mlp"] {
        let mut module = hla_mlir::parse_file(&digits.join(format!("{name}.mlir"))).unwrap();
        bind(&mut module, &digits.join(format!("{name}.safetensors"))).unwrap();
        hla_mlir::weights::require_bound(&module).unwrap();
        super::upstream::mlir_opt(&module.to_string()).unwrap();
    }
}
