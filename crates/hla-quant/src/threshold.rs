//! Thresholds Δ: a weight becomes zero where |w| ≤ Δ.

use ndarray::ArrayView2;

use crate::Error;

/// T(t) of Eq. 8: the ⌊t·m·n⌋-th smallest |w| of a layer, so that a share of t of its weights, or
/// more where magnitudes are equal, becomes zero. 0 where ⌊t·m·n⌋ = 0, which keeps all but zeros.
///
/// A product t·m·n that rounding left a hair below an integer counts as that integer.
///
/// ```
/// use ndarray::arr2;
/// let w = arr2(&[[0.1_f32, -0.4, 0.3], [-0.2, 0.6, 0.5]]);
/// assert_eq!(hla_quant::threshold::by_sparsity([w.view()], 0.5)?, 0.3);
/// # Ok::<(), hla_quant::Error>(())
/// ```
///
/// With several layers it is the global threshold: one T(t) over all their weights together.
pub fn by_sparsity<'a>(
    layers: impl IntoIterator<Item = ArrayView2<'a, f32>>,
    t: f64,
) -> Result<f32, Error> {
    // The bits of non-negative floats are ordered as the floats are, and compare faster.
    let mut magnitudes: Vec<u32> = Vec::new();
    for layer in layers {
        check_finite(layer)?;
        magnitudes.extend(layer.iter().map(|w| w.abs().to_bits()));
    }
    let rank = (t * magnitudes.len() as f64 + 1e-9).floor() as usize;
    let rank = rank.min(magnitudes.len());
    if rank == 0 {
        return Ok(0.0);
    }
    let (_, threshold, _) = magnitudes.select_nth_unstable(rank - 1);
    Ok(f32::from_bits(*threshold))
}

/// The threshold of Ternary Weight Networks (arXiv 1605.04711): Δ = 0.7·mean|w| of a layer.
pub fn twn(layer: ArrayView2<'_, f32>) -> Result<f32, Error> {
    check_finite(layer)?;
    if layer.is_empty() {
        return Ok(0.0);
    }
    let sum: f64 = layer.iter().map(|w| f64::from(w.abs())).sum();
    Ok((0.7 * sum / layer.len() as f64) as f32)
}

/// Refuses NaN and infinity.
pub(crate) fn check_finite(layer: ArrayView2<'_, f32>) -> Result<(), Error> {
    match layer.iter().position(|w| !w.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            index,
            value: layer.iter().nth(index).copied().unwrap_or(f32::NAN),
        }),
    }
}
