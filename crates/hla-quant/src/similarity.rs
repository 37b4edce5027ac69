//! How close a layer is to its ternary form.

use ndarray::{ArrayView1, ArrayView2};

use crate::ternary::{Ternary, norm};

/// w_jᵀŵ_j/(‖w_j‖·‖ŵ_j‖) of each column; `None` for a column of zeros. It does not depend on α.
pub fn cosines(layer: ArrayView2<'_, f32>, ternary: &Ternary) -> Vec<Option<f64>> {
    layer
        .outer_iter()
        .zip(ternary.trits.outer_iter())
        .map(|(w, trits)| cosine(w, trits))
        .collect()
}

fn cosine(w: ArrayView1<'_, f32>, trits: ArrayView1<'_, i8>) -> Option<f64> {
    let kept = trits.iter().filter(|&&t| t != 0).count();
    let length = norm(w) * (kept as f64).sqrt();
    let dot: f64 = w
        .iter()
        .zip(trits)
        .map(|(&w, &t)| f64::from(w) * f64::from(t))
        .sum();
    (length > 0.0).then(|| dot / length)
}

/// Mean of the columns' cosine similarities, as in the paper's table 4; columns of zeros do not
/// count. 1 if no column counts.
pub fn mean_cosine(layer: ArrayView2<'_, f32>, ternary: &Ternary) -> f64 {
    let cosines: Vec<f64> = cosines(layer, ternary).into_iter().flatten().collect();
    match cosines.len() {
        0 => 1.0,
        n => cosines.iter().sum::<f64>() / n as f64,
    }
}

/// L_d of Eq. 7: (1/n)·Σ_j (w_jᵀŵ_j − 1)², on columns brought to length 1.
pub fn loss(layer: ArrayView2<'_, f32>, ternary: &Ternary) -> f64 {
    let cosines: Vec<f64> = cosines(layer, ternary).into_iter().flatten().collect();
    match cosines.len() {
        0 => 0.0,
        n => cosines.iter().map(|c| (c - 1.0).powi(2)).sum::<f64>() / n as f64,
    }
}
