//! Models that cannot be trained, and options that do not fit: each error has a place and a remedy.

use hla_ir::{Arg, DType, Diagnostic, Function, Location, Op, TensorType};
use hla_passes::training::{Quantizer, Rescale, ThresholdSource, TrainingOptions, build};

use super::model::{network, param};
use crate::build::{Build, i64s};

fn refused(f: &Function, options: &TrainingOptions) -> Vec<Diagnostic> {
    let errors = build(f, options).map(|_| ()).unwrap_err();
    for error in &errors {
        assert!(error.help.is_some(), "{error}");
    }
    errors
}

#[track_caller]
fn refuses(f: &Function, wanted: &str) -> Diagnostic {
    let errors = refused(f, &TrainingOptions::default());
    assert_eq!(errors.len(), 1, "{errors:?}");
    let text = errors[0].to_string();
    assert!(text.contains(wanted), "{text}");
    errors[0].clone()
}

/// x·w of a parameter, then what `end` makes of it.
fn product(end: impl FnOnce(&mut Build, hla_ir::ValueId) -> hla_ir::ValueId) -> Function {
    let mut f = Build::new();
    let x = f.arg(&[1, 4, 3]);
    let w = param(&mut f, "w", &[1, 3, 2]);
    let y = f.op(Op::MatMul, &[x, w], &[]);
    let y = end(&mut f, y);
    f.results(&[y])
}

#[test]
fn models_without_parameters_or_with_two_inputs() {
    let mut f = Build::new();
    let x = f.arg(&[1, 4, 3]);
    let w = f.constant(&[1, 3, 2], &[1.0; 6]);
    let y = f.op(Op::MatMul, &[x, w], &[]);
    let error = refuses(&f.results(&[y]), "'main' has no parameters to train");
    assert_eq!(
        error.location.line, 2,
        "at the product with constant weights"
    );

    let mut f = Build::new();
    let x = f.arg(&[1, 4, 3]);
    let mut second = Arg::new(TensorType::f32([1, 3, 2]));
    second.location = Location::file("test.mlir", 9, 5);
    let second = f.0.add_arg(second);
    let w = param(&mut f, "w", &[1, 2, 2]);
    let y = f.op(Op::MatMul, &[x, second], &[]);
    let y = f.op(Op::MatMul, &[y, w], &[]);
    let error = refuses(&f.results(&[y]), "has 2 inputs");
    assert_eq!(error.location.line, 9);

    let mut f = Build::new();
    let w = param(&mut f, "w", &[1, 2]);
    let y = f.op(Op::Abs, &[w], &[]);
    refuses(&f.results(&[y]), "has no input besides its parameters");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut f = Build::new();
    f.0.add_arg(Arg::new(TensorType::new([2], DType::F16)).param("half"));
    f.0.add_arg(Arg::new(TensorType::new([2], DType::I32)).param("table"));
    let x = f.arg(&[1, 2]);
    let y = f.op(Op::Abs, &[x], &[]);
    let mut f = f.0;
    let at = Location::file("test.mlir", 7, 3);
    let types = vec![TensorType::f32([1, 2]).into()];
    f.push_opaque("my.op", &[y], "() {}", types, at);
    f.results = vec![y];
    let errors = refused(&f, &TrainingOptions::default());
    let texts: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
    assert!(
        texts[0].contains("training does not know 'my.op'"),
        "{texts:?}"
    );
    assert!(texts[1].contains("'half' is tensor<2xf16>"), "{texts:?}");
    assert!(texts[2].contains("'table' is tensor<2xi32>"), "{texts:?}");
    assert_eq!(errors.len(), 3);
}

#[test]
fn logits_of_another_shape() {
    let f = product(|f, y| f.op(Op::Reshape, &[y], &[("shape", i64s(&[2, 2, 2]))]));
    refuses(&f, "returns tensor<2x2x2xf32>, but a loss needs [N, C]");
    let f = product(|f, y| f.op(Op::Cast, &[y], &[("out_type", DType::F16.into())]));
    refuses(&f, "returns tensor<1x4x2xf16>");
    let mut f = network(2);
    f.results.push(f.results[0]);
    refuses(&f, "returns 2 values");
}

#[test]
fn weights_without_influence_are_told() {
    // The objective depends on w through an argmax alone.
    let f = product(|f, y| {
        let answer = f.op(Op::ArgMax, &[y], &[("axis", 2_i64.into())]);
        let answer = f.op(Op::Cast, &[answer], &[("out_type", DType::F32.into())]);
        f.op(Op::Reshape, &[answer], &[("shape", i64s(&[2, 2]))])
    });
    let options = TrainingOptions {
        quantize_all: true,
        ..Default::default()
    };
    let graphs = build(&f, &options).unwrap();
    let remark = graphs.remarks[0].to_string();
    assert!(remark.contains("does not depend on 'w'"), "{remark}");
}

#[test]
fn a_batch_of_one_has_no_statistics() {
    let mut f = Build::new();
    let x = f.arg(&[1, 3]);
    let [mean, variance] = ["mean", "variance"].map(|name| param(&mut f, name, &[1, 3]));
    let epsilon = f.splat(&[1, 1], 1e-5);
    let centred = f.op(Op::Sub, &[x, mean], &[]);
    let sum = f.op(Op::Add, &[variance, epsilon], &[]);
    let inverse = f.op(Op::Rsqrt, &[sum], &[]);
    let y = f.op(Op::Mul, &[centred, inverse], &[]);
    let error = refuses(&f.results(&[y]), "one value a channel");
    assert!(error.location.line > 0);
}

#[test]
fn no_layer_to_make_ternary() {
    // The only layer is the last one.
    refuses(
        &product(|_, y| y),
        "no layer of 'main' is to become ternary",
    );
}

#[test]
fn options_that_do_not_fit() {
    for (quantizer, threshold, rescale, wanted) in [
        (
            Quantizer::Hla,
            Some(ThresholdSource::Rule),
            None,
            "has no rule",
        ),
        (
            Quantizer::Twn,
            Some(ThresholdSource::Learned),
            None,
            "has no gradient",
        ),
        (Quantizer::Ttq, None, Some(Rescale::Weight), "has no S"),
    ] {
        let options = TrainingOptions {
            quantizer,
            threshold,
            rescale,
            ..Default::default()
        };
        let errors = refused(&network(2), &options);
        assert!(errors[0].message.contains(wanted), "{}", errors[0]);
    }
    let options = TrainingOptions {
        skip: vec!["conv9".to_owned()],
        ..Default::default()
    };
    let text = refused(&network(2), &options)[0].to_string();
    assert!(text.contains("names 'conv9'"), "{text}");
    let options = TrainingOptions {
        momentum: f32::NAN,
        ..Default::default()
    };
    let text = refused(&network(2), &options)[0].to_string();
    assert!(text.contains("option 'momentum'"), "{text}");
}
