//! `hla-ste`: weights are ternary forward, and learned behind a straight-through gradient.
//!
//! Each contraction that reads a weight W (of `hla-hyperspherical`, or a parameter) reads Ŵ instead:
//!
//! - `quantizer=hla`: Ŵ = Ternary(W, Δ̄) of Eq. 4–5 and 10 with a learned Δ̄ (`W.threshold`), the
//!   gradient ⊙ S of Eq. 11–12, Δ̄'s gradient by Eq. 13;
//! - `quantizer=ste`: the same Ŵ at Δ = T(t) of the step's weights (Eq. 8), t the input `sparsity`;
//!   the gradient as it is;
//! - `quantizer=twn`: Δ = 0.7·mean|w|, α = mean of |w| over |w| > Δ (arXiv 1605.04711);
//! - `quantizer=ttq`: Δ = 0.05·max|w|, learned W_p (`W.positive`) and W_n (`W.negative`), by which
//!   the gradients of their weights are multiplied (arXiv 1612.01064).
//!
//! Every quantizer can take Δ from elsewhere, so that they compare at equal shares of zeros.

mod quantizers;

use std::collections::HashSet;

use hla_ir::{Diagnostic, Function, NodeId, Rewriter, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::selection::{QUANTIZE_ALL, SKIP};
use crate::training::{
    Quantizer, Rescale, ThresholdGradient, ThresholdScope, ThresholdSource, TwnScale, Weights,
};
pub(crate) use quantizers::{Latent, add_state, quantize};

pub(crate) const QUANTIZER: OptionInfo = OptionInfo {
    name: "quantizer",
    kind: OptionKind::Choice(&["hla", "ste", "twn", "ttq"]),
    default: "hla",
    help: "how weights become ternary: the paper's way, plain straight-through, TWN's or TTQ's",
};

pub(crate) const THRESHOLD: OptionInfo = OptionInfo {
    name: "threshold",
    kind: OptionKind::Choice(&["auto", "learned", "fixed", "sparsity", "rule"]),
    default: "auto",
    help: "where Δ comes from: learned (hla's), fixed, T(t) of each step with the input 'sparsity' (ste's), or the rule of twn and ttq (theirs)",
};

pub(crate) const THRESHOLD_SCOPE: OptionInfo = OptionInfo {
    name: "threshold-scope",
    kind: OptionKind::Choice(&["layer", "global"]),
    default: "layer",
    help: "whether T(t) of each step is taken for each layer or over all of them",
};

pub(crate) const THRESHOLD_GRADIENT: OptionInfo = OptionInfo {
    name: "threshold-gradient",
    kind: OptionKind::Choice(&["signed", "symmetric", "none"]),
    default: "signed",
    help: "a learned Δ's gradient: (1/mn)·Σ g over w ≠ 0 (Eq. 13), -(1/mn)·Σ g·sign(w), or none",
};

pub(crate) const RESCALE: OptionInfo = OptionInfo {
    name: "rescale",
    kind: OptionKind::Choice(&["auto", "weight", "alpha", "none"]),
    default: "auto",
    help: "S of Eq. 11-12: 1 - w² (hla's), max(0, 1 - (w/α)²), or 1 (ste's)",
};

pub(crate) const TWN_SCALE: OptionInfo = OptionInfo {
    name: "twn-scale",
    kind: OptionKind::Choice(&["layer", "column"]),
    default: "layer",
    help: "whether TWN's α is a mean over a layer or over each column",
};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-ste",
    summary: "make weights ternary forward, with a straight-through gradient",
    options: &[
        QUANTIZER,
        THRESHOLD,
        THRESHOLD_SCOPE,
        THRESHOLD_GRADIENT,
        RESCALE,
        TWN_SCALE,
        SKIP,
        QUANTIZE_ALL,
    ],
    run,
};

/// The options of the pass, typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub quantizer: Quantizer,
    pub threshold: ThresholdSource,
    pub scope: ThresholdScope,
    pub gradient: ThresholdGradient,
    pub rescale: Rescale,
    pub twn_scale: TwnScale,
}

