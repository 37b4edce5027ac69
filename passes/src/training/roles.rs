//! What the parameters of a model are.

use hla_ir::{Def, Function, Op, ValueId};

use super::batch_norm;
use super::plan::Role;

/// The role of each argument of a model; `None` for its inputs.
pub(crate) fn roles(function: &Function) -> Vec<Option<Role>> {
    let mut roles: Vec<Option<Role>> = (function.args.iter())
        .map(|arg| arg.param.as_ref().map(|_| Role::Bias))
        .collect();
    for node in &function.nodes {
        let operands: &[usize] = match node.op {
            Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d => &[1],
            Op::MatMul => &[0, 1],
            _ => continue,
        };
        for &i in operands {
            let Some(ty) = function.ty(node.operands[i]).tensor() else {
                continue;
            };
            let fan_in = match (node.op, i, &ty.shape[..]) {
                (Op::DepthwiseConv2d, _, [kh, kw, ..]) => kh * kw,
                (Op::MatMul, 0, shape) => shape[2],
                (Op::MatMul, _, shape) => shape[1],
                (_, _, shape) => shape[1..].iter().product(),
            };
            if let Some(arg) = parameter(function, node.operands[i]) {
                roles[arg] = Some(Role::Weight { fan_in });
            }
        }
    }
    for norm in batch_norm::find(function) {
        roles[norm.mean] = Some(Role::RunningMean);
        roles[norm.variance] = Some(Role::RunningVariance);
        for (value, role) in [
            (norm.scale, Role::NormScale),
            (norm.offset, Role::NormOffset),
        ] {
            if let Some(arg) = value.and_then(|v| batch_norm::parameter(function, v)) {
                roles[arg] = Some(role);
            }
        }
    }
    roles
}

/// The parameter that a value is, under another shape or permuted.
fn parameter(function: &Function, mut value: ValueId) -> Option<usize> {
    loop {
        match function.values[value.index()].def {
            Def::Arg(arg) => return function.args[arg].param.is_some().then_some(arg),
            Def::Node(id, _) => {
                let node = function.node(id);
                if !matches!(node.op, Op::Reshape | Op::Identity | Op::Transpose) {
                    return None;
                }
                value = node.operands[0];
            }
        }
    }
}
