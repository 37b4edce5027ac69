//! The hla dialect: ternary contractions, 2-bit codes, activation quantization.

use hla_ir::DType;
use hla_ir::infer::hla::packed_bytes;
use ndarray::{ArrayD, Axis, IxDyn};

use crate::contraction::{Window, indices};
use crate::evaluate::Step;
use crate::number::{maximum, minimum};
use crate::real::Real;
use crate::value::Value;

/// Equations 4 and 5: α_j·sign(w) where |w| > Δ, else 0, with α_j = 1/√(non-zeros of column j). A
/// column without non-zeros keeps its first largest entry; one that is zero throughout stays so.
pub(crate) fn ternarize<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let Value::Float(dtype, weight) = step.operands[0] else {
        return Err("the weight is no float".to_owned());
    };
    let threshold = step.float("threshold", 0.0);
    Ok(Value::Float(
        *dtype,
        ternarized(weight, step.axis(), threshold),
    ))
}

/// Ternary(W, Δ); a negative Δ, which a trained one may become, counts as 0.
pub(crate) fn ternarized<F: Real>(weight: &ArrayD<F>, axis: usize, threshold: F) -> ArrayD<F> {
    let mut result = weight.clone();
    for mut column in result.axis_iter_mut(Axis(axis)) {
        let keeps = |w: F| w.abs() > threshold && w.abs() > F::ZERO;
        let mut kept: Vec<bool> = column.iter().map(|&w| keeps(w)).collect();
        if !kept.contains(&true) {
            let mut largest: Option<(usize, F)> = None;
            for (i, w) in column.iter().enumerate() {
                if w.abs() > largest.map_or(F::ZERO, |(_, w)| w) {
                    largest = Some((i, w.abs()));
                }
            }
            if let Some((i, _)) = largest {
                kept[i] = true;
            }
        }
        let non_zeros = kept.iter().filter(|&&k| k).count();
        let alpha = 1.0 / (non_zeros.max(1) as f64).sqrt();
        for (w, kept) in column.iter_mut().zip(kept) {
            *w = match kept {
                true => F::of(alpha.copysign(w.wide())),
                false => F::ZERO,
            };
        }
    }
    result
}

/// One window's ternary sum: for f32 the +1 taps in order, then the −1 taps; for i8 exact.
fn sum<F: Real>(taps: &[(F, i64)], exact: bool) -> F {
    if exact {
        let sum: i64 = taps.iter().map(|&(x, w)| x.wide() as i64 * w).sum();
        return F::of_int(sum, DType::F32);
    }
    let of = |sign: i64| {
        taps.iter()
            .filter(move |(_, w)| *w == sign)
            .map(|(x, _)| *x)
    };
    let plus = of(1).fold(F::ZERO, |sum, x| sum + x);
    of(-1).fold(plus, |sum, x| sum - x)
}

/// Elements as floats, whatever the type; exact for f32 and i8.
fn as_floats<F: Real>(value: &Value<F>) -> Vec<F> {
    match value {
        Value::Float(_, array) => array.iter().copied().collect(),
        Value::Int(_, array) => array.iter().map(|&v| F::of(v as f64)).collect(),
    }
}

/// The weight's elements, each of which must be −1, 0 or 1.
fn trits<F: Real>(value: &Value<F>) -> Result<Vec<i64>, String> {
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
fn epilogue<F: Real>(step: &Step<'_, F>, sums: Vec<F>) -> Result<Value<F>, String> {
    let (scale, bias) = (step.operands[2].to_floats()?, step.operands[3].to_floats()?);
    let residual = step.operands.get(4).map(|v| as_floats(v));
    let residual_scale = step.float("residual_scale", 1.0);
    let low = step.float("min_val", f32::NEG_INFINITY);
    let high = step.float("max_val", f32::INFINITY);
    let channels = scale.len().max(1);
    let values = sums.into_iter().enumerate().map(|(i, sum)| {
        let mut y = bias[i % channels].accumulate(sum, scale[i % channels]);
        if let Some(residual) = &residual {
            y = y.accumulate(residual[i], residual_scale);
        }
        minimum(maximum(y, low, false), high, false)
    });
    let (dtype, shape) = (step.result.dtype, &step.result.shape);
    if dtype.is_float() {
        Value::floats(dtype, shape, values)
    } else {
        Value::ints(dtype, shape, values.map(|v| to_i8(v.wide())))
    }
}

/// Rounds to nearest even and saturates to ±127; NaN gives 0.
fn to_i8(value: f64) -> i64 {
    (value.round_ties_even() as i64).clamp(-127, 127)
}

pub(crate) fn conv2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let exact = !step.operands[0].dtype().is_float();
    let (input, weight) = (as_floats(step.operands[0]), trits(step.operands[1])?);
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

pub(crate) fn matmul<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let exact = !step.operands[0].dtype().is_float();
    let (input, weight) = (as_floats(step.operands[0]), trits(step.operands[1])?);
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

pub(crate) fn pack<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
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

pub(crate) fn unpack<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
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
fn quantized<F: Real>(step: &Step<'_, F>, inverse: F) -> Result<Value<F>, String> {
    let values = step.operands[0].to_floats()?;
    let codes = values.into_iter().map(|x| to_i8((x * inverse).wide()));
    Value::ints(step.result.dtype, &step.result.shape, codes)
}

pub(crate) fn quantize<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    quantized(step, F::ONE / step.float("scale", 1.0))
}

pub(crate) fn dequantize<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let scale = step.float("scale", 1.0);
    let values = step.operands[0]
        .to_i64s()?
        .into_iter()
        .map(|q| F::of(q as f64) * scale);
    Value::floats(step.result.dtype, &step.result.shape, values)
}

/// Results are q and the scale max|x|/127, which is 1 where x is all zero. NaNs do not take part
/// in the maximum.
pub(crate) fn dynamic_quantize<F: Real>(step: &Step<'_, F>) -> Result<[Value<F>; 2], String> {
    let values = step.operands[0].to_floats()?;
    let largest = values
        .iter()
        .fold(F::ZERO, |max, x| if x.abs() > max { x.abs() } else { max });
    let scale = match largest == F::ZERO {
        true => F::ONE,
        false => largest / F::of(127.0),
    };
    let codes = quantized(step, F::ONE / scale)?;
    let scale = Value::Float(DType::F32, ndarray::ArrayD::from_elem(IxDyn(&[1]), scale));
    Ok([codes, scale])
}
