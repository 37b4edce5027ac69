//! Ops that others say, which are decomposed then.

use hla_ir::rewrite::rewrite;
use hla_ir::{Diagnostic, Function, Node, Op, Rewriter, Tensor, ValueId};

/// `hla.ternarize` as `hla.ste_ternarize`, whose value is the same: its threshold becomes a constant.
pub(super) fn prepare(function: &Function) -> Result<Function, Diagnostic> {
    rewrite(function, |rewriter, _, node| match node.op {
        Op::Ternarize => ternarize(rewriter, node).map(Some),
        _ => Ok(None),
    })
}

fn ternarize(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Vec<ValueId>, Diagnostic> {
    let weight = rewriter.get(node.operands[0]);
    if rewriter.new_function().tensor_ty(weight).elements() == 0 {
        return Ok(vec![weight]);
    }
    let threshold = node.attrs.f32("threshold").unwrap_or(0.0);
    let threshold = Tensor::from_f32s([1], &[threshold])
        .map_err(|message| Diagnostic::error(node.location.clone(), message))?;
    let threshold = rewriter.constant(threshold, node.location.clone())?;
    let axis = node.attrs.i64("axis").unwrap_or(0);
    let attrs = hla_ir::Attrs::new().with("axis", axis);
    let operands = [weight, threshold];
    let value = rewriter.push(Op::SteTernarize, &operands, attrs, node.location.clone())?;
    Ok(vec![value])
}
