//! Convolutions, matrix products and pooling.

use super::{need_dtype, need_rank, wrong_type};
use crate::op::Infer;
use crate::types::{DType, TensorType};

/// Extent of a window op's result: (in + pad − effective window)/stride + 1, which TOSA wants exact.
pub(super) fn window_extent(
    what: &str,
    input: usize,
    pad: usize,
    window: usize,
    dilation: usize,
    stride: usize,
) -> Result<usize, String> {
    let too_large = || format!("{what}: the padded extent overflows");
    let padded = input.checked_add(pad).ok_or_else(too_large)?;
    let effective = (window - 1)
        .checked_mul(dilation)
        .and_then(|w| w.checked_add(1))
        .ok_or_else(too_large)?;
    if effective > padded {
        return Err(format!(
            "{what}: the window of {effective} is larger than the padded input of {padded}"
        ));
    }
    if !(padded - effective).is_multiple_of(stride) {
        return Err(format!(
            "{what}: the stride {stride} does not divide {padded} - {effective}; TOSA wants the windows to cover the padded input exactly (pad or slice the input)"
        ));
    }
    Ok((padded - effective) / stride + 1)
}

/// Element type of a contraction's result: that of the input for floats, i32 for i8.
fn accumulator(cx: &Infer<'_>) -> Result<DType, String> {
    let input = cx.operand(0).dtype;
    let default = match input {
        DType::F32 | DType::F16 | DType::BF16 => input,
        DType::I8 => DType::I32,
        _ => {
            return Err(wrong_type(
                cx.def.operands[0].name,
                cx.operand(0),
                "an element type of f32, f16, bf16 or i8",
            ));
        }
    };
    let out = cx.out_type(default);
    if out == default || (input.is_float() && out == DType::F32) {
        Ok(out)
    } else {
        Err(format!("a result of {out} cannot be had from {input}"))
    }
}

/// Zero points are only for integers.
fn zero_points(cx: &Infer<'_>, names: &[&str]) -> Result<(), String> {
    for name in names {
        let Some(zp) = cx.attrs.f32(name) else {
            continue;
        };
        if cx.operand(0).dtype == DType::I8 {
            if !(-128.0..=127.0).contains(&zp) {
                return Err(format!("'{name}' is {zp}, which is no i8"));
            }
        } else if zp != 0.0 {
            return Err(format!("'{name}' must be zero for a floating-point input"));
        }
    }
    Ok(())
}

fn common(cx: &Infer<'_>, channels: usize) -> Result<DType, String> {
    need_rank("input", cx.operand(0), 4)?;
    need_rank("weight", cx.operand(1), 4)?;
    need_dtype("weight", cx.operand(1), cx.operand(0).dtype)?;
    let out = accumulator(cx)?;
    let bias = cx.operand(2);
    need_rank("bias", bias, 1)?;
    need_dtype("bias", bias, out)?;
    if bias.shape[0] != channels && bias.shape[0] != 1 {
        return Err(wrong_type(
            "bias",
            bias,
            &format!("one element or {channels}"),
        ));
    }
    if cx.operand(1).elements() == 0 {
        return Err(wrong_type(
            "weight",
            cx.operand(1),
            "a tensor that is not empty",
        ));
    }
    zero_points(cx, &["input_zp", "weight_zp"])?;
    if let Some(acc) = cx.attrs.dtype("acc_type") {
        let fits = if cx.operand(0).dtype.is_float() {
            acc.is_float()
        } else {
            acc == DType::I32
        };
        if !fits {
            return Err(format!(
                "acc_type {acc} does not go with an input of {}",
                cx.operand(0).dtype
            ));
        }
    }
    Ok(out)
}

/// Height and width of a convolution's result, from input and kernel extents.
pub(super) fn conv_extents(cx: &Infer<'_>, kernel: [usize; 2]) -> Result<[usize; 2], String> {
    let pad: [usize; 4] = cx.array("pad", 0)?;
    let stride: [usize; 2] = cx.array("stride", 1)?;
    let dilation: [usize; 2] = cx.array("dilation", 1)?;
    let input = &cx.operand(0).shape;
    Ok([
        window_extent(
            "height",
            input[1],
            pad[0] + pad[1],
            kernel[0],
            dilation[0],
            stride[0],
        )?,
        window_extent(
            "width",
            input[2],
            pad[2] + pad[3],
            kernel[1],
            dilation[1],
            stride[1],
        )?,
    ])
}

pub(crate) fn conv2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_rank("weight", cx.operand(1), 4)?;
    let weight = cx.operand(1).shape.clone();
    let out = common(cx, weight[0])?;
    let input = &cx.operand(0).shape;
    if weight[3] != input[3] {
        return Err(format!(
            "the weight has {} input channels, but the input has {}",
            weight[3], input[3]
        ));
    }
    let [h, w] = conv_extents(cx, [weight[1], weight[2]])?;
    Ok(vec![TensorType::try_new([input[0], h, w, weight[0]], out)?])
}

