//! Elementwise ops: unit extents broadcast against larger ones; ranks must agree, as TOSA wants.

use super::wrong_type;
use crate::op::Infer;
use crate::types::{DType, TensorType};

/// Shape of the operands broadcast together.
fn broadcast(cx: &Infer<'_>) -> Result<Vec<usize>, String> {
    let mut shape = cx.operand(0).shape.clone();
    for ty in &cx.operands[1..] {
        let mismatch = || format!("shapes of {} and {ty} do not broadcast", cx.operand(0));
        if ty.rank() != shape.len() {
            return Err(format!("{}; TOSA wants equal ranks", mismatch()));
        }
        for (have, &new) in shape.iter_mut().zip(&ty.shape) {
            if *have == 1 {
                *have = new;
            } else if new != 1 && new != *have {
                return Err(mismatch());
            }
        }
    }
    Ok(shape)
}

fn same_dtype(cx: &Infer<'_>) -> Result<DType, String> {
    let dtype = cx.operand(0).dtype;
    for (def, ty) in cx.def.operands.iter().zip(cx.operands) {
        super::need_dtype(def.name, ty, dtype)?;
    }
    Ok(dtype)
}

pub(crate) fn same(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let dtype = same_dtype(cx)?;
    let is_copy = cx.def.name == "tosa.identity" || cx.def.name == "hla.relayout";
    if dtype == DType::I1 && !is_copy {
        return Err(wrong_type(
            cx.def.operands[0].name,
            cx.operand(0),
            "a number",
        ));
    }
    Ok(vec![TensorType::try_new(broadcast(cx)?, dtype)?])
}

pub(crate) fn mul(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let shift = cx.attrs.i64("shift").unwrap_or(0);
    if shift != 0 && cx.operand(0).dtype != DType::I32 {
        return Err(format!("a shift of {shift} needs operands of i32"));
    }
    if !(0..=63).contains(&shift) {
        return Err(format!("shift is {shift}; it must be between 0 and 63"));
    }
    same(cx)
}

pub(crate) fn float(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    if !cx.operand(0).dtype.is_float() {
        return Err(wrong_type(
            cx.def.operands[0].name,
            cx.operand(0),
            "a floating-point tensor",
        ));
    }
    same(cx)
}

pub(crate) fn compare(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    same_dtype(cx)?;
    Ok(vec![TensorType::try_new(broadcast(cx)?, DType::I1)?])
}

pub(crate) fn logical(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    super::need_dtype(cx.def.operands[0].name, cx.operand(0), DType::I1)?;
    same_dtype(cx)?;
    Ok(vec![TensorType::try_new(broadcast(cx)?, DType::I1)?])
}

pub(crate) fn select(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    super::need_dtype("condition", cx.operand(0), DType::I1)?;
    let dtype = cx.operand(1).dtype;
    super::need_dtype("on_false", cx.operand(2), dtype)?;
    Ok(vec![TensorType::try_new(broadcast(cx)?, dtype)?])
}

pub(crate) fn clamp(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (Some(min), Some(max)) = (cx.attrs.get("min_val"), cx.attrs.get("max_val")) else {
        return Err("attributes 'min_val' and 'max_val' are needed".to_owned());
    };
    use crate::attr::Attr;
    match (min, max, cx.operand(0).dtype.is_float()) {
        (Attr::F32(a), Attr::F32(b), true) => {
            if a.is_nan() || b.is_nan() || a > b {
                return Err(format!("min_val {a} is not at most max_val {b}"));
            }
        }
        (Attr::I64(a), Attr::I64(b), false) => {
            if a > b {
                return Err(format!("min_val {a} is not at most max_val {b}"));
            }
        }
        _ => return Err("'min_val' and 'max_val' must have the input's element type".to_owned()),
    }
    same(cx)
}

pub(crate) fn cast(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let Some(out) = cx.attrs.dtype("out_type") else {
        return Err("attribute 'out_type' is missing".to_owned());
    };
    Ok(vec![cx.operand(0).with_dtype(out)])
}
