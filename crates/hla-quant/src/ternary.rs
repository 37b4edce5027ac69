//! The ternary quantizer of Eq. 4–5: ŵ_ij = α_j·sign(w_ij) where |w_ij| > Δ, else 0.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::Error;
use crate::threshold::check_finite;

/// How α_j is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// α_j = ‖w_j‖/√nnz_j: ŵ_j has the norm of w_j. For unit columns it is Eq. 5, α_j = 1/√nnz_j,
    /// so that ‖ŵ_j‖ = 1.
    Norm,
    /// α_j = 1/√nnz_j whatever the norm of w_j: Eq. 5 as printed.
    Unit,
    /// TWN's: one α for the layer, the mean of |w| over all kept weights.
    LayerMean,
    /// α_j = mean of |w_ij| over the kept weights of column j, which minimises ‖w_j − ŵ_j‖.
    LeastSquares,
}

/// A layer made ternary: ŵ_ij = scale\[j\]·trits\[j, i\].
#[derive(Clone, PartialEq, Debug)]
pub struct Ternary {
    /// −1, 0 or 1; a row for each column w_j.
    pub trits: Array2<i8>,
    /// α, one for each column; 0 only where the column is all zero.
    pub scale: Array1<f32>,
    /// Columns with no |w| > Δ: each keeps its largest |w|.
    pub rescued: Vec<usize>,
    /// Columns that are all zero in W already.
    pub zero: Vec<usize>,
}

impl Ternary {
    /// Share of zeros among the trits; 0 for an empty layer.
    pub fn sparsity(&self) -> f64 {
        match self.trits.len() {
            0 => 0.0,
            len => self.trits.iter().filter(|&&t| t == 0).count() as f64 / len as f64,
        }
    }

    /// Ŵ.
    pub fn dequantized(&self) -> Array2<f32> {
        let (rows, columns) = self.trits.dim();
        Array2::from_shape_fn((rows, columns), |(j, i)| {
            self.scale[j] * f32::from(self.trits[[j, i]])
        })
    }
}

/// Makes a layer ternary with threshold Δ ≥ 0. Columns without any |w| > Δ keep their largest |w|,
/// the first of equal ones, for α = 1/√0 is no number; a column of zeros gets α = 0.
///
/// Sums are taken in f64 and rounded once.
pub fn ternarize(
    layer: ArrayView2<'_, f32>,
    threshold: f32,
    scale: Scale,
) -> Result<Ternary, Error> {
    check_finite(layer)?;
    let mut ternary = Ternary {
        trits: Array2::zeros(layer.dim()),
        scale: Array1::zeros(layer.nrows()),
        rescued: Vec::new(),
        zero: Vec::new(),
    };
    let mut sums = Vec::with_capacity(layer.nrows());
    let rows = layer.outer_iter().zip(ternary.trits.outer_iter_mut());
    for (j, (column, mut trits)) in rows.enumerate() {
        let mut kept = match (column.as_slice(), trits.as_slice_mut()) {
            (Some(column), Some(trits)) => keep(column.iter().zip(trits), threshold),
            _ => keep(column.iter().zip(&mut trits), threshold),
        };
        if kept.count == 0 {
            match largest(column) {
                Some((i, w)) => {
                    trits[i] = sign(w);
                    kept = Sum {
                        magnitude: w.abs().into(),
                        count: 1,
                    };
                    ternary.rescued.push(j);
                }
                None => ternary.zero.push(j),
            }
        }
        sums.push(kept);
    }
    let layer_mean = sums.iter().map(|s| s.magnitude).sum::<f64>()
        / sums.iter().map(|s| s.count).sum::<usize>().max(1) as f64;
    for (j, (kept, column)) in sums.iter().zip(layer.outer_iter()).enumerate() {
        if kept.count == 0 {
            continue;
        }
        let alpha = match scale {
            Scale::Norm => norm(column) / (kept.count as f64).sqrt(),
            Scale::Unit => 1.0 / (kept.count as f64).sqrt(),
            Scale::LayerMean => layer_mean,
            Scale::LeastSquares => kept.magnitude / kept.count as f64,
        } as f32;
        if !alpha.is_finite() {
            return Err(Error::ScaleOverflow { column: j });
        }
        // A scale that rounds to zero would turn kept weights into zeros unseen.
        ternary.scale[j] = alpha.max(f32::MIN_POSITIVE);
    }
    Ok(ternary)
}

