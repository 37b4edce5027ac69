//! `hla-ternarize`: the weights of convolutions and matrix products become −α, 0 or +α, with one α
//! for each output channel (HLA, arXiv 2212.12649, Eq. 4–5 and 8; TWN, arXiv 1605.04711).
//!
//! `tosa.conv2d` and `tosa.matmul` with constant weights become `hla.ternary_conv2d` and
//! `hla.ternary_matmul`. A weight that passes through `hla.ternarize`, as trained models have it, is
//! taken at its own threshold; one that already has a single magnitude per channel is taken as it
//! is. Depthwise convolutions stay float: their fan-in is too small to lose most of it.

mod table;

use std::collections::BTreeMap;

use hla_ir::{Attrs, DType, Diagnostic, Function, Node, NodeId, Op, Rewriter, Tensor, TensorType};
use hla_ir::{ValueId, rewrite};
use hla_quant::ternary::{Scale, Ternary, recognize, ternarize};
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
    let by_node: BTreeMap<NodeId, (&Layer<'_>, &Ternary)> = (layers.iter())
        .zip(&plan)
        .filter_map(|(layer, plan)| Some((layer.node, (layer, &plan.as_ref()?.ternary))))
        .collect();
    let new = rewrite::rewrite(function, |rewriter, id, node| match by_node.get(&id) {
        Some((layer, ternary)) => replace(rewriter, node, layer, ternary).map(|v| Some(vec![v])),
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
        .filter(|matrix| recognize(matrix.view()).is_none())
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

/// Builds the ternary contraction; half-precision values are cast to f32 and back.
fn replace(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    layer: &Layer<'_>,
    ternary: &Ternary,
) -> Result<ValueId, Diagnostic> {
    let at = &node.location;
    let weight_at = rewriter
        .old()
        .defining_node(layer.weight_value)
        .map_or(at, |n| &n.location);
    let bad = |message: String| Diagnostic::error(at.clone(), message);
    let channels = ternary.scale.len();
    let trits: Vec<u8> = ternary.trits.iter().map(|&t| t as u8).collect();
    let ty = TensorType::try_new(layer.ternary_shape(), DType::I8).map_err(bad)?;
    let weight = Tensor::from_bytes(ty, trits).map_err(bad)?;
    let weight = rewriter.constant(weight, weight_at.clone())?;
    let scale = Tensor::from_f32s([channels], &ternary.scale.to_vec()).map_err(bad)?;
    let scale = rewriter.constant(scale, weight_at.clone())?;
    let input = cast(rewriter, rewriter.get(node.operands[0]), DType::F32, node)?;
    let out = rewriter.old().tensor_ty(node.result()).dtype;
    let mut attrs = Attrs::new();
    let (op, bias) = if node.op == Op::Conv2d {
        for name in ["pad", "stride", "dilation"] {
            if let Some(value) = node.attrs.get(name) {
                attrs.set(name, value.clone());
            }
        }
        (
            Op::TernaryConv2d,
            channel_bias(rewriter, rewriter.get(node.operands[2]), channels, node)?,
        )
    } else {
        let zero = Tensor::splat(TensorType::f32([channels]), 0.0);
        (Op::TernaryMatMul, rewriter.constant(zero, at.clone())?)
    };
    let result = rewriter.push(op, &[input, weight, scale, bias], attrs, at.clone())?;
    cast(rewriter, result, out, node)
}

/// A bias as f32 with an element for each channel.
fn channel_bias(
    rewriter: &mut Rewriter<'_>,
    bias: ValueId,
    channels: usize,
    node: &Node,
) -> Result<ValueId, Diagnostic> {
    let at = &node.location;
    if let Some(values) = rewriter.constant_value(bias) {
        let mut values = values.to_f32s();
        if values.len() == 1 {
            values = vec![values[0]; channels];
        }
        let tensor = Tensor::from_f32s([channels], &values);
        let tensor = tensor.map_err(|m| Diagnostic::error(at.clone(), m))?;
        return rewriter.constant(tensor, at.clone());
    }
    let bias = cast(rewriter, bias, DType::F32, node)?;
    if rewriter.new_function().tensor_ty(bias).shape == [channels] {
        return Ok(bias);
    }
    let multiples = Attrs::new().with("multiples", vec![channels as i64]);
    rewriter.push(Op::Tile, &[bias], multiples, at.clone())
}

fn cast(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    dtype: DType,
    node: &Node,
) -> Result<ValueId, Diagnostic> {
    if rewriter.new_function().tensor_ty(value).dtype == dtype {
        return Ok(value);
    }
    let attrs = Attrs::new().with("out_type", dtype);
    rewriter.push(Op::Cast, &[value], attrs, node.location.clone())
}
