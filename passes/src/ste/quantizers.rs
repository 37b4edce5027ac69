//! The quantizers as graphs.

use hla_ir::{Attrs, DType, Diagnostic, Location, Op, Rewriter, TensorType, ValueId};

use super::Settings;
use crate::training::edit::threshold_state;
use crate::training::edit::{named, plain, reshape, scalar_input, splat, state, sum_over};
use crate::training::{Quantizer, Rescale, ThresholdGradient, ThresholdScope, ThresholdSource};
use crate::training::{TwnScale, companion};

/// A weight to make ternary.
pub(crate) struct Latent<'a> {
    /// The name of its parameter.
    pub name: &'a str,
    /// W.
    pub value: ValueId,
    /// The axis of its columns.
    pub axis: usize,
    /// Where its layer stands.
    pub at: &'a Location,
}

/// State that a quantizer keeps for a weight.
#[derive(Clone, Copy, Default)]
pub(crate) struct LayerState {
    threshold: Option<ValueId>,
    positive: Option<ValueId>,
    negative: Option<ValueId>,
}

/// State and inputs of the quantizer.
pub(crate) struct State {
    layers: Vec<LayerState>,
    sparsity: Option<ValueId>,
}

/// Adds the arguments that the quantizer needs, for each weight by its name.
pub(crate) fn add_state(
    rewriter: &mut Rewriter<'_>,
    names: &[&str],
    settings: &Settings,
) -> Result<State, Diagnostic> {
    let mut layers = Vec::with_capacity(names.len());
    for name in names {
        let mut layer = LayerState::default();
        if let ThresholdSource::Learned | ThresholdSource::Fixed = settings.threshold {
            let learned = settings.threshold == ThresholdSource::Learned;
            let name = companion(name, "threshold");
            layer.threshold = Some(threshold_state(rewriter, &name, learned)?);
        }
        if settings.quantizer == Quantizer::Ttq {
            let ty = TensorType::f32([1]).into();
            layer.positive = Some(state(rewriter, &companion(name, "positive"), &ty, &[])?);
            layer.negative = Some(state(rewriter, &companion(name, "negative"), &ty, &[])?);
        }
        layers.push(layer);
    }
    let sparsity = (settings.threshold == ThresholdSource::Sparsity)
        .then(|| scalar_input(rewriter, "sparsity"));
    Ok(State { layers, sparsity })
}

