//! Reductions along an axis, and selection.
//!
//! The value is seen as [outer, axis, inner]. Where `inner` is larger than one, lanes lie along it
//! and each sums along the axis; along the innermost axis itself four vectors of partial results
//! run side by side. A long axis is cut into blocks, each reduced by itself, so that threads share
//! it and rounding errors do not add up; the blocks' results are reduced in turn. Blocks and the
//! order within them depend on the extents alone.
//!
//! What is reduced may be computed on the way: elementwise ops are part of the kernel, and several
//! reductions over the same domain are one pass.

mod argmax;
mod combine;
mod kernel;
mod loops;
mod threshold;

use hla_ir::{DType, Diagnostic, Layout, Node, NodeId, Op, TensorType};

use crate::kernel::{Buffer, View};
use crate::lower::Lowering;
use crate::map::Chain;
pub(crate) use hla_partition::Domain;
use kernel::{Part, Reduce};

/// Elements of a block of a long axis.
const BLOCK: i64 = 1 << 14;

/// Fewest rows of a block.
const BLOCK_ROWS: i64 = 64;

/// With so many results of a kernel already, threads need no blocks.
const ENOUGH_ITEMS: i64 = 16;

/// Adds the kernel of `tosa.argmax` or `hla.threshold`.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    if node.op == Op::Threshold {
        return threshold::lower(cx, node);
    }
    let input = cx.operand(node, 0)?;
    let result = cx.result(node, 0)?;
    need_row_major(cx, node, &input)?;
    need_row_major(cx, node, &result)?;
    let Some(extents) = Domain::of(cx.function, node) else {
        return Err(cx.unsupported(node));
    };
    cx.run(argmax::ArgMax {
        input,
        result,
        extents,
        ignore_nan: ignores_nan(node),
    });
    Ok(())
}

fn need_row_major(cx: &Lowering<'_>, node: &Node, view: &View) -> Result<(), Diagnostic> {
    if view.layout == Layout::RowMajor {
        return Ok(());
    }
    Err(cx
        .unsupported(node)
        .help("a planar value needs hla.relayout before this op"))
}

fn ignores_nan(node: &Node) -> bool {
    node.attrs.str("nan_mode") == Some("IGNORE")
}

/// Adds the kernels of reductions over one domain: elementwise nodes of one shape, then the
/// reductions of their results or of other values.
pub(crate) fn lower_group(
    cx: &mut Lowering<'_>,
    group: &[NodeId],
    roots: &[NodeId],
) -> Result<(), Diagnostic> {
    let elementwise: Vec<NodeId> = group
        .iter()
        .copied()
        .filter(|id| !roots.contains(id))
        .collect();
    let chain = Chain::reduced(cx, &elementwise, roots)?;
    let Some(&first) = roots.first() else {
        return Ok(());
    };
    let node = cx.function.node(first);
    let Some(domain) = Domain::of(cx.function, node) else {
        return Err(cx.unsupported(node));
    };
    let shape = elementwise.first().map(|&id| {
        cx.function
            .tensor_ty(cx.function.node(id).result())
            .shape
            .clone()
    });
    let mut strides = Vec::with_capacity(chain.inputs.len());
    for view in &chain.inputs {
        need_row_major(cx, node, view)?;
        let found = match &shape {
            Some(shape) => domain.strides(shape, &view.ty),
            None => Some(domain.dense(view.ty.dtype.bytes())),
        };
        strides.push(found.ok_or_else(|| cx.unsupported(node))?);
    }
    let mut parts = Vec::with_capacity(roots.len());
    for &id in roots {
        let node = cx.function.node(id);
        let result = cx.result(node, 0)?;
        need_row_major(cx, node, &result)?;
        parts.push(Part::new(node.op, ignores_nan(node), result, &domain));
    }
    let Some(rows) = block_rows(&domain, &parts) else {
        cx.run(Reduce::new(domain, chain, strides, parts, None));
        return Ok(());
    };
    // First the blocks, then their results.
    let blocks = (domain.axis + rows - 1) / rows;
    let of_blocks = Domain {
        axis: blocks,
        ..domain
    };
    let extents = [domain.outer, blocks, domain.inner].map(|e| e as usize);
    let mut partial = Vec::with_capacity(parts.len());
    for part in &parts {
        let ty = TensorType::new(extents, part.result.ty.dtype);
        let buffer: Buffer = cx.temp(ty.bytes() as u64);
        partial.push(part.with_result(View::row_major(buffer, ty)));
    }
    let seconds: Vec<(View, Part)> = partial
        .iter()
        .zip(parts)
        .map(|(first, last)| (first.result.clone(), last))
        .collect();
    cx.run(Reduce::new(domain, chain, strides, partial, Some(rows)));
    for (view, part) in seconds {
        let strides = vec![of_blocks.dense(view.ty.dtype.bytes())];
        let chain = Chain::input(view);
        cx.run(Reduce::new(of_blocks, chain, strides, vec![part], None));
    }
    Ok(())
}

/// Rows of a block, if the axis is so long that it is cut into blocks.
fn block_rows(domain: &Domain, parts: &[Part]) -> Option<i64> {
    let whole = parts
        .iter()
        .all(|p| matches!(p.result.ty.dtype, DType::F32 | DType::I32));
    let rows = (BLOCK / domain.inner.max(1)).max(BLOCK_ROWS) & !15;
    let items = domain.outer * kernel::inner_blocks(domain);
    (whole && domain.axis >= 2 * rows && items < ENOUGH_ITEMS).then_some(rows)
}
