//! Reductions along one axis.

use super::wrong_type;
use crate::op::Infer;
use crate::types::{DType, TensorType};

pub(crate) fn reduce(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    if cx.operand(0).dtype == DType::I1 {
        return Err(wrong_type("input", cx.operand(0), "a number"));
    }
    let axis = cx.axis()?;
    let mut ty = cx.operand(0).clone();
    ty.shape[axis] = 1;
    Ok(vec![ty])
}

pub(crate) fn argmax(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    if input.dtype == DType::I1 {
        return Err(wrong_type("input", input, "a number"));
    }
    let axis = cx.axis()?;
    if input.shape[axis] == 0 {
        return Err("there is no maximum along an axis of extent 0".to_owned());
    }
    let out = cx.out_type(DType::I32);
    if !matches!(out, DType::I32 | DType::I64) {
        return Err(format!(
            "a result of {out} cannot hold indices; i32 or i64 can"
        ));
    }
    let mut shape = input.shape.clone();
    shape.remove(axis);
    Ok(vec![TensorType::try_new(shape, out)?])
}
