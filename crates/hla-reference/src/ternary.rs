//! The hla dialect: ternary contractions, 2-bit codes, activation quantization.

use hla_ir::infer::hla::packed_bytes;
use ndarray::{Axis, IxDyn};

use crate::contraction::{Window, indices};
use crate::evaluate::Step;
use crate::number::{maximum, minimum};
use crate::value::Value;

/// Equations 4 and 5: α_j·sign(w) where |w| > Δ, else 0, with α_j = 1/√(non-zeros of column j). A
/// column without non-zeros keeps its first largest entry; one that is zero throughout stays so.
pub(crate) fn ternarize(step: &Step<'_>) -> Result<Value, String> {
    let Value::Float(dtype, weight) = step.operands[0] else {
        return Err("the weight is no float".to_owned());
    };
    let threshold = step.float("threshold", 0.0);
    let mut result = weight.clone();
    for mut column in result.axis_iter_mut(Axis(step.axis())) {
        let mut kept: Vec<bool> = column.iter().map(|w| w.abs() > threshold).collect();
        if !kept.contains(&true) {
            let mut largest: Option<(usize, f32)> = None;
            for (i, w) in column.iter().enumerate() {
                if w.abs() > largest.map_or(0.0, |(_, w)| w) {
                    largest = Some((i, w.abs()));
                }
            }
            if let Some((i, _)) = largest {
                kept[i] = true;
            }
        }
        let non_zeros = kept.iter().filter(|&&k| k).count();
        let alpha = (1.0 / (non_zeros.max(1) as f64).sqrt()) as f32;
        for (w, kept) in column.iter_mut().zip(kept) {
            *w = if kept { alpha.copysign(*w) } else { 0.0 };
        }
    }
    Ok(Value::Float(*dtype, result))
}

/// One window's ternary sum: for f32 the +1 taps in order, then the −1 taps; for i8 exact.
fn sum(taps: &[(f32, i64)], exact: bool) -> f32 {
    if exact {
        return taps.iter().map(|&(x, w)| x as i64 * w).sum::<i64>() as f32;
    }
    let of = |sign: i64| {
        taps.iter()
            .filter(move |(_, w)| *w == sign)
            .map(|(x, _)| *x)
    };
    let plus = of(1).fold(0.0, |sum: f32, x| sum + x);
    of(-1).fold(plus, |sum, x| sum - x)
}

/// Elements as f32, whatever the type; exact for f32 and i8.
fn as_f32s(value: &Value) -> Vec<f32> {
    match value {
        Value::Float(_, array) => array.iter().copied().collect(),
        Value::Int(_, array) => array.iter().map(|&v| v as f32).collect(),
    }
}

/// The weight's elements, each of which must be −1, 0 or 1.
fn trits(value: &Value) -> Result<Vec<i64>, String> {
    let values = value.to_i64s()?;
    match values.iter().position(|w| !(-1..=1).contains(w)) {
        None => Ok(values),
        Some(at) => Err(format!(
            "the weight has {} at element {at}; ternary weights are -1, 0 and 1",
            values[at]
        )),
    }
}

/// Scale, bias, residual, clamp and rounding of the sums, whose last dimension is the channel.
fn epilogue(step: &Step<'_>, sums: Vec<f32>) -> Result<Value, String> {
    let (scale, bias) = (step.operands[2].to_f32s()?, step.operands[3].to_f32s()?);
    let residual = step.operands.get(4).map(|v| as_f32s(v));
    let residual_scale = step.float("residual_scale", 1.0);
    let low = step.float("min_val", f32::NEG_INFINITY);
    let high = step.float("max_val", f32::INFINITY);
    let channels = scale.len().max(1);
    let values = sums.into_iter().enumerate().map(|(i, sum)| {
        let mut y = sum.mul_add(scale[i % channels], bias[i % channels]);
        if let Some(residual) = &residual {
            y = residual[i].mul_add(residual_scale, y);
        }
        minimum(maximum(y, low, false), high, false)
    });
    let (dtype, shape) = (step.result.dtype, &step.result.shape);
    if dtype.is_float() {
        Value::floats(dtype, shape, values)
    } else {
        Value::ints(dtype, shape, values.map(to_i8))
    }
}

/// Rounds to nearest even and saturates to ±127; NaN gives 0.
fn to_i8(value: f32) -> i64 {
    (value.round_ties_even() as i64).clamp(-127, 127)
}

