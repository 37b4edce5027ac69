//! Ops on the columns of a weight: its slices along `axis`.

use super::builder::{Builder, Built};
use crate::attr::Attrs;
use crate::diagnostic::Diagnostic;
use crate::graph::ValueId;
use crate::ops::Op;

/// A weight as a matrix whose columns lie along one axis.
struct Matrix {
    value: ValueId,
    /// The axis along which the entries of a column lie, in row-major order of the weight.
    entries: usize,
    /// Extents.
    shape: [usize; 2],
    /// How the weight got here from its own shape.
    from: Shape,
}

/// Where a matrix comes from.
struct Shape {
    shape: Vec<usize>,
    /// Extents before, along and after the axis, where that is in the middle: the matrix is then a
    /// transpose.
    middle: Option<[usize; 3]>,
}

impl Matrix {
    /// The matrix of the weight of the node that is decomposed.
    fn of(b: &mut Builder<'_, '_>, weight: ValueId) -> Result<Matrix, Diagnostic> {
        let shape = b.ty(weight).shape;
        let axis = b.attrs().i64("axis").unwrap_or(0) as usize;
        let before: usize = shape[..axis].iter().product();
        let (columns, after) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut middle = None;
        let (value, entries, matrix) = if before == 1 {
            let matrix = [columns, after];
            (b.reshape(weight, &matrix)?, 1, matrix)
        } else if after == 1 {
            let matrix = [before, columns];
            (b.reshape(weight, &matrix)?, 0, matrix)
        } else {
            let boxes = [before, columns, after];
            let matrix = [columns, before * after];
            middle = Some(boxes);
            let value = b.reshape(weight, &boxes)?;
            let value = exchange(b, value)?;
            (b.reshape(value, &matrix)?, 1, matrix)
        };
        Ok(Matrix {
            value,
            entries,
            shape: matrix,
            from: Shape { shape, middle },
        })
    }

    /// A matrix of the same shape as a weight.
    fn restore(&self, b: &mut Builder<'_, '_>, mut value: ValueId) -> Built {
        if let Some([before, columns, after]) = self.from.middle {
            value = b.reshape(value, &[columns, before, after])?;
            value = exchange(b, value)?;
        }
        b.reshape(value, &self.from.shape)
    }

    /// The extents of what a reduction of each column gives.
    fn per_column(&self) -> [usize; 2] {
        let mut shape = self.shape;
        shape[self.entries] = 1;
        shape
    }
}

/// [a, b, c] → [b, a, c].
fn exchange(b: &mut Builder<'_, '_>, value: ValueId) -> Built {
    b.op(
        Op::Transpose,
        &[value],
        Attrs::new().with("perms", vec![1, 0, 2]),
    )
}

/// w·(1/√(Σ w² + ε)).
pub(super) fn normalize(b: &mut Builder<'_, '_>, weight: ValueId) -> Built {
    let matrix = Matrix::of(b, weight)?;
    let squares = b.mul(matrix.value, matrix.value)?;
    let sum = b.reduce_sum(squares, matrix.entries)?;
    let epsilon = b.float("epsilon");
    let epsilon = b.scalar(epsilon, 2)?;
    let sum = b.add(sum, epsilon)?;
    let factor = b.plain(Op::Rsqrt, &[sum])?;
    let unit = b.mul(matrix.value, factor)?;
    matrix.restore(b, unit)
}

/// Ternary(W, Δ) as a weight.
pub(super) fn ternarize(b: &mut Builder<'_, '_>, weight: ValueId, threshold: ValueId) -> Built {
    let matrix = Matrix::of(b, weight)?;
    let ternary = ternary_matrix(b, &matrix, threshold)?;
    matrix.restore(b, ternary)
}

/// Ternary(W, Δ) as a matrix. With a = |w| (0 for NaN), an entry is kept where a > max(Δ, 0); in a
/// column without such an entry, the first largest is, unless it is 0. α = 1/√(max(kept, 1)).
fn ternary_matrix(b: &mut Builder<'_, '_>, matrix: &Matrix, threshold: ValueId) -> Built {
    let (zero, one) = (b.scalar(0.0, 2)?, b.scalar(1.0, 2)?);
    let threshold = b.broadcastable(threshold, 2)?;
    let threshold = b.plain(Op::Maximum, &[threshold, zero])?;
    let magnitude = b.plain(Op::Abs, &[matrix.value])?;
    let non_zero = b.plain(Op::Greater, &[magnitude, zero])?;
    let magnitude = b.select(non_zero, magnitude, zero)?;
    let above = b.plain(Op::Greater, &[magnitude, threshold])?;
    let ones = b.select(above, one, zero)?;
    let count = b.reduce_sum(ones, matrix.entries)?;

    let empty = b.plain(Op::Equal, &[count, zero])?;
    let largest = b.reduce(Op::ArgMax, magnitude, matrix.entries)?;
    let largest = b.reshape(largest, &matrix.per_column())?;
    let iota = b.iota(matrix.entries, matrix.shape[matrix.entries])?;
    let is_largest = b.plain(Op::Equal, &[iota, largest])?;
    let only = b.plain(Op::LogicalAnd, &[is_largest, empty])?;
    let only = b.plain(Op::LogicalAnd, &[only, non_zero])?;
    let kept = b.plain(Op::LogicalOr, &[above, only])?;

    let count = b.plain(Op::Maximum, &[count, one])?;
    let alpha = b.plain(Op::Rsqrt, &[count])?;
    let negative = b.plain(Op::Negate, &[alpha])?;
    let positive = b.plain(Op::Greater, &[matrix.value, zero])?;
    let signed = b.select(positive, alpha, negative)?;
    b.select(kept, signed, zero)
}

/// (1/n) Σ_j (w_jᵀŵ_j − 1)².
pub(super) fn loss_aware(b: &mut Builder<'_, '_>, weight: ValueId, threshold: ValueId) -> Built {
    let matrix = Matrix::of(b, weight)?;
    let ternary = ternary_matrix(b, &matrix, threshold)?;
    let products = b.mul(matrix.value, ternary)?;
    let similarity = b.reduce_sum(products, matrix.entries)?;
    let one = b.scalar(1.0, 2)?;
    let distance = b.sub(similarity, one)?;
    let squares = b.mul(distance, distance)?;
    let columns = 1 - matrix.entries;
    let sum = b.reduce_sum(squares, columns)?;
    let share = b.scalar((1.0 / matrix.shape[columns] as f64) as f32, 2)?;
    let mean = b.mul(sum, share)?;
    b.reshape(mean, &[1])
}
