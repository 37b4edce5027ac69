//! What a pass must keep, by `hla-reference`.

use hla_ir::{Function, Tensor};
use hla_reference::{Tolerance, evaluate};

use crate::build::passes;

/// Runs both functions on the same inputs and compares every result.
pub fn compare(old: &Function, new: &Function, inputs: &[Tensor], tolerance: Tolerance) {
    let (expected, computed) = (evaluate(old, inputs), evaluate(new, inputs));
    let (expected, computed) = (expected.unwrap(), computed.unwrap());
    assert_eq!(expected.len(), computed.len());
    for (e, c) in expected.iter().zip(&computed) {
        if let Err(message) = tolerance.check(e, c) {
            panic!("{message}\nbefore:\n{old}after:\n{new}");
        }
    }
}

/// Runs a pipeline on every case that the backends run; the results must stay as they are.
pub fn keeps_all_cases(pipeline: &str, tolerance: Tolerance) {
    for case in hla_reference::cases::cases() {
        let (new, _) = passes(pipeline, &case.function)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        compare(&case.function, &new, &case.inputs, tolerance);
    }
}

/// An f32 tensor of numbers between −2 and 2 that look random and are always the same.
pub fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count as u64)
        .map(|i| {
            let mut x = (seed << 20)
                .wrapping_add(i)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x ^= x >> 29;
            x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((x >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 4.0
        })
        .collect();
    Tensor::from_f32s(shape, &values).unwrap()
}
