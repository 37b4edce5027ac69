//! Where a function has no derivative: what is taken instead, as docs/autodiff.md says.

use hla_ir::{Attr, Op, ValueId};
use ndarray::ArrayD;

use super::differences::{Problem, array, gradients};
use crate::build::{Build, i64s};

/// The gradient of Σ op(x) by each operand, at these values.
fn at(
    shape: &[usize],
    operands: &[&[f64]],
    op: impl FnOnce(&mut Build, &[ValueId]) -> ValueId,
) -> Vec<Vec<f64>> {
    let mut p = Problem::new(0);
    let args = operands.iter().map(|v| p.param(shape, v.to_vec()));
    let args: Vec<ValueId> = args.collect();
    let mut sum = op(&mut p.build, &args);
    for axis in 0..p.build.0.tensor_ty(sum).rank() {
        let axis = [("axis", (axis as i64).into())];
        sum = p.build.op(Op::ReduceSum, &[sum], &axis);
    }
    let mut f = p.build.0.clone();
    f.add_result(sum, "hla.name", "loss");
    let values = |g: ArrayD<f64>| g.iter().copied().collect();
    let found = gradients(&f, &p.inputs);
    found.into_iter().map(|(_, g)| values(g)).collect()
}

fn clamp(low: f32, high: f32) -> impl FnOnce(&mut Build, &[ValueId]) -> ValueId {
    let bounds = [("min_val", Attr::F32(low)), ("max_val", Attr::F32(high))];
    move |b, x| b.op(Op::Clamp, x, &bounds)
}

#[test]
fn clamps_pass_nothing_at_their_bounds() {
    let relu = at(&[4], &[&[-1.0, 0.0, 1e-30, 2.0]], clamp(0.0, f32::MAX));
    assert_eq!(relu, [[0.0, 0.0, 1.0, 1.0]]);
    let relu6 = at(&[4], &[&[0.0, 1.0, 6.0, 7.0]], clamp(0.0, 6.0));
    assert_eq!(relu6, [[0.0, 1.0, 0.0, 0.0]]);
}

#[test]
fn ties_of_maximum_and_minimum_share() {
    for op in [Op::Maximum, Op::Minimum] {
        let found = at(&[1], &[&[2.0], &[2.0]], |b, x| b.op(op, x, &[]));
        assert_eq!(found, [[0.5], [0.5]]);
    }
    for op in [Op::ReduceMax, Op::ReduceMin] {
        let axis = [("axis", Attr::I64(0))];
        let found = at(&[4], &[&[1.0; 4]], |b, x| b.op(op, x, &axis));
        assert_eq!(found, [[0.25; 4]]);
    }
}

#[test]
fn the_first_maximum_of_a_window_takes_all() {
    let attrs = [
        ("kernel", i64s(&[2, 2])),
        ("stride", i64s(&[2, 2])),
        ("pad", i64s(&[0; 4])),
    ];
    let x = [1.0, 3.0, 3.0, 3.0];
    let found = at(&[1, 2, 2, 1], &[&x], |b, x| b.op(Op::MaxPool2d, x, &attrs));
    assert_eq!(found, [[0.0, 1.0, 0.0, 0.0]]);
}

#[test]
fn absolute_values_are_flat_at_zero() {
    let found = at(&[3], &[&[-2.0, 0.0, 2.0]], |b, x| b.op(Op::Abs, x, &[]));
    assert_eq!(found, [[-1.0, 0.0, 1.0]]);
}

#[test]
fn powers_of_zero_have_no_infinite_slope_where_they_are_flat() {
    // 0⁰ by either, 0² by either, 3⁰ by either.
    let (x, y) = ([0.0, 0.0, 3.0], [0.0, 2.0, 0.0]);
    let found = at(&[3], &[&x, &y], |b, x| b.op(Op::Pow, x, &[]));
    assert_eq!(found[0], [0.0, 0.0, 0.0]);
    assert_eq!(found[1][..2], [0.0, 0.0]);
    assert!((found[1][2] - 3.0f64.ln()).abs() < 1e-12);
}

#[test]
fn a_column_of_zeros_has_a_finite_gradient() {
    let mut p = Problem::new(1);
    let w = p.param(&[2, 2], vec![0.0, 0.0, 3.0, 4.0]);
    let y = p
        .build
        .op(Op::Normalize, &[w], &[("epsilon", Attr::F32(0.25))]);
    p.weigh(y);
    let f = p.function();
    let g = &gradients(&f, &p.inputs)[0].1;
    let weights: Vec<f64> = f
        .nodes
        .iter()
        .find_map(|n| n.constant())
        .unwrap()
        .iter_f64()
        .collect();
    // 1/√ε is 2 there.
    let expected = array(&[2], vec![2.0 * weights[0], 2.0 * weights[1]]);
    for i in 0..2 {
        assert!((g[[0, i]] - expected[i]).abs() < 1e-12);
    }
}
