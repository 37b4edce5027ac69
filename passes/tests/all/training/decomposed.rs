//! Whole training graphs in TOSA, and in f64.

use hla_ir::decompose::decompose;
use hla_ir::verify::verify;
use hla_ir::{Function, Op, Tensor};
use hla_passes::training::{Quantizer, TrainingOptions, build};
use hla_reference::{Tolerance, evaluate, evaluate_f64};
use ndarray::{ArrayD, IxDyn};

use super::model::{Values, name, network, values};

fn wide(tensor: &Tensor) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.iter_f64().collect()).unwrap()
}

/// The function gives the same bits decomposed, and in f64 about the same numbers.
fn holds(f: &Function, values: &Values) {
    let decomposed = decompose(f).unwrap();
    verify(&decomposed).unwrap();
    assert_eq!(decomposed.args, f.args);
    assert_eq!(decomposed.result_attrs, f.result_attrs);
    let kernels = [
        Op::Threshold,
        Op::Conv2dInputGrad,
        Op::Conv2dWeightGrad,
        Op::MaxPool2dGrad,
        Op::AvgPool2dGrad,
    ];
    for node in &decomposed.nodes {
        let known = node.name().starts_with("tosa.") || kernels.contains(&node.op);
        assert!(known, "{} stayed", node.name());
    }
    let inputs: Vec<Tensor> = f.args.iter().map(|a| values[&name(a)].clone()).collect();
    let direct = evaluate(f, &inputs).unwrap();
    let in_tosa = evaluate(&decomposed, &inputs).unwrap();
    let inputs: Vec<ArrayD<f64>> = inputs.iter().map(wide).collect();
    let in_f64 = evaluate_f64(f, &inputs).unwrap();
    for (i, expected) in direct.iter().enumerate() {
        let same = Tolerance::Ulps(0).check(expected, &in_tosa[i]);
        assert!(same.is_ok(), "result {i}: {same:?}");
        for (narrow, wide) in expected.iter_f64().zip(&in_f64[i]) {
            let near = (narrow - wide).abs() <= 1e-4 * (1.0 + wide.abs());
            assert!(near, "result {i}: {narrow} in f32, {wide} in f64");
        }
    }
}

#[test]
fn every_graph_of_a_training_is_tosa_and_kernels() {
    for quantizer in [
        Quantizer::Hla,
        Quantizer::Ste,
        Quantizer::Twn,
        Quantizer::Ttq,
    ] {
        let options = TrainingOptions {
            quantizer,
            ..TrainingOptions::default()
        };
        let graphs = build(&network(6), &options).unwrap();
        let all = [
            &graphs.float_step,
            &graphs.finetune_step,
            &graphs.ternary_step,
            &graphs.evaluate_float,
            &graphs.evaluate,
            &graphs.evaluate_ternary,
            &graphs.ternarize,
        ];
        let values = values(&all);
        all.into_iter().for_each(|f| holds(f, &values));
    }
}
