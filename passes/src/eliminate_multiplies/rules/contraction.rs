//! Scales and biases around a float contraction go into its constant weights and bias.

use egg::Id;
use hla_ir::{Attrs, DType, Op};

use super::super::constants::Constant;
use super::super::language::Expr;
use super::{Rule, Site};

const CONVOLUTIONS: &[Op] = &[Op::Conv2d, Op::DepthwiseConv2d, Op::TransposeConv2d];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "scale-into-weights",
        algebra: "s·(W∗x + b) = (s·W)∗x + s·b, s by output channel",
        roots: &[Op::Mul],
        apply: scale_into_weights,
    },
    Rule {
        name: "bias-into-convolution",
        algebra: "(W∗x + a) + b = W∗x + (a + b)",
        roots: &[Op::Add],
        apply: bias_into_convolution,
    },
    Rule {
        name: "input-scale-into-weights",
        algebra: "W∗(s·x) + b = (W·s)∗x + b, s by input channel",
        roots: &[
            Op::Conv2d,
            Op::DepthwiseConv2d,
            Op::TransposeConv2d,
            Op::MatMul,
        ],
        apply: input_scale_into_weights,
    },
    Rule {
        name: "scale-across-matmul",
        algebra: "(s·x)·y = s·(x·y) = x·(s·y), s one number",
        roots: &[Op::MatMul],
        apply: scale_across_matmul,
    },
];

/// Weights times a constant, computed when the function is rebuilt.
fn scale_weights(site: &mut Site<'_>, weight: Id, s: &Constant) -> Option<Id> {
    // Far from the ends of f32's range, so that no weight is lost.
    let moderate = s.all(|v| v == 0.0 || (2f64.powi(-64)..=2f64.powi(64)).contains(&v.abs()));
    if !moderate || site.ty(weight)?.dtype != DType::F32 {
        return None;
    }
    if s.all(|v| v == 1.0) {
        return Some(weight);
    }
    let ty = site.ty(weight)?;
    let s = site.add_constant(s.squeezed())?;
    Some(site.op(Op::Mul, Attrs::new().with("shift", 0_i64), ty, &[weight, s]))
}

/// Values by output channel in the shape that broadcasts against a convolution's weights.
fn by_output(op: Op, weight: &[usize], s: Vec<f64>) -> Constant {
    match op {
        Op::DepthwiseConv2d => Constant::new([1, 1, weight[2], weight[3]], s),
        _ => Constant::new([s.len(), 1, 1, 1], s),
    }
}

/// Values by input channel, likewise.
fn by_input(op: Op, s: Vec<f64>) -> Constant {
    match op {
        Op::DepthwiseConv2d => Constant::new([1, 1, s.len(), 1], s),
        _ => Constant::new([1, 1, 1, s.len()], s),
    }
}

fn scale_into_weights(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, s) = site.with_constant()?;
    let channels = *site.f32_type()?.shape.last()?;
    for op in CONVOLUTIONS {
        for node in site.find(x, *op) {
            out.extend(scaled_convolution(site, &node, &s, channels));
        }
    }
    for node in site.find(x, Op::MatMul) {
        out.extend(scaled_matmul(site, &node, &s));
    }
    Some(())
}

fn scaled_convolution(
    site: &mut Site<'_>,
    node: &Expr,
    s: &Constant,
    channels: usize,
) -> Option<Id> {
    let [x, weight, bias] = *node.children else {
        return None;
    };
    let bias = site.constant(bias)?;
    if !site.is_constant(weight) {
        return None;
    }
    let s = s.channels(channels)?;
    let bias = bias.zip(&Constant::new([channels], s.clone()), |b, s| b * s)?;
    let shape = site.ty(weight)?.shape;
    let weight = scale_weights(site, weight, &by_output(node.apply()?.op, &shape, s))?;
    let bias = site.add_constant(bias)?;
    Some(site.like(node, [x, weight, bias]))
}

fn scaled_matmul(site: &mut Site<'_>, node: &Expr, s: &Constant) -> Option<Id> {
    let [a, b] = *node.children else { return None };
    let rows_agree = s.shape.get(1) == Some(&1);
    if site.is_constant(b) && rows_agree {
        let b = scale_weights(site, b, s)?;
        return Some(site.like(node, [a, b]));
    }
    let columns_agree = s.shape.get(2) == Some(&1);
    if site.is_constant(a) && columns_agree {
        let a = scale_weights(site, a, s)?;
        return Some(site.like(node, [a, b]));
    }
    None
}

fn bias_into_convolution(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, b) = site.with_constant()?;
    let channels = *site.f32_type()?.shape.last()?;
    let b = Constant::new([channels], b.channels(channels)?);
    for op in CONVOLUTIONS {
        for node in site.find(x, *op) {
            let [input, weight, bias] = *node.children else {
                continue;
            };
            if let Some(a) = site.constant(bias)
                && let Some(sum) = a.zip(&b, |a, b| a + b)
                && let Some(bias) = site.add_constant(sum)
            {
                out.push(site.like(&node, [input, weight, bias]));
            }
        }
    }
    Some(())
}

fn input_scale_into_weights(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    site.f32_type()?;
    let node = site.node.clone();
    let (input, weight) = (site.operand(0)?, site.operand(1)?);
    if !site.is_constant(weight) {
        return None;
    }
    let op = site.apply.op;
    let channels = *site.ty(input)?.shape.last()?;
    for (x, s) in site.scaled(input) {
        let s = if op == Op::MatMul {
            // [n or 1, 1, k] becomes [n or 1, k, 1].
            let [n, 1, k] = s.shape[..] else { continue };
            Constant::new([n, k, 1], s.values.clone())
        } else {
            let Some(s) = s.channels(channels) else {
                continue;
            };
            by_input(op, s)
        };
        if let Some(scaled) = scale_weights(site, weight, &s) {
            let mut children = node.children.clone();
            children[0] = x;
            children[1] = scaled;
            out.push(site.like(&node, children));
        }
    }
    Some(())
}

fn scale_across_matmul(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let rank = site.f32_type()?.rank();
    let node = site.node.clone();
    for i in 0..2 {
        for (x, s) in site.scaled_uniformly(site.operand(i)?) {
            let mut children = node.children.clone();
            children[i] = x;
            let product = site.like(&node, children);
            out.extend(site.scale(product, &Constant::scalar(rank, s)));
        }
    }
    Some(())
}