/// What is already ternary, read back: `None` unless every column has one magnitude besides zero.
pub fn recognize(layer: ArrayView2<'_, f32>) -> Option<Ternary> {
    let mut ternary = Ternary {
        trits: Array2::zeros(layer.dim()),
        scale: Array1::zeros(layer.nrows()),
        rescued: Vec::new(),
        zero: Vec::new(),
    };
    for (j, column) in layer.outer_iter().enumerate() {
        let Some((_, w)) = largest(column) else {
            ternary.zero.push(j);
            continue;
        };
        let alpha = w.abs();
        for (trit, &w) in ternary.trits.row_mut(j).iter_mut().zip(column) {
            if w != 0.0 && w.abs() != alpha {
                return None;
            }
            *trit = sign(w);
        }
        if !alpha.is_finite() {
            return None;
        }
        ternary.scale[j] = alpha;
    }
    Some(ternary)
}

/// What TTQ makes ternary, read back: W_p for all positive weights of the layer and W_n for all negative
/// ones. Gives the trits with the scale W_p, and W_n. `None` for other layers, and for those with so
/// few weights that they could be any.
pub fn recognize_signed(layer: ArrayView2<'_, f32>) -> Option<(Ternary, f32)> {
    let mut scales = [0.0_f32; 2];
    for &w in layer.iter().filter(|&&w| w != 0.0) {
        let scale = &mut scales[usize::from(w < 0.0)];
        if *scale == 0.0 {
            *scale = w.abs();
        }
        if *scale != w.abs() || !w.is_finite() {
            return None;
        }
    }
    let trits = layer.mapv(sign);
    let [positive, negative] = scales;
    let count = trits.iter().filter(|&&t| t != 0).count();
    (positive > 0.0 && negative > 0.0 && count > 2).then(|| {
        let zero_column =
            |(j, column): (usize, ArrayView1<'_, i8>)| column.iter().all(|&t| t == 0).then_some(j);
        let zero = trits.outer_iter().enumerate().filter_map(zero_column);
        let ternary = Ternary {
            zero: zero.collect(),
            scale: Array1::from_elem(layer.nrows(), positive),
            rescued: Vec::new(),
            trits,
        };
        (ternary, negative)
    })
}

/// ‖w‖, in f64.
pub(crate) fn norm(column: ArrayView1<'_, f32>) -> f64 {
    column
        .iter()
        .map(|&w| f64::from(w).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Sum of the magnitudes kept, and how many.
#[derive(Clone, Copy, Default)]
struct Sum {
    magnitude: f64,
    count: usize,
}

/// Sets the trits of a column. No branch: which weights stay is as good as random.
fn keep<'a>(entries: impl Iterator<Item = (&'a f32, &'a mut i8)>, threshold: f32) -> Sum {
    let mut kept = Sum::default();
    for (&w, trit) in entries {
        let stays = w.abs() > threshold;
        *trit = sign(w) * i8::from(stays);
        kept.magnitude += if stays { f64::from(w.abs()) } else { 0.0 };
        kept.count += usize::from(stays);
    }
    kept
}

fn sign(w: f32) -> i8 {
    i8::from(w > 0.0) - i8::from(w < 0.0)
}

/// The first entry of the largest magnitude, unless all are zero.
fn largest(column: ArrayView1<'_, f32>) -> Option<(usize, f32)> {
    let mut best = None;
    let mut magnitude = 0.0;
    for (i, &w) in column.iter().enumerate() {
        if w.abs() > magnitude {
            magnitude = w.abs();
            best = Some((i, w));
        }
    }
    best
}
