//! `hla-ternarize`: the weights of convolutions and matrix products become −α, 0 or +α, with one α
//! for each output channel (HLA, arXiv 2212.12649, Eq. 4–5 and 8; TWN, arXiv 1605.04711).
//!
//! `tosa.conv2d` and `tosa.matmul` with constant weights become `hla.ternary_conv2d` and
//! `hla.ternary_matmul`. A weight that passes through `hla.ternarize`, as trained models have it, is
//! taken at its own threshold; one that already has a single magnitude per channel is taken as it
//! is, and so is one of TTQ, with a magnitude for + and one for −: it becomes two contractions, whose
//! additions together are those of one. Depthwise convolutions stay float: their fan-in is too small to lose most of it.

mod contraction;
mod table;

use std::collections::BTreeMap;

use hla_ir::{Diagnostic, Function, Node, NodeId, rewrite};
use hla_quant::ternary::{Scale, Ternary, recognize, recognize_signed, ternarize};
use hla_quant::{similarity, threshold};

use crate::layers::{Layer, layers};
use crate::limits;
use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::selection::{self, Candidate};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-ternarize",
    summary: "make the weights of convolutions and matrix products ternary",
    options: &[
        OptionInfo {
            name: "sparsity",
            kind: OptionKind::Float(0.0, 1.0),
            default: "0.7",
            help: "share t of weights that become zero, Δ = T(t) of Eq. 8",
        },
        OptionInfo {
            name: "scope",
            kind: OptionKind::Choice(&["layer", "global"]),
            default: "layer",
            help: "whether T(t) is taken for each layer or over all of them",
        },
        OptionInfo {
            name: "threshold",
            kind: OptionKind::Choice(&["sparsity", "twn"]),
            default: "sparsity",
            help: "T(t), or TWN's 0.7·mean|w| of each layer",
        },
        OptionInfo {
            name: "scale",
            kind: OptionKind::Choice(&["norm", "mean", "optimal"]),
            default: "norm",
            help: "α: ‖w_j‖/√nnz (Eq. 5 on the sphere), TWN's mean over a layer, or least squares for each channel",
        },
        selection::SKIP,
        selection::QUANTIZE_ALL,
    ],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    limits::check_constants(function)?;
    let layers = layers(function);
    let mut report = Report::default();
    let reasons = skipped(function, &layers, options)?;
    let plan = plan(function, &layers, &reasons, options)?;
    table::tell(function, &layers, &reasons, &plan, &mut report);
    let by_node: BTreeMap<NodeId, (&Layer<'_>, &Planned)> = (layers.iter())
        .zip(&plan)
        .filter_map(|(layer, plan)| Some((layer.node, (layer, plan.as_ref()?))))
        .collect();
    let new = rewrite::rewrite(function, |rewriter, id, node| match by_node.get(&id) {
        Some((layer, plan)) => {
            contraction::replace(rewriter, node, layer, plan).map(|v| Some(vec![v]))
        }
        None => Ok(None),
    })?;
    Ok((new, report))
}

/// Why layers stay float, by their number.
fn skipped(
    function: &Function,
    layers: &[Layer<'_>],
    options: &Options,
) -> Result<BTreeMap<usize, &'static str>, Diagnostic> {
    let candidates: Vec<Candidate<'_>> = (layers.iter())
        .map(|l| Candidate {
            node: l.node,
            name: &l.name,
            weight: l.weight_name.as_deref(),
        })
        .collect();
    selection::skipped(function, PASS.name, &candidates, options)
}

/// What becomes of a layer.
struct Planned {
    ternary: Ternary,
    /// Whether the weights had one magnitude per column besides zero, and stay exactly as they are.
    already: bool,
    /// The scale of −1, if it is another than that of +1.
    negative: Option<f32>,
    /// Mean cosine similarity of the columns of W and Ŵ.
    cosine: f64,
}

