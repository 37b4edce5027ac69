//! Batch norm with the batch's own statistics.

use super::builder::{Builder, Built};
use crate::diagnostic::Diagnostic;
use crate::graph::ValueId;
use crate::ops::Op;

/// y = (x − mean)·(1/√(variance + ε)·scale) + offset; results y, mean, variance. The statistics are
/// sums over the rows of x as a matrix [M, C]; all else is computed on x's own shape or on that of the
/// statistics, so that it fuses with what follows. The variance is that of the centred values: none is
/// lost to cancellation.
pub(super) fn batch_norm(
    b: &mut Builder<'_, '_>,
    input: ValueId,
    scale: ValueId,
    offset: ValueId,
) -> Result<Vec<ValueId>, Diagnostic> {
    let (shape, per_channel) = (b.ty(input).shape, b.ty(scale).shape);
    let channels = shape.last().copied().unwrap_or(1);
    let rows = shape.iter().product::<usize>() / channels;
    let share = b.scalar((1.0 / rows as f64) as f32, shape.len())?;
    let mean_of_rows = |b: &mut Builder<'_, '_>, value: ValueId| -> Built {
        let matrix = b.reshape(value, &[rows, channels])?;
        let sum = b.reduce_sum(matrix, 0)?;
        let sum = b.reshape(sum, &per_channel)?;
        b.mul(sum, share)
    };
    let mean = mean_of_rows(b, input)?;
    let centred = b.sub(input, mean)?;
    let squares = b.mul(centred, centred)?;
    let variance = mean_of_rows(b, squares)?;

    let epsilon = b.float("epsilon");
    let epsilon = b.scalar(epsilon, shape.len())?;
    let raised = b.add(variance, epsilon)?;
    let deviation = b.plain(Op::Rsqrt, &[raised])?;
    let factor = b.mul(deviation, scale)?;
    let scaled = b.mul(centred, factor)?;
    Ok(vec![b.add(scaled, offset)?, mean, variance])
}
