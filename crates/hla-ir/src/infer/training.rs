//! Ops of training: spheres, thresholds, straight-through nodes, losses, updates.

use super::{need_dtype, need_rank, wrong_type};
use crate::op::Infer;
use crate::types::{DType, TensorType};

/// A float weight with at least one column along `axis`.
fn columns(cx: &Infer<'_>) -> Result<(), String> {
    let weight = cx.operand(0);
    need_dtype("weight", weight, DType::F32)?;
    let axis = cx.attrs.i64("axis").unwrap_or(0);
    if !usize::try_from(axis).is_ok_and(|a| a < weight.rank()) {
        return Err(format!("axis {axis} is outside rank {}", weight.rank()));
    }
    if weight.elements() == 0 {
        return Err(wrong_type("weight", weight, "a tensor that is not empty"));
    }
    Ok(())
}

/// A tensor of one f32.
fn need_scalar(cx: &Infer<'_>, i: usize) -> Result<(), String> {
    let ty = cx.operand(i);
    if *ty == TensorType::f32([1]) {
        Ok(())
    } else {
        Err(wrong_type(cx.def.operands[i].name, ty, "tensor<1xf32>"))
    }
}

/// An attribute that is a number in a range.
fn need_range(cx: &Infer<'_>, name: &str, min: f32, max: f32) -> Result<(), String> {
    match cx.attrs.f32(name) {
        Some(v) if !(min..=max).contains(&v) || !v.is_finite() => {
            Err(format!("'{name}' is {v}, which is not in {min}..={max}"))
        }
        _ => Ok(()),
    }
}

fn need_choice(cx: &Infer<'_>, name: &str, choices: &[&str]) -> Result<(), String> {
    match cx.attrs.str(name) {
        Some(v) if !choices.contains(&v) => Err(format!(
            "'{name}' is \"{v}\"; it can be {}",
            choices.join(", ")
        )),
        _ => Ok(()),
    }
}

fn need_same(cx: &Infer<'_>, i: usize, like: usize) -> Result<(), String> {
    if cx.operand(i) == cx.operand(like) {
        Ok(())
    } else {
        let wanted = format!(
            "the type {} of '{}'",
            cx.operand(like),
            cx.def.operands[like].name
        );
        Err(wrong_type(cx.def.operands[i].name, cx.operand(i), &wanted))
    }
}

pub(crate) fn normalize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    columns(cx)?;
    need_range(cx, "epsilon", 0.0, f32::MAX)?;
    Ok(vec![cx.operand(0).clone()])
}

pub(crate) fn threshold(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("weight", cx.operand(0), DType::F32)?;
    if cx.operand(0).elements() == 0 {
        return Err(wrong_type(
            "weight",
            cx.operand(0),
            "a tensor that is not empty",
        ));
    }
    need_scalar(cx, 1)?;
    Ok(vec![TensorType::f32([1])])
}

pub(crate) fn ste_ternarize(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    columns(cx)?;
    need_scalar(cx, 1)?;
    need_choice(cx, "rescale", &["weight", "alpha", "none"])?;
    need_choice(cx, "threshold_gradient", &["signed", "symmetric", "none"])?;
    Ok(vec![cx.operand(0).clone()])
}

pub(crate) fn straight_through(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("latent", cx.operand(0), DType::F32)?;
    for i in 1..cx.operands.len() {
        need_same(cx, i, 0)?;
    }
    Ok(vec![cx.operand(0).clone()])
}

pub(crate) fn loss_aware(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    columns(cx)?;
    need_scalar(cx, 1)?;
    Ok(vec![TensorType::f32([1])])
}

pub(crate) fn softmax_cross_entropy(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (logits, labels) = (cx.operand(0), cx.operand(1));
    need_dtype("logits", logits, DType::F32)?;
    need_rank("logits", logits, 2)?;
    if logits.elements() == 0 {
        return Err(wrong_type("logits", logits, "a tensor that is not empty"));
    }
    need_dtype("labels", labels, DType::I32)?;
    if labels.shape != logits.shape[..1] {
        let wanted = format!("tensor<{}xi32>", logits.shape[0]);
        return Err(wrong_type("labels", labels, &wanted));
    }
    need_range(cx, "label_smoothing", 0.0, 1.0)?;
    Ok(vec![TensorType::f32([1])])
}

pub(crate) fn batch_norm(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let input = cx.operand(0);
    need_dtype("input", input, DType::F32)?;
    let Some(&channels) = input.shape.last().filter(|_| input.rank() >= 2) else {
        return Err(wrong_type("input", input, "a rank of at least 2"));
    };
    if input.elements() == 0 {
        return Err(wrong_type("input", input, "a tensor that is not empty"));
    }
    let mut shape = vec![1; input.rank()];
    shape[input.rank() - 1] = channels;
    let statistics = TensorType::f32(shape);
    for i in [1, 2] {
        if *cx.operand(i) != statistics {
            return Err(wrong_type(
                cx.def.operands[i].name,
                cx.operand(i),
                &statistics.to_string(),
            ));
        }
    }
    need_range(cx, "epsilon", 0.0, f32::MAX)?;
    Ok(vec![input.clone(), statistics.clone(), statistics])
}

pub(crate) fn sgd_update(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_dtype("parameter", cx.operand(0), DType::F32)?;
    need_same(cx, 1, 0)?;
    need_same(cx, 2, 0)?;
    need_scalar(cx, 3)?;
    need_range(cx, "mu", 0.0, 1.0)?;
    need_range(cx, "weight_decay", 0.0, f32::MAX)?;
    Ok(vec![cx.operand(0).clone(), cx.operand(0).clone()])
}
