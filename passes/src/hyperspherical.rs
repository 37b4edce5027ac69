//! `hla-hyperspherical`: the columns of weights lie on the unit sphere (Eq. 3).
//!
//! With `mode=reparametrize` the layer's weight is w_j = v_j/√(‖v_j‖² + ε) of the parameter v,
//! differentiated through. With `mode=project` the parameter is the weight, and gets
//! `hla.sphere_axis`: `hla-sgd` brings it back to the sphere after each step.
//!
//! With `input-norm=patch` the layer's input counts as divided by its norm: y = (Wᵀx)/√(‖x‖² + ε),
//! where x is the patch under a convolution's kernel or a row of a matrix product. ‖x‖² of patches is
//! a convolution of x² with ones. This part concerns inference too: `mode=off input-norm=patch` makes
//! of the model what a network so trained needs.

use std::collections::HashSet;

use hla_ir::graph::SPHERE_AXIS;
use hla_ir::{Attrs, Diagnostic, Function, Location, Node, NodeId, Op, Rewriter, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::selection::{QUANTIZE_ALL, SKIP};
use crate::training::edit::{plain, reshape, splat};
use crate::training::{SPHERE_EPSILON, Weights};

pub(crate) const MODE: OptionInfo = OptionInfo {
    name: "mode",
    kind: OptionKind::Choice(&["reparametrize", "project", "off"]),
    default: "reparametrize",
    help: "how columns keep length 1: w = v/√(‖v‖² + ε) in the graph, a projection after each step, or not",
};

pub(crate) const EPSILON: OptionInfo = OptionInfo {
    name: "epsilon",
    kind: OptionKind::Float(0.0, f64::MAX),
    default: "0.0001",
    help: "ε under the square roots of norms",
};

pub(crate) const INPUT_NORM: OptionInfo = OptionInfo {
    name: "input-norm",
    kind: OptionKind::Choice(&["off", "patch"]),
    default: "off",
    help: "divide by the norm of each patch a convolution sees and of each row of a matrix product",
};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-hyperspherical",
    summary: "put the columns of weights on the unit sphere",
    options: &[MODE, EPSILON, INPUT_NORM, SKIP, QUANTIZE_ALL],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let epsilon = options.float("epsilon") as f32;
    let found = Weights::find(function);
    let weights = found.quantized(function, PASS.name, options)?;
    let mut base = function.clone();
    if options.text("mode") == "project" {
        for weight in &weights {
            let attrs = &mut base.args[weight.arg].attrs;
            attrs.set(SPHERE_AXIS, weight.axis as i64);
            attrs.set(SPHERE_EPSILON, epsilon);
        }
    }
    let mut rewriter = Rewriter::new(&base);
    if options.text("mode") == "reparametrize" {
        for weight in weights.iter().filter(|w| w.normalize.is_none()) {
            let arg = ValueId(weight.arg as u32);
            let v = rewriter.get(arg);
            let w = normalize(&mut rewriter, v, weight.axis, epsilon, &weight.location)?;
            rewriter.set(arg, w);
        }
    }
    let normed: HashSet<NodeId> = match options.text("input-norm") {
        "patch" => (weights.iter())
            .flat_map(|w| w.contractions.iter().copied())
            .collect(),
        _ => HashSet::new(),
    };
    for (id, node) in base.iter_nodes() {
        if normed.contains(&id) {
            let y = with_input_norm(&mut rewriter, node, epsilon)?;
            rewriter.set(node.result(), y);
        } else {
            rewriter.copy(id)?;
        }
    }
    let mut report = Report::default();
    report.figure("hyperspherical layers", weights.len());
    Ok((rewriter.finish(), report))
}

/// w_j = v_j/√(‖v_j‖² + ε).
pub(crate) fn normalize(
    rewriter: &mut Rewriter<'_>,
    v: ValueId,
    axis: usize,
    epsilon: f32,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let attrs = Attrs::new()
        .with("axis", axis as i64)
        .with("epsilon", epsilon);
    rewriter.push(Op::Normalize, &[v], attrs, at.clone())
}

/// The contraction, its sums divided by the norm of what they are of.
fn with_input_norm(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    epsilon: f32,
) -> Result<ValueId, Diagnostic> {
    let at = &node.location;
    let mut operands = rewriter.get_all(&node.operands);
    let input = operands[0];
    let square = plain(rewriter, Op::Mul, &[input, input], at)?;
    let mut bias = None;
    let square_norm = if node.op == Op::Conv2d {
        let none = splat(rewriter, [1], 0.0, at)?;
        let zero = (rewriter.constant_value(operands[2]))
            .is_some_and(|b| b.splat_value().is_some_and(|v| v == 0.0));
        if !zero {
            bias = Some(std::mem::replace(&mut operands[2], none));
        }
        let mut shape = rewriter.new_function().tensor_ty(operands[1]).shape.clone();
        shape[0] = 1;
        let ones = splat(rewriter, shape, 1.0, at)?;
        rewriter.push(
            Op::Conv2d,
            &[square, ones, none],
            node.attrs.clone(),
            at.clone(),
        )?
    } else {
        let along_row = Attrs::new().with("axis", 2_i64);
        rewriter.push(Op::ReduceSum, &[square], along_row, at.clone())?
    };
    let rank = rewriter.new_function().tensor_ty(square_norm).rank();
    let epsilon = splat(rewriter, vec![1; rank], epsilon.into(), at)?;
    let sum = plain(rewriter, Op::Add, &[square_norm, epsilon], at)?;
    let inverse = plain(rewriter, Op::Rsqrt, &[sum], at)?;
    let y = rewriter.push(node.op, &operands, node.attrs.clone(), at.clone())?;
    let y = plain(rewriter, Op::Mul, &[y, inverse], at)?;
    match bias {
        Some(bias) => {
            let mut shape = vec![1; rank];
            shape[rank - 1] = rewriter.new_function().tensor_ty(bias).elements();
            let bias = reshape(rewriter, bias, &shape, at)?;
            plain(rewriter, Op::Add, &[y, bias], at)
        }
        None => Ok(y),
    }
}
