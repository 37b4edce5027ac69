//! The matrix product as a contraction: rows of `a` are pixels, columns of `b` are columns.

use hla_ir::{Diagnostic, Node, NodeId};

use super::arithmetic::{Arithmetic, WORD};
use super::convolution::{computes, dense_arithmetic};
use super::dense::{Batches, Dense, Weights};
use super::operands::{Preparation, Target, extents, operand, pack, prepare, zero_point};
use super::pack::{Pack, Source};
use super::tile::{Axis, Taps, Tiling};
use crate::lower::Lowering;

/// With fewer rows than this, `b` is read where it lies if it is no constant: packing would cost
/// as much as it saves.
const PACK_ROWS: u64 = 8;

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let a = operand(cx, node, 0)?;
    let b = operand(cx, node, 1)?;
    let target = Target::of(cx, node, group)?;
    let arithmetic = dense_arithmetic(a.ty.dtype);
    let [count, rows, depth] = extents(&a.ty.shape);
    let [_, _, columns] = extents(&b.ty.shape);
    let mut image = a;
    image.ty.shape = [count, rows, 1, depth].map(|e| e as usize).to_vec();
    let prepared = prepare(
        cx,
        node,
        &image,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "a_zp"),
            pad: [0; 4],
            spread: [1; 2],
            repeat: 1,
            channels: depth,
        },
    )?;
    let axis = Axis {
        extent: rows,
        input: prepared.row,
        output: columns,
    };
    let tiling = Tiling::new(arithmetic, &[axis], columns, None, target.output.clone()).wide();
    let width = tiling.tile.columns();
    let in_place = arithmetic == Arithmetic::F32
        && cx.constant(node, 1).is_none()
        && rows < PACK_ROWS
        && columns >= width;
    let (weights, layout, stride) = if in_place {
        let stride = columns * WORD;
        (b.buffer, Weights::Rows { stride }, depth * stride)
    } else {
        let weights = Pack {
            arithmetic,
            source: Source {
                buffer: b.buffer,
                batch: (depth * columns) as i64,
                column: 1,
                taps: [(1, 0), (1, 0)],
                run: (depth, columns as i64),
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
    let one = Taps::new(1, 1, prepared.row);
    let dense = Dense {
        name: "matmul",
        computes: computes(cx, node),
        tiling,
        batches: Batches {
            count,
            input: prepared.batch,
            weights: stride,
            output: rows * columns,
        },
        input: prepared.buffer,
        weights,
        layout,
        output: 0,
        taps: [one, one],
        run: arithmetic.words_of(depth),
    };
    cx.run(dense);
    target.finish(cx);
    Ok(())
}
