//! Convolutions and matrix products over floats and int8.
//!
//! - [`convolution`], [`transposed`] (taken apart into [`phases`]), [`matmul`]: from ops to kernels;
//! - [`operands`]: what the kernels read and write: [`pad`] copies inputs, [`pack`] weights;
//! - [`weight_gradient`]: gradients of weights, sums of [`outer`] products over pixels in tiles of a
//!   [`grid`], which [`combine`] adds up; gradients of inputs are transposed convolutions;
//! - [`output`]: where sums go, elementwise ops that follow included;
//! - [`dense`] and [`depthwise`]: the kernels that multiply, over tiles ([`tile`]) of words
//!   ([`arithmetic`]).
//!
//! Every output but the gradient of a weight is one accumulator that sums by (kh, kw, ic), or k, with
//! a fused multiply-add: the reference's order, so results are the same bits on every target with
//! FMA. Padding takes part as zero. See `docs/float-kernels.md`.

mod arithmetic;
mod combine;
mod convolution;
mod dense;
mod depthwise;
mod fold;
mod grid;
mod matmul;
mod operands;
mod outer;
mod output;
mod pack;
mod pad;
mod phases;
mod tile;
mod transposed;
mod weight_gradient;

use hla_ir::{Diagnostic, Node, NodeId, Op};

use crate::lower::Lowering;
pub(crate) use matmul::is_read_transposed;
pub(crate) use operands::wide;
pub(crate) use output::{can_follow, is_contraction};

/// Adds the kernels of a contraction and of a group of nodes that [`can_follow`] it, which may be
/// empty.
pub(crate) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    if cx.function.tensor_ty(node.result()).elements() == 0 {
        return cx.result(node, 0).map(drop);
    }
    match node.op {
        Op::Conv2d => convolution::conv2d(cx, node, group),
        Op::DepthwiseConv2d => convolution::depthwise(cx, node, group),
        Op::TransposeConv2d => transposed::lower(cx, node, group),
        Op::MatMul => matmul::lower(cx, node, group),
        Op::Conv2dInputGrad => transposed::input_gradient(cx, node, group),
        Op::DepthwiseConv2dInputGrad => transposed::depthwise_input_gradient(cx, node, group),
        Op::Conv2dWeightGrad => weight_gradient::conv2d(cx, node),
        Op::DepthwiseConv2dWeightGrad => weight_gradient::depthwise(cx, node),
        _ => Err(cx.unsupported(node)),
    }
}
