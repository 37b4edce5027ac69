//! What a node costs, in operations of one kind: the measure that multiply elimination minimises.

use crate::graph::{Function, Node};
use crate::ops::Op;

/// Scalar multiplications and divisions that one execution of a node takes by its definition.
///
/// A contraction takes one for each product of an input and a weight; a ternary contraction none
/// for its sum, and one for each scale it applies to a result. Mathematical functions count one for
/// each element, whatever their expansion.
pub fn multiplications(function: &Function, node: &Node) -> u64 {
    let elements = |value| {
        function
            .ty(value)
            .tensor()
            .map_or(0, |t| t.elements() as u64)
    };
    let shape = |i: usize| {
        function
            .ty(node.operands[i])
            .tensor()
            .map(|t| t.shape.clone())
            .unwrap_or_default()
    };
    let product = |dims: &[usize]| dims.iter().map(|&d| d as u64).product::<u64>();
    let Some(&result) = node.results.first() else {
        return 0;
    };
    let out = elements(result);
    match node.op {
        Op::Conv2d => out.saturating_mul(product(&shape(1)[1..])),
        Op::DepthwiseConv2d => out.saturating_mul(product(&shape(1)[..2])),
        Op::TransposeConv2d => elements(node.operands[0]).saturating_mul(product(&shape(1)[..3])),
        Op::MatMul => out.saturating_mul(shape(0)[2] as u64),
        Op::TernaryConv2d | Op::TernaryMatMul => {
            let unit = |i: usize| {
                function
                    .constant_value(node.operands[i])
                    .is_some_and(|t| t.splat_value() == Some(1.0))
            };
            let scale = if unit(2) { 0 } else { out };
            let residual = match node.operands.get(4) {
                Some(_) if node.attrs.f32("residual_scale") != Some(1.0) => out,
                _ => 0,
            };
            scale + residual
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
        | Op::Ternarize => out,
        Op::ReduceProduct => elements(node.operands[0]),
        _ => 0,
    }
}

/// Multiplications of a whole function, constants' own computation included.
pub fn total_multiplications(function: &Function) -> u64 {
    function
        .nodes
        .iter()
        .map(|node| multiplications(function, node))
        .fold(0, u64::saturating_add)
}