pub(crate) fn conv2d(step: &Step<'_>) -> Result<Value, String> {
    let exact = !step.operands[0].dtype().is_float();
    let (input, weight) = (as_f32s(step.operands[0]), trits(step.operands[1])?);
    let [_, height, width, channels] = *step.operands[0].shape() else {
        return Err("the input has not four dimensions".to_owned());
    };
    let kernel = step.operands[1].shape();
    let window = Window::new(step, [kernel[1], kernel[2]]);
    let mut taps = Vec::new();
    let sums = indices(&step.result.shape).map(|[n, oh, ow, oc]| {
        taps.clear();
        for [kh, kw, ih, iw] in window.taps(oh, ow) {
            let x = ((n * height + ih) * width + iw) * channels;
            let w = ((oc * kernel[1] + kh) * kernel[2] + kw) * channels;
            taps.extend((0..channels).map(|ic| (input[x + ic], weight[w + ic])));
        }
        sum(&taps, exact)
    });
    let sums = sums.collect();
    epilogue(step, sums)
}

pub(crate) fn matmul(step: &Step<'_>) -> Result<Value, String> {
    let exact = !step.operands[0].dtype().is_float();
    let (input, weight) = (as_f32s(step.operands[0]), trits(step.operands[1])?);
    let [batch, rows, depth] = *step.operands[0].shape() else {
        return Err("the input has not three dimensions".to_owned());
    };
    let columns = step.operands[1].shape()[0];
    let sums = indices(&[batch, rows, columns, 1]).map(|[n, h, w, _]| {
        let (x, y) = ((n * rows + h) * depth, w * depth);
        let taps: Vec<_> = (0..depth).map(|k| (input[x + k], weight[y + k])).collect();
        sum(&taps, exact)
    });
    epilogue(step, sums.collect())
}

/// Codes per row of the outermost dimension, and bytes per row.
fn row(shape: &[usize]) -> (usize, usize) {
    let codes = shape.get(1..).unwrap_or_default().iter().product::<usize>();
    (codes.max(1), codes.max(1).div_ceil(4))
}

pub(crate) fn pack(step: &Step<'_>) -> Result<Value, String> {
    let values = trits(step.operands[0])?;
    let (codes, _) = row(step.operands[0].shape());
    let mut bytes = Vec::new();
    for row in values.chunks(codes) {
        for four in row.chunks(4) {
            let code = |w: i64| if w < 0 { 2u8 } else { w as u8 };
            let byte = four.iter().rev().fold(0, |byte, &w| byte << 2 | code(w));
            bytes.push(i64::from(byte as i8));
        }
    }
    Value::ints(step.result.dtype, &step.result.shape, bytes)
}

pub(crate) fn unpack(step: &Step<'_>) -> Result<Value, String> {
    let bytes = step.operands[0].to_i64s()?;
    let shape = &step.result.shape;
    let (codes, row_bytes) = row(shape);
    debug_assert_eq!(bytes.len(), packed_bytes(shape));
    let mut values = Vec::with_capacity(step.result.elements());
    for (r, row) in bytes.chunks(row_bytes).enumerate() {
        for i in 0..4 * row_bytes {
            let code = row[i / 4] >> (2 * (i % 4)) & 3;
            let value = match code {
                0 => 0,
                1 => 1,
                2 => -1,
                _ => return Err(format!("row {r}: code {i} is 11, which is invalid")),
            };
            if i < codes {
                values.push(value);
            } else if value != 0 {
                return Err(format!("row {r}: the filling code {i} is not 00"));
            }
        }
    }
    Value::ints(step.result.dtype, shape, values)
}

/// q = saturate(round_even(x·inverse), ±127).
fn quantized(step: &Step<'_>, inverse: f32) -> Result<Value, String> {
    let values = step.operands[0].to_f32s()?;
    let codes = values.into_iter().map(|x| to_i8(x * inverse));
    Value::ints(step.result.dtype, &step.result.shape, codes)
}

pub(crate) fn quantize(step: &Step<'_>) -> Result<Value, String> {
    quantized(step, 1.0 / step.float("scale", 1.0))
}

pub(crate) fn dequantize(step: &Step<'_>) -> Result<Value, String> {
    let scale = step.float("scale", 1.0);
    let values = step.operands[0]
        .to_i64s()?
        .into_iter()
        .map(|q| q as f32 * scale);
    Value::floats(step.result.dtype, &step.result.shape, values)
}

/// Results are q and the scale max|x|/127, which is 1 where x is all zero. NaNs do not take part
/// in the maximum.
pub(crate) fn dynamic_quantize(step: &Step<'_>) -> Result<[Value; 2], String> {
    let values = step.operands[0].to_f32s()?;
    let largest = values
        .iter()
        .fold(0.0f32, |max, x| if x.abs() > max { x.abs() } else { max });
    let scale = if largest == 0.0 { 1.0 } else { largest / 127.0 };
    let codes = quantized(step, 1.0 / scale)?;
    let scale = Value::Float(
        hla_ir::DType::F32,
        ndarray::ArrayD::from_elem(IxDyn(&[1]), scale),
    );
    Ok([codes, scale])
}
