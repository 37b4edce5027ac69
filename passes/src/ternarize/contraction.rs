//! The ternary contractions that take a layer's place.

use hla_ir::{Attrs, DType, Diagnostic, Node, Op, Rewriter, Tensor, TensorType, ValueId};

use super::Planned;
use crate::layers::Layer;

/// Builds the ternary contraction; half-precision values are cast to f32 and back. With a scale of its
/// own for −1 there are two, whose results are added: that of the +1 and that of the −1.
pub(super) fn replace(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    layer: &Layer<'_>,
    plan: &Planned,
) -> Result<ValueId, Diagnostic> {
    let out = rewriter.old().tensor_ty(node.result()).dtype;
    let trits = &plan.ternary.trits;
    let scale = plan.ternary.scale.to_vec();
    let result = match plan.negative {
        None => contraction(rewriter, node, layer, trits.iter().copied(), &scale, true)?,
        Some(negative) => {
            let ones = trits.iter().map(|&t| t.max(0));
            let sum = contraction(rewriter, node, layer, ones, &scale, true)?;
            let minus_ones = trits.iter().map(|&t| t.min(0));
            let scale = vec![negative; scale.len()];
            let rest = contraction(rewriter, node, layer, minus_ones, &scale, false)?;
            rewriter.push(Op::Add, &[sum, rest], Attrs::new(), node.location.clone())?
        }
    };
    cast(rewriter, result, out, node)
}

/// One ternary contraction, with the layer's bias or without.
fn contraction(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    layer: &Layer<'_>,
    trits: impl Iterator<Item = i8>,
    scale: &[f32],
    with_bias: bool,
) -> Result<ValueId, Diagnostic> {
    let at = &node.location;
    let weight_at = rewriter
        .old()
        .defining_node(layer.weight_value)
        .map_or(at, |n| &n.location);
    let bad = |message: String| Diagnostic::error(at.clone(), message);
    let trits: Vec<u8> = trits.map(|t| t as u8).collect();
    let ty = TensorType::try_new(layer.ternary_shape(), DType::I8).map_err(bad)?;
    let weight = Tensor::from_bytes(ty, trits).map_err(bad)?;
    let weight = rewriter.constant(weight, weight_at.clone())?;
    let channels = scale.len();
    let scale = Tensor::from_f32s([channels], scale).map_err(bad)?;
    let scale = rewriter.constant(scale, weight_at.clone())?;
    let input = cast(rewriter, rewriter.get(node.operands[0]), DType::F32, node)?;
    let bias = if with_bias && node.op == Op::Conv2d {
        channel_bias(rewriter, rewriter.get(node.operands[2]), channels, node)?
    } else {
        let none = Tensor::splat(TensorType::f32([channels]), 0.0);
        rewriter.constant(none, at.clone())?
    };
    let mut attrs = Attrs::new();
    let op = match node.op {
        Op::Conv2d => Op::TernaryConv2d,
        _ => Op::TernaryMatMul,
    };
    for name in ["pad", "stride", "dilation"] {
        if let Some(value) = node.attrs.get(name).filter(|_| node.op == Op::Conv2d) {
            attrs.set(name, value.clone());
        }
    }
    rewriter.push(op, &[input, weight, scale, bias], attrs, at.clone())
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
