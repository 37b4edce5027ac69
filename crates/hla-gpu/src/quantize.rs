//! `hla.dynamic_quantize`: the scale is a reduction, the codes are a map.

use hla_ir::{Attrs, DType, Diagnostic, Node, Op, TensorType};

use crate::lower::Lowering;
use crate::lower::chain::{Chain, Strided};
use crate::map::Map;
use crate::map::source::{Piece, Source};
use crate::reduce::{Combine, Reduce};
use crate::{Body, BodyOp, BodyValue};

use BodyValue::{Constant, Input, Op as Computed};

fn op(op: Op, operands: Vec<BodyValue>, attrs: Attrs, dtype: DType) -> BodyOp {
    BodyOp {
        op,
        operands,
        attrs,
        dtype,
    }
}

/// Adds the kernels: the largest magnitude gives the scale and its reciprocal, with which all
/// elements are quantized.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let input = cx.operand(node, 0)?.flat();
    let (codes, scale) = (cx.result(node, 0)?, cx.result(node, 1)?);
    let inverse = cx.temp(TensorType::f32([1]));
    let elements = input.ty.elements();
    let float = DType::F32;
    let none = Attrs::new;

    let largest = Chain {
        extents: vec![1, elements, 1],
        inputs: vec![Strided {
            place: input.clone(),
            strides: vec![0, 1, 0],
            start: 0,
        }],
        body: Body {
            inputs: vec![float],
            ops: vec![op(Op::Abs, vec![Input(0)], none(), float)],
            results: vec![Computed(0)],
        },
        given: 0,
        computes: "abs".to_owned(),
    };
    let mut reduce = Reduce::of(largest, vec![Combine::Max { ignore_nan: true }]);
    // Of nothing but NaNs the largest is a NaN, which counts as 0.
    let ignore = none().with("nan_mode", "IGNORE");
    let at_least = vec![Input(0), Constant(0.0, float)];
    reduce.finish = Body {
        inputs: vec![float],
        ops: vec![
            op(Op::Maximum, at_least, ignore, float),
            op(Op::DynamicQuantize, vec![Computed(0)], none(), float),
            op(Op::Reciprocal, vec![Computed(1)], none(), float),
        ],
        results: vec![Computed(1), Computed(2)],
    };
    reduce.computes = "dynamic_quantize: scale".to_owned();
    reduce.launch(cx, &[scale, inverse.clone()]);

    let one = none().with("scale", 1.0_f32);
    let source = |place, stride| {
        Source::from(Piece::whole(Strided {
            place,
            strides: vec![stride],
            start: 0,
        }))
    };
    let map = Map {
        extents: vec![elements],
        sources: vec![source(input, 1), source(inverse, 0)],
        body: Body {
            inputs: vec![float, float],
            ops: vec![
                op(Op::Mul, vec![Input(0), Input(1)], none(), float),
                op(Op::Quantize, vec![Computed(0)], one, DType::I8),
            ],
            results: vec![Computed(1)],
        },
        computes: "dynamic_quantize: codes".to_owned(),
    };
    map.launch(cx, &[codes]);
    Ok(())
}
