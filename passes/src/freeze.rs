//! `hla-freeze`: a model becomes an inference graph.
//!
//! Every parameter must be a constant by now. Chains of additions, subtractions, multiplications and
//! negations with per-channel constants behind a contraction or a sum become one multiplication and
//! one addition per channel:
//!
//! batch norm: ((x − μ)·rsqrt(σ² + ε))·γ + β = x·s + b with s = γ/√(σ² + ε), b = β − μ·s.
//!
//! Zero padding in front of a convolution becomes its own.
//!
//! s and b are computed in f64 and rounded once, so a result may differ from the chain's in its last
//! bits (unlike `hla-canonicalize`, this pass re-associates floats). A constant bias of the
//! convolution goes into b.

mod affine;
mod pads;

use std::collections::HashMap;

use hla_ir::rewrite::rewrite;
use hla_ir::{Attrs, Diagnostic, Function, Node, NodeId, Op, Rewriter, Tensor, ValueId};

use crate::limits;
use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;
use affine::{Affine, Chains};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-freeze",
    summary: "check that parameters are constants; fold batch normalisation into one scale and bias per channel",
    options: &[],
    run,
};

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    refuse_parameters(function)?;
    limits::check_constants(function)?;
    let mut report = Report::default();
    let (padded, pads) = pads::join(function)?;
    let function = &padded;
    let chains = Chains::find(function);
    let mut ends = HashMap::new();
    let mut biases = HashMap::new();
    for (node, chain) in chains.ends() {
        let Some(fold) = Fold::plan(function, chain) else {
            continue;
        };
        if !chain.is_finite() {
            report.warn(
                &function.node(node).location,
                "the scale and bias of this channel-wise chain are not finite: it is left as it is; check the variances",
            );
            continue;
        }
        if let Some(base) = fold.bias_of {
            biases.insert(base, (fold.new_bias.clone(), node));
        }
        ends.insert(node, (chain, fold));
    }
    let new = rewrite(function, |rewriter, id, node| {
        if let Some((bias, _)) = biases.get(&id) {
            return with_bias(rewriter, node, bias).map(|v| Some(vec![v]));
        }
        match ends.get(&id) {
            Some((chain, fold)) => emit(rewriter, node, chain, fold).map(|v| Some(vec![v])),
            None => Ok(None),
        }
    })?;
    report.figure("folded chains", ends.len());
    report.figure("joined paddings", pads);
    Ok((new, report))
}

/// An error that names every argument that is a parameter.
fn refuse_parameters(function: &Function) -> Result<(), Diagnostic> {
    let mut open = function
        .args
        .iter()
        .filter_map(|a| Some((a, a.param.as_ref()?)));
    let Some((first, name)) = open.next() else {
        return Ok(());
    };
    let rest: Vec<_> = open.collect();
    let others = match rest.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let mut error = Diagnostic::error(
        first.location.clone(),
        format!(
            "parameter '{name}'{others} of '{}' has no value",
            function.name
        ),
    )
    .help("give the trained weights with --weights FILE.safetensors");
    for (arg, name) in rest {
        error = error.note(arg.location.clone(), format!("parameter '{name}'"));
    }
    Err(error)
}

/// What becomes of a chain.
struct Fold {
    /// The convolution whose bias moves into the chain.
    bias_of: Option<NodeId>,
    /// That convolution's new bias.
    new_bias: Vec<f64>,
    /// s, unless it is 1 throughout.
    scale: Option<Vec<f64>>,
    /// b, unless it is 0 throughout.
    bias: Option<Vec<f64>>,
}

impl Fold {
    /// `None` if there is nothing to gain.
    fn plan(function: &Function, chain: &Affine) -> Option<Fold> {
        let mut scale = chain.scale.clone();
        let mut bias = chain.bias.clone();
        let conv = chain.base_node.filter(|&id| {
            matches!(
                function.node(id).op,
                Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d
            )
        });
        let conv_bias = conv.and_then(|id| {
            let values = function.constant_value(function.node(id).operands[2])?;
            values
                .iter_f64()
                .any(|v| v != 0.0)
                .then(|| values.iter_f64().collect::<Vec<f64>>())
        });
        let has_scale = chain.scale.iter().any(|&s| s != 1.0);
        // Without a scale, b is the convolution's own bias.
        let sinks = !has_scale
            && conv.is_some_and(|id| {
                function
                    .constant_value(function.node(id).operands[2])
                    .is_some()
            });
        let moves = conv_bias.is_some() && chain.length >= 2;
        if chain.length < 2 && !sinks {
            return None;
        }
        if let Some(values) = &conv_bias {
            affine::widen(&mut bias, values.len());
            affine::widen(&mut scale, bias.len());
            for (i, b) in bias.iter_mut().enumerate() {
                *b += scale[i] * values[i % values.len()];
            }
        }
        let nonzero = bias.iter().any(|&b| b != 0.0);
        Some(if sinks {
            Fold {
                bias_of: conv,
                new_bias: bias,
                scale: None,
                bias: None,
            }
        } else {
            Fold {
                bias_of: conv.filter(|_| moves),
                new_bias: vec![0.0],
                scale: has_scale.then_some(scale),
                bias: nonzero.then_some(bias),
            }
        })
    }
}

/// The convolution with another bias.
fn with_bias(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    bias: &[f64],
) -> Result<ValueId, Diagnostic> {
    let mut operands = rewriter.get_all(&node.operands);
    let dtype = rewriter.old().tensor_ty(node.operands[2]).dtype;
    operands[2] = channel_constant(rewriter, node, bias, 1, dtype)?;
    rewriter.push(
        node.op,
        &operands,
        node.attrs.clone(),
        node.location.clone(),
    )
}

/// x·s + b, with s and b along the last dimension.
fn emit(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    chain: &Affine,
    fold: &Fold,
) -> Result<ValueId, Diagnostic> {
    let ty = rewriter.old().tensor_ty(chain.base).clone();
    let mut value = rewriter.get(chain.base);
    for (op, values) in [(Op::Mul, &fold.scale), (Op::Add, &fold.bias)] {
        if let Some(values) = values {
            let constant = channel_constant(rewriter, node, values, ty.rank(), ty.dtype)?;
            value = rewriter.push(op, &[value, constant], Attrs::new(), node.location.clone())?;
        }
    }
    Ok(value)
}

fn channel_constant(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    values: &[f64],
    rank: usize,
    dtype: hla_ir::DType,
) -> Result<ValueId, Diagnostic> {
    let bad = |message: String| Diagnostic::error(node.location.clone(), message);
    let mut shape = vec![1; rank];
    if let Some(last) = shape.last_mut() {
        *last = values.len();
    }
    let ty = hla_ir::TensorType::try_new(shape, dtype).map_err(bad)?;
    let tensor = match values {
        [first, rest @ ..] if rest.iter().all(|v| v.to_bits() == first.to_bits()) => {
            Tensor::splat(ty, *first)
        }
        _ => Tensor::from_f64s(ty, values.iter().copied()).map_err(bad)?,
    };
    rewriter.constant(tensor, node.location.clone())
}
