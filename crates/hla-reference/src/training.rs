//! Ops of training: spheres, thresholds, straight-through nodes, losses, batch norm, updates.
//!
//! Sums run from +0 in the order of the index (of a column: in row-major order of the other axes),
//! each product rounded before it is added; a mean is a sum times 1/n; functions are computed in
//! f64 and rounded. The batch norm and losses compute what their decomposition into TOSA does.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use crate::evaluate::Step;
use crate::real::Real;
use crate::ternary::ternarized;
use crate::value::Value;

fn float_operand<'a, F: Real>(step: &Step<'a, F>, i: usize) -> Result<&'a ArrayD<F>, String> {
    match step.operands[i] {
        Value::Float(_, array) => Ok(array),
        Value::Int(dtype, _) => Err(format!("floats are needed, not {dtype}")),
    }
}

/// An operand of one element.
fn scalar<F: Real>(step: &Step<'_, F>, i: usize) -> Result<F, String> {
    let first = float_operand(step, i)?.first().copied();
    first.ok_or_else(|| "an operand is empty".to_owned())
}

/// The result: f32 by declaration.
fn stored<F: Real>(step: &Step<'_, F>, array: ArrayD<F>) -> Value<F> {
    let dtype = step.result.dtype;
    Value::Float(dtype, array.mapv(|v| v.stored(dtype)))
}

/// A result of one element.
fn one<F: Real>(step: &Step<'_, F>, value: F) -> Value<F> {
    stored(step, ArrayD::from_elem(IxDyn(&[1]), value))
}

fn sum<F: Real>(values: impl IntoIterator<Item = F>) -> F {
    values.into_iter().fold(F::ZERO, |sum, v| sum + v)
}

/// A sum times 1/n.
fn mean<F: Real>(values: impl IntoIterator<Item = F>, n: usize) -> F {
    sum(values) * F::of(1.0 / n as f64)
}

/// 1/√x.
fn rsqrt<F: Real>(x: F) -> F {
    F::of(1.0 / x.wide().sqrt())
}

/// Eq. 3: w·(1/√(Σ w² + ε)) for each column.
pub(crate) fn normalize<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let mut weight = float_operand(step, 0)?.clone();
    let epsilon = step.float("epsilon", 0.0);
    for mut column in weight.axis_iter_mut(Axis(step.axis())) {
        let factor = rsqrt(sum(column.iter().map(|&w| w * w)) + epsilon);
        column.mapv_inplace(|w| w * factor);
    }
    Ok(stored(step, weight))
}

/// Eq. 8: the ⌊t·n⌋-th smallest of the n magnitudes, the product in f32, 0 before the first; a NaN
/// counts as larger than any number.
pub(crate) fn threshold<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let mut magnitudes: Vec<F> = float_operand(step, 0)?.iter().map(|w| w.abs()).collect();
    magnitudes.sort_by(|a, b| a.wide().total_cmp(&b.wide()));
    let share = scalar(step, 1)?.wide() as f32;
    let rank = (share * magnitudes.len() as f32).floor() as usize;
    let value = match rank.min(magnitudes.len()) {
        0 => F::ZERO,
        rank => magnitudes[rank - 1],
    };
    Ok(one(step, value))
}

/// Eq. 4–5 with a threshold that is an operand.
pub(crate) fn ste_ternarize<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let threshold = scalar(step, 1)?;
    let ternary = ternarized(float_operand(step, 0)?, step.axis(), threshold);
    Ok(stored(step, ternary))
}

/// Eq. 7: the mean over columns of (w_jᵀŵ_j − 1)².
pub(crate) fn loss_aware<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (weight, axis) = (float_operand(step, 0)?, Axis(step.axis()));
    let ternary = ternarized(weight, axis.0, scalar(step, 1)?);
    let columns = weight.axis_iter(axis).zip(ternary.axis_iter(axis));
    let distances = columns.map(|(w, t): (ArrayViewD<'_, F>, ArrayViewD<'_, F>)| {
        let distance = sum(w.iter().zip(&t).map(|(&w, &t)| w * t)) - F::ONE;
        distance * distance
    });
    Ok(one(step, mean(distances, weight.len_of(axis))))
}

