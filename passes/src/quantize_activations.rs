//! `hla-quantize-activations`: what ternary contractions read becomes 8-bit.
//!
//! With ranges measured on samples, x becomes q = `hla.quantize`(x) with scale s = max|x|/127, the
//! contraction reads q, and its scale operand becomes α·s, rounded once: Σ ±x·α ≈ Σ ±q·(α·s). A sum
//! that adds x itself, as a residual connection does, reads q·s (`hla.dequantize`), so that x need not
//! be kept as f32; `residuals=f32` leaves it. With `mode=dynamic`, `hla.dynamic_quantize` measures s at
//! run time. Float ops stay f32.
//!
//! Where x is only a moved copy of another value (a slice, a transpose …), that value is quantized and
//! the copy is made of 8-bit values, so that all its copies share one scale. `hla-fuse` moves
//! quantizations further up, into the contractions that produce x.

use std::collections::BTreeMap;

use hla_ir::rewrite::rewrite;
use hla_ir::{Attrs, DType, Diagnostic, Function, Node, Op, Rewriter, Tensor, ValueId};
use hla_quant::int8;

use crate::calibration::Calibration;
use crate::limits;
use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::{Report, Table};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-quantize-activations",
    summary: "let ternary contractions read 8-bit activations",
    options: &[
        OptionInfo {
            name: "mode",
            kind: OptionKind::Choice(&["f32", "int8", "dynamic"]),
            default: "f32",
            help: "leave activations as they are, scale them by measured ranges, or measure at run time",
        },
        OptionInfo {
            name: "range",
            kind: OptionKind::Float(0.0, f64::MAX),
            default: "0",
            help: "with mode=int8, one max|x| for all activations instead of measured ones",
        },
        OptionInfo {
            name: "residuals",
            kind: OptionKind::Choice(&["int8", "f32"]),
            default: "int8",
            help: "with mode=int8, what a sum reads of an activation that a contraction reads too",
        },
    ],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    limits::check_constants(function)?;
    match options.text("mode") {
        "int8" => quantize(function, options),
        "dynamic" => quantize_dynamically(function),
        _ => Ok((function.clone(), Report::default())),
    }
}

fn reads_f32(function: &Function, node: &Node) -> bool {
    matches!(node.op, Op::TernaryConv2d | Op::TernaryMatMul)
        && function.tensor_ty(node.operands[0]).dtype == DType::F32
}

/// The value of which this one is a moved copy.
fn root(function: &Function, mut value: ValueId) -> ValueId {
    while let Some(node) = function.defining_node(value)
        && moves(node.op)
    {
        value = node.operands[0];
    }
    value
}

/// Ops that neither change an element nor choose among elements, so that quantization commutes.
fn moves(op: Op) -> bool {
    matches!(
        op,
        Op::Slice | Op::Reshape | Op::Transpose | Op::Reverse | Op::Identity
    )
}

/// The ranges of all activations to quantize.
fn ranges(
    function: &Function,
    values: &[ValueId],
    options: &Options,
) -> Result<Calibration, Diagnostic> {
    let range = options.float("range") as f32;
    if range > 0.0 {
        let mut calibration = Calibration::default();
        for &value in values {
            calibration.set(value, range);
        }
        return Ok(calibration);
    }
    match options.calibrator() {
        Some(calibrator) => calibrator(function, values),
        None if values.is_empty() => Ok(Calibration::default()),
        None => Err(Diagnostic::error(
            function.location.clone(),
            "8-bit activations need ranges, but there is no sample to measure them on",
        )
        .help(
            "give sample inputs with --calibrate FILE, or measure at run time with mode=dynamic",
        )),
    }
}

