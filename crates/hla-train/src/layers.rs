//! The layers that become ternary, seen from the host: W and Ŵ as the programs compute them,
//! thresholds T(t), and how close W is to Ŵ.

use hla_ir::{Diagnostic, Location, Tensor};
use hla_passes::training::{LayerPlan, Role, StateSpec};
use hla_quant::threshold::by_sparsity;
use hla_runtime::{State, ThreadPool};
use ndarray::ArrayView2;

use crate::config::Scope;
use crate::metrics::{LayerRecord, Moment, Stage, WeightSnapshot, histogram};
use crate::program::{Feed, Program};

/// W of each layer, on the sphere if there is one.
pub(crate) fn latent(
    layers: &[LayerPlan],
    sphere: Option<&mut Program>,
    state: &State,
    pool: Option<&ThreadPool>,
) -> Result<Vec<Vec<f32>>, Diagnostic> {
    match sphere {
        Some(sphere) => weights(layers, &sphere.derive(state, &Feed::of_state(0.0), pool)?),
        None => weights(layers, state),
    }
}

/// The weights of the layers as they are in a state.
pub(crate) fn weights(layers: &[LayerPlan], state: &State) -> Result<Vec<Vec<f32>>, Diagnostic> {
    let get = |layer: &LayerPlan| {
        let tensor = state.get(&layer.weight);
        tensor.as_ref().map(Tensor::to_f32s).ok_or_else(|| {
            Diagnostic::error(
                Location::unknown(),
                format!("the state has no weight '{}'", layer.weight),
            )
        })
    };
    layers.iter().map(get).collect()
}

/// T(t) of each layer, or of all of them together.
pub(crate) fn thresholds(
    layers: &[LayerPlan],
    latent: &[Vec<f32>],
    t: f64,
    scope: Scope,
) -> Result<Vec<f32>, Diagnostic> {
    let refuse = |error: hla_quant::Error, name: &str| {
        Diagnostic::error(
            Location::unknown(),
            format!("no threshold can be found for '{name}': {error}"),
        )
        .help("training has diverged: lower the learning rate")
    };
    match scope {
        Scope::Layer => layers
            .iter()
            .zip(latent)
            .map(|(layer, w)| by_sparsity([row(w)?], t).map_err(|e| refuse(e, &layer.weight)))
            .collect(),
        Scope::Global => {
            let rows = latent
                .iter()
                .map(|w| row(w))
                .collect::<Result<Vec<_>, _>>()?;
            let threshold = by_sparsity(rows, t).map_err(|e| refuse(e, "all layers"))?;
            Ok(vec![threshold; layers.len()])
        }
    }
}

fn row(w: &[f32]) -> Result<ArrayView2<'_, f32>, Diagnostic> {
    ArrayView2::from_shape((1, w.len()), w)
        .map_err(|e| Diagnostic::error(Location::unknown(), e.to_string()))
}

/// Sets the thresholds of the layers that have one.
pub(crate) fn set_thresholds(
    layers: &[LayerPlan],
    state: &mut State,
    values: &[f32],
) -> Result<(), Diagnostic> {
    for (layer, &value) in layers.iter().zip(values) {
        if let Some(ty) = state.ty(&layer.threshold).cloned() {
            state.set(&layer.threshold, &Tensor::splat(ty, value.into()))?;
        }
    }
    Ok(())
}

/// The thresholds that are state, by name.
pub(crate) fn thresholds_of(layers: &[LayerPlan], state: &State) -> Vec<(String, Tensor)> {
    let layers = layers.iter();
    layers
        .filter_map(|l| Some((l.threshold.clone(), state.get(&l.threshold)?)))
        .collect()
}

/// Lets thresholds keep only a part of the way that a step took them: Δ ← Δ₀ + r·(Δ − Δ₀). Without
/// weight decay that is descent with r times the learning rate, momentum included.
pub(crate) fn slow_thresholds(
    state: &mut State,
    before: &[(String, Tensor)],
    rate: f64,
) -> Result<(), Diagnostic> {
    for (name, old) in before {
        let Some(new) = state.get(name) else {
            continue;
        };
        let kept = old.iter_f64().zip(new.iter_f64());
        let kept = kept.map(|(old, new)| (old + rate * (new - old)).max(0.0));
        let kept = Tensor::from_f64s(new.ty().clone(), kept)
            .map_err(|e| Diagnostic::error(Location::unknown(), e))?;
        state.set(name, &kept)?;
    }
    Ok(())
}

/// Sets the learned scales of TTQ to what they stand for: the mean of the weights above, and of the
/// magnitudes of those below, TTQ's Δ = 0.05·max|w|.
pub(crate) fn set_scales(specs: &[StateSpec], state: &mut State) -> Result<(), Diagnostic> {
    for spec in specs.iter().filter(|s| s.role == Role::TtqScale) {
        let Some((weight, sign)) = spec.name.rsplit_once('.') else {
            continue;
        };
        let Some(values) = state.get(weight).map(|w| w.to_f32s()) else {
            continue;
        };
        let sign = if sign == "negative" { -1.0 } else { 1.0 };
        let least = 0.05 * values.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
        let kept = values.iter().map(|w| sign * w).filter(|&w| w > least);
        let (sum, count) = kept.fold((0.0, 0_u64), |(s, n), w| (s + f64::from(w), n + 1));
        let scale = if count > 0 { sum / count as f64 } else { 1.0 };
        state.set(&spec.name, &Tensor::splat(spec.ty.clone(), scale))?;
    }
    Ok(())
}

