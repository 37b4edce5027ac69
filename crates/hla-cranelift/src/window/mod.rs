//! Pooling over windows of a rank-4 value.
//!
//! Row-major values have their channels in the lanes; planar ones are computed plane by plane; gradients have
//! row-major values only.

mod average;
mod geometry;
mod gradient;
mod kernel;
mod planar;

use hla_ir::{DType, Diagnostic, Node, Op};

use crate::lower::Lowering;
use geometry::Geometry;

/// Adds the kernel of a pooling op or of its gradient.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    if matches!(node.op, Op::MaxPool2dGrad | Op::AvgPool2dGrad) {
        return gradient::lower(cx, node);
    }
    let input = cx.operand(node, 0)?;
    let result = cx.result(node, 0)?;
    let geometry = Geometry::new(node, &input, &result);
    let ignore_nan = node.attrs.str("nan_mode") == Some("IGNORE");
    let average = node.op == Op::AvgPool2d;
    // The fixed-point average has room for sums of up to 2³³.
    let dtype = input.ty.dtype;
    let taps = geometry.kernel[0].saturating_mul(geometry.kernel[1]);
    let wide_sum = dtype.bytes() >= 4 && !dtype.is_float();
    if average && (wide_sum || (dtype == DType::I16 && taps > 1 << 15)) {
        return Err(cx
            .unsupported(node)
            .help("an integer average has kernels for i8 and i16; cast its input"));
    }
    let zero_points = [
        node.attrs.i64("input_zp").unwrap_or(0),
        node.attrs.i64("output_zp").unwrap_or(0),
    ];
    cx.run(kernel::Pool::new(
        average,
        ignore_nan,
        zero_points,
        input,
        result,
        geometry,
    ));
    Ok(())
}
