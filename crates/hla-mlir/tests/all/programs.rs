//! Whole programs for a GPU, trainings and inference of the examples, in their linalg form: run over the
//! planned memory by `mlir-runner-22`, they give what the reference gives.
//!
//! Both sum in orders of their own, so a value near a kink (a relu's 0, a threshold) can fall on either side,
//! and a gradient then differs by a whole term. The batches are such that none does.

use std::collections::BTreeMap;

use hla_gpu::{GpuOptions, Precision, lower_program};
use hla_ir::{Function, Tensor};
use hla_reference::{Tolerance, evaluate};
use hlac_tests::upstream::Upstream;

use super::networks::{CLUTTERED, CNN, MLP, inference, model, training, values};

/// ResNet-18 on small images, written by `examples/resnet/generate.py --image-size 32 --width 8
/// --classes 10 --name resnet18-small`.
const RESNET18: &str = "tests/data/resnet18-small.mlir";

/// Samples of a batch.
const BATCH: usize = 3;

/// The last stage of the small ResNet-18 has one pixel. Batch norm over 3 values makes noise of nearly
/// equal ones; over 8 it does not.
const RESNET18_BATCH: usize = 8;

/// How far a result may be off.
enum Near {
    /// This part of the largest magnitude in it.
    Part(f64),
    /// This part of it, and a quarter of what 16-bit rounding changes in it at most: how far it is off these
    /// functions, which are the same in f32. Rounding moves every value; another order of a sum
    /// only moves the few that come to lie on the other side of a tie. A kernel that leaves a
    /// rounding out is off by about the whole.
    Rounded(f64, Vec<Function>),
}

/// Runs functions as one program, and compares every result.
fn compare(functions: &[Function], near: &Near) {
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
    for (f, (function, computed)) in functions.iter().zip(&computed).enumerate() {
        let expected = evaluate(function, &inputs[f]).unwrap();
        assert_eq!(computed.len(), expected.len());
        let allowed = match near {
            Near::Part(part) => allowed(function, &expected, |e| part * largest(e, None)),
            Near::Rounded(part, plain) => {
                let plain = evaluate(&plain[f], &inputs[f]).unwrap();
                let mut plain = plain.iter();
                allowed(function, &expected, |e| {
                    part * largest(e, None) + largest(e, plain.next()) / 4.0
                })
            }
        };
        for (i, (expected, computed)) in expected.iter().zip(computed).enumerate() {
            let near = Tolerance::Relative {
                rtol: 0.0,
                atol: allowed[i] as f32,
            };
            if let Err(error) = near.check(expected, computed) {
                let name = function.result_name(i).or(function.updates(i));
                wrong.push(format!("{}, {name:?}: {error}", function.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The largest magnitude in a tensor, or in its difference from another.
fn largest(tensor: &Tensor, other: Option<&Tensor>) -> f64 {
    let values = tensor.iter_f64();
    match other {
        None => values.fold(0.0, |a, v| a.max(v.abs())),
        Some(other) => (values.zip(other.iter_f64())).fold(0.0, |a, (v, o)| a.max((v - o).abs())),
    }
}

/// What each result may be off by, of what it may by itself. The gradient of a layer's threshold is
/// one number, the sum of terms that cancel: how large they are it does not tell, but those of the other
/// layers do.
fn allowed(
    function: &Function,
    expected: &[Tensor],
    mut alone: impl FnMut(&Tensor) -> f64,
) -> Vec<f64> {
    let kind = |i: usize| {
        let name = function.updates(i).unwrap_or_default();
        let number = expected[i].ty().elements() == 1;
        let kind = name.rsplit_once(".weight.").filter(|_| number);
        kind.map_or_else(|| i.to_string(), |(_, kind)| kind.to_owned())
    };
    let mut most: BTreeMap<String, f64> = BTreeMap::new();
    for (i, expected) in expected.iter().enumerate() {
        let most = most.entry(kind(i)).or_default();
        *most = most.max(alone(expected));
    }
    (0..expected.len()).map(|i| most[&kind(i)]).collect()
}

/// Some hundred roundings of f32, one after the other: forwards and backwards through up to 18
/// layers, of which batch norm magnifies what comes in.
const F32: f64 = 2e-5;

/// A training, and inference.
fn everything(path: &str, batch: usize, precision: &str) -> Vec<Function> {
    let model = model(path, batch);
    let mut functions = training(&model, precision);
    functions.push(inference(&model, precision));
    functions
}

#[test]
fn digits_in_linalg_give_the_reference() {
    for path in [CNN, MLP] {
        compare(&everything(path, BATCH, "f32"), &Near::Part(F32));
    }
}

#[test]
fn cluttered_in_linalg_gives_the_reference() {
    compare(&everything(CLUTTERED, BATCH, "f32"), &Near::Part(F32));
}

#[test]
fn resnet18_in_linalg_gives_the_reference() {
    let functions = everything(RESNET18, RESNET18_BATCH, "f32");
    compare(&functions, &Near::Part(F32));
}

/// A sum in another order may be rounded to the neighbour, by 2⁻⁸ of itself in bf16.
#[test]
fn mixed_precision_in_linalg_gives_the_reference() {
    for (precision, part) in [("bf16", 2e-2), ("f16", 2e-3)] {
        let functions = training(&model(MLP, BATCH), precision);
        compare(&functions, &Near::Part(part));
    }
}

#[test]
fn residual_networks_in_mixed_precision_give_the_reference() {
    let plain = everything(CLUTTERED, BATCH, "f32");
    let functions = everything(CLUTTERED, BATCH, "bf16");
    compare(&functions, &Near::Rounded(F32, plain));
    let inference = |precision| vec![inference(&model(RESNET18, BATCH), precision)];
    compare(&inference("bf16"), &Near::Rounded(F32, inference("f32")));
}
