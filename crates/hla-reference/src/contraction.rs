//! Convolutions and the matrix product.

use hla_ir::DType;

use crate::evaluate::Step;
use crate::real::{Accumulator, Real};
use crate::value::Value;

/// Operands as plain row-major elements, zero points subtracted.
enum Operands<F> {
    Float(Vec<Vec<F>>),
    Int(Vec<Vec<i64>>),
}

/// Reads the operands; `zero_points` names the attribute of the first ones.
fn operands<F: Real>(step: &Step<'_, F>, zero_points: &[&str]) -> Result<Operands<F>, String> {
    if step.operands[0].dtype().is_float() {
        let all = step.operands.iter().map(|v| v.to_floats());
        return Ok(Operands::Float(all.collect::<Result<_, _>>()?));
    }
    let mut all = Vec::new();
    for (i, operand) in step.operands.iter().enumerate() {
        let zero = zero_points.get(i).map_or(0, |name| step.int(name));
        all.push(operand.to_i64s()?.into_iter().map(|v| v - zero).collect());
    }
    Ok(Operands::Int(all))
}

/// Row-major position of an index of rank 4.
pub(crate) fn at(shape: &[usize], index: [usize; 4]) -> usize {
    index
        .iter()
        .zip(shape)
        .fold(0, |sum, (i, extent)| sum * extent + i)
}

/// The positions in the input of the taps of one window, in the order of (kh, kw), with (kh, kw).
pub(crate) struct Window {
    pad: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    kernel: [usize; 2],
    input: [usize; 2],
}

impl Window {
    /// The window that a step's attributes describe over an NHWC input.
    pub(crate) fn new<F: Real>(step: &Step<'_, F>, kernel: [usize; 2]) -> Window {
        let shape = step.operands[0].shape();
        Window::over(step, kernel, [shape[1], shape[2]])
    }

    /// The window that a step's attributes describe over an input of these extents.
    pub(crate) fn over<F: Real>(
        step: &Step<'_, F>,
        kernel: [usize; 2],
        input: [usize; 2],
    ) -> Window {
        let dilation = match step.attrs.i64s("dilation") {
            Some(_) => step.usizes("dilation"),
            None => vec![1, 1],
        };
        Window {
            pad: step.usizes("pad"),
            stride: step.usizes("stride"),
            dilation,
            kernel,
            input,
        }
    }

    /// Position in the input of the tap (kh, kw) of the window at (oh, ow), unless it is padding.
    pub(crate) fn tap(&self, oh: usize, ow: usize, kh: usize, kw: usize) -> Option<[usize; 2]> {
        let along = |axis: usize, out: usize, k: usize| {
            (out * self.stride[axis] + k * self.dilation[axis])
                .checked_sub(self.pad[2 * axis])
                .filter(|&i| i < self.input[axis])
        };
        Some([along(0, oh, kh)?, along(1, ow, kw)?])
    }

    /// (kh, kw, ih, iw) for each tap of the window at (oh, ow) that is not padding.
    pub(crate) fn taps(&self, oh: usize, ow: usize) -> impl Iterator<Item = [usize; 4]> + '_ {
        let [height, width] = self.kernel;
        let all = (0..height).flat_map(move |kh| (0..width).map(move |kw| (kh, kw)));
        all.filter_map(move |(kh, kw)| {
            let [ih, iw] = self.tap(oh, ow, kh, kw)?;
            Some([kh, kw, ih, iw])
        })
    }
}

/// All indices of a rank-4 shape in row-major order.
pub(crate) fn indices(shape: &[usize]) -> impl Iterator<Item = [usize; 4]> + use<> {
    let [a, b, c, d] = [shape[0], shape[1], shape[2], shape[3]];
    (0..a).flat_map(move |n| {
        (0..b).flat_map(move |h| (0..c).flat_map(move |w| (0..d).map(move |o| [n, h, w, o])))
    })
}

/// The bias of a channel; one element serves all.
fn bias<T: Copy>(bias: &[T], channel: usize) -> T {
    bias[if bias.len() == 1 { 0 } else { channel }]
}

fn store_floats<F: Real>(step: &Step<'_, F>, values: Vec<F>) -> Result<Value<F>, String> {
    Value::floats(step.result.dtype, &step.result.shape, values)
}

fn store_ints<F: Real>(step: &Step<'_, F>, values: Vec<i64>) -> Result<Value<F>, String> {
    debug_assert_eq!(step.result.dtype, DType::I32);
    Value::ints(step.result.dtype, &step.result.shape, values)
}

pub(crate) fn conv2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    match operands(step, &["input_zp", "weight_zp"])? {
        Operands::Float(v) => store_floats(step, conv2d_of(step, &v)),
        Operands::Int(v) => store_ints(step, conv2d_of(step, &v)),
    }
}

