//! Convolutions, matrix products and pooling. Their gradients are computed in f32, to which the
//! operands of narrower types are converted.

use hla_ir::{Op, ValueId};

use super::vjp::{Built, New, Vjp};

const CONVOLUTION: &[&str] = &["pad", "stride", "dilation"];
const POOL: &[&str] = &["kernel", "stride", "pad"];

fn f32_operand(cx: &mut Vjp<'_, '_>, i: usize) -> New {
    let operand = cx.operand(i);
    cx.f32(operand)
}

fn f32_g(cx: &mut Vjp<'_, '_>) -> New {
    let g = cx.full_g()?;
    cx.f32(g)
}

fn extents(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&s| s as i64).collect()
}

/// x: the transposed convolution of g, as one op.
pub(super) fn conv2d_input(cx: &mut Vjp<'_, '_>) -> Built {
    input(cx, Op::Conv2dInputGrad)
}

/// w: the convolution of x by g, as one op.
pub(super) fn conv2d_weight(cx: &mut Vjp<'_, '_>) -> Built {
    let kernel = cx.by_ty().shape[1..3].to_vec();
    weight(cx, Op::Conv2dWeightGrad, &kernel)
}

/// x, of a depthwise convolution.
pub(super) fn depthwise_input(cx: &mut Vjp<'_, '_>) -> Built {
    input(cx, Op::DepthwiseConv2dInputGrad)
}

/// w, of a depthwise convolution.
pub(super) fn depthwise_weight(cx: &mut Vjp<'_, '_>) -> Built {
    let kernel = cx.by_ty().shape[..2].to_vec();
    weight(cx, Op::DepthwiseConv2dWeightGrad, &kernel)
}

fn input(cx: &mut Vjp<'_, '_>, op: Op) -> Built {
    let (g, w) = (f32_g(cx)?, f32_operand(cx, 1)?);
    let shape = extents(&cx.by_ty().shape);
    let attrs = cx.attrs(CONVOLUTION).with("input_shape", shape);
    cx.push(op, &[g, w], attrs).map(Some)
}

fn weight(cx: &mut Vjp<'_, '_>, op: Op, kernel: &[usize]) -> Built {
    let (g, x) = (f32_g(cx)?, f32_operand(cx, 0)?);
    let attrs = cx.attrs(CONVOLUTION).with("kernel", extents(kernel));
    cx.push(op, &[x, g], attrs).map(Some)
}

/// b: g summed over all but the channels, or over these too if one bias serves all.
pub(super) fn bias(cx: &mut Vjp<'_, '_>) -> Built {
    let from = cx.rewriter.old().tensor_ty(cx.node.result()).shape.clone();
    let ty = cx.by_ty();
    let to = [1, 1, 1, ty.shape[0]];
    let sum = cx.sum_to(cx.g(), &from, &to)?;
    // A cotangent that is one number for all channels stays one.
    let sum = cx.full(sum, &to)?;
    cx.reshape(sum, &ty.shape).map(Some)
}

/// g as the input of the convolution that undoes a transposed one: cropped by what `out_pad` adds,
/// padded with what it cuts off.
fn cropped(cx: &mut Vjp<'_, '_>) -> Result<(ValueId, Vec<i64>), hla_ir::Diagnostic> {
    let mut g = f32_g(cx)?;
    let out_pad = cx.i64s("out_pad");
    let [top, bottom, left, right] = out_pad[..] else {
        return Ok((g, vec![0; 4]));
    };
    let crop = |p: i64| p.max(0);
    let shape = extents(&cx.ty(g).shape);
    let start = vec![0, crop(top), crop(left), 0];
    let size = vec![
        shape[0],
        shape[1] - crop(top) - crop(bottom),
        shape[2] - crop(left) - crop(right),
        shape[3],
    ];
    if size != shape {
        let attrs = hla_ir::Attrs::new().with("start", start).with("size", size);
        g = cx.push(Op::Slice, &[g], attrs)?;
    }
    let pad = out_pad.iter().map(|&p| (-p).max(0)).collect();
    Ok((g, pad))
}

/// x, of a transposed convolution: a convolution of g with the channels of w exchanged.
pub(super) fn transposed_input(cx: &mut Vjp<'_, '_>) -> Built {
    let (g, pad) = cropped(cx)?;
    let w = f32_operand(cx, 1)?;
    let exchanged = cx.transpose(w, &[3, 1, 2, 0])?;
    let no_bias = cx.splat(&[1], hla_ir::DType::F32, 0.0)?;
    let attrs = (cx.attrs(&["stride"]).with("pad", pad)).with("dilation", vec![1, 1]);
    cx.push(Op::Conv2d, &[g, exchanged, no_bias], attrs)
        .map(Some)
}

/// w, of a transposed convolution: the weight gradient of that convolution.
pub(super) fn transposed_weight(cx: &mut Vjp<'_, '_>) -> Built {
    let kernel = extents(&cx.by_ty().shape[1..3]);
    let (g, pad) = cropped(cx)?;
    let x = f32_operand(cx, 0)?;
    let attrs = (cx.attrs(&["stride"]).with("pad", pad))
        .with("dilation", vec![1, 1])
        .with("kernel", kernel);
    let exchanged = cx.push(Op::Conv2dWeightGrad, &[g, x], attrs)?;
    cx.transpose(exchanged, &[3, 1, 2, 0]).map(Some)
}

/// r = a·b, a: g·bᵀ.
pub(super) fn matmul_left(cx: &mut Vjp<'_, '_>) -> Built {
    let (g, b) = (f32_g(cx)?, f32_operand(cx, 1)?);
    let transposed = cx.transpose(b, &[0, 2, 1])?;
    cx.op(Op::MatMul, &[g, transposed]).map(Some)
}

/// r = a·b, b: aᵀ·g.
pub(super) fn matmul_right(cx: &mut Vjp<'_, '_>) -> Built {
    let (g, a) = (f32_g(cx)?, f32_operand(cx, 0)?);
    let transposed = cx.transpose(a, &[0, 2, 1])?;
    cx.op(Op::MatMul, &[transposed, g]).map(Some)
}

/// Each window's g, divided by its elements, to all of them.
pub(super) fn avg_pool(cx: &mut Vjp<'_, '_>) -> Built {
    let g = f32_g(cx)?;
    let shape = extents(&cx.by_ty().shape);
    let attrs = cx.attrs(POOL).with("input_shape", shape);
    cx.push(Op::AvgPool2dGrad, &[g], attrs).map(Some)
}

/// Each window's g to its first maximum.
pub(super) fn max_pool(cx: &mut Vjp<'_, '_>) -> Built {
    let (x, g) = (f32_operand(cx, 0)?, f32_g(cx)?);
    cx.push(Op::MaxPool2dGrad, &[x, g], cx.attrs(POOL))
        .map(Some)
}
