//! Convolutions as contractions: plain and depthwise.

use hla_ir::{DType, Diagnostic, Node, NodeId};

use super::arithmetic::{Arithmetic, WORD};
use super::dense::{Batches, Dense, Weights};
use super::depthwise::Depthwise;
use super::operands::{
    Preparation, Prepared, Target, array, bias, extents, operand, pack, prepare, stored_channels,
    zero_point,
};
use super::pack::{Pack, Source};
use super::pad::Pad;
use super::tile::{Axis, Taps, Tiling};
use crate::kernel::{Buffer, View};
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

/// The pixels of a convolution whose result has these extents.
fn axes(prepared: &Prepared, [n, oh, ow, columns]: [u64; 4], stride: [u64; 2]) -> [Axis; 3] {
    // A stride that never steps may be as large as it likes.
    let axis = |extent, stride, distance, output| Axis {
        extent,
        input: if extent > 1 { stride * distance } else { 0 },
        output,
    };
    [
        axis(n, 1, prepared.batch, oh * ow * columns),
        axis(oh, stride[0], prepared.row, ow * columns),
        axis(ow, stride[1], prepared.pixel, columns),
    ]
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
    let [dilation_h, dilation_w] = array(node, "dilation")?;
    let [columns, kh, kw, channels] = extents(&weight.ty.shape);
    let result = extents(&cx.function.tensor_ty(node.result()).shape);
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
    let axes = axes(&prepared, result, array(node, "stride")?);
    let tiling = Tiling::new(
        arithmetic,
        &axes,
        columns,
        Some(bias),
        target.output.clone(),
    )
    .wide();
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
            Taps::new(kh, dilation_h, prepared.row),
            Taps::new(kw_taps, dilation_w, prepared.pixel),
        ],
        run: arithmetic.words_of(run),
        distance: WORD,
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
    let [dilation_h, dilation_w] = array(node, "dilation")?;
    let [kh, kw, _, multiplier] = extents(&weight.ty.shape);
    let result: [u64; 4] = extents(&cx.function.tensor_ty(node.result()).shape);
    let columns = result[3];
    let pad: [u64; 4] = array(node, "pad")?;
    let copied = pad != [0; 4] || multiplier > 1 || input.ty.dtype != arithmetic.element();
    let prepared = prepare(
        cx,
        node,
        &input,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "input_zp"),
            pad,
            spread: [1; 2],
            repeat: multiplier,
            channels: stored_channels(input.buffer, columns, copied),
        },
    )?;
    let (weights, stored) = depthwise_weights(cx, node, &weight, arithmetic);
    let axes = axes(&prepared, result, array(node, "stride")?);
    cx.run(Depthwise {
        name: "depthwise_conv2d",
        computes: computes(cx, node),
        tiling: Tiling::new(
            arithmetic,
            &axes,
            columns,
            Some(bias),
            target.output.clone(),
        ),
        input: prepared.buffer,
        output: 0,
        weights,
        weight_strides: [kw * stored, stored].map(|s| (s * WORD) as i64),
        taps: [
            Taps::new(kh, dilation_h, prepared.row),
            Taps::new(kw, dilation_w, prepared.pixel),
        ],
    });
    target.finish(cx);
    Ok(())
}

/// Weights [KH, KW, C, M] as words, and how many there are for each tap.
pub(super) fn depthwise_weights(
    cx: &mut Lowering<'_>,
    node: &Node,
    weight: &View,
    arithmetic: Arithmetic,
) -> (Buffer, u64) {
    let [kh, kw, channels, multiplier] = extents(&weight.ty.shape);
    let copied = weight.ty.dtype != arithmetic.element();
    let stored = stored_channels(weight.buffer, channels * multiplier, copied);
    let mut words = Pad {
        source: weight.buffer,
        from: weight.ty.dtype,
        to: arithmetic.element(),
        zero_point: zero_point(node, "weight_zp"),
        shape: [1, 1, kh * kw, channels * multiplier],
        pad: [0; 4],
        spread: [1; 2],
        repeat: 1,
        channels: stored,
        target: weight.buffer,
    };
    if words.from == words.to && words.padded() == words.shape {
        return (weight.buffer, stored);
    }
    let constant = cx.constant(node, 1).is_some();
    let target = match constant {
        true => cx.state(words.bytes()),
        false => cx.temp(words.bytes()),
    };
    words.target = target;
    match constant {
        true => cx.init(words),
        false => cx.run(words),
    }
    (target, stored)
}
