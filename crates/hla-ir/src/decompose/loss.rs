//! Losses.

use super::builder::{Builder, Built};
use crate::graph::ValueId;
use crate::ops::Op;

/// −(1/N) Σ_n Σ_c target·ln p, with ln p = z − ln Σ eᶻ and z = logits − max. The one-hot part of
/// the target selects instead of multiplying: ln p may be −∞ where the target is 0.
pub(super) fn softmax_cross_entropy(
    b: &mut Builder<'_, '_>,
    logits: ValueId,
    labels: ValueId,
) -> Built {
    let shape = b.ty(logits).shape;
    let (rows, classes) = (shape[0], shape[1]);
    let max = b.reduce(Op::ReduceMax, logits, 1)?;
    let shifted = b.sub(logits, max)?;
    let exponentials = b.plain(Op::Exp, &[shifted])?;
    let sum = b.reduce_sum(exponentials, 1)?;
    let log_sum = b.plain(Op::Log, &[sum])?;
    let log_p = b.sub(shifted, log_sum)?;

    let labels = b.reshape(labels, &[rows, 1])?;
    let iota = b.iota(1, classes)?;
    let is_label = b.plain(Op::Equal, &[labels, iota])?;
    let zero = b.scalar(0.0, 2)?;
    let hits = b.select(is_label, log_p, zero)?;
    let mut row = b.reduce_sum(hits, 1)?;
    let smoothing = f64::from(b.float("label_smoothing"));
    if smoothing != 0.0 {
        let all = b.reduce_sum(log_p, 1)?;
        let rest = b.scalar((1.0 - smoothing) as f32, 2)?;
        let share = b.scalar((smoothing / classes as f64) as f32, 2)?;
        let (one_hot, uniform) = (b.mul(row, rest)?, b.mul(all, share)?);
        row = b.add(one_hot, uniform)?;
    }
    let sum = b.reduce_sum(row, 0)?;
    let share = b.scalar((1.0 / rows as f64) as f32, 2)?;
    let mean = b.mul(sum, share)?;
    let loss = b.plain(Op::Negate, &[mean])?;
    b.reshape(loss, &[1])
}