impl Settings {
    /// Reads and checks options; an error stands at the function.
    pub fn read(function: &Function, options: &Options) -> Result<Settings, Diagnostic> {
        let quantizer = match options.text("quantizer") {
            "ste" => Quantizer::Ste,
            "twn" => Quantizer::Twn,
            "ttq" => Quantizer::Ttq,
            _ => Quantizer::Hla,
        };
        let on_sphere = matches!(quantizer, Quantizer::Hla | Quantizer::Ste);
        let threshold = match (options.text("threshold"), quantizer) {
            ("learned", _) | ("auto", Quantizer::Hla) => ThresholdSource::Learned,
            ("sparsity", _) | ("auto", Quantizer::Ste) => ThresholdSource::Sparsity,
            ("fixed", _) => ThresholdSource::Fixed,
            _ => ThresholdSource::Rule,
        };
        let refused = |message: String, help: &str| {
            Err(Diagnostic::error(function.location.clone(), message).help(help))
        };
        let name = options.text("quantizer");
        match threshold {
            ThresholdSource::Rule if on_sphere => {
                return refused(
                    format!("hla-ste: quantizer={name} has no rule for its threshold"),
                    "set threshold=learned, fixed or sparsity",
                );
            }
            ThresholdSource::Learned if !on_sphere => {
                return refused(
                    format!("hla-ste: the threshold of quantizer={name} has no gradient"),
                    "set threshold=rule, fixed or sparsity",
                );
            }
            _ => {}
        }
        let rescale = match (options.text("rescale"), quantizer) {
            ("weight", _) | ("auto", Quantizer::Hla) => Rescale::Weight,
            ("alpha", _) => Rescale::Alpha,
            _ => Rescale::None,
        };
        if !on_sphere && rescale != Rescale::None {
            return refused(
                format!("hla-ste: quantizer={name} has no S"),
                "leave rescale=auto, or set quantizer=hla or ste",
            );
        }
        Ok(Settings {
            quantizer,
            threshold,
            scope: match options.text("threshold-scope") {
                "global" => ThresholdScope::Global,
                _ => ThresholdScope::Layer,
            },
            gradient: match (options.text("threshold-gradient"), threshold) {
                ("signed", ThresholdSource::Learned) => ThresholdGradient::Signed,
                ("symmetric", ThresholdSource::Learned) => ThresholdGradient::Symmetric,
                _ => ThresholdGradient::None,
            },
            rescale,
            twn_scale: match options.text("twn-scale") {
                "column" => TwnScale::Column,
                _ => TwnScale::Layer,
            },
        })
    }
}

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let settings = Settings::read(function, options)?;
    let found = Weights::find(function);
    let weights = found.quantized(function, PASS.name, options)?;
    if let Some(twice) = weights.iter().find(|w| w.ternarize.is_some()) {
        return Err(Diagnostic::error(
            twice.location.clone(),
            format!("the weight '{}' is ternary already", twice.name),
        )
        .help("run hla-ste once"));
    }
    let mut rewriter = Rewriter::new(function);
    let names: Vec<&str> = weights.iter().map(|w| &*w.name).collect();
    let state = add_state(&mut rewriter, &names, &settings)?;
    let mut done: HashSet<NodeId> = HashSet::new();
    let mut latents = Vec::with_capacity(weights.len());
    for weight in &weights {
        if let Some(normalize) = weight.normalize {
            rewriter.copy(normalize)?;
            done.insert(normalize);
        }
        latents.push(Latent {
            name: &weight.name,
            value: rewriter.get(weight.value(function)),
            axis: weight.axis,
            at: &weight.location,
        });
    }
    let ternary: Vec<ValueId> = quantize(&mut rewriter, &latents, &state, &settings)?;
    for (weight, value) in weights.iter().zip(ternary) {
        rewriter.set(weight.value(function), value);
    }
    for (id, _) in function.iter_nodes() {
        if !done.contains(&id) {
            rewriter.copy(id)?;
        }
    }
    let mut report = Report::default();
    report.figure("ternary layers", weights.len());
    Ok((rewriter.finish(), report))
}
