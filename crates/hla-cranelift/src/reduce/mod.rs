//! Reductions along an axis, and selection.
//!
//! The value is seen as [outer, axis, inner]. Where `inner` is larger than one, lanes lie along it
//! and each sums in the order of the axis. Along the innermost axis itself four vectors of partial
//! results run side by side; they are combined in a fixed order.

mod argmax;
mod combine;
mod kernel;
mod threshold;

use hla_ir::{Diagnostic, Layout, Node, Op};

use crate::lower::Lowering;

/// Extents of a value around the axis of a reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Extents {
    outer: i64,
    axis: i64,
    inner: i64,
}

/// Adds the kernel of a reduction.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    if node.op == Op::Threshold {
        return threshold::lower(cx, node);
    }
    let input = cx.operand(node, 0)?;
    let result = cx.result(node, 0)?;
    if input.layout != Layout::RowMajor || result.layout != Layout::RowMajor {
        return Err(cx
            .unsupported(node)
            .help("a planar value needs hla.relayout before this op"));
    }
    let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
    let product = |shape: &[usize]| shape.iter().product::<usize>() as i64;
    let shape = &input.ty.shape;
    let extents = Extents {
        outer: product(&shape[..axis]),
        axis: shape[axis] as i64,
        inner: product(&shape[axis + 1..]),
    };
    let ignore_nan = node.attrs.str("nan_mode") == Some("IGNORE");
    if node.op == Op::ArgMax {
        cx.run(argmax::ArgMax {
            input,
            result,
            extents,
            ignore_nan,
        });
    } else {
        cx.run(kernel::Reduce::new(
            node.op, ignore_nan, input, result, extents,
        ));
    }
    Ok(())
}
