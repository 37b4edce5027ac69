//! A function as JSON: what `gpu/torch_ops.py` reads.
//!
//! Values have numbers; arguments come first. `nodes` have `op`, `operands`, `results`, `types`
//! (`[element type, shape]` of each result) and `attrs`. The values of constants are tensors `NAME/const/NUMBER`
//! of the safetensors file.

use hla_ir::{Attr, Function, Op, Tensor, ValueId};
use serde_json::{Map, Value, json};

/// The graph.
pub fn json(function: &Function) -> Value {
    let ty = |&value: &ValueId| {
        let ty = function.tensor_ty(value);
        json!([ty.dtype.name(), ty.shape])
    };
    let numbers = |values: &[ValueId]| -> Vec<u32> { values.iter().map(|v| v.0).collect() };
    let nodes: Vec<Value> = function
        .nodes
        .iter()
        .map(|node| {
            let attrs: Map<String, Value> = node
                .attrs
                .iter()
                .filter_map(|(name, attr)| Some((name.to_owned(), value(attr)?)))
                .collect();
            json!({
                "op": node.name(),
                "operands": numbers(&node.operands),
                "results": numbers(&node.results),
                "types": node.results.iter().map(ty).collect::<Vec<_>>(),
                "attrs": attrs,
            })
        })
        .collect();
    json!({
        "arguments": function.args.len(),
        "nodes": nodes,
        "results": numbers(&function.results),
    })
}

/// The values of its constants, by their numbers.
pub fn constants(function: &Function) -> impl Iterator<Item = (u32, &Tensor)> {
    let constants = function.nodes.iter().filter(|n| n.op == Op::Const);
    constants.filter_map(|node| {
        let value = node.result();
        Some((value.0, function.constant_value(value)?))
    })
}

/// An attribute; of tensors those of one value alone, as numbers.
fn value(attr: &Attr) -> Option<Value> {
    let float = |v: f32| match v.is_finite() {
        true => json!(v),
        false => json!(v.to_string()),
    };
    Some(match attr {
        Attr::I64(v) => json!(v),
        Attr::F32(v) => float(*v),
        Attr::Bool(v) => json!(v),
        Attr::Str(v) => json!(&**v),
        Attr::I64s(v) => json!(v),
        Attr::F32s(v) => v.iter().map(|&v| float(v)).collect(),
        Attr::DType(v) => json!(v.name()),
        Attr::Tensor(t) => float(t.splat_value()? as f32),
        Attr::Raw(_) => return None,
    })
}
