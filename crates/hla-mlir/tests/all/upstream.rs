//! Together with upstream: its passes on our modules, our dialect in its tools.

use std::io::Write;
use std::process::{Command, Stdio};

use hla_ir::ops::OPS;
use hla_mlir::{IRDL, PipelineOptions, parse_source, run_pipeline};

/// Runs `mlir-opt` with our dialect on a text; gives standard error if it refuses.
pub(crate) fn mlir_opt(text: &str) -> Result<String, String> {
    let irdl = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hla.irdl.mlir");
    let mut child = Command::new("mlir-opt-22")
        .args([
            &format!("--irdl-file={irdl}"),
            "--allow-unregistered-dialect",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn the_irdl_file_has_every_op_with_its_operands_and_attributes() {
    for def in OPS.iter().filter(|def| def.name.starts_with("hla.")) {
        let name = &def.name["hla.".len()..];
        let start = IRDL
            .find(&format!("irdl.operation @{name} {{"))
            .unwrap_or_else(|| panic!("{name} is not in hla.irdl.mlir"));
        let body = &IRDL[start..start + IRDL[start..].find("\n  }").unwrap()];
        for operand in def.operands {
            assert!(
                body.contains(&format!("{}: ", operand.name)),
                "{name}: {}",
                operand.name
            );
        }
        for attr in def
            .attrs
            .iter()
            .filter(|a| a.form == hla_ir::op::Form::Attribute)
        {
            assert!(
                body.contains(&format!("\"{}\" = ", attr.name)),
                "{name}: {}",
                attr.name
            );
        }
    }
}

#[test]
fn mlir_opt_checks_hla_ops() {
    let good = r#"
func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xi8> {
  %q = "hla.quantize"(%x) {scale = 0.5 : f32} : (tensor<2x3xf32>) -> tensor<2x3xi8>
  return %q : tensor<2x3xi8>
}"#;
    mlir_opt(good).unwrap();
    assert!(mlir_opt(&good.replace("scale = 0.5 : f32", "")).is_err());
    assert!(mlir_opt(&good.replace("0.5 : f32", "1 : i32")).is_err());
    assert!(mlir_opt(&good.replace("hla.quantize", "hla.quantise")).is_err());
}

#[test]
fn mlir_opt_checks_ops_of_training() {
    let good = r#"
func.func @step(%w: tensor<2x3xf32> {hla.param = "w"}, %m: tensor<2x3xf32>, %r: tensor<1xf32>) -> (tensor<2x3xf32> {hla.updates = "w"}, tensor<2x3xf32>) {
  %s = "hla.straight_through"(%w, %m) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %p, %n = "hla.sgd_update"(%w, %s, %m, %r) {mu = 0.5 : f32, weight_decay = 0.0 : f32, nesterov = true} : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<1xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %p, %n : tensor<2x3xf32>, tensor<2x3xf32>
}"#;
    mlir_opt(good).unwrap();
    let module = parse_source("m.mlir", good.as_bytes()).unwrap();
    assert_eq!(module.functions[0].updates(0), Some("w"));
    for (part, wrong) in [
        ("mu = 0.5 : f32, ", ""),
        ("nesterov = true", "nesterov = 1.0 : f32"),
        (
            "(%w, %m) : (tensor<2x3xf32>, tensor<2x3xf32>)",
            "(%w) : (tensor<2x3xf32>)",
        ),
    ] {
        let text = good.replace(part, wrong);
        assert!(text != good && mlir_opt(&text).is_err(), "{text}");
    }
    // Which names there are is hlac's to say.
    let wrong = good.replace("hla.updates = \"w\"", "hla.updates = \"v\"");
    mlir_opt(&wrong).unwrap();
    let errors = parse_source("m.mlir", wrong.as_bytes()).unwrap_err();
    assert!(errors[0].message.contains("updates 'v'"), "{errors:?}");
}

#[test]
fn upstream_passes_run_and_say_what_is_wrong() {
    let module = parse_source(
        "m.mlir",
        br#"
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %a = tosa.add %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = tosa.add %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %c = tosa.sub %a, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %c : tensor<2x3xf32>
}"#,
    )
    .unwrap();
    let run = |pipeline: &str| run_pipeline(&module, pipeline, PipelineOptions::default());
    let cse = run("builtin.module(cse)").unwrap();
    assert_eq!(cse.functions[0].nodes.len(), 2);
    assert_eq!(cse.functions[0].nodes[0].location.line, 3);
    // Lowered to linalg, every op is opaque, and the text is still good MLIR.
    let linalg = run("builtin.module(func.func(tosa-to-linalg))").unwrap();
    assert!(linalg.functions[0].opaque_nodes().count() > 0);
    mlir_opt(&linalg.to_string()).unwrap();
    // Loops and branches are kept as text.
    let branches = run("builtin.module(func.func(tosa-to-linalg),one-shot-bufferize{bufferize-function-boundaries},convert-linalg-to-loops,convert-scf-to-cf)").unwrap();
    assert_eq!((branches.functions.len(), branches.opaque.len()), (0, 1));
    mlir_opt(&branches.to_string()).unwrap();
    let errors = run("builtin.module(no-such-pass)").unwrap_err();
    assert!(
        errors.iter().any(|e| e.message.contains("no-such-pass")),
        "{errors:?}"
    );
}