/// Ŵ of each weight.
pub(crate) fn quantize(
    rewriter: &mut Rewriter<'_>,
    latents: &[Latent<'_>],
    state: &State,
    settings: &Settings,
) -> Result<Vec<ValueId>, Diagnostic> {
    let global = match (state.sparsity, settings.scope) {
        (Some(share), ThresholdScope::Global) => global_threshold(rewriter, latents, share)?,
        _ => None,
    };
    let mut ternary = Vec::with_capacity(latents.len());
    for (latent, layer) in latents.iter().zip(&state.layers) {
        let delta = match (layer.threshold, global, state.sparsity) {
            (Some(delta), _, _) | (None, Some(delta), _) => Some(delta),
            (None, None, Some(share)) => {
                let at = named(latent.at, format!("{}: T(t), Eq. 8", latent.name));
                Some(plain(rewriter, Op::Threshold, &[latent.value, share], &at)?)
            }
            (None, None, None) => None,
        };
        ternary.push(match (settings.quantizer, delta) {
            (Quantizer::Twn, _) => twn(rewriter, latent, delta, settings.twn_scale)?,
            (Quantizer::Ttq, _) => ttq(rewriter, latent, delta, layer)?,
            (_, Some(delta)) => on_sphere(rewriter, latent, delta, settings)?,
            (_, None) => latent.value,
        });
    }
    Ok(ternary)
}

/// T(t) over all weights together; `None` if there are none.
fn global_threshold(
    rewriter: &mut Rewriter<'_>,
    latents: &[Latent<'_>],
    share: ValueId,
) -> Result<Option<ValueId>, Diagnostic> {
    let Some(first) = latents.first() else {
        return Ok(None);
    };
    let at = named(first.at, "global T(t), Eq. 8");
    let mut flat = Vec::with_capacity(latents.len());
    for latent in latents {
        let elements = rewriter.new_function().tensor_ty(latent.value).elements();
        flat.push(reshape(rewriter, latent.value, &[elements], &at)?);
    }
    let along = Attrs::new().with("axis", 0_i64);
    let all = rewriter.push(Op::Concat, &flat, along, at.clone())?;
    plain(rewriter, Op::Threshold, &[all, share], &at).map(Some)
}

/// Ternary(W, Δ) of Eq. 4–5 with the gradient of Eq. 11–13.
fn on_sphere(
    rewriter: &mut Rewriter<'_>,
    latent: &Latent<'_>,
    delta: ValueId,
    settings: &Settings,
) -> Result<ValueId, Diagnostic> {
    let attrs = Attrs::new()
        .with("axis", latent.axis as i64)
        .with(
            "rescale",
            match settings.rescale {
                Rescale::Weight => "weight",
                Rescale::Alpha => "alpha",
                Rescale::None => "none",
            },
        )
        .with(
            "threshold_gradient",
            match settings.gradient {
                ThresholdGradient::Signed => "signed",
                ThresholdGradient::Symmetric => "symmetric",
                ThresholdGradient::None => "none",
            },
        );
    let at = named(latent.at, format!("{}: Eq. 10-13", latent.name));
    rewriter.push(Op::SteTernarize, &[latent.value, delta], attrs, at)
}

/// Δ = 0.7·mean|w|; α = mean of |w| over |w| > Δ; ŵ = α·sign(w) there, else 0. The gradient of Ŵ is
/// that of W.
fn twn(
    rewriter: &mut Rewriter<'_>,
    latent: &Latent<'_>,
    delta: Option<ValueId>,
    scale: TwnScale,
) -> Result<ValueId, Diagnostic> {
    let at = &named(latent.at, format!("{}: TWN", latent.name));
    let w = latent.value;
    let shape = rewriter.new_function().tensor_ty(w).shape.clone();
    let (rank, elements) = (shape.len(), shape.iter().product::<usize>());
    let magnitude = plain(rewriter, Op::Abs, &[w], at)?;
    let delta = match delta {
        Some(delta) => delta,
        None => {
            let sum = sum_over(rewriter, magnitude, 0..rank, at)?;
            let share = splat(rewriter, vec![1; rank], 0.7 / elements as f64, at)?;
            plain(rewriter, Op::Mul, &[sum, share], at)?
        }
    };
    let Signs { positive, negative } = signs(rewriter, w, delta, at)?;
    let kept = plain(rewriter, Op::LogicalOr, &[positive, negative], at)?;
    let as_number = Attrs::new().with("out_type", DType::F32);
    let kept = rewriter.push(Op::Cast, &[kept], as_number, at.clone())?;
    let among = plain(rewriter, Op::Mul, &[magnitude, kept], at)?;
    let axes = || (0..rank).filter(move |&a| scale == TwnScale::Layer || a != latent.axis);
    let sum = sum_over(rewriter, among, axes(), at)?;
    let count = sum_over(rewriter, kept, axes(), at)?;
    // A column without any such weight has a mean of 0/1.
    let one = splat(rewriter, vec![1; rank], 1.0, at)?;
    let count = plain(rewriter, Op::Maximum, &[count, one], at)?;
    let inverse = plain(rewriter, Op::Reciprocal, &[count], at)?;
    let alpha = plain(rewriter, Op::Mul, &[sum, inverse], at)?;
    let alpha = plain(rewriter, Op::StopGradient, &[alpha], at)?;
    let minus_one = splat(rewriter, vec![1; rank], -1.0, at)?;
    let zero = splat(rewriter, vec![1; rank], 0.0, at)?;
    let trits = plain(rewriter, Op::Select, &[negative, minus_one, zero], at)?;
    let trits = plain(rewriter, Op::Select, &[positive, one, trits], at)?;
    let value = plain(rewriter, Op::Mul, &[trits, alpha], at)?;
    plain(rewriter, Op::StraightThrough, &[w, value], at)
}

/// Δ = 0.05·max|w|; ŵ = W_p where w > Δ, −W_n where w < −Δ, else 0. The gradient of Ŵ goes to W
/// times W_p, W_n or 1, and to the two scales.
fn ttq(
    rewriter: &mut Rewriter<'_>,
    latent: &Latent<'_>,
    delta: Option<ValueId>,
    layer: &LayerState,
) -> Result<ValueId, Diagnostic> {
    let at = &named(latent.at, format!("{}: TTQ", latent.name));
    let w = latent.value;
    let shape = rewriter.new_function().tensor_ty(w).shape.clone();
    let rank = shape.len();
    let delta = match delta {
        Some(delta) => delta,
        None => {
            let mut largest = plain(rewriter, Op::Abs, &[w], at)?;
            for (axis, _) in shape.iter().enumerate().filter(|&(_, &extent)| extent > 1) {
                let along = Attrs::new().with("axis", axis as i64);
                largest = rewriter.push(Op::ReduceMax, &[largest], along, at.clone())?;
            }
            let share = splat(rewriter, vec![1; rank], 0.05, at)?;
            plain(rewriter, Op::Mul, &[largest, share], at)?
        }
    };
    let Signs { positive, negative } = signs(rewriter, w, delta, at)?;
    let one = splat(rewriter, vec![1; rank], 1.0, at)?;
    let mut scales = [one; 2];
    for (scale, state) in scales.iter_mut().zip([layer.positive, layer.negative]) {
        if let Some(state) = state {
            *scale = reshape(rewriter, state, &vec![1; rank], at)?;
        }
    }
    let [p, n] = scales;
    let minus_n = plain(rewriter, Op::Negate, &[n], at)?;
    let zero = splat(rewriter, vec![1; rank], 0.0, at)?;
    let value = plain(rewriter, Op::Select, &[negative, minus_n, zero], at)?;
    let value = plain(rewriter, Op::Select, &[positive, p, value], at)?;
    let slope = plain(rewriter, Op::Select, &[negative, n, one], at)?;
    let slope = plain(rewriter, Op::Select, &[positive, p, slope], at)?;
    plain(rewriter, Op::StraightThrough, &[w, value, slope], at)
}

/// Where w > Δ and where w < −Δ.
struct Signs {
    positive: ValueId,
    negative: ValueId,
}

fn signs(
    rewriter: &mut Rewriter<'_>,
    w: ValueId,
    delta: ValueId,
    at: &Location,
) -> Result<Signs, Diagnostic> {
    let rank = rewriter.new_function().tensor_ty(w).rank();
    let delta = reshape(rewriter, delta, &vec![1; rank], at)?;
    let minus_delta = plain(rewriter, Op::Negate, &[delta], at)?;
    Ok(Signs {
        positive: plain(rewriter, Op::Greater, &[w, delta], at)?,
        negative: plain(rewriter, Op::Greater, &[minus_delta, w], at)?,
    })
}