/// The record of each layer from its W and Ŵ.
pub(crate) fn records(
    layers: &[LayerPlan],
    state: &State,
    latent: &[Vec<f32>],
    ternary: &[Vec<f32>],
) -> Vec<LayerRecord> {
    let layers = layers.iter().zip(latent).zip(ternary);
    layers
        .map(|((layer, w), q)| {
            let zeros = q.iter().filter(|&&q| q == 0.0).count();
            let shape = state.ty(&layer.weight).map_or(&[][..], |ty| &ty.shape);
            LayerRecord {
                name: layer.weight.clone(),
                weights: q.len(),
                sparsity: zeros as f64 / q.len().max(1) as f64,
                cosine: mean_cosine(shape, layer.axis, w, q),
                threshold: threshold(layer, state),
            }
        })
        .collect()
}

/// Δ of a layer, if it has one.
fn threshold(layer: &LayerPlan, state: &State) -> Option<f64> {
    state.get(&layer.threshold)?.iter_f64().next()
}

/// Mean over the columns of w_jᵀŵ_j/(‖w_j‖·‖ŵ_j‖), columns along `axis`; columns of zeros do not
/// count. 1 if no column counts.
fn mean_cosine(shape: &[usize], axis: usize, w: &[f32], q: &[f32]) -> f64 {
    let columns = shape.get(axis).copied().unwrap_or(1).max(1);
    let inner: usize = shape.iter().skip(axis + 1).product();
    let mut sums = vec![[0.0_f64; 3]; columns];
    for (i, (&w, &q)) in w.iter().zip(q).enumerate() {
        let (w, q) = (f64::from(w), f64::from(q));
        let [dot, ww, qq] = &mut sums[i / inner.max(1) % columns];
        *dot += w * q;
        *ww += w * w;
        *qq += q * q;
    }
    let cosines = sums
        .iter()
        .filter(|[_, ww, qq]| *ww > 0.0 && *qq > 0.0)
        .map(|[dot, ww, qq]| dot / (ww * qq).sqrt());
    let (sum, count) = cosines.fold((0.0, 0_u32), |(s, n), c| (s + c, n + 1));
    match count {
        0 => 1.0,
        count => sum / f64::from(count),
    }
}

/// A histogram of each layer's W.
pub(crate) fn snapshots(
    layers: &[LayerPlan],
    latent: &[Vec<f32>],
    state: &State,
    (stage, moment, epoch): (Stage, Moment, usize),
) -> Vec<WeightSnapshot> {
    let of_layer = |(layer, w): (&LayerPlan, &Vec<f32>)| {
        let scale = (layer.fan_in as f64).sqrt();
        let (low, high, counts) = histogram(w, scale);
        WeightSnapshot {
            stage,
            moment,
            epoch,
            layer: layer.weight.clone(),
            low,
            high,
            counts,
            threshold: threshold(layer, state).map(|t| t * scale),
        }
    };
    layers.iter().zip(latent).map(of_layer).collect()
}

#[cfg(test)]
mod tests {
    use hla_ir::TensorType;

    use super::*;

    #[test]
    fn cosines_along_either_axis() {
        // Columns (3, 4) and (1, 0) with ŵ (1, 1)/√2 and (1, 0): 7/(5√2) and 1.
        let h = 0.5_f32.sqrt();
        let mean = (7.0 / (5.0 * 2.0_f64.sqrt()) + 1.0) / 2.0;
        let rows = mean_cosine(&[2, 2], 0, &[3.0, 4.0, 1.0, 0.0], &[h, h, 1.0, 0.0]);
        let columns = mean_cosine(&[1, 2, 2], 2, &[3.0, 1.0, 4.0, 0.0], &[h, 1.0, h, 0.0]);
        assert!((rows - mean).abs() < 1e-7, "{rows}");
        assert!((columns - mean).abs() < 1e-7, "{columns}");
        assert_eq!(mean_cosine(&[1, 2], 0, &[0.0; 2], &[0.0; 2]), 1.0);
    }

    #[test]
    fn scales_of_ttq_are_means() {
        let spec = |name: &str| StateSpec {
            name: name.to_owned(),
            ty: TensorType::f32([1]),
            role: Role::TtqScale,
            layer: None,
        };
        let mut state = State::new();
        // Δ = 0.05·2 = 0.1: 2 and 1 are above it, −0.5 below −0.1.
        let w = Tensor::from_f32s([5], &[2.0, 1.0, 0.1, -0.5, -0.05]).unwrap();
        state.set("w", &w).unwrap();
        set_scales(&[spec("w.positive"), spec("w.negative")], &mut state).unwrap();
        assert_eq!(state.get("w.positive").unwrap().to_f32s(), [1.5]);
        assert_eq!(state.get("w.negative").unwrap().to_f32s(), [0.5]);
    }
}
