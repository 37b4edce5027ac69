//! What is said in another way before groups are formed.

use hla_ir::rewrite::rewrite;
use hla_ir::{Attrs, DType, Diagnostic, Function, Node, Op, Rewriter, Tensor, ValueId};
use hla_partition::combines;

/// `hla.ternarize` as `hla.ste_ternarize`, whose value is the same and which is decomposed: its
/// threshold becomes a constant.
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
    let attrs = Attrs::new().with("axis", axis);
    let operands = [weight, threshold];
    let value = rewriter.push(Op::SteTernarize, &operands, attrs, node.location.clone())?;
    Ok(vec![value])
}

/// The reshape of a 16-bit value that was widened as the widening of the reshaped value. A reshape is
/// another name for what is stored; so stored are 16 bits, which all who read them widen on the way.
/// Reductions do not need that: what they read is computed under any name.
pub(super) fn widen_last(function: &Function) -> Result<Function, Diagnostic> {
    let users = function.users();
    rewrite(function, |rewriter, _, node| {
        if node.op != Op::Reshape {
            return Ok(None);
        }
        let readers = &users[node.result().index()];
        if readers.iter().all(|id| combines(function.node(*id).op)) {
            return Ok(None);
        }
        let operand = rewriter.get(node.operands[0]);
        let Some(cast) = rewriter.defining_node(operand).filter(|n| n.op == Op::Cast) else {
            return Ok(None);
        };
        let (source, cast) = (cast.operands[0], cast.attrs.clone());
        let dtype = |value| rewriter.new_function().tensor_ty(value).dtype;
        let widens = matches!(dtype(source), DType::F16 | DType::BF16);
        if !widens || dtype(operand) != DType::F32 {
            return Ok(None);
        }
        let (attrs, location) = (node.attrs.clone(), &node.location);
        let narrow = rewriter.push(Op::Reshape, &[source], attrs, location.clone())?;
        let wide = rewriter.push(Op::Cast, &[narrow], cast, location.clone())?;
        Ok(Some(vec![wide]))
    })
}
