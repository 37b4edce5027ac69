//! The matrix product as a contraction: rows of `a` are pixels, columns of `b` are columns. An operand
//! that is transposed first, as in a gradient, is read where it lies.

use hla_ir::{DType, Diagnostic, Function, Layout, Node, NodeId, Op};

use super::arithmetic::{Arithmetic, WORD};
use super::convolution::{computes, dense_arithmetic};
use super::dense::{Batches, Dense, Weights};
use super::operands::{Preparation, Target, extents, operand, pack, prepare, zero_point};
use super::pack::{Pack, Source};
use super::tile::{Axis, Taps, Tiling};
use crate::kernel::{Buffer, View};
use crate::lower::Lowering;

/// With fewer rows than this, `b` is read where it lies if it is no constant: packing would cost
/// as much as it saves.
const PACK_ROWS: u64 = 8;

/// Larger matrices are transposed: the distance of their rows is part of instructions.
const MAX_EXTENT: usize = 1 << 20;

/// Whether a node transposes matrices for nothing but matrix products, which then read its operand.
pub(crate) fn is_read_transposed(function: &Function, node: &Node) -> bool {
    if node.op != Op::Transpose || node.attrs.i64s("perms") != Some(&[0, 2, 1]) {
        return false;
    }
    let value = node.result();
    let ty = function.tensor_ty(value);
    let plain = |node: &Node| Layout::of(&node.attrs) == Ok(Layout::RowMajor);
    let source = function.defining_node(node.operands[0]);
    let mut users = function
        .nodes
        .iter()
        .filter(|user| user.operands.contains(&value))
        .peekable();
    ty.dtype == DType::F32
        && ty.shape.iter().all(|&e| e < MAX_EXTENT)
        && plain(node)
        && source.is_none_or(|s| s.op != Op::Const && plain(s))
        && !function.results.contains(&value)
        && users.peek().is_some()
        && users.all(|user| user.op == Op::MatMul)
}

/// An operand as it lies, and whether that is transposed.
fn stored(cx: &mut Lowering<'_>, node: &Node, i: usize) -> Result<(View, bool), Diagnostic> {
    let function = cx.function;
    let defining = function.defining_node(node.operands[i]);
    match defining.filter(|d| is_read_transposed(function, d)) {
        Some(transpose) => Ok((cx.operand(transpose, 0)?, true)),
        None => Ok((operand(cx, node, i)?, false)),
    }
}

/// The left operand: distances in bytes from matrix to matrix, row to row, word to word.
struct Left {
    buffer: Buffer,
    batch: u64,
    row: u64,
    word: u64,
}

fn left(cx: &mut Lowering<'_>, node: &Node, arithmetic: Arithmetic) -> Result<Left, Diagnostic> {
    let (mut a, transposed) = stored(cx, node, 0)?;
    let [count, rows, depth] = extents(&cx.function.tensor_ty(node.operands[0]).shape);
    if transposed {
        return Ok(Left {
            buffer: a.buffer,
            batch: rows * depth * WORD,
            row: WORD,
            word: rows * WORD,
        });
    }
    a.ty.shape = [count, rows, 1, depth].map(|e| e as usize).to_vec();
    let how = Preparation {
        arithmetic,
        zero_point: zero_point(node, "a_zp"),
        pad: [0; 4],
        spread: [1; 2],
        repeat: 1,
        channels: depth,
    };
    let prepared = prepare(cx, node, &a, &how)?;
    Ok(Left {
        buffer: prepared.buffer,
        batch: prepared.batch,
        row: prepared.row,
        word: WORD,
    })
}

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let a = cx.function.tensor_ty(node.operands[0]);
    let arithmetic = dense_arithmetic(a.dtype);
    let [count, rows, depth] = extents(&a.shape);
    let left = left(cx, node, arithmetic)?;
    let (b, transposed) = stored(cx, node, 1)?;
    let [_, _, columns] = extents(&cx.function.tensor_ty(node.operands[1]).shape);
    let target = Target::of(cx, node, group)?;
    let axis = Axis {
        extent: rows,
        input: left.row,
        output: columns,
    };
    let tiling = Tiling::new(arithmetic, &[axis], columns, None, target.output.clone()).wide();
    let width = tiling.tile.columns();
    let in_place = arithmetic == Arithmetic::F32
        && !transposed
        && cx.constant(node, 1).is_none()
        && rows < PACK_ROWS
        && columns >= width;
    let (weights, layout, stride) = if in_place {
        let stride = columns * WORD;
        (b.buffer, Weights::Rows { stride }, depth * stride)
    } else {
        let (column, word) = match transposed {
            true => (depth, 1),
            false => (1, columns),
        };
        let weights = Pack {
            arithmetic,
            source: Source {
                buffer: b.buffer,
                batch: (depth * columns) as i64,
                column: column as i64,
                taps: [(1, 0), (1, 0)],
                run: (depth, word as i64),
            },
            zero_point: zero_point(node, "b_zp"),
            batches: count,
            columns,
            width,
            panels: b.buffer,
        };
        let stride = weights.bytes() / count;
        (pack(cx, node, weights), Weights::Panels, stride)
    };
    let one = Taps::new(1, 1, left.row);
    let dense = Dense {
        name: "matmul",
        computes: computes(cx, node),
        tiling,
        batches: Batches {
            count,
            input: left.batch,
            weights: stride,
            output: rows * columns,
        },
        input: left.buffer,
        weights,
        layout,
        output: 0,
        taps: [one, one],
        run: arithmetic.words_of(depth),
        distance: left.word,
    };
    cx.run(dense);
    target.finish(cx);
    Ok(())
}