fn quantize(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let mut values: Vec<ValueId> = (function.nodes.iter())
        .filter(|n| reads_f32(function, n))
        .map(|n| root(function, n.operands[0]))
        .collect();
    values.sort();
    values.dedup();
    let calibration = ranges(function, &values, options)?;
    let mut report = Report::default();
    let mut table = Table::new("8-bit activations", &["value", "shape", "range", "scale"]);
    let mut scales = BTreeMap::new();
    for &value in &values {
        let defining = function.defining_node(value);
        let at = defining.map_or(&function.location, |n| &n.location);
        let range = calibration.range(value).unwrap_or(0.0);
        if range == 0.0 {
            report.warn(
                at,
                "this activation is zero on every sample: its scale is a guess of 1",
            );
        }
        let scale = int8::scale(range);
        scales.insert(value, scale);
        let name = match (&at.name, defining) {
            (Some(name), _) => name.to_string(),
            (None, Some(node)) => format!("{} at {at}", node.name()),
            (None, None) => match function
                .args
                .get(value.index())
                .and_then(|a| a.name.as_ref())
            {
                Some(name) => name.to_string(),
                None => format!("argument {}", value.index()),
            },
        };
        let shape: Vec<String> = (function.tensor_ty(value).shape.iter())
            .map(ToString::to_string)
            .collect();
        table.rows.push(vec![
            name.into(),
            shape.join("x").into(),
            f64::from(range).into(),
            f64::from(scale).into(),
        ]);
    }
    let residuals = options.text("residuals") == "int8";
    let new = rewrite(function, |rewriter, _, node| {
        if reads_f32(function, node) {
            let mut operands = rewriter.get_all(&node.operands);
            let scale = scales[&root(function, node.operands[0])];
            operands[0] = quantized(rewriter, node.operands[0], scale, node)?;
            operands[2] = scaled(rewriter, operands[2], scale, node)?;
            if residuals && node.operands.len() == 5 {
                operands[4] = residual(rewriter, node, 4, &scales)?;
            }
            return push(rewriter, node, &operands);
        }
        let adds = node.op == Op::Add && residuals;
        let known = |&v: &ValueId| scales.contains_key(&root(function, v));
        if adds && node.operands.iter().any(known) {
            let operands = (0..2).map(|i| residual(rewriter, node, i, &scales));
            let operands = operands.collect::<Result<Vec<_>, _>>()?;
            return push(rewriter, node, &operands);
        }
        Ok(None)
    })?;
    report.figure("8-bit activations", values.len());
    if !table.rows.is_empty() {
        report.tables.push(table);
    }
    Ok((new, report))
}

fn push(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    operands: &[ValueId],
) -> Result<Option<Vec<ValueId>>, Diagnostic> {
    let attrs = node.attrs.clone();
    let value = rewriter.push(node.op, operands, attrs, node.location.clone())?;
    Ok(Some(vec![value]))
}

/// An old value as 8-bit.
fn quantized(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    scale: f32,
    user: &Node,
) -> Result<ValueId, Diagnostic> {
    let function = rewriter.old();
    if let Some(node) = function.defining_node(value)
        && moves(node.op)
    {
        let input = quantized(rewriter, node.operands[0], scale, user)?;
        let attrs = node.attrs.clone();
        return rewriter.push(node.op, &[input], attrs, node.location.clone());
    }
    let at = function
        .defining_node(value)
        .map_or(&user.location, |n| &n.location);
    let input = rewriter.get(value);
    let attrs = Attrs::new().with("scale", scale);
    rewriter.push(Op::Quantize, &[input], attrs, at.clone())
}

/// Operand `i` of a sum: as 8-bit where it is quantized for a contraction anyway.
fn residual(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    i: usize,
    scales: &BTreeMap<ValueId, f32>,
) -> Result<ValueId, Diagnostic> {
    let value = node.operands[i];
    let Some(&scale) = scales.get(&root(rewriter.old(), value)) else {
        return Ok(rewriter.get(value));
    };
    let q = quantized(rewriter, value, scale, node)?;
    let attrs = Attrs::new().with("scale", scale);
    rewriter.push(Op::Dequantize, &[q], attrs, node.location.clone())
}

/// α·s.
fn scaled(
    rewriter: &mut Rewriter<'_>,
    alpha: ValueId,
    scale: f32,
    node: &Node,
) -> Result<ValueId, Diagnostic> {
    let at = &node.location;
    let bad = |message: String| Diagnostic::error(at.clone(), message);
    if let Some(values) = rewriter.constant_value(alpha) {
        let products = values.iter_f64().map(|a| a * f64::from(scale));
        let tensor = Tensor::from_f64s(values.ty().clone(), products).map_err(bad)?;
        return rewriter.constant(tensor, at.clone());
    }
    let factor = Tensor::from_f32s([1], &[scale]).map_err(bad)?;
    let factor = rewriter.constant(factor, at.clone())?;
    rewriter.push(Op::Mul, &[alpha, factor], Attrs::new(), at.clone())
}

fn quantize_dynamically(function: &Function) -> Result<(Function, Report), Diagnostic> {
    let mut count = 0usize;
    let new = rewrite(function, |rewriter, _, node| {
        if !reads_f32(function, node) {
            return Ok(None);
        }
        count += 1;
        let at = &node.location;
        let mut operands = rewriter.get_all(&node.operands);
        let quantize = [operands[0]];
        let id = rewriter.push_node(Op::DynamicQuantize, &quantize, Attrs::new(), at.clone())?;
        let results = rewriter.new_function().node(id).results.clone();
        operands[0] = results[0];
        let scale = [operands[2], results[1]];
        operands[2] = rewriter.push(Op::Mul, &scale, Attrs::new(), at.clone())?;
        push(rewriter, node, &operands)
    })?;
    let mut report = Report::default();
    report.figure("contractions with 8-bit activations", count);
    Ok((new, report))
}