/// The ternary form of each layer; `None` for one that stays float.
fn plan(
    function: &Function,
    layers: &[Layer<'_>],
    reasons: &BTreeMap<usize, &'static str>,
    options: &Options,
) -> Result<Vec<Option<Planned>>, Diagnostic> {
    let scale = match options.text("scale") {
        "mean" => Scale::LayerMean,
        "optimal" => Scale::LeastSquares,
        _ => Scale::Norm,
    };
    let t = options.float("sparsity");
    let twn = options.text("threshold") == "twn";
    let global = match options.text("scope") {
        "global" if !twn => global_threshold(layers, reasons, t),
        _ => None,
    };
    let mut plan = Vec::with_capacity(layers.len());
    for (i, layer) in layers.iter().enumerate() {
        if layer.ternarize.is_none() && reasons.contains_key(&i) {
            plan.push(None);
            continue;
        }
        let matrix = layer.matrix();
        let recognized = match layer.ternarize {
            None => recognize(matrix.view()),
            Some(_) => None,
        };
        let signed = match (layer.ternarize, &recognized) {
            (None, None) => recognize_signed(matrix.view()),
            _ => None,
        };
        if let Some((ternary, negative)) = signed {
            plan.push(Some(Planned {
                ternary,
                already: true,
                negative: Some(negative),
                cosine: 1.0,
            }));
            continue;
        }
        let already = recognized.is_some();
        let ternary = match (layer.ternarize, recognized) {
            (Some(op), _) => trained(function, layer, op)?,
            (None, Some(ternary)) => ternary,
            (None, None) => {
                let delta = match (twn, global) {
                    (true, _) => threshold::twn(matrix.view()),
                    (false, Some(delta)) => Ok(delta),
                    (false, None) => threshold::by_sparsity([matrix.view()], t),
                };
                delta
                    .and_then(|delta| ternarize(matrix.view(), delta, scale))
                    .map_err(|error| refused(function, layer, &error))?
            }
        };
        let cosine = similarity::mean_cosine(matrix.view(), &ternary);
        plan.push(Some(Planned {
            ternary,
            already,
            negative: None,
            cosine,
        }));
    }
    Ok(plan)
}

/// T(t) over all layers that are to become ternary; `None` if a weight is not finite, which is told
/// with its layer later.
fn global_threshold(
    layers: &[Layer<'_>],
    reasons: &BTreeMap<usize, &'static str>,
    t: f64,
) -> Option<f32> {
    let matrices: Vec<_> = (layers.iter().enumerate())
        .filter(|(i, layer)| layer.ternarize.is_none() && !reasons.contains_key(i))
        .map(|(_, layer)| layer.matrix())
        .filter(|m| recognize(m.view()).is_none() && recognize_signed(m.view()).is_none())
        .collect();
    threshold::by_sparsity(matrices.iter().map(|m| m.view()), t).ok()
}

fn refused(function: &Function, layer: &Layer<'_>, error: &hla_quant::Error) -> Diagnostic {
    Diagnostic::error(
        function.node(layer.node).location.clone(),
        format!(
            "the weights of '{}' cannot become ternary: {error}",
            layer.name
        ),
    )
    .help("check the file of weights: training may have diverged")
}

/// A weight that passes through `hla.ternarize`: its own threshold, α = 1/√nnz as the op says.
fn trained(function: &Function, layer: &Layer<'_>, op: &Node) -> Result<Ternary, Diagnostic> {
    let error = |message: String| Diagnostic::error(op.location.clone(), message);
    let axis = op.attrs.i64("axis").unwrap_or(0);
    let (n, _) = layer.dim();
    let channels = layer.channel_axis().0;
    if usize::try_from(axis) != Ok(channels) && n != 1 {
        return Err(error(format!(
            "'hla.ternarize' takes columns along axis {axis}, but the output channels of '{}' lie along axis {channels}",
            function.node(layer.node).name()
        ))
        .help(format!("set axis = {channels}")));
    }
    let delta = op.attrs.f32("threshold").unwrap_or(0.0);
    ternarize(layer.matrix().view(), delta, Scale::Unit)
        .map_err(|error| refused(function, layer, &error))
}
