//! Transposed convolution as contractions: one for each pair of phases. The gradient of a
//! convolution by its input is one, with the channels of the weights exchanged.

use hla_ir::{DType, Diagnostic, Node, NodeId};

use super::arithmetic::{Arithmetic, WORD};
use super::convolution::{computes, dense_arithmetic, depthwise_weights};
use super::dense::{Batches, Dense, Weights};
use super::depthwise::Depthwise;
use super::fold::Fold;
use super::operands::{
    Preparation, Prepared, Target, array, bias, extents, operand, pack, prepare, stored_channels,
    zero_point,
};
use super::output::Output;
use super::pack::{Pack, Source};
use super::phases::{Phase, Phases, Scatter};
use super::tile::{Axis, Bias, Taps, Tiling};
use crate::lower::Lowering;

/// Strides of a weight tensor in elements, as a transposed convolution sees it: from column to
/// column, along the window, along the run of channels that are summed.
struct WeightStrides {
    column: u64,
    taps: [u64; 2],
    run: u64,
}

/// The two dimensions of the window, and the pixels around them.
struct Plane {
    rows: Phases,
    cols: Phases,
    /// N, H, W, C of the result.
    result: [u64; 4],
}

/// One pair of phases.
struct Part {
    row: Phase,
    col: Phase,
    axes: [Axis; 3],
    /// Element of the output where it begins.
    output: u64,
    /// Byte of the prepared input where it begins.
    input: u64,
    /// Tap of the kernel that comes first, by row and column.
    kernel: [u64; 2],
    taps: [Taps; 2],
}

impl Plane {
    /// Padding of the input: top, bottom, left, right.
    fn pad(&self) -> [u64; 4] {
        let (rows, cols) = (&self.rows, &self.cols);
        [rows.before, rows.after, cols.before, cols.after]
    }

    fn spread(&self) -> [u64; 2] {
        [self.rows.spread, self.cols.spread]
    }

    fn parts(&self, prepared: &Prepared) -> Vec<Part> {
        let [n, oh, ow, columns] = self.result;
        let (out_row, out_pixel) = (ow * columns, columns);
        let (rows, cols) = (&self.rows, &self.cols);
        // A stride that never steps may be as large as it likes.
        let axis = |phase: &Phase, input, step: u64, output: u64| Axis {
            extent: phase.count,
            input,
            output: if phase.count > 1 { step * output } else { 0 },
        };
        let part = |row: &Phase, col: &Phase| Part {
            row: *row,
            col: *col,
            axes: [
                Axis {
                    extent: n,
                    input: prepared.batch,
                    output: oh * out_row,
                },
                axis(row, prepared.row, rows.step, out_row),
                axis(col, prepared.pixel, cols.step, out_pixel),
            ],
            output: row.output * out_row + col.output * out_pixel,
            input: row.input * prepared.row + col.input * prepared.pixel,
            kernel: [row.kernel, col.kernel],
            taps: [
                Taps::new(row.taps, rows.reach, prepared.row),
                Taps::new(col.taps, cols.reach, prepared.pixel),
            ],
        };
        let pairs = rows.phases.iter();
        pairs
            .flat_map(|r| cols.phases.iter().map(move |c| part(r, c)))
            .collect()
    }

    /// Distances of the weights of neighbouring taps of a part, from those of neighbouring rows and
    /// columns of the window.
    fn back(&self, part: &Part, strides: [u64; 2]) -> [i64; 2] {
        let back = |taps: u64, step: u64, stride: u64| match taps {
            0 | 1 => 0,
            _ => -((step * stride) as i64),
        };
        [
            back(part.row.taps, self.rows.back, strides[0]),
            back(part.col.taps, self.cols.back, strides[1]),
        ]
    }
}

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let weight = cx.function.tensor_ty(node.operands[1]);
    let [_, kh, kw, channels] = extents(&weight.shape);
    let [_, ih, iw, _] = extents(&cx.function.tensor_ty(node.operands[0]).shape);
    let result: [u64; 4] = extents(&cx.function.tensor_ty(node.result()).shape);
    let stride: [u64; 2] = array(node, "stride")?;
    let out_pad = node.attrs.i64s("out_pad").unwrap_or_default();
    let &[top, _, left, _] = out_pad else {
        return Err(cx.unsupported(node));
    };
    let scatter = |input, output, kernel, stride, pad| {
        Scatter {
            input,
            output,
            kernel,
            stride,
            dilation: 1,
            pad,
        }
        .phases()
    };
    let plane = Plane {
        rows: scatter(ih, result[1], kh, stride[0], top),
        cols: scatter(iw, result[2], kw, stride[1], left),
        result,
    };
    let bias = bias(cx, node, true)?;
    let weights = WeightStrides {
        column: kh * kw * channels,
        taps: [kw * channels, channels],
        run: 1,
    };
    dense(cx, node, group, plane, Some(bias), weights)
}

/// The plane of the gradient of a convolution by its input.
fn gradient_plane(cx: &Lowering<'_>, node: &Node, [kh, kw]: [u64; 2]) -> Result<Plane, Diagnostic> {
    let [_, ih, iw, _] = extents(&cx.function.tensor_ty(node.operands[0]).shape);
    let result: [u64; 4] = extents(&cx.function.tensor_ty(node.result()).shape);
    let [top, _, left, _] = array(node, "pad")?;
    let stride: [u64; 2] = array(node, "stride")?;
    let dilation: [u64; 2] = array(node, "dilation")?;
    let scatter = |d: usize, input, output, kernel, pad: u64| {
        Scatter {
            input,
            output,
            kernel,
            stride: stride[d],
            // A dilation that nothing is dilated by may be as large as it likes.
            dilation: if kernel > 1 { dilation[d] } else { 1 },
            pad: -(pad as i64),
        }
        .phases()
    };
    Ok(Plane {
        rows: scatter(0, ih, result[1], kh, top),
        cols: scatter(1, iw, result[2], kw, left),
        result,
    })
}

