//! What is in a model.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hla_ir::cost::{multiplications, total_multiplications};
use hla_ir::{Function, Op};
use serde_json::json;

use super::Facts;
use crate::cli::Failure;

pub(super) fn inspect(name: &str, bytes: &[u8]) -> Result<Facts, Failure> {
    let module = hla_mlir::parse_source(name, bytes)?;
    let mut text = String::new();
    let mut functions = Vec::new();
    for function in &module.functions {
        let (json, lines) = describe(function);
        functions.push(json);
        text.push_str(&lines);
    }
    if functions.is_empty() {
        text.push_str("no functions\n");
    }
    let json = json!({ "kind": "model", "functions": functions });
    Ok(Facts { json, text })
}

fn describe(function: &Function) -> (serde_json::Value, String) {
    let mut ops: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for node in &function.nodes {
        let entry = ops.entry(node.name()).or_default();
        entry.0 += 1;
        entry.1 = entry.1.saturating_add(match node.op {
            Op::Opaque => 0,
            _ => multiplications(function, node),
        });
    }
    let (params, inputs): (Vec<_>, Vec<_>) = function.args.iter().partition(|a| a.param.is_some());
    let bytes = |ty: &hla_ir::Type| ty.tensor().map_or(0, |t| t.bytes() as u64);
    let param_bytes: u64 = params.iter().map(|a| bytes(&a.ty)).sum();
    let constants = function.nodes.iter().filter_map(hla_ir::Node::constant);
    let constant_bytes: u64 = constants.map(|t| t.ty().bytes() as u64).sum();
    let unknown: Vec<&str> = function.opaque_nodes().map(hla_ir::Node::name).collect();
    let total = total_multiplications(function);

    let mut text = format!("@{}\n", function.name);
    for (i, arg) in inputs.iter().enumerate() {
        let label = arg
            .name
            .as_deref()
            .map_or_else(|| i.to_string(), str::to_owned);
        let _ = writeln!(text, "  input  {label}: {}", arg.ty);
    }
    for &result in &function.results {
        let _ = writeln!(text, "  output {}", function.ty(result));
    }
    let _ = writeln!(
        text,
        "  parameters      {:>14}  ({param_bytes} bytes)",
        params.len()
    );
    let _ = writeln!(text, "  constants       {constant_bytes:>14} bytes");
    let _ = writeln!(text, "  multiplications {total:>14}");
    if !unknown.is_empty() {
        let _ = writeln!(
            text,
            "  unknown ops     {:>14}  ({})",
            unknown.len(),
            unknown.join(", ")
        );
    }
    let _ = writeln!(
        text,
        "  {:<28} {:>6} {:>16}",
        "op", "count", "multiplications"
    );
    for (op, (count, cost)) in &ops {
        let _ = writeln!(text, "  {op:<28} {count:>6} {cost:>16}");
    }
    let slot = |a: &&hla_ir::Arg| json!({ "name": a.name.as_deref().or(a.param.as_deref()), "type": a.ty.to_string() });
    let json = json!({
        "name": function.name,
        "inputs": inputs.iter().map(slot).collect::<Vec<_>>(),
        "parameters": params.iter().map(slot).collect::<Vec<_>>(),
        "outputs": function.results.iter().map(|&r| function.ty(r).to_string()).collect::<Vec<_>>(),
        "parameter_bytes": param_bytes,
        "constant_bytes": constant_bytes,
        "multiplications": total,
        "unknown_ops": unknown,
        "ops": ops.iter().map(|(op, (count, cost))| json!({ "op": op, "count": count, "multiplications": cost })).collect::<Vec<_>>(),
    });
    (json, text)
}
