//! Whole programs for a GPU, trainings and inference of the digits, in their linalg form: run over the
//! planned memory by `mlir-runner-22`, they give what the reference gives.

use hla_gpu::{GpuOptions, Precision, lower_program};
use hla_ir::{Function, Tensor};
use hla_reference::{Tolerance, evaluate};
use hlac_tests::upstream::Upstream;

use super::networks::{inference, model, training, values};

/// Samples of a batch.
const BATCH: usize = 3;

/// Runs functions as one program, and compares every result; `part` of the largest magnitude in a tensor
/// is how far it may be off.
fn compare(functions: &[Function], part: f32) {
    let upstream = Upstream::find().unwrap();
    let options = GpuOptions {
        precision: Precision::F32,
        ..GpuOptions::default()
    };
    let lowered = lower_program(functions, &options).unwrap();
    let inputs: Vec<Vec<Tensor>> = functions.iter().map(values).collect();
    let given: Vec<&[Tensor]> = inputs.iter().map(|i| &i[..]).collect();
    let computed = upstream.run_lowered(&lowered, &given).unwrap();
    assert_eq!(computed.len(), functions.len());
    let mut wrong = Vec::new();
    for ((function, inputs), computed) in functions.iter().zip(&inputs).zip(&computed) {
        let expected = evaluate(function, inputs).unwrap();
        assert_eq!(computed.len(), expected.len());
        for (i, (expected, computed)) in expected.iter().zip(computed).enumerate() {
            let largest = expected.iter_f64().fold(0.0_f64, |a, v| a.max(v.abs()));
            let near = Tolerance::Relative {
                rtol: 0.0,
                atol: part * largest as f32,
            };
            if let Err(error) = near.check(expected, computed) {
                let name = function.result_name(i).or(function.updates(i));
                wrong.push(format!("{}, {name:?}: {error}", function.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CNN: &str = "../../examples/digits/cnn.mlir";
const MLP: &str = "../../examples/digits/mlp.mlir";

#[test]
fn trainings_in_linalg_give_the_reference() {
    for path in [CNN, MLP] {
        compare(&training(&model(path, BATCH), "f32"), 2e-5);
    }
}

/// A sum in another order may be rounded to the neighbour, by 2⁻⁸ of itself in bf16.
#[test]
fn mixed_precision_in_linalg_gives_the_reference() {
    for (precision, part) in [("bf16", 2e-2), ("f16", 2e-3)] {
        compare(&training(&model(MLP, BATCH), precision), part);
    }
}

#[test]
fn inference_in_linalg_gives_the_reference() {
    for path in [CNN, MLP] {
        compare(&[inference(&model(path, BATCH), "f32")], 2e-5);
    }
}
