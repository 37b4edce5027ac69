//! What a user chooses about training. The defaults are those of the paper
//! (arXiv 2212.12649) and, where it is silent, those that `docs/training-passes.md` lists.

use hla_ir::Diagnostic;

use super::steps::OPTIONS;
use crate::options::Options;

/// How weights become ternary in the ternary step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Quantizer {
    /// Hyperspherical loss-aware ternary quantization: Eq. 4–5 at a learned Δ̄, gradient ⊙ S.
    #[default]
    Hla,
    /// Plain straight-through: Eq. 4–5 on the sphere at T(t) of each step, gradient as it is.
    Ste,
    /// Ternary Weight Networks (arXiv 1605.04711): Δ = 0.7·mean|w|, α = mean of |w| above it.
    Twn,
    /// Trained Ternary Quantization (arXiv 1612.01064): Δ = 0.05·max|w|, learned scales for the
    /// positive and the negative weights.
    Ttq,
}

/// How the columns of a weight keep length 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sphere {
    /// The graph computes w = v/√(‖v‖² + ε) and differentiates it.
    #[default]
    Reparametrize,
    /// The weight itself is brought back to length 1 after each step.
    Project,
    /// They do not.
    Off,
}

/// Whether inputs of hyperspherical layers are brought to length 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InputNorm {
    /// They are not: batch norm follows, which absorbs a scale.
    #[default]
    Off,
    /// Each patch that a convolution sees, each row of a matrix product.
    Patch,
}

/// S of Eq. 11–12, by which the gradient of Ŵ is multiplied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rescale {
    /// 1 − w².
    Weight,
    /// max(0, 1 − (w/α)²).
    Alpha,
    /// 1.
    None,
}

/// The gradient of Δ̄.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ThresholdGradient {
    /// Eq. 13 as printed: (1/mn)·Σ g over w ≠ 0.
    #[default]
    Signed,
    /// −(1/mn)·Σ g·sign(w), the derivative of a symmetric threshold.
    Symmetric,
    /// None.
    None,
}

/// Where Δ of the ternary step comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThresholdSource {
    /// State that gradient descent moves.
    Learned,
    /// State that stays as the driver set it.
    Fixed,
    /// T(t) of the step's weights, t the input `sparsity`.
    Sparsity,
    /// The quantizer's own rule: TWN's or TTQ's.
    Rule,
}

/// Over what T(t) is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ThresholdScope {
    /// Each layer has its own.
    #[default]
    Layer,
    /// One over all quantized layers.
    Global,
}

/// Over what TWN's α is a mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TwnScale {
    /// One α a layer, as in the paper.
    #[default]
    Layer,
    /// One α a column.
    Column,
}

/// What is minimised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Loss {
    /// Softmax cross-entropy with integer labels.
    CrossEntropy {
        /// s: the target is (1 − s)·onehot + s/C.
        label_smoothing: f32,
    },
    /// Mean of (logits − targets)² over all elements.
    MeanSquaredError,
}

/// Everything that the graphs of a training depend on. What a driver decides step by step (learning
/// rate, λ, t) is an input of the graphs instead.
#[derive(Clone, PartialEq, Debug)]
pub struct TrainingOptions {
    /// How weights become ternary.
    pub quantizer: Quantizer,
    /// How columns keep length 1; TWN and TTQ have no sphere, whatever this says.
    pub sphere: Sphere,
    /// ε of the sphere.
    pub epsilon: f32,
    /// Whether inputs are brought to length 1.
    pub input_norm: InputNorm,
    /// S; `None` is the quantizer's: [`Rescale::Weight`] for HLA, [`Rescale::None`] for the others.
    pub rescale: Option<Rescale>,
    /// The gradient of a learned Δ̄.
    pub threshold_gradient: ThresholdGradient,
    /// Where Δ comes from; `None` is the quantizer's: learned for HLA, T(t) for plain
    /// straight-through, its rule for TWN and TTQ.
    pub threshold: Option<ThresholdSource>,
    /// Over what T(t) is taken where a graph computes it.
    pub threshold_scope: ThresholdScope,
    /// Over what TWN's α is a mean.
    pub twn_scale: TwnScale,
    /// Whether L_d joins the objective; `None` is: for HLA only.
    pub loss_aware: Option<bool>,
    /// What is minimised besides.
    pub loss: Loss,
    /// m of the running statistics: running ← (1 − m)·running + m·batch.
    pub batch_norm_momentum: f32,
    /// μ of gradient descent.
    pub momentum: f32,
    /// Weight decay of the weights of contractions; other parameters have none.
    pub weight_decay: f32,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// The first convolution and the last layer become ternary too.
    pub quantize_all: bool,
    /// Layers that stay float, as the option `skip` of the passes.
    pub skip: Vec<String>,
    /// Whether the evaluation functions have the result `logits`.
    pub keep_logits: bool,
}

