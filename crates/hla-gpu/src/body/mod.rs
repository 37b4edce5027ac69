//! The arithmetic of fused elementwise ops: straight-line code on scalars, or on vectors of them.
//!
//! [`Body::emit`] writes it with ops of arith and math, the same for a kernel and for the region of
//! a `linalg.generic`. What the ops give is what `hla-reference` says: f16 and bf16 are computed in
//! f32 and rounded once per op, casts saturate, integers wrap.
//!
//! - `emit` keeps values in the form in which they are stored and that in which they are computed;
//! - `float` and `integer` write arithmetic, `cast` conversions.

mod cast;
mod emit;
mod float;
mod integer;

use hla_ir::{Attrs, DType, Op};

use crate::text::Text;

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
    /// The op; its declaration says `elementwise`, or it is `hla.dynamic_quantize`, which stands
    /// for the scale that a largest magnitude gives.
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

    /// Writes the ops on `lanes` elements at once: scalars for 1, else vectors of one dimension.
    /// `inputs` names the inputs' elements as they are [stored](crate::text::stored), `i1` as `i8`
    /// for one; what comes back are the names of the results' elements, as they are stored.
    ///
    /// ```
    /// use hla_gpu::{Body, BodyOp, BodyValue, Text};
    /// use hla_ir::{Attrs, DType, Op};
    ///
    /// let body = Body {
    ///     inputs: vec![DType::F32],
    ///     ops: vec![BodyOp {
    ///         op: Op::Add,
    ///         operands: vec![BodyValue::Input(0), BodyValue::Constant(1.0, DType::F32)],
    ///         attrs: Attrs::new(),
    ///         dtype: DType::F32,
    ///     }],
    ///     results: vec![BodyValue::Op(0)],
    /// };
    /// let mut text = Text::new();
    /// let results = body.emit(&mut text, 4, &["%x".to_owned()]);
    /// assert_eq!(results, ["%1"]);
    /// assert_eq!(
    ///     text.finish(),
    ///     "  %0 = arith.constant dense<1.0> : vector<4xf32>\n  %1 = arith.addf %x, %0 : vector<4xf32>\n"
    /// );
    /// ```
    pub fn emit(&self, text: &mut Text, lanes: usize, inputs: &[String]) -> Vec<String> {
        emit::emit(self, text, lanes, inputs)
    }
}
