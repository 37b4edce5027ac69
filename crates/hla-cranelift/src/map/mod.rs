//! Fused elementwise ops: one pass over the elements of a result, whatever the chain.
//!
//! [`chain`] is a chain of ops on values in registers, [`ops`] writes each op on lanes, [`nest`]
//! turns shapes, broadcasting and layouts into loops, and [`kernel`] puts them together.

mod chain;
mod kernel;
mod nest;
mod ops;

use hla_ir::{DType, Diagnostic, Function, NodeId, Op};

use crate::kernel::View;
use crate::lower::Lowering;
pub(crate) use chain::Chain;
use kernel::MapKernel;

/// Adds one kernel for a group of elementwise nodes; the results of `roots`, of one shape, are
/// stored.
pub(crate) fn lower(
    cx: &mut Lowering<'_>,
    group: &[NodeId],
    roots: &[NodeId],
) -> Result<(), Diagnostic> {
    let chain = Chain::stored(cx, group, roots)?;
    let mut results = Vec::with_capacity(roots.len());
    for &root in roots {
        let result = cx.result(cx.function.node(root), 0)?;
        for view in &chain.inputs {
            if view.ty.shape == result.ty.shape && view.layout == result.layout {
                cx.may_overwrite(&result, view);
            }
        }
        results.push(result);
    }
    cx.run(MapKernel::new(chain, results));
    Ok(())
}

/// Adds a kernel that copies a value to another place, cast to the element type there.
pub(crate) fn copy(cx: &mut Lowering<'_>, from: View, to: View) {
    let (source, target) = (from.ty.dtype, to.ty.dtype);
    let (op, computes) = match source == target {
        true => (Op::Identity, "copy".to_owned()),
        false => (Op::Cast, format!("copy of {source} as {target}")),
    };
    let chain = Chain::single(op, vec![from], target, computes);
    cx.run(MapKernel::new(chain, vec![to]));
}

/// Adds the kernel that quantizes with a scale in memory, a tensor of one element.
pub(crate) fn dynamic_quantize(cx: &mut Lowering<'_>, input: View, scale: View, codes: View) {
    let mut scale = scale;
    scale.ty.shape = vec![1; input.ty.rank()];
    let computes = "codes of hla.dynamic_quantize".to_owned();
    let chain = Chain::single(Op::DynamicQuantize, vec![input, scale], DType::I8, computes);
    cx.run(MapKernel::new(chain, vec![codes]));
}

/// Whether a group of nodes can be computed on four lanes of 32 bits, whatever surrounds it.
pub(crate) fn is_wide(function: &Function, group: &[NodeId]) -> bool {
    let narrow = |value| function.tensor_ty(value).dtype.bytes() <= 4;
    group.iter().map(|&id| function.node(id)).all(|node| {
        ops::is_wide(node.op, &node.attrs)
            && narrow(node.result())
            && node.operands.iter().all(|&v| narrow(v))
    })
}
