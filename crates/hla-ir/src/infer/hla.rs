//! The hla dialect.

use super::contraction::conv_extents;
use super::{need_dtype, need_rank, wrong_type};
use crate::op::Infer;
use crate::types::{DType, TensorType};

pub(crate) fn ternarize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("weight", cx.operand(0), DType::F32)?;
    let axis = cx.attrs.i64("axis").unwrap_or(0);
    if usize::try_from(axis).is_ok_and(|a| a < cx.operand(0).rank()) {
        match cx.attrs.f32("threshold") {
            Some(t) if t >= 0.0 && t.is_finite() => Ok(vec![cx.operand(0).clone()]),
            Some(t) => Err(format!(
                "the threshold {t} is not a finite number of at least 0"
            )),
            None => Err("attribute 'threshold' is missing".to_owned()),
        }
    } else {
        Err(format!(
            "axis {axis} is outside rank {}",
            cx.operand(0).rank()
        ))
    }
}

/// Checks that an operand is of floats or of i8.
fn need_number(name: &str, operand: &TensorType) -> Result<(), String> {
    match operand.dtype.is_float() || operand.dtype == DType::I8 {
        true => Ok(()),
        false => Err(wrong_type(
            name,
            operand,
            "an element type of f32, f16, bf16 or i8",
        )),
    }
}

/// Checks scale, bias, clamp and residual of a fused ternary contraction; gives the result.
fn epilogue(cx: &Infer<'_>, shape: Vec<usize>, channels: usize) -> Result<Vec<TensorType>, String> {
    need_number("input", cx.operand(0))?;
    need_dtype("weight", cx.operand(1), DType::I8)?;
    for (i, name) in [(2, "scale"), (3, "bias")] {
        need_dtype(name, cx.operand(i), DType::F32)?;
        if cx.operand(i).shape != [channels] {
            return Err(wrong_type(
                name,
                cx.operand(i),
                &format!("tensor<{channels}xf32>"),
            ));
        }
    }
    let (min, max) = (
        cx.attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY),
        cx.attrs.f32("max_val").unwrap_or(f32::INFINITY),
    );
    if min.is_nan() || max.is_nan() || min > max {
        return Err(format!("min_val {min} is not at most max_val {max}"));
    }
    let out = cx.out_type(DType::F32);
    if !matches!(out, DType::F32 | DType::I8) {
        return Err(format!("a result of {out} is not possible; f32 and i8 are"));
    }
    let result = TensorType::try_new(shape, out)?;
    if let Some(residual) = cx.operands.get(4) {
        need_number("residual", residual)?;
        if residual.shape != result.shape {
            return Err(wrong_type(
                "residual",
                residual,
                &format!("the shape of {result}"),
            ));
        }
    }
    Ok(vec![result])
}

pub(crate) fn ternary_conv2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (input, weight) = (cx.operand(0), cx.operand(1));
    need_rank("input", input, 4)?;
    need_rank("weight", weight, 4)?;
    if weight.elements() == 0 {
        return Err(wrong_type("weight", weight, "a tensor that is not empty"));
    }
    if weight.shape[3] != input.shape[3] {
        return Err(format!(
            "the weight has {} input channels, but the input has {}",
            weight.shape[3], input.shape[3]
        ));
    }
    let [h, w] = conv_extents(cx, [weight.shape[1], weight.shape[2]])?;
    epilogue(
        cx,
        vec![input.shape[0], h, w, weight.shape[0]],
        weight.shape[0],
    )
}

pub(crate) fn ternary_matmul(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (input, weight) = (cx.operand(0), cx.operand(1));
    need_rank("input", input, 3)?;
    need_rank("weight", weight, 2)?;
    if weight.shape[1] != input.shape[2] {
        return Err(format!(
            "{input} and the transpose of {weight} cannot be multiplied"
        ));
    }
    epilogue(
        cx,
        vec![input.shape[0], input.shape[1], weight.shape[0]],
        weight.shape[0],
    )
}

/// Bytes of ternary values of this shape as 2-bit codes: rows of the outermost dimension start on
/// a byte.
pub fn packed_bytes(shape: &[usize]) -> usize {
    match shape {
        [] => 1,
        [rows, rest @ ..] => rows * rest.iter().product::<usize>().div_ceil(4),
    }
}

fn layout_version(cx: &Infer<'_>) -> Result<(), String> {
    match cx.attrs.i64("layout_version").unwrap_or(1) {
        1 => Ok(()),
        v => Err(format!(
            "layout version {v} is not known; this hlac knows version 1"
        )),
    }
}

pub(crate) fn pack(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("values", cx.operand(0), DType::I8)?;
    layout_version(cx)?;
    Ok(vec![TensorType::try_new(
        [packed_bytes(&cx.operand(0).shape)],
        DType::I8,
    )?])
}

pub(crate) fn unpack(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("packed", cx.operand(0), DType::I8)?;
    layout_version(cx)?;
    let shape = cx
        .attrs
        .i64s("shape")
        .ok_or("attribute 'shape' is missing")?;
    let shape: Vec<usize> = shape
        .iter()
        .map(|&v| usize::try_from(v).map_err(|_| format!("'shape' has the negative entry {v}")))
        .collect::<Result<_, _>>()?;
    let ty = TensorType::try_new(shape, DType::I8)?;
    let need = packed_bytes(&ty.shape);
    if cx.operand(0).shape != [need] {
        return Err(wrong_type(
            "packed",
            cx.operand(0),
            &format!("tensor<{need}xi8>"),
        ));
    }
    Ok(vec![ty])
}

fn scale(cx: &Infer<'_>) -> Result<(), String> {
    match cx.attrs.f32("scale") {
        Some(s) if s.is_normal() && s > 0.0 && s.recip().is_normal() => Ok(()),
        Some(s) => Err(format!("the scale {s} is not a positive normal number")),
        None => Err("attribute 'scale' is missing".to_owned()),
    }
}

pub(crate) fn quantize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("input", cx.operand(0), DType::F32)?;
    scale(cx)?;
    Ok(vec![cx.operand(0).with_dtype(DType::I8)])
}

pub(crate) fn dequantize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("input", cx.operand(0), DType::I8)?;
    scale(cx)?;
    Ok(vec![cx.operand(0).with_dtype(DType::F32)])
}

pub(crate) fn dynamic_quantize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("input", cx.operand(0), DType::F32)?;
    Ok(vec![
        cx.operand(0).with_dtype(DType::I8),
        TensorType::try_new([1], DType::F32)?,
    ])
}
