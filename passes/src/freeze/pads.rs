//! Zero padding joins the float convolution that reads it: convolution(pad(x, p), q) = convolution(x,
//! p + q). A padded zero adds ±0 to a sum, which changes at most the sign of a sum that underflowed
//! to −0; so this is no rule of `hla-canonicalize`.

use hla_ir::rewrite::rewrite;
use hla_ir::{Diagnostic, Function, Node, Op, ValueId};

/// The function with paddings joined, and how many there were.
pub(super) fn join(function: &Function) -> Result<(Function, usize), Diagnostic> {
    let mut count = 0;
    let new = rewrite(function, |rewriter, _, node| {
        let Some((input, pad)) = joined(function, node) else {
            return Ok(None);
        };
        count += 1;
        let mut operands = rewriter.get_all(&node.operands);
        operands[0] = rewriter.get(input);
        let mut attrs = node.attrs.clone();
        attrs.set("pad", pad);
        let value = rewriter.push(node.op, &operands, attrs, node.location.clone())?;
        Ok(Some(vec![value]))
    })?;
    Ok((new, count))
}

/// What the convolution reads and pads instead.
fn joined(function: &Function, node: &Node) -> Option<(ValueId, Vec<i64>)> {
    if !matches!(node.op, Op::Conv2d | Op::DepthwiseConv2d) {
        return None;
    }
    let pad = function.defining_node(node.operands[0])?;
    let [0, 0, t, b, l, r, 0, 0] = *pad.attrs.i64s("padding")? else {
        return None;
    };
    let floats = function.tensor_ty(node.operands[0]).dtype.is_float();
    if pad.op != Op::Pad || !floats || pad.attrs.f32("pad_const") != Some(0.0) {
        return None;
    }
    // 0·∞ and 0·NaN are no zeros.
    let weight = function.constant_value(node.operands[1])?;
    if !weight.iter_f64().all(f64::is_finite) {
        return None;
    }
    let own = node.attrs.i64s("pad")?.iter();
    Some((
        pad.operands[0],
        own.zip([t, b, l, r]).map(|(a, b)| a + b).collect(),
    ))
}