pub(crate) fn depthwise_conv2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_rank("weight", cx.operand(1), 4)?;
    let weight = cx.operand(1).shape.clone();
    let channels = weight[2].saturating_mul(weight[3]);
    let out = common(cx, channels)?;
    let input = &cx.operand(0).shape;
    if weight[2] != input[3] {
        return Err(format!(
            "the weight has {} input channels, but the input has {}",
            weight[2], input[3]
        ));
    }
    let [h, w] = conv_extents(cx, [weight[0], weight[1]])?;
    Ok(vec![TensorType::try_new([input[0], h, w, channels], out)?])
}

pub(crate) fn transpose_conv2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_rank("weight", cx.operand(1), 4)?;
    let weight = cx.operand(1).shape.clone();
    let out = common(cx, weight[0])?;
    let input = &cx.operand(0).shape;
    if weight[3] != input[3] {
        return Err(format!(
            "the weight has {} input channels, but the input has {}",
            weight[3], input[3]
        ));
    }
    let pad = signed_pad(cx)?;
    let stride: [usize; 2] = cx.array("stride", 1)?;
    let extent = |input: usize, stride: usize, before: i64, after: i64, kernel: usize| {
        let value = (input as i128 - 1) * stride as i128
            + i128::from(before)
            + i128::from(after)
            + kernel as i128;
        usize::try_from(value)
            .ok()
            .filter(|&v| v > 0 && input > 0)
            .ok_or_else(|| format!("the result would have an extent of {value}"))
    };
    for (p, k) in [
        (pad[0], weight[1]),
        (pad[1], weight[1]),
        (pad[2], weight[2]),
        (pad[3], weight[2]),
    ] {
        if p <= -(k as i64) {
            return Err(format!(
                "out_pad has the entry {p}, which must be larger than -{k}"
            ));
        }
    }
    let h = extent(input[1], stride[0], pad[0], pad[1], weight[1])?;
    let w = extent(input[2], stride[1], pad[2], pad[3], weight[2])?;
    Ok(vec![TensorType::try_new([input[0], h, w, weight[0]], out)?])
}

/// `out_pad` may be negative: it then crops.
fn signed_pad(cx: &Infer<'_>) -> Result<[i64; 4], String> {
    let pad = cx
        .attrs
        .i64s("out_pad")
        .ok_or("attribute 'out_pad' is missing")?;
    let pad: [i64; 4] = pad
        .try_into()
        .map_err(|_| format!("attribute 'out_pad' must have 4 entries, not {}", pad.len()))?;
    if pad.iter().any(|p| p.unsigned_abs() > i32::MAX as u64) {
        return Err("attribute 'out_pad' has an entry beyond 32 bits".to_owned());
    }
    Ok(pad)
}

pub(crate) fn matmul(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (a, b) = (cx.operand(0), cx.operand(1));
    need_rank("a", a, 3)?;
    need_rank("b", b, 3)?;
    need_dtype("b", b, a.dtype)?;
    let out = accumulator(cx)?;
    if a.shape[0] != b.shape[0] || a.shape[2] != b.shape[1] {
        return Err(format!("{a} and {b} cannot be multiplied"));
    }
    zero_points(cx, &["a_zp", "b_zp"])?;
    Ok(vec![TensorType::try_new(
        [a.shape[0], a.shape[1], b.shape[2]],
        out,
    )?])
}

pub(crate) fn pool(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_rank("input", input, 4)?;
    if input.dtype == DType::I1 {
        return Err(wrong_type("input", input, "a number"));
    }
    let kernel: [usize; 2] = cx.array("kernel", 1)?;
    let stride: [usize; 2] = cx.array("stride", 1)?;
    let pad: [usize; 4] = cx.array("pad", 0)?;
    for (p, k) in [
        (pad[0], kernel[0]),
        (pad[1], kernel[0]),
        (pad[2], kernel[1]),
        (pad[3], kernel[1]),
    ] {
        if p >= k {
            return Err(format!(
                "a pad of {p} is not smaller than the kernel's {k}: a window would hold padding only"
            ));
        }
    }
    let h = window_extent(
        "height",
        input.shape[1],
        pad[0] + pad[1],
        kernel[0],
        1,
        stride[0],
    )?;
    let w = window_extent(
        "width",
        input.shape[2],
        pad[2] + pad[3],
        kernel[1],
        1,
        stride[1],
    )?;
    Ok(vec![TensorType::try_new(
        [input.shape[0], h, w, input.shape[3]],
        input.dtype,
    )?])
}
