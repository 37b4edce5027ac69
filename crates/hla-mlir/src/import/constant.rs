//! Constants that become attributes: shapes, zero points and other operands that must be known.

use std::collections::HashMap;

use hla_ir::{Attr, Function, Tensor, ValueId};

use super::Importer;
use crate::ffi::{Op, Value};

impl<'a> Importer<'a> {
    /// Remembers the tensor of a constant, if hlac can hold it.
    pub(super) fn constant(&mut self, op: Op<'a>, constants: &mut HashMap<Value<'a>, Tensor>) {
        let results = op.results();
        let (Some(values), [result]) = (op.attribute("values"), &results[..]) else {
            return;
        };
        match self.tensor(values) {
            Ok(Some(tensor)) => {
                constants.insert(*result, tensor);
            }
            Ok(None) => {}
            Err(message) => self.error(op.location(), message),
        }
    }
}

/// The value of a constant of one element.
pub(super) fn scalar(tensor: &Tensor) -> Option<Attr> {
    if tensor.ty().elements() != 1 {
        return None;
    }
    match tensor.to_i64s() {
        Some(values) => values.first().copied().map(Attr::I64),
        None => tensor.to_f32s().first().copied().map(Attr::F32),
    }
}

/// Replaces the one −1 that MLIR allows in the shape of a reshape.
pub(super) fn infer_extent(function: &Function, input: Option<ValueId>, attrs: &mut hla_ir::Attrs) {
    let Some(input) = input.and_then(|v| function.ty(v).tensor()) else {
        return;
    };
    let Some(shape) = attrs.i64s("shape") else {
        return;
    };
    let mut shape = shape.to_vec();
    let known = shape
        .iter()
        .filter(|&&v| v != -1)
        .try_fold(1_i64, |product, &v| product.checked_mul(v));
    let elements = i64::try_from(input.elements()).ok();
    if let (Some(known), Some(elements)) = (known, elements)
        && known > 0
        && elements % known == 0
        && shape.iter().filter(|&&v| v == -1).count() == 1
    {
        for v in &mut shape {
            if *v == -1 {
                *v = elements / known;
            }
        }
        attrs.set("shape", shape);
    }
}
