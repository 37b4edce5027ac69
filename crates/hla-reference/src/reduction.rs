//! Reductions along an axis, in order of the index.

use hla_ir::Op;
use ndarray::{ArrayD, Axis};

use crate::evaluate::Step;
use crate::number::{maximum, minimum, range};
use crate::real::Real;
use crate::value::Value;

/// Folds the lanes along an axis; the axis becomes 1.
fn fold<T: Copy>(array: &ArrayD<T>, axis: usize, start: T, f: impl Fn(T, T) -> T) -> Vec<T> {
    array
        .fold_axis(Axis(axis), start, |&a, &b| f(a, b))
        .iter()
        .copied()
        .collect()
}

pub(crate) fn reduce<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (axis, dtype, shape) = (step.axis(), step.result.dtype, &step.result.shape);
    match step.operands[0] {
        Value::Float(_, array) => {
            let ignore = step.ignores_nan();
            let reduced = match step.op {
                Op::ReduceSum => fold(array, axis, F::ZERO, |a, b| a + b),
                Op::ReduceProduct => fold(array, axis, F::ONE, |a, b| a * b),
                Op::ReduceMax => {
                    let max = fold(array, axis, F::of(f64::NEG_INFINITY), |a, b| {
                        maximum(a, b, ignore)
                    });
                    nan_where_all_are(array, axis, max)
                }
                _ => {
                    let min = fold(array, axis, F::of(f64::INFINITY), |a, b| {
                        minimum(a, b, ignore)
                    });
                    nan_where_all_are(array, axis, min)
                }
            };
            Value::floats(dtype, shape, reduced)
        }
        Value::Int(_, array) => {
            let (low, high) = range(dtype);
            let reduced = match step.op {
                Op::ReduceSum => fold(array, axis, 0, i64::wrapping_add),
                Op::ReduceProduct => fold(array, axis, 1, i64::wrapping_mul),
                Op::ReduceMax => fold(array, axis, low, i64::max),
                _ => fold(array, axis, high, i64::min),
            };
            Value::ints(dtype, shape, reduced)
        }
    }
}

/// Where a lane holds only NaNs, its extremum is NaN even if NaNs are ignored.
fn nan_where_all_are<F: Real>(array: &ArrayD<F>, axis: usize, extrema: Vec<F>) -> Vec<F> {
    let lanes = array
        .map(|v| !v.is_nan())
        .fold_axis(Axis(axis), false, |&a, &b| a || b);
    let has_number = lanes.iter();
    if array.shape()[axis] == 0 {
        return extrema;
    }
    extrema
        .into_iter()
        .zip(has_number)
        .map(|(v, &n)| if n { v } else { F::of(f64::NAN) })
        .collect()
}

/// The first index of the maximum; a NaN is larger than any number unless ignored.
pub(crate) fn argmax<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let axis = Axis(step.axis());
    let ignore = step.ignores_nan();
    let first: Vec<i64> = match step.operands[0] {
        Value::Float(_, array) => {
            let larger = |new: F, old: F| {
                if ignore {
                    new > old || (old.is_nan() && !new.is_nan())
                } else {
                    new > old || (new.is_nan() && !old.is_nan())
                }
            };
            array
                .lanes(axis)
                .into_iter()
                .map(|lane| first(lane.iter(), larger))
                .collect()
        }
        Value::Int(_, array) => array
            .lanes(axis)
            .into_iter()
            .map(|lane| first(lane.iter(), |n, o| n > o))
            .collect(),
    };
    Value::ints(step.result.dtype, &step.result.shape, first)
}

fn first<'a, T: Copy + 'a>(
    lane: impl Iterator<Item = &'a T>,
    larger: impl Fn(T, T) -> bool,
) -> i64 {
    let mut best: Option<(i64, T)> = None;
    for (i, &value) in (0..).zip(lane) {
        if best.is_none_or(|(_, old)| larger(value, old)) {
            best = Some((i, value));
        }
    }
    best.map_or(0, |(i, _)| i)
}
