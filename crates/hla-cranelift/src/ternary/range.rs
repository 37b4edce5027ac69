//! Which values cannot be negative: what sparse addition of int8 makes use of.

use hla_ir::{Attr, Function, Node, Op, ValueId};

/// How far back to look.
const MOST_NODES: usize = 64;

/// Whether no element of a value is negative, whatever the inputs of the function. Elements may be
/// NaN, which quantization makes 0.
pub(super) fn non_negative(function: &Function, value: ValueId) -> bool {
    let mut left = MOST_NODES;
    holds(function, value, &mut left)
}

fn holds(function: &Function, value: ValueId, left: &mut usize) -> bool {
    let Some(node) = function.defining_node(value).filter(|_| *left > 0) else {
        return false;
    };
    *left -= 1;
    let mut operand = |i: usize| holds(function, node.operands[i], left);
    let float = |i: usize| {
        let ty = function.ty(node.operands[i]).tensor();
        ty.is_some_and(|ty| ty.dtype.is_float())
    };
    match node.op {
        Op::TernaryConv2d | Op::TernaryMatMul => lower_bound(node) >= 0.0,
        Op::Clamp => lower_bound(node) >= 0.0 || operand(0),
        Op::Abs => float(0),
        Op::Sigmoid | Op::Exp => true,
        Op::Quantize | Op::Dequantize | Op::MaxPool2d => operand(0),
        Op::DynamicQuantize => node.results[0] == value && operand(0),
        Op::Identity | Op::Relayout | Op::Reshape | Op::Transpose | Op::Slice | Op::Tile => {
            operand(0)
        }
        Op::AvgPool2d => float(0) && operand(0),
        Op::Add | Op::Mul => float(0) && operand(0) && operand(1),
        Op::Concat => (0..node.operands.len()).all(operand),
        _ => false,
    }
}

/// The attribute `min_val`, a float or an integer.
fn lower_bound(node: &Node) -> f64 {
    match node.attrs.get("min_val") {
        Some(Attr::F32(v)) => f64::from(*v),
        Some(Attr::I64(v)) => *v as f64,
        _ => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use hla_ir::{Arg, Attrs, DType, Location, TensorType};

    use super::*;

    #[test]
    fn bounds_travel() {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::new([1, 4, 4, 2], DType::F32)));
        let mut push = |op, operands: &[ValueId], attrs: Attrs| {
            f.push(op, operands, attrs, Location::unknown()).unwrap()
        };
        let clamp = |low: f32| Attrs::new().with("min_val", low).with("max_val", 6.0f32);
        let relu = push(Op::Clamp, &[x], clamp(0.0));
        let shifted = push(Op::Clamp, &[x], clamp(-1.0));
        let sum = push(Op::Add, &[relu, relu], Attrs::new());
        let mixed = push(Op::Add, &[relu, shifted], Attrs::new());
        let scale = || Attrs::new().with("scale", 0.5f32);
        let codes = push(Op::Quantize, &[sum], scale());
        let signed = push(Op::Quantize, &[mixed], scale());
        let difference = push(Op::Sub, &[relu, relu], Attrs::new());
        for (value, expected) in [
            (x, false),
            (relu, true),
            (shifted, false),
            (sum, true),
            (mixed, false),
            (codes, true),
            (signed, false),
            (difference, false),
        ] {
            assert_eq!(non_negative(&f, value), expected, "{value:?}");
        }
    }
}
