//! Gradients of convolutions by their weights: which of both operands is read as vectors, and how.

use hla_ir::{Diagnostic, Node};

use super::arithmetic::{Arithmetic, LANES};
use super::combine::Combine;
use super::convolution::computes;
use super::grid::Grid;
use super::operands::{Preparation, Prepared, array, extents, operand, prepare};
use super::outer::{Form, Image, Outer, Window};
use crate::kernel::View;
use crate::lower::Lowering;

impl From<Prepared> for Image {
    fn from(p: Prepared) -> Image {
        Image {
            buffer: p.buffer,
            batch: p.batch,
            row: p.row,
            pixel: p.pixel,
        }
    }
}

/// The operands of a weight's gradient.
struct Operands {
    input: View,
    gradient: View,
    /// Top, bottom, left, right.
    pad: [u64; 4],
    window: [Window; 2],
}

impl Operands {
    fn of(cx: &mut Lowering<'_>, node: &Node) -> Result<Operands, Diagnostic> {
        let input = operand(cx, node, 0)?;
        let gradient = operand(cx, node, 1)?;
        let pad: [u64; 4] = array(node, "pad")?;
        let stride: [u64; 2] = array(node, "stride")?;
        let dilation: [u64; 2] = array(node, "dilation")?;
        let kernel: [u64; 2] = array(node, "kernel")?;
        let (inputs, outputs): ([u64; 4], [u64; 4]) =
            (extents(&input.ty.shape), extents(&gradient.ty.shape));
        let window = std::array::from_fn(|d| Window {
            taps: kernel[d],
            // What never steps may be as large as it likes.
            stride: if outputs[1 + d] > 1 { stride[d] } else { 1 },
            dilation: if kernel[d] > 1 { dilation[d] } else { 1 },
            before: pad[2 * d],
            extent: inputs[1 + d],
            output: outputs[1 + d],
        });
        Ok(Operands {
            input,
            gradient,
            pad,
            window,
        })
    }

    fn count(&self) -> u64 {
        extents::<1>(&self.input.ty.shape)[0]
    }

    /// The input with its padding, each channel so many times, and no fewer channels than these.
    fn padded(
        &self,
        cx: &mut Lowering<'_>,
        node: &Node,
        repeat: u64,
        channels: u64,
    ) -> Result<Image, Diagnostic> {
        let how = Preparation {
            arithmetic: Arithmetic::F32,
            zero_point: 0,
            pad: self.pad,
            spread: [1; 2],
            repeat,
            channels,
        };
        prepare(cx, node, &self.input, &how).map(Image::from)
    }

    /// An operand where it lies, or with as many channels as a vector has.
    fn whole(
        cx: &mut Lowering<'_>,
        node: &Node,
        view: &View,
        channels: u64,
    ) -> Result<Image, Diagnostic> {
        let how = Preparation {
            arithmetic: Arithmetic::F32,
            zero_point: 0,
            pad: [0; 4],
            spread: [1; 2],
            repeat: 1,
            channels,
        };
        prepare(cx, node, view, &how).map(Image::from)
    }
}

/// Adds the kernels that sum and that store.
fn run(
    cx: &mut Lowering<'_>,
    node: &Node,
    mut outer: Outer,
    strides: [u64; 3],
    columns: u64,
) -> Result<(), Diagnostic> {
    let target = cx.result(node, 0)?;
    outer.partial = cx.temp(outer.bytes());
    let combine = Combine {
        grid: outer.grid,
        chunks: outer.chunks(),
        partial: outer.partial,
        target: target.buffer,
        strides,
        columns,
    };
    cx.run(outer);
    cx.run(combine);
    Ok(())
}

/// gW\[oc, kh, kw, ic\] = Σ gy\[n, oh, ow, oc\]·x\[n, oh·s + kh·d − pad, ow·s + kw·d − pad, ic\] over
/// all n, oh, ow.
pub(super) fn conv2d(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let operands = Operands::of(cx, node)?;
    let [.., channels] = extents::<4>(&operands.input.ty.shape);
    let [.., columns] = extents::<4>(&operands.gradient.ty.shape);
    let taps = operands.window[0].taps * operands.window[1].taps;
    let by_channel = Grid::new(taps, columns, channels);
    let by_element = Grid::new(1, taps * channels, columns);
    let in_place = channels >= LANES && by_channel.cost() <= by_element.cost() * 9 / 8;
    let (form, grid) = match in_place {
        true => (Form::Channels, by_channel),
        false => (Form::Elements, by_element),
    };
    let (input, gradient) = match in_place {
        true => (
            Operands::whole(cx, node, &operands.input, channels)?,
            Operands::whole(cx, node, &operands.gradient, columns)?,
        ),
        false => (
            operands.padded(cx, node, 1, channels)?,
            Operands::whole(cx, node, &operands.gradient, columns.max(LANES))?,
        ),
    };
    let outer = Outer {
        name: "conv2d_weight_grad",
        computes: computes(cx, node),
        form,
        grid,
        count: operands.count(),
        window: operands.window,
        channels,
        partial: input.buffer,
        input,
        gradient,
    };
    let size = taps * channels;
    match in_place {
        true => run(cx, node, outer, [channels, size, 1], channels),
        false => run(cx, node, outer, [0, 1, size], columns),
    }
}

/// gW\[kh, kw, c, m\] = Σ gy\[n, oh, ow, c·M + m\]·x\[n, oh·s + kh·d − pad, ow·s + kw·d − pad, c\] over
/// all n, oh, ow.
pub(super) fn depthwise(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let operands = Operands::of(cx, node)?;
    let [.., channels] = extents::<4>(&operands.input.ty.shape);
    let [.., columns] = extents::<4>(&operands.gradient.ty.shape);
    let taps = operands.window[0].taps * operands.window[1].taps;
    let stored = columns.max(LANES);
    let input = operands.padded(cx, node, columns / channels, stored)?;
    let gradient = Operands::whole(cx, node, &operands.gradient, stored)?;
    let outer = Outer {
        name: "depthwise_conv2d_weight_grad",
        computes: computes(cx, node),
        form: Form::Depthwise,
        grid: Grid::tall(taps, columns),
        count: operands.count(),
        window: operands.window,
        channels: 1,
        partial: input.buffer,
        input,
        gradient,
    };
    run(cx, node, outer, [0, columns, 1], columns)
}