impl Default for TrainingOptions {
    fn default() -> TrainingOptions {
        TrainingOptions {
            quantizer: Quantizer::Hla,
            sphere: Sphere::Reparametrize,
            epsilon: 1e-4,
            input_norm: InputNorm::Off,
            rescale: None,
            threshold_gradient: ThresholdGradient::Signed,
            threshold: None,
            threshold_scope: ThresholdScope::Layer,
            twn_scale: TwnScale::Layer,
            loss_aware: None,
            loss: Loss::CrossEntropy {
                label_smoothing: 0.0,
            },
            batch_norm_momentum: 0.1,
            momentum: 0.9,
            weight_decay: 1e-4,
            nesterov: false,
            quantize_all: false,
            skip: vec!["auto".to_owned()],
            keep_logits: false,
        }
    }
}

/// The chosen options as those of the steps.
pub(super) fn step_options(chosen: &TrainingOptions) -> Result<Options, Diagnostic> {
    let or_auto = |word: Option<&'static str>| word.unwrap_or("auto");
    let smoothing = match chosen.loss {
        Loss::CrossEntropy { label_smoothing } => label_smoothing,
        Loss::MeanSquaredError => 0.0,
    };
    Options::defaults(OPTIONS)
        .with(
            "quantizer",
            match chosen.quantizer {
                Quantizer::Hla => "hla",
                Quantizer::Ste => "ste",
                Quantizer::Twn => "twn",
                Quantizer::Ttq => "ttq",
            },
        )?
        .with(
            "sphere",
            match chosen.sphere {
                Sphere::Reparametrize => "reparametrize",
                Sphere::Project => "project",
                Sphere::Off => "off",
            },
        )?
        .with("epsilon", chosen.epsilon)?
        .with(
            "input-norm",
            match chosen.input_norm {
                InputNorm::Off => "off",
                InputNorm::Patch => "patch",
            },
        )?
        .with(
            "rescale",
            or_auto(chosen.rescale.map(|r| match r {
                Rescale::Weight => "weight",
                Rescale::Alpha => "alpha",
                Rescale::None => "none",
            })),
        )?
        .with(
            "threshold",
            or_auto(chosen.threshold.map(|t| match t {
                ThresholdSource::Learned => "learned",
                ThresholdSource::Fixed => "fixed",
                ThresholdSource::Sparsity => "sparsity",
                ThresholdSource::Rule => "rule",
            })),
        )?
        .with(
            "threshold-gradient",
            match chosen.threshold_gradient {
                ThresholdGradient::Signed => "signed",
                ThresholdGradient::Symmetric => "symmetric",
                ThresholdGradient::None => "none",
            },
        )?
        .with(
            "threshold-scope",
            match chosen.threshold_scope {
                ThresholdScope::Layer => "layer",
                ThresholdScope::Global => "global",
            },
        )?
        .with(
            "twn-scale",
            match chosen.twn_scale {
                TwnScale::Layer => "layer",
                TwnScale::Column => "column",
            },
        )?
        .with(
            "loss-aware",
            or_auto(
                chosen
                    .loss_aware
                    .map(|wanted| if wanted { "true" } else { "false" }),
            ),
        )?
        .with(
            "loss",
            match chosen.loss {
                Loss::CrossEntropy { .. } => "cross-entropy",
                Loss::MeanSquaredError => "mse",
            },
        )?
        .with("label-smoothing", smoothing)?
        .with("batch-norm-momentum", chosen.batch_norm_momentum)?
        .with("momentum", chosen.momentum)?
        .with("weight-decay", chosen.weight_decay)?
        .with("nesterov", chosen.nesterov)?
        .with("quantize-all", chosen.quantize_all)?
        .with("skip", chosen.skip.join(","))
}