/// gx\[n, ih, iw, ic\] = Σ gy\[n, oh, ow, oc\]·w\[oc, kh, kw, ic\] over all oc and (kh, kw) with
/// ih = oh·s + kh·d − pad, and iw likewise.
pub(super) fn input_gradient(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let weight = cx.function.tensor_ty(node.operands[1]);
    let [_, kh, kw, channels] = extents(&weight.shape);
    let plane = gradient_plane(cx, node, [kh, kw])?;
    let weights = WeightStrides {
        column: 1,
        taps: [kw * channels, channels],
        run: kh * kw * channels,
    };
    dense(cx, node, group, plane, None, weights)
}

fn dense(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
    plane: Plane,
    bias: Option<Bias>,
    strides: WeightStrides,
) -> Result<(), Diagnostic> {
    let input = operand(cx, node, 0)?;
    let weight = operand(cx, node, 1)?;
    let target = Target::of(cx, node, group)?;
    let arithmetic = dense_arithmetic(input.ty.dtype);
    let [.., channels] = extents::<4>(&input.ty.shape);
    let columns = plane.result[3];
    let prepared = prepare(
        cx,
        node,
        &input,
        &Preparation {
            arithmetic,
            zero_point: zero_point(node, "input_zp"),
            pad: plane.pad(),
            spread: plane.spread(),
            repeat: 1,
            channels,
        },
    )?;
    let size = weight.ty.dtype.bytes() as u64;
    for part in plane.parts(&prepared) {
        let tiling =
            Tiling::new(arithmetic, &part.axes, columns, bias, target.output.clone()).wide();
        let first_tap = part.kernel[0] * strides.taps[0] + part.kernel[1] * strides.taps[1];
        let back = plane.back(&part, strides.taps);
        let weights = Pack {
            arithmetic,
            source: Source {
                buffer: weight.buffer.at(first_tap * size),
                batch: 0,
                column: strides.column as i64,
                taps: [(part.row.taps, back[0]), (part.col.taps, back[1])],
                run: (channels, strides.run as i64),
            },
            zero_point: zero_point(node, "weight_zp"),
            batches: 1,
            columns,
            width: tiling.tile.columns(),
            panels: weight.buffer,
        };
        let weights = pack(cx, node, weights);
        cx.run(Dense {
            name: node.op.def().name.rsplit('.').next().unwrap_or_default(),
            computes: part_of(cx, node, &part),
            tiling,
            batches: Batches::ONE,
            input: prepared.buffer.at(part.input),
            weights,
            layout: Weights::Panels,
            output: part.output,
            taps: part.taps,
            run: arithmetic.words_of(channels),
            distance: WORD,
        });
    }
    target.finish(cx);
    Ok(())
}

fn part_of(cx: &Lowering<'_>, node: &Node, part: &Part) -> String {
    let all = computes(cx, node);
    format!("{all}, phase {}, {}", part.row.output, part.col.output)
}

/// gx\[n, ih, iw, c\] = Σ gy\[n, oh, ow, c·M + m\]·w\[kh, kw, c, m\] over all m and (kh, kw) with
/// ih = oh·s + kh·d − pad, and iw likewise.
pub(super) fn depthwise_input_gradient(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let gradient = operand(cx, node, 0)?;
    let weight = operand(cx, node, 1)?;
    let [kh, kw, channels, multiplier] = extents(&weight.ty.shape);
    let mut plane = gradient_plane(cx, node, [kh, kw])?;
    let columns = channels * multiplier;
    plane.result[3] = columns;
    let copied = plane.pad() != [0; 4] || plane.spread() != [1; 2];
    let prepared = prepare(
        cx,
        node,
        &gradient,
        &Preparation {
            arithmetic: Arithmetic::F32,
            zero_point: 0,
            pad: plane.pad(),
            spread: plane.spread(),
            repeat: 1,
            channels: stored_channels(gradient.buffer, columns, copied),
        },
    )?;
    let (weights, stored) = depthwise_weights(cx, node, &weight, Arithmetic::F32);
    let target = Target::of(cx, node, group)?;
    let (output, fold) = match multiplier {
        1 => (target.output.clone(), None),
        _ => {
            let elements = plane.result.iter().product::<u64>() / multiplier;
            let wide = cx.temp(elements * multiplier * WORD);
            let fold = Fold {
                source: wide,
                target: target.output.buffer,
                elements,
                multiplier,
            };
            (Output::plain(wide, DType::F32), Some(fold))
        }
    };
    let strides = [kw * stored, stored];
    for part in plane.parts(&prepared) {
        let first_tap = part.kernel[0] * strides[0] + part.kernel[1] * strides[1];
        let back = plane.back(&part, strides);
        cx.run(Depthwise {
            name: "depthwise_conv2d_input_grad",
            computes: part_of(cx, node, &part),
            tiling: Tiling::new(Arithmetic::F32, &part.axes, columns, None, output.clone()),
            input: prepared.buffer.at(part.input),
            output: part.output,
            weights: weights.at(first_tap * WORD),
            weight_strides: back.map(|b| b * WORD as i64),
            taps: part.taps,
        });
    }
    if let Some(fold) = fold {
        cx.run(fold);
    }
    target.finish(cx);
    Ok(())
}
