//! Damaged and hostile models: an error with a place and a next step, never a crash.

use std::path::Path;

use hla_ir::ValueId;
use hla_mlir::{parse_file, parse_source, to_bytecode};

const MODEL: &str = r#"
func.func @main(%x: tensor<2x4xf32> {hla.name = "x"}) -> tensor<2x4xf32> {
  %c = "tosa.const"() <{values = dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>}> : () -> tensor<1x4xf32>
  %r = tosa.add %x, %c : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>
  %k = tosa.clamp %r {min_val = 0.0 : f32, max_val = 6.0 : f32} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %k : tensor<2x4xf32>
}"#;

#[test]
fn bytecode_that_crashes_the_reader_is_refused() {
    // These end `mlir-opt-22` by a signal.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for i in 1..=4 {
        let errors = parse_file(&folder.join(format!("damaged-{i}.mlirbc"))).unwrap_err();
        assert!(
            errors[0].message.contains("this bytecode is damaged"),
            "{errors:?}"
        );
        assert!(errors[0].location.file.is_some() && errors[0].help.is_some());
    }
}

#[test]
fn every_truncation_and_many_damages_of_bytecode_are_survived() {
    let module = parse_source("m.mlir", MODEL.as_bytes()).unwrap();
    let bytes = to_bytecode(&module).unwrap();
    for n in (0..bytes.len()).step_by(7) {
        assert!(parse_source("m", &bytes[..n]).is_err());
    }
    let mut state = 3_u32;
    for _ in 0..40 {
        let mut damaged = bytes.clone();
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let at = 5 + state as usize % (damaged.len() - 5);
        damaged[at] ^= 1 << (state >> 29);
        let _ = parse_source("m", &damaged);
    }
}

#[test]
fn many_damages_of_text_are_survived() {
    // Whatever MLIR may be asked to take for a number, a type or a word.
    const WORDS: [&str; 16] = [
        "0",
        "-1",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "1e400",
        "0x7FC00000",
        "?",
        "f64",
        "i1",
        "i4",
        "ui8",
        "index",
        "none",
        "array",
        "dense",
    ];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let starts: Vec<usize> = MODEL
        .char_indices()
        .filter(|&(i, c)| is_word(c) && !MODEL[..i].ends_with(is_word))
        .map(|(i, _)| i)
        .collect();
    let mut state = 5_u32;
    let mut random = |below: usize| {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below
    };
    let mut refused = 0;
    for _ in 0..300 {
        let start = starts[random(starts.len())];
        let length = MODEL[start..].find(|c| !is_word(c)).unwrap();
        let mut text = MODEL.to_owned();
        text.replace_range(start..start + length, WORDS[random(WORDS.len())]);
        if let Err(errors) = parse_source("m.mlir", text.as_bytes()) {
            let place = &errors[0].location;
            assert_eq!(place.file.as_deref(), Some("m.mlir"), "{errors:?}\n{text}");
            refused += 1;
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn what_mlir_refuses_without_a_word_has_a_place_and_a_message() {
    // `mlir-opt-22` fails on this in silence.
    let text = MODEL.replace("max_val", "?");
    let errors = parse_source("m.mlir", text.as_bytes()).unwrap_err();
    let place = &errors[0].location;
    assert_eq!((place.file.as_deref(), place.line), (Some("m.mlir"), 5));
    assert!(errors[0].help.is_some(), "{errors:?}");
}

#[test]
fn truncated_text_is_refused_where_it_ends() {
    for n in (1..MODEL.len() - 1).step_by(11) {
        let errors = parse_source("m.mlir", &MODEL.as_bytes()[..n]).unwrap_err();
        assert_eq!(
            errors[0].location.file.as_deref(),
            Some("m.mlir"),
            "{n}: {errors:?}"
        );
    }
}

#[test]
fn odd_texts_are_refused() {
    let func =
        |body: &str| format!("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {{\n{body}\n}}");
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    for text in [
        String::new(),
        "\0".to_owned(),
        "ML\u{feff}R".to_owned(),
        "not mlir at all".to_owned(),
        deep("(", ")"),
        format!(
            "\"a\"() {{x = {}1{}}} : () -> ()",
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
        format!(
            "\"a\"() {{x = affine_map<(d0) -> ({}d0)>}} : () -> ()",
            "-".repeat(200_000)
        ),
        func("  return %y : tensor<2xf32>"),
        func(
            "  %a = tosa.add %x, %x : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>\n  return %a : tensor<2xf32>",
        ),
        func("  cf.br ^a\n^a:\n  return %x : tensor<2xf32>"),
        func("  \"other.end\"() : () -> ()"),
        // This ends `mlir-opt-22` by a signal.
        func(
            "  %a = \"tosa.abs\"(%x) {a = array<index: 1>} : (tensor<2xf32>) -> tensor<2xf32>\n  return %a : tensor<2xf32>",
        ),
        // Extents and products of extents that overflow.
        "func.func @f(%x: tensor<9223372036854775807x9223372036854775807xf32>) { return }"
            .to_owned(),
        func(
            "  %c = \"tosa.const\"() <{values = dense<0.0> : tensor<4294967296x4294967296xf32>}> : () -> tensor<4294967296x4294967296xf32>\n  %a = tosa.add %x, %c : (tensor<2xf32>, tensor<4294967296x4294967296xf32>) -> tensor<2xf32>\n  return %a : tensor<2xf32>",
        ),
    ] {
        match parse_source("m.mlir", text.as_bytes()) {
            Err(errors) => assert!(!errors.is_empty()),
            // A tensor too large for hlac is kept, as a type that it does not know.
            Ok(module) => {
                let f = &module.functions[0];
                assert!(f.opaque_nodes().next().is_some() || f.ty(ValueId(0)).tensor().is_none());
            }
        }
    }
}