/// The mean over N of −Σ target·(z − ln Σ eᶻ), z = logits − max.
pub(crate) fn softmax_cross_entropy<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let logits = float_operand(step, 0)?;
    let Value::Int(_, labels) = step.operands[1] else {
        return Err("the labels are no integers".to_owned());
    };
    let smoothing = step.float("label_smoothing", 0.0);
    let losses = logits.outer_iter().zip(labels).map(|(row, &label)| {
        let max = row.iter().copied().fold(F::of(f64::NEG_INFINITY), |a, b| {
            crate::number::maximum(a, b, false)
        });
        let exponentials = row.iter().map(|&x| F::of(libm::exp((x - max).wide())));
        let log_sum = F::of(libm::log(sum(exponentials).wide()));
        let log_p: Vec<F> = row.iter().map(|&x| x - max - log_sum).collect();
        let hit = usize::try_from(label).ok().and_then(|l| log_p.get(l));
        let hit = hit.copied().unwrap_or(F::ZERO);
        if smoothing == F::ZERO {
            return hit;
        }
        let share = F::of(smoothing.wide() / row.len() as f64);
        hit * F::of(1.0 - smoothing.wide()) + sum(log_p) * share
    });
    Ok(one(step, -mean(losses, logits.shape()[0])))
}

/// Results are y, the means and the biased variances.
pub(crate) fn batch_norm<F: Real>(step: &Step<'_, F>) -> Result<Vec<Value<F>>, String> {
    let input = float_operand(step, 0)?;
    let (scale, offset) = (step.operands[1].to_floats()?, step.operands[2].to_floats()?);
    let epsilon = step.float("epsilon", 0.0);
    let channels = Axis(input.ndim() - 1);
    let mut result = input.clone();
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for (c, mut column) in result.axis_iter_mut(channels).enumerate() {
        let n = column.len();
        let mean_of_column = mean(column.iter().copied(), n);
        column.mapv_inplace(|x| x - mean_of_column);
        let variance = mean(column.iter().map(|&x| x * x), n);
        let factor = rsqrt(variance + epsilon) * scale[c];
        column.mapv_inplace(|x| x * factor + offset[c]);
        means.push(mean_of_column);
        variances.push(variance);
    }
    let statistics = |values| {
        let shape = step.operands[1].shape();
        Value::floats(step.result.dtype, shape, values)
    };
    Ok(vec![
        stored(step, result),
        statistics(means)?,
        statistics(variances)?,
    ])
}

/// g' = g + weight_decay·p, m' = mu·m + g', p' = p − learning_rate·m' (or g' + mu·m' for Nesterov).
pub(crate) fn sgd_update<F: Real>(step: &Step<'_, F>) -> Result<Vec<Value<F>>, String> {
    let (parameter, gradient) = (float_operand(step, 0)?, float_operand(step, 1)?);
    let (mut momentum, rate) = (float_operand(step, 2)?.clone(), scalar(step, 3)?);
    let (mu, decay) = (step.float("mu", 0.0), step.float("weight_decay", 0.0));
    let nesterov = step.attrs.bool("nesterov").unwrap_or(false);
    let mut updated = parameter.clone();
    ndarray::Zip::from(&mut updated)
        .and(&mut momentum)
        .and(gradient)
        .for_each(|p, m, &g| {
            let g = match decay == F::ZERO {
                true => g,
                false => g + decay * *p,
            };
            *m = mu * *m + g;
            let direction = if nesterov { g + mu * *m } else { *m };
            *p = *p - rate * direction;
        });
    Ok(vec![stored(step, updated), stored(step, momentum)])
}
