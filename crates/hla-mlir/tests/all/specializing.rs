//! Dynamic extents and other batches.

use std::path::Path;

use hla_ir::{Diagnostic, Module, Op};
use hla_mlir::{InputName, InputShape, ParseOptions, parse_file_with, parse_source_with};

fn parse(text: &str, options: &ParseOptions) -> Result<Module, Vec<Diagnostic>> {
    parse_source_with("m.mlir", text.as_bytes(), options)
}

fn batch(n: usize) -> ParseOptions {
    ParseOptions {
        batch: Some(n),
        ..ParseOptions::default()
    }
}

fn results(module: &Module) -> Vec<String> {
    let f = &module.functions[0];
    f.results.iter().map(|&r| f.ty(r).to_string()).collect()
}

fn said(result: Result<Module, Vec<Diagnostic>>) -> String {
    result
        .unwrap_err()
        .iter()
        .map(|e| format!("{e}\n"))
        .collect()
}

const DYNAMIC: &str = r#"
func.func @main(%x: tensor<?x4x?xf32> {hla.name = "x"}, %y: tensor<?x4x3xf32>, %w: tensor<1x4x3xf32> {hla.param = "w"}) -> tensor<?x?xf32> {
  %s = tosa.const_shape {values = dense<[-1, 12]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %a = tosa.add %x, %y : (tensor<?x4x?xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xf32>
  %b = tosa.add %a, %w : (tensor<?x4x3xf32>, tensor<1x4x3xf32>) -> tensor<?x4x3xf32>
  %r = tosa.reshape %b, %s : (tensor<?x4x3xf32>, !tosa.shape<2>) -> tensor<?x?xf32>
  return %r : tensor<?x?xf32>
}"#;

#[test]
fn dynamic_extents_are_chosen_or_all_named() {
    let text = said(parse(DYNAMIC, &ParseOptions::default()));
    assert!(
        text.contains("m.mlir:2:17: error: '@main' has inputs with dynamic extents"),
        "{text}"
    );
    assert!(text.contains("input 'x' is tensor<?x4x?xf32>"), "{text}");
    assert!(text.contains("argument 1 is tensor<?x4x3xf32>"), "{text}");
    assert!(text.contains("--input-shape"), "{text}");
    // The batch alone leaves one extent open.
    assert!(said(parse(DYNAMIC, &batch(5))).contains("input 'x'"));
    let mut options = batch(5);
    options.input_shapes.push(InputShape {
        input: InputName::Name("x".to_owned()),
        shape: vec![5, 4, 3],
    });
    let module = parse(DYNAMIC, &options).unwrap();
    assert_eq!(results(&module), ["tensor<5x12xf32>"]);
    assert_eq!(
        module.functions[0].args[2].ty.to_string(),
        "tensor<1x4x3xf32>"
    );
    options.input_shapes[0].shape = vec![5, 7, 3];
    assert!(said(parse(DYNAMIC, &options)).contains("tensor<5x7x3xf32> does not fit"));
}

#[test]
fn a_static_model_takes_another_batch() {
    let text = r#"
func.func @main(%x: tensor<1x4x4x2xf32>, %w: tensor<1x32x3xf32> {hla.param = "w"}) -> (tensor<1x3xf32>, tensor<1xi32>, tensor<3x1xf32>) {
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %bias = "tosa.const"() {values = dense<0.5> : tensor<1x1x3xf32>} : () -> tensor<1x1x3xf32>
  %flat = tosa.const_shape {values = dense<[1, 1, 32]> : tensor<3xindex>} : () -> !tosa.shape<3>
  %two = tosa.const_shape {values = dense<[1, 3]> : tensor<2xindex>} : () -> !tosa.shape<2>
  %p = tosa.max_pool2d %x {kernel = array<i64: 1, 1>, stride = array<i64: 1, 1>, pad = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %f = tosa.reshape %p, %flat : (tensor<1x4x4x2xf32>, !tosa.shape<3>) -> tensor<1x1x32xf32>
  %m = tosa.matmul %f, %w, %zp, %zp : (tensor<1x1x32xf32>, tensor<1x32x3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x3xf32>
  %b = tosa.add %m, %bias : (tensor<1x1x3xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  %r = tosa.reshape %b, %two : (tensor<1x1x3xf32>, !tosa.shape<2>) -> tensor<1x3xf32>
  %i = tosa.argmax %r {axis = 1 : i32} : (tensor<1x3xf32>) -> tensor<1xi32>
  %t = tosa.transpose %r {perms = array<i32: 1, 0>} : (tensor<1x3xf32>) -> tensor<3x1xf32>
  return %r, %i, %t : tensor<1x3xf32>, tensor<1xi32>, tensor<3x1xf32>
}"#;
    let module = parse(text, &batch(6)).unwrap();
    assert_eq!(
        results(&module),
        ["tensor<6x3xf32>", "tensor<6xi32>", "tensor<3x6xf32>"]
    );
    // The weights are shared, so samples are rows of one product.
    let f = &module.functions[0];
    let product = f.nodes.iter().find(|n| n.op == Op::MatMul).unwrap();
    assert_eq!(f.ty(product.result()).to_string(), "tensor<1x6x3xf32>");
    hla_ir::verify::verify_module(&module).unwrap();
    super::upstream::mlir_opt(&module.to_string()).unwrap();
    let mut by_shape = ParseOptions::default();
    by_shape.input_shapes.push(InputShape {
        input: InputName::Position(0),
        shape: vec![6, 4, 4, 2],
    });
    assert_eq!(parse(text, &by_shape).unwrap(), module);
    by_shape.input_shapes[0].shape = vec![6, 4, 4, 3];
    assert!(said(parse(text, &by_shape)).contains("does not fit"));
    assert_eq!(
        results(&parse(text, &batch(1)).unwrap())[0],
        "tensor<1x3xf32>"
    );
    let huge = said(parse(text, &batch(usize::MAX)));
    assert!(huge.contains("2^40"), "{huge}");
}

#[test]
fn ops_that_mix_samples_are_refused_with_their_place() {
    let refused = |op: &str, ty: &str| {
        let text = format!(
            "func.func @f(%x: tensor<1x4xf32>) -> {ty} {{\n  %r = {op}\n  return %r : {ty}\n}}"
        );
        parse(&text, &ParseOptions::default()).unwrap();
        let text = said(parse(&text, &batch(2)));
        assert!(
            text.contains("m.mlir:2:8: error: ") && text.contains("help: "),
            "{text}"
        );
        text
    };
    let text = refused(
        "tosa.reduce_sum %x {axis = 0 : i32} : (tensor<1x4xf32>) -> tensor<1x4xf32>",
        "tensor<1x4xf32>",
    );
    assert!(
        text.contains("'tosa.reduce_sum' cannot have another batch: it mixes the samples"),
        "{text}"
    );
    refused(
        "tosa.concat %x, %x {axis = 0 : i32} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<2x4xf32>",
        "tensor<2x4xf32>",
    );
    refused(
        "\"other.op\"(%x) : (tensor<1x4xf32>) -> tensor<1x4xf32>",
        "tensor<1x4xf32>",
    );
}

#[test]
fn the_digits_models_take_a_batch() {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/digits");
    for name in ["cnn", "mlp"] {
        let module = parse_file_with(&digits.join(format!("{name}.mlir")), &batch(7)).unwrap();
        assert_eq!(results(&module), ["tensor<7x10xf32>"]);
        super::upstream::mlir_opt(&module.to_string()).unwrap();
    }
}
