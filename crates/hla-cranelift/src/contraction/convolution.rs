//! Convolutions as contractions: plain, depthwise and transposed.

use hla_ir::{DType, Diagnostic, Node, NodeId};

use super::arithmetic::{Arithmetic, WORD};
use super::dense::{Batches, Dense, Weights};
use super::depthwise::Depthwise;
use super::operands::{
    Preparation, Target, array, bias, extents, operand, pack, prepare, zero_point,
};
use super::pack::{Pack, Source};
use super::pad::Pad;
use super::phases::{Phase, phases};
use super::tile::{Axis, Taps, Tiling};
use crate::lower::Lowering;

/// The arithmetic of a dense contraction over operands of this type.
pub(super) fn dense_arithmetic(dtype: DType) -> Arithmetic {
    if dtype.is_float() {
        Arithmetic::F32
    } else {
        Arithmetic::I16
    }
}

pub(super) fn computes(cx: &Lowering<'_>, node: &Node) -> String {
    let ty = |v| cx.function.tensor_ty(v);
    format!(
        "{} {} by {} to {}",
        node.name(),
        ty(node.operands[0]),
        ty(node.operands[1]),
        ty(node.result())
    )
}

pub(super) fn conv2d(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let input = operand(cx, node, 0)?;
    let weight = operand(cx, node, 1)?;
    let bias = bias(cx, node, false)?;
    let target = Target::of(cx, node, group)?;
    let arithmetic = dense_arithmetic(input.ty.dtype);
    let [stride_h, stride_w] = array(node, "stride")?;
    let [dilation_h, dilation_w] = array(node, "dilation")?;
    let [columns, kh, kw, channels] = extents(&weight.ty.shape);
    let [n, oh, ow, _] = extents(&cx.function.tensor_ty(node.result()).shape);
    let prepared = prepare(
        cx,
        node,
        &input,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "input_zp"),
            pad: array(node, "pad")?,
            spread: [1; 2],
            repeat: 1,
            channels,
        },
    )?;
    // Neighbouring taps of a row are one run.
    let (kw_taps, run) = match dilation_w {
        1 => (1, kw * channels),
        _ => (kw, channels),
    };
    let out_row = ow * columns;
    let axes = [
        Axis {
            extent: n,
            input: prepared.batch,
            output: oh * out_row,
        },
        Axis {
            extent: oh,
            input: stride_h * prepared.row,
            output: out_row,
        },
        Axis {
            extent: ow,
            input: stride_w * prepared.pixel,
            output: columns,
        },
    ];
    let tiling = Tiling::new(
        arithmetic,
        &axes,
        columns,
        Some(bias),
        target.output.clone(),
    );
    let taps = |count, input| Taps { count, input };
    let weights = Pack {
        arithmetic,
        source: Source {
            buffer: weight.buffer,
            batch: 0,
            column: (kh * kw * channels) as i64,
            taps: [(kh, (kw * channels) as i64), (kw_taps, channels as i64)],
            run: (run, 1),
        },
        zero_point: zero_point(node, "weight_zp"),
        batches: 1,
        columns,
        width: tiling.tile.columns(),
        panels: weight.buffer,
    };
    let dense = Dense {
        name: "conv2d",
        computes: computes(cx, node),
        tiling,
        batches: Batches::ONE,
        input: prepared.buffer,
        weights: pack(cx, node, weights),
        layout: Weights::Panels,
        output: 0,
        taps: [
            taps(kh, dilation_h * prepared.row),
            taps(kw_taps, dilation_w * prepared.pixel),
        ],
        run: arithmetic.words_of(run),
    };
    cx.run(dense);
    target.finish(cx);
    Ok(())
}

pub(super) fn depthwise(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let input = operand(cx, node, 0)?;
    let weight = operand(cx, node, 1)?;
    let bias = bias(cx, node, false)?;
    let target = Target::of(cx, node, group)?;
    let arithmetic = match dense_arithmetic(input.ty.dtype) {
        Arithmetic::F32 => Arithmetic::F32,
        _ => Arithmetic::I32,
    };
    let [stride_h, stride_w] = array(node, "stride")?;
    let [dilation_h, dilation_w] = array(node, "dilation")?;
    let [kh, kw, channels, multiplier] = extents(&weight.ty.shape);
    let [n, oh, ow, columns] = extents(&cx.function.tensor_ty(node.result()).shape);
    // A vector of channels is read at once.
    let stored = columns.max(4);
    let prepared = prepare(
        cx,
        node,
        &input,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "input_zp"),
            pad: array(node, "pad")?,
            spread: [1; 2],
            repeat: multiplier,
            channels: stored,
        },
    )?;
    debug_assert_eq!(channels * multiplier, columns);
    let mut widened = Pad {
        source: weight.buffer,
        from: weight.ty.dtype,
        to: arithmetic.element(),
        zero_point: zero_point(node, "weight_zp"),
        shape: [1, 1, kh * kw, columns],
        pad: [0; 4],
        spread: [1; 2],
        repeat: 1,
        channels: stored,
        target: weight.buffer,
    };
    if widened.from != widened.to || stored != columns {
        if cx.constant(node, 1).is_some() {
            widened.target = cx.state(widened.bytes());
        } else {
            widened.target = cx.temp(widened.bytes());
        }
    }
    let weights = widened.target;
    if weights != weight.buffer {
        match cx.constant(node, 1) {
            Some(_) => cx.init(widened),
            None => cx.run(widened),
        }
    }
    let out_row = ow * columns;
    let axes = [
        Axis {
            extent: n,
            input: prepared.batch,
            output: oh * out_row,
        },
        Axis {
            extent: oh,
            input: stride_h * prepared.row,
            output: out_row,
        },
        Axis {
            extent: ow,
            input: stride_w * prepared.pixel,
            output: columns,
        },
    ];
    cx.run(Depthwise {
        computes: computes(cx, node),
        tiling: Tiling::new(
            arithmetic,
            &axes,
            columns,
            Some(bias),
            target.output.clone(),
        ),
        input: prepared.buffer,
        weights,
        weight_stride: stored * WORD,
        taps: [
            Taps {
                count: kh,
                input: dilation_h * prepared.row,
            },
            Taps {
                count: kw,
                input: dilation_w * prepared.pixel,
            },
        ],
    });
    target.finish(cx);
    Ok(())
}

/// A transposed convolution is a plain one for each pair of phases.
pub(super) fn transposed(
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
        let axis = |phase: &Phase, input, output| Axis {
            extent: phase.count,
            input,
            output,
        };
        let axes = [
            Axis {
                extent: n,
                input: prepared.batch,
                output: oh * out_row,
            },
            axis(row, prepared.row, rows.step * out_row),
            axis(col, prepared.pixel, cols.step * out_pixel),
        ];
        let tiling = Tiling::new(
            arithmetic,
            &axes,
            columns,
            Some(bias),
            target.output.clone(),
        );
        let first_tap = (row.kernel * kw + col.kernel) * channels;
        let step_h = -((rows.step * kw * channels) as i64);
        let step_w = -((cols.step * channels) as i64);
        let weights = Pack {
            arithmetic,
            source: Source {
                buffer: weight.buffer.at(first_tap * size),
                batch: 0,
                column: (kh * kw * channels) as i64,
                taps: [(row.taps, step_h), (col.taps, step_w)],
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
                Taps {
                    count: row.taps,
                    input: prepared.row,
                },
                Taps {
                    count: col.taps,
                    input: prepared.pixel,
                },
            ],
            run: arithmetic.words_of(channels),
        });
    }
    target.finish(cx);
    Ok(())
}
