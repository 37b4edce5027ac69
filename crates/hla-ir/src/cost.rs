//! What a node costs, in operations of one kind: the measure that multiply elimination minimises.

use crate::graph::{Function, Node};
use crate::ops::Op;

/// An op applied to operands, as far as its cost depends on it.
pub struct Applied<'a> {
    /// The op.
    pub op: Op,
    /// Extents of the operands.
    pub operands: &'a [&'a [usize]],
    /// Extents of the first result.
    pub result: &'a [usize],
    /// Multiplications for each element of the result where attributes or constants decide on them:
    /// of a ternary contraction one for its scale unless that is 1 everywhere, one for a residual
    /// that is scaled; of `hla.sgd_update` one for each of its terms.
    pub varying: u64,
}

impl Applied<'_> {
    /// Products of an input and a weight, or of their gradients, that a contraction sums up; 0 for
    /// any other op. Taps in the padding count. A ternary contraction, which adds and subtracts instead, has those of
    /// dense weights.
    pub fn products(&self) -> u64 {
        let out = elements(self.result);
        let operand = |i: usize| self.operands.get(i).copied().unwrap_or_default();
        let part = |i: usize, range: std::ops::Range<usize>| {
            elements(operand(i).get(range).unwrap_or_default())
        };
        match self.op {
            Op::Conv2d | Op::TernaryConv2d => out.saturating_mul(part(1, 1..4)),
            Op::TernaryMatMul => out.saturating_mul(part(1, 1..2)),
            Op::DepthwiseConv2d => out.saturating_mul(part(1, 0..2)),
            Op::TransposeConv2d => elements(operand(0)).saturating_mul(part(1, 0..3)),
            Op::MatMul => out.saturating_mul(part(0, 2..3)),
            Op::Conv2dInputGrad => elements(operand(0)).saturating_mul(part(1, 1..4)),
            Op::DepthwiseConv2dInputGrad => elements(operand(0)).saturating_mul(part(1, 0..2)),
            Op::Conv2dWeightGrad => {
                let taps = self.result.get(1..).map_or(0, elements);
                elements(operand(1)).saturating_mul(taps)
            }
            Op::DepthwiseConv2dWeightGrad => {
                let taps = self.result.get(..2).map_or(0, elements);
                elements(operand(1)).saturating_mul(taps)
            }
            _ => 0,
        }
    }

    /// Scalar multiplications and divisions that one execution takes by the op's definition.
    ///
    /// A contraction takes one for each of its [products](Applied::products); a ternary contraction none
    /// for its sum. Mathematical functions count one for each element, whatever their expansion, and
    /// so does a ternarization.
    pub fn multiplications(&self) -> u64 {
        let out = elements(self.result);
        match self.op {
            Op::TernaryConv2d | Op::TernaryMatMul | Op::SgdUpdate => {
                out.saturating_mul(self.varying)
            }
            Op::Mul
            | Op::Pow
            | Op::Reciprocal
            | Op::Rsqrt
            | Op::Exp
            | Op::Log
            | Op::Tanh
            | Op::Sigmoid
            | Op::Erf
            | Op::Quantize
            | Op::Dequantize
            | Op::DynamicQuantize
            | Op::AvgPool2d
            | Op::Ternarize
            | Op::SteTernarize => out,
            // Squares, then scaled.
            Op::Normalize | Op::BatchNorm => out.saturating_mul(2),
            Op::ReduceProduct | Op::LossAware | Op::SoftmaxCrossEntropy | Op::AvgPool2dGrad => {
                elements(self.operands.first().copied().unwrap_or_default())
            }
            _ => self.products(),
        }
    }
}

fn elements(dims: &[usize]) -> u64 {
    let dims = dims.iter().map(|&d| d as u64);
    dims.fold(1, u64::saturating_mul)
}

/// Extents of a node's operands that are tensors, and of its first result.
fn extents<'a>(function: &'a Function, node: &Node) -> Option<(Vec<&'a [usize]>, &'a [usize])> {
    let shape = |&value| function.ty(value).tensor().map(|t| &t.shape[..]);
    let operands = node.operands.iter().filter_map(shape).collect();
    Some((operands, node.results.first().and_then(shape)?))
}

/// Multiplications of a node: [`Applied::multiplications`].
pub fn multiplications(function: &Function, node: &Node) -> u64 {
    let Some((operands, result)) = extents(function, node) else {
        return 0;
    };
    let varying = match node.op {
        Op::TernaryConv2d | Op::TernaryMatMul => {
            let unit = node.operands.get(2).is_some_and(|&scale| {
                function
                    .constant_value(scale)
                    .is_some_and(|t| t.splat_value() == Some(1.0))
            });
            let scaled = node.operands.len() == 5 && node.attrs.f32("residual_scale") != Some(1.0);
            u64::from(!unit) + u64::from(scaled)
        }
        Op::SgdUpdate => {
            let decays = node.attrs.f32("weight_decay") != Some(0.0);
            let ahead = node.attrs.bool("nesterov") == Some(true);
            2 + u64::from(decays) + u64::from(ahead)
        }
        _ => 0,
    };
    Applied {
        op: node.op,
        operands: &operands,
        result,
        varying,
    }
    .multiplications()
}

/// [`Applied::products`] of all contractions of a function.
pub fn contraction_products(function: &Function) -> u64 {
    let products = |node: &Node| {
        let (operands, result) = extents(function, node)?;
        let applied = Applied {
            op: node.op,
            operands: &operands,
            result,
            varying: 0,
        };
        Some(applied.products())
    };
    let nodes = function.nodes.iter();
    nodes.filter_map(products).fold(0, u64::saturating_add)
}

/// Multiplications of a whole function, constants' own computation included.
pub fn total_multiplications(function: &Function) -> u64 {
    function
        .nodes
        .iter()
        .map(|node| multiplications(function, node))
        .fold(0, u64::saturating_add)
}
