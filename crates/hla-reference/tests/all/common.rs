//! Building functions of one op.

use hla_ir::{Arg, Attrs, DType, Diagnostic, Function, Location, Op, Tensor, TensorType};
use hla_reference::evaluate;

/// A function of one op applied to arguments of these tensors' types.
pub fn function(op: Op, inputs: &[Tensor], attrs: Attrs) -> Function {
    let mut f = Function::new("test");
    let args: Vec<_> = inputs
        .iter()
        .map(|t| f.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let location = Location::file("model.mlir", 7, 3);
    let first = f
        .push(op, &args, attrs, location)
        .unwrap_or_else(|e| panic!("{e}"));
    f.results = f.defining_node(first).unwrap().results.clone();
    f
}

/// Results of one op.
pub fn try_run(op: Op, inputs: &[Tensor], attrs: Attrs) -> Result<Vec<Tensor>, Diagnostic> {
    evaluate(&function(op, inputs, attrs), inputs)
}

/// The first result of one op.
pub fn run(op: Op, inputs: &[Tensor], attrs: Attrs) -> Tensor {
    try_run(op, inputs, attrs)
        .unwrap_or_else(|e| panic!("{e}"))
        .remove(0)
}

/// A tensor of f32.
pub fn f32s(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32s(shape, values).unwrap()
}

/// A tensor of integers.
pub fn ints(shape: &[usize], dtype: DType, values: &[i64]) -> Tensor {
    Tensor::from_i64s(TensorType::new(shape, dtype), values).unwrap()
}

/// No attributes.
pub fn none() -> Attrs {
    Attrs::new()
}
