//! Constants and the ops that only move data.

use super::{need_dtype, need_rank, wrong_type};
use crate::op::Infer;
use crate::types::{DType, TensorType};

pub(crate) fn constant(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let values = cx
        .attrs
        .tensor("values")
        .ok_or("attribute 'values' is missing")?;
    Ok(vec![values.ty().clone()])
}

/// A shape operand's entries as extents, one per dimension of the input unless `rank` is `None`.
fn extents(cx: &Infer<'_>, name: &str, rank: Option<usize>) -> Result<Vec<usize>, String> {
    let values = cx
        .attrs
        .i64s(name)
        .ok_or_else(|| format!("attribute '{name}' is missing"))?;
    if let Some(rank) = rank
        && values.len() != rank
    {
        return Err(format!(
            "'{name}' must have {rank} entries, not {}",
            values.len()
        ));
    }
    values
        .iter()
        .map(|&v| usize::try_from(v).map_err(|_| format!("'{name}' has the negative entry {v}")))
        .collect()
}

/// TOSA defines some ops only for tensors that have a dimension.
fn need_dimensions(input: &TensorType) -> Result<(), String> {
    match input.rank() {
        0 => Err(wrong_type("input1", input, "a tensor of rank 1 or more")),
        _ => Ok(()),
    }
}

pub(crate) fn reshape(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    let ty = TensorType::try_new(extents(cx, "shape", None)?, input.dtype)?;
    if ty.elements() != input.elements() {
        return Err(format!(
            "{input} has {} elements and cannot be reshaped to {ty} with {}",
            input.elements(),
            ty.elements()
        ));
    }
    Ok(vec![ty])
}

pub(crate) fn transpose(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_dimensions(input)?;
    let perms = extents(cx, "perms", Some(input.rank()))?;
    let mut seen = vec![false; perms.len()];
    for &p in &perms {
        if p >= seen.len() || std::mem::replace(&mut seen[p], true) {
            return Err(format!(
                "perms {perms:?} is no permutation of {} dimensions",
                seen.len()
            ));
        }
    }
    let shape: Vec<usize> = perms.iter().map(|&p| input.shape[p]).collect();
    Ok(vec![TensorType::try_new(shape, input.dtype)?])
}

pub(crate) fn concat(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let axis = cx.axis()?;
    let mut ty = cx.operand(0).clone();
    for other in &cx.operands[1..] {
        need_dtype("input1", other, ty.dtype)?;
        let agree = other.rank() == ty.rank()
            && (0..ty.rank()).all(|i| i == axis || other.shape[i] == ty.shape[i]);
        if !agree {
            return Err(format!(
                "{} and {other} do not fit together along axis {axis}",
                cx.operand(0)
            ));
        }
        ty.shape[axis] = ty.shape[axis].saturating_add(other.shape[axis]);
    }
    Ok(vec![TensorType::try_new(ty.shape, ty.dtype)?])
}

pub(crate) fn pad(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_dimensions(input)?;
    let padding = extents(cx, "padding", Some(2 * input.rank()))?;
    let shape: Vec<usize> = input
        .shape
        .iter()
        .zip(padding.as_chunks::<2>().0)
        .map(|(&s, [before, after])| s.saturating_add(*before).saturating_add(*after))
        .collect();
    Ok(vec![TensorType::try_new(shape, input.dtype)?])
}

pub(crate) fn slice(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_dimensions(input)?;
    let start = extents(cx, "start", Some(input.rank()))?;
    let size = extents(cx, "size", Some(input.rank()))?;
    for i in 0..input.rank() {
        if start[i]
            .checked_add(size[i])
            .is_none_or(|end| end > input.shape[i])
            || size[i] == 0
        {
            return Err(format!(
                "dimension {i}: {} elements from {} on are not inside an extent of {}",
                size[i], start[i], input.shape[i]
            ));
        }
    }
    Ok(vec![TensorType::try_new(size, input.dtype)?])
}

pub(crate) fn tile(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_dimensions(input)?;
    let multiples = extents(cx, "multiples", Some(input.rank()))?;
    let shape: Vec<usize> = input
        .shape
        .iter()
        .zip(&multiples)
        .map(|(&s, &m)| s.saturating_mul(m))
        .collect();
    Ok(vec![TensorType::try_new(shape, input.dtype)?])
}

pub(crate) fn reverse(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    cx.axis()?;
    Ok(vec![cx.operand(0).clone()])
}

pub(crate) fn gather(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (values, indices) = (cx.operand(0), cx.operand(1));
    need_rank("values", values, 3)?;
    need_rank("indices", indices, 2)?;
    need_dtype("indices", indices, DType::I32)?;
    if values.shape[0] != indices.shape[0] {
        return Err(format!(
            "{values} and {indices} differ in the first dimension"
        ));
    }
    if values.shape[1] == 0 && indices.elements() > 0 {
        return Err(format!("nothing can be gathered from {values}"));
    }
    let shape = [values.shape[0], indices.shape[1], values.shape[2]];
    Ok(vec![TensorType::try_new(shape, values.dtype)?])
}