fn conv2d_of<F: Real, T: Accumulator>(step: &Step<'_, F>, operands: &[Vec<T>]) -> Vec<T> {
    let (input, weight) = (step.operands[0].shape(), step.operands[1].shape());
    let window = Window::new(step, [weight[1], weight[2]]);
    indices(&step.result.shape)
        .map(|[n, oh, ow, oc]| {
            let mut sum = T::ZERO;
            for [kh, kw, ih, iw] in window.taps(oh, ow) {
                let x = &operands[0][at(input, [n, ih, iw, 0])..][..input[3]];
                let w = &operands[1][at(weight, [oc, kh, kw, 0])..][..input[3]];
                sum = x
                    .iter()
                    .zip(w)
                    .fold(sum, |sum, (x, w)| sum.accumulate(*x, *w));
            }
            sum.plus(bias(&operands[2], oc))
        })
        .collect()
}

pub(crate) fn depthwise_conv2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    match operands(step, &["input_zp", "weight_zp"])? {
        Operands::Float(v) => store_floats(step, depthwise_of(step, &v)),
        Operands::Int(v) => store_ints(step, depthwise_of(step, &v)),
    }
}

fn depthwise_of<F: Real, T: Accumulator>(step: &Step<'_, F>, operands: &[Vec<T>]) -> Vec<T> {
    let (input, weight) = (step.operands[0].shape(), step.operands[1].shape());
    let window = Window::new(step, [weight[0], weight[1]]);
    let multiplier = weight[3];
    indices(&step.result.shape)
        .map(|[n, oh, ow, oc]| {
            let (c, m) = (oc / multiplier, oc % multiplier);
            let mut sum = T::ZERO;
            for [kh, kw, ih, iw] in window.taps(oh, ow) {
                let x = operands[0][at(input, [n, ih, iw, c])];
                let w = operands[1][at(weight, [kh, kw, c, m])];
                sum = sum.accumulate(x, w);
            }
            sum.plus(bias(&operands[2], oc))
        })
        .collect()
}

pub(crate) fn transpose_conv2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    match operands(step, &["input_zp", "weight_zp"])? {
        Operands::Float(v) => store_floats(step, transpose_of(step, &v)),
        Operands::Int(v) => store_ints(step, transpose_of(step, &v)),
    }
}

fn transpose_of<F: Real, T: Accumulator>(step: &Step<'_, F>, operands: &[Vec<T>]) -> Vec<T> {
    let (input, weight) = (step.operands[0].shape(), step.operands[1].shape());
    let out = &step.result.shape;
    let stride = step.usizes("stride");
    let pad = step.attrs.i64s("out_pad").unwrap_or_default();
    let mut sums: Vec<T> = indices(out)
        .map(|[.., oc]| bias(&operands[2], oc))
        .collect();
    // out_pad may be negative: it then crops.
    let place = |i: usize, stride: usize, k: usize, pad: i64, extent: usize| {
        usize::try_from((i * stride + k) as i64 + pad)
            .ok()
            .filter(|&o| o < extent)
    };
    for [n, ih, iw, oc] in indices(&[input[0], input[1], input[2], weight[0]]) {
        for kh in 0..weight[1] {
            for kw in 0..weight[2] {
                let oh = place(ih, stride[0], kh, pad[0], out[1]);
                let ow = place(iw, stride[1], kw, pad[2], out[2]);
                let (Some(oh), Some(ow)) = (oh, ow) else {
                    continue;
                };
                let sum = &mut sums[at(out, [n, oh, ow, oc])];
                let x = &operands[0][at(input, [n, ih, iw, 0])..][..input[3]];
                let w = &operands[1][at(weight, [oc, kh, kw, 0])..][..input[3]];
                *sum = x
                    .iter()
                    .zip(w)
                    .fold(*sum, |sum, (x, w)| sum.accumulate(*x, *w));
            }
        }
    }
    sums
}

pub(crate) fn matmul<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    match operands(step, &["a_zp", "b_zp"])? {
        Operands::Float(v) => store_floats(step, matmul_of(step, &v)),
        Operands::Int(v) => store_ints(step, matmul_of(step, &v)),
    }
}

fn matmul_of<F: Real, T: Accumulator>(step: &Step<'_, F>, operands: &[Vec<T>]) -> Vec<T> {
    let (a, b) = (step.operands[0].shape(), step.operands[1].shape());
    let [batch, rows, depth, columns] = [a[0], a[1], a[2], b[2]];
    indices(&[batch, rows, columns, 1])
        .map(|[n, h, w, _]| {
            (0..depth).fold(T::ZERO, |sum, k| {
                let x = operands[0][(n * rows + h) * depth + k];
                let y = operands[1][(n * depth + k) * columns + w];
                sum.accumulate(x, y)
            })
        })
        .collect()
}
