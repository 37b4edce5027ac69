//! Gradients of convolutions, pooling and gather that TOSA cannot say in one op.
//!
//! Each is checked by inferring the op it is the gradient of: that op's result must have the type
//! of the given gradient.

use super::contraction::{conv_extents, pool};
use super::{need_dtype, need_rank, wrong_type};
use crate::op::Infer;
use crate::types::{DType, TensorType};

/// The attribute `input_shape` as an f32 tensor of rank 4 that is not empty.
fn input_type(cx: &Infer<'_>) -> Result<TensorType, String> {
    let shape: [usize; 4] = cx.array("input_shape", 1)?;
    TensorType::try_new(shape, DType::F32)
}

/// Operands of one float type, whose sums are made in f32.
fn need_alike(cx: &Infer<'_>) -> Result<(), String> {
    let first = cx.operand(0);
    match first.dtype.is_float() {
        true => need_floats(cx, first.dtype),
        false => {
            let name = cx.def.operands[0].name;
            Err(wrong_type(
                name,
                first,
                "an element type of f32, f16 or bf16",
            ))
        }
    }
}

fn need_floats(cx: &Infer<'_>, dtype: DType) -> Result<(), String> {
    for (i, operand) in cx.operands.iter().enumerate() {
        let name = cx.def.operands[i].name;
        need_dtype(name, operand, dtype)?;
        need_rank(name, operand, 4)?;
        if operand.elements() == 0 {
            return Err(wrong_type(name, operand, "a tensor that is not empty"));
        }
    }
    Ok(())
}

/// Checks that the operand `gradient` has the shape that the forward op gives.
fn need_gradient(cx: &Infer<'_>, i: usize, shape: [usize; 4]) -> Result<(), String> {
    if cx.operand(i).shape == shape {
        return Ok(());
    }
    let wanted = TensorType::try_new(shape, cx.operand(i).dtype)?.to_string();
    Err(wrong_type("gradient", cx.operand(i), &wanted))
}

/// Extents of a convolution of `input`.
fn forward(cx: &Infer<'_>, input: &TensorType, kernel: [usize; 2]) -> Result<[usize; 2], String> {
    conv_extents(
        &Infer {
            def: cx.def,
            operands: &[input],
            attrs: cx.attrs,
        },
        kernel,
    )
}

pub(crate) fn conv2d_input(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_alike(cx)?;
    let input = input_type(cx)?;
    let &[columns, kh, kw, channels] = &cx.operand(1).shape[..] else {
        return Err("the weight has no rank of 4".to_owned());
    };
    if channels != input.shape[3] {
        return Err(format!(
            "the weight has {channels} input channels, but the input has {}",
            input.shape[3]
        ));
    }
    let [h, w] = forward(cx, &input, [kh, kw])?;
    need_gradient(cx, 0, [input.shape[0], h, w, columns])?;
    Ok(vec![input])
}

pub(crate) fn conv2d_weight(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_alike(cx)?;
    let kernel: [usize; 2] = cx.array("kernel", 1)?;
    let input = cx.operand(0);
    let columns = cx.operand(1).shape[3];
    let [h, w] = forward(cx, input, kernel)?;
    need_gradient(cx, 1, [input.shape[0], h, w, columns])?;
    let shape = [columns, kernel[0], kernel[1], input.shape[3]];
    Ok(vec![TensorType::try_new(shape, DType::F32)?])
}

pub(crate) fn depthwise_conv2d_input(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_alike(cx)?;
    let input = input_type(cx)?;
    let &[kh, kw, channels, multiplier] = &cx.operand(1).shape[..] else {
        return Err("the weight has no rank of 4".to_owned());
    };
    if channels != input.shape[3] {
        return Err(format!(
            "the weight has {channels} input channels, but the input has {}",
            input.shape[3]
        ));
    }
    let [h, w] = forward(cx, &input, [kh, kw])?;
    let columns = channels.saturating_mul(multiplier);
    need_gradient(cx, 0, [input.shape[0], h, w, columns])?;
    Ok(vec![input])
}

pub(crate) fn depthwise_conv2d_weight(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    need_alike(cx)?;
    let kernel: [usize; 2] = cx.array("kernel", 1)?;
    let input = cx.operand(0);
    let (channels, columns) = (input.shape[3], cx.operand(1).shape[3]);
    if !columns.is_multiple_of(channels) {
        return Err(format!(
            "the gradient has {columns} channels, no multiple of the input's {channels}"
        ));
    }
    let [h, w] = forward(cx, input, kernel)?;
    need_gradient(cx, 1, [input.shape[0], h, w, columns])?;
    let shape = [kernel[0], kernel[1], channels, columns / channels];
    Ok(vec![TensorType::try_new(shape, DType::F32)?])
}

/// Checks a pool's gradient; gives the type of its input.
fn pooled(cx: &Infer<'_>, i: usize, input: TensorType) -> Result<Vec<TensorType>, String> {
    need_alike(cx)?;
    let result = pool(&Infer {
        def: cx.def,
        operands: &[&input],
        attrs: cx.attrs,
    })?;
    match &result[0].shape[..] {
        &[n, h, w, c] => need_gradient(cx, i, [n, h, w, c])?,
        _ => return Err("the pool's result has no rank of 4".to_owned()),
    }
    Ok(vec![input])
}

pub(crate) fn max_pool2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    pooled(cx, 1, cx.operand(0).clone())
}

pub(crate) fn avg_pool2d(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    pooled(cx, 0, input_type(cx)?.with_dtype(cx.operand(0).dtype))
}

pub(crate) fn scatter_add(cx: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    let (indices, updates) = (cx.operand(0), cx.operand(1));
    need_rank("indices", indices, 2)?;
    need_dtype("indices", indices, DType::I32)?;
    need_rank("updates", updates, 3)?;
    need_dtype("updates", updates, DType::F32)?;
    if indices.shape != updates.shape[..2] {
        let wanted = format!("tensor<{}x{}xi32>", updates.shape[0], updates.shape[1]);
        return Err(wrong_type("indices", indices, &wanted));
    }
    let rows = cx.attrs.i64("rows").ok_or("attribute 'rows' is missing")?;
    let rows = usize::try_from(rows)
        .ok()
        .filter(|&r| r > 0)
        .ok_or_else(|| format!("'rows' is {rows}, which is less than 1"))?;
    let shape = [updates.shape[0], rows, updates.shape[2]];
    Ok(vec![TensorType::try_new(shape, DType::F32)?])
}
