//! Transposed convolution as contractions: one for each pair of phases.

use hla_ir::{Diagnostic, Node, NodeId};

use super::convolution::{computes, dense_arithmetic};
use super::dense::{Batches, Dense, Weights};
use super::operands::{
    Preparation, Target, array, bias, extents, operand, pack, prepare, zero_point,
};
use super::pack::{Pack, Source};
use super::phases::{Phase, phases};
use super::tile::{Axis, Taps, Tiling};
use crate::lower::Lowering;

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let input = operand(cx, node, 0)?;
    let weight = operand(cx, node, 1)?;
    let bias = bias(cx, node, true)?;
    let target = Target::of(cx, node, group)?;
    let arithmetic = dense_arithmetic(input.ty.dtype);
    let stride: [u64; 2] = array(node, "stride")?;
    let out_pad = node.attrs.i64s("out_pad").unwrap_or_default();
    let [columns, kh, kw, channels] = extents(&weight.ty.shape);
    let [_, ih, iw, _] = extents(&input.ty.shape);
    let [n, oh, ow, _] = extents(&cx.function.tensor_ty(node.result()).shape);
    let &[top, _, left, _] = out_pad else {
        return Err(cx.unsupported(node));
    };
    let rows = phases(ih, oh, kh, stride[0], top);
    let cols = phases(iw, ow, kw, stride[1], left);
    let prepared = prepare(
        cx,
        node,
        &input,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "input_zp"),
            pad: [rows.before, rows.after, cols.before, cols.after],
            spread: [rows.spread, cols.spread],
            repeat: 1,
            channels,
        },
    )?;
    let out_pixel = columns;
    let out_row = ow * out_pixel;
    let size = weight.ty.dtype.bytes() as u64;
    let pairs = rows
        .phases
        .iter()
        .flat_map(|r| cols.phases.iter().map(move |c| (r, c)));
    for (row, col) in pairs {
        // A stride that never steps may be as large as it likes.
        let axis = |phase: &Phase, input, step: u64, output: u64| Axis {
            extent: phase.count,
            input,
            output: if phase.count > 1 { step * output } else { 0 },
        };
        let axes = [
            Axis {
                extent: n,
                input: prepared.batch,
                output: oh * out_row,
            },
            axis(row, prepared.row, rows.step, out_row),
            axis(col, prepared.pixel, cols.step, out_pixel),
        ];
        let tiling = Tiling::new(
            arithmetic,
            &axes,
            columns,
            Some(bias),
            target.output.clone(),
        );
        let first_tap = (row.kernel * kw + col.kernel) * channels;
        let back = |phase: &Phase, step: u64, distance: u64| match phase.taps {
            0 | 1 => 0,
            _ => -((step * distance) as i64),
        };
        let weights = Pack {
            arithmetic,
            source: Source {
                buffer: weight.buffer.at(first_tap * size),
                batch: 0,
                column: (kh * kw * channels) as i64,
                taps: [
                    (row.taps, back(row, rows.step, kw * channels)),
                    (col.taps, back(col, cols.step, channels)),
                ],
                run: (channels, 1),
            },
            zero_point: zero_point(node, "weight_zp"),
            batches: 1,
            columns,
            width: tiling.tile.columns(),
            panels: weight.buffer,
        };
        let weights = pack(cx, node, weights);
        let from = row.input * prepared.row + col.input * prepared.pixel;
        let to = row.output * out_row + col.output * out_pixel;
        let computes = format!(
            "{}, phase {}, {}",
            computes(cx, node),
            row.output,
            col.output
        );
        cx.run(Dense {
            name: "transpose_conv2d",
            computes,
            tiling,
            batches: Batches::ONE,
            input: prepared.buffer.at(from),
            weights,
            layout: Weights::Panels,
            output: to,
            taps: [
                Taps::new(row.taps, 1, prepared.row),
                Taps::new(col.taps, 1, prepared.pixel),
            ],
            run: arithmetic.words_of(channels),
        });
    }
    target.finish(cx);
    Ok(())
}
