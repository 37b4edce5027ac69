//! The arithmetic of fused elementwise ops: straight-line code on scalars.

use hla_ir::{Attrs, DType, Op};

/// Where a value of a body comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum BodyValue {
    /// Input i.
    Input(usize),
    /// The result of op i.
    Op(usize),
    /// A number of an element type; integers are exact up to 2⁵³.
    Constant(f64, DType),
}

/// An elementwise op.
#[derive(Clone, PartialEq, Debug)]
pub struct BodyOp {
    /// The op; its declaration says `elementwise`.
    pub op: Op,
    /// Its operands.
    pub operands: Vec<BodyValue>,
    /// Its attributes.
    pub attrs: Attrs,
    /// Element type of its result.
    pub dtype: DType,
}

/// Straight-line code: inputs, ops in order, results.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Body {
    /// Element types of the inputs.
    pub inputs: Vec<DType>,
    /// The ops; each refers to inputs and earlier ops.
    pub ops: Vec<BodyOp>,
    /// What it gives.
    pub results: Vec<BodyValue>,
}

impl Body {
    /// The element type of a value.
    pub fn dtype(&self, value: BodyValue) -> DType {
        match value {
            BodyValue::Input(i) => self.inputs[i],
            BodyValue::Op(i) => self.ops[i].dtype,
            BodyValue::Constant(_, dtype) => dtype,
        }
    }
}
