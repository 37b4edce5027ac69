//! What `hla-ternarize` tells: a row for each layer, totals, and remarks about what stays float.

use std::collections::{BTreeMap, HashSet};

use hla_ir::{Function, Node, Op};
use hla_quant::{entropy, pack};

use crate::layers::Layer;
use crate::report::{Cell, Report, Table};

use super::Planned;

/// Fills the report.
pub(super) fn tell(
    function: &Function,
    layers: &[Layer<'_>],
    reasons: &BTreeMap<usize, &'static str>,
    plan: &[Option<Planned>],
    report: &mut Report,
) {
    let mut table = Table::new(
        "ternary layers",
        &[
            "layer",
            "shape",
            "kind",
            "zeros",
            "cosine",
            "alpha min",
            "alpha max",
            "bits/weight",
            "entropy",
            "zero columns",
        ],
    );
    let (mut before, mut after, mut weights, mut zeros, mut count) = (0, 0, 0, 0, 0usize);
    let mut seen = HashSet::new();
    for (i, (layer, planned)) in layers.iter().zip(plan).enumerate() {
        let (n, m) = layer.dim();
        let float_bytes = layer.weight.ty().bytes();
        let once = seen.insert(layer.weight_value);
        before += if once { float_bytes } else { 0 };
        let shape: Vec<String> = layer
            .weight
            .shape()
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut row: Vec<Cell> = vec![layer.name.as_str().into(), shape.join("x").into()];
        let Some(Planned {
            ternary,
            already,
            negative,
            cosine,
        }) = planned
        else {
            after += if once { float_bytes } else { 0 };
            let reason = reasons.get(&i).copied().unwrap_or("float");
            row.push(format!("{}: {reason}", layer.dtype()).into());
            row.extend(vec![Cell::Empty; 4]);
            row.push(Cell::Float(8.0 * layer.dtype().bytes() as f64));
            row.extend(vec![Cell::Empty; 2]);
            table.rows.push(row);
            continue;
        };
        let parts = 1 + usize::from(negative.is_some());
        let bytes = parts * (pack::packed_len(n, m) + 4 * n);
        after += if once { bytes } else { 0 };
        count += 1;
        weights += n * m;
        zeros += ternary.trits.iter().filter(|&&t| t == 0).count();
        let scales = || ternary.scale.iter().copied().chain(*negative);
        let used = || scales().filter(|&a| a > 0.0);
        let counts = entropy::trit_counts(ternary.trits.iter().copied());
        let kind = match (already, negative) {
            (true, Some(_)) => "already ternary, two scales",
            (true, None) => "already ternary",
            (false, _) => "ternary",
        };
        row.push(kind.into());
        row.push(ternary.sparsity().into());
        row.push((*cosine).into());
        row.push(
            used()
                .reduce(f32::min)
                .map_or(Cell::Empty, |a| f64::from(a).into()),
        );
        row.push(
            used()
                .reduce(f32::max)
                .map_or(Cell::Empty, |a| f64::from(a).into()),
        );
        row.push((8.0 * bytes as f64 / (n * m).max(1) as f64).into());
        row.push(entropy::entropy(&counts).into());
        row.push(ternary.zero.len().into());
        table.rows.push(row);
        let at = &function.node(layer.node).location;
        if !ternary.zero.is_empty() {
            report.warn(
                at,
                format!(
                    "{} of {n} output channels of '{}' have only zero weights: their α is 0",
                    ternary.zero.len(),
                    layer.name
                ),
            );
        }
        if !ternary.rescued.is_empty() {
            report.remark(at, format!("{} of {n} output channels of '{}' have no weight above the threshold: each keeps its largest", ternary.rescued.len(), layer.name));
        }
    }
    for (id, node) in function.iter_nodes() {
        if layers.iter().all(|l| l.node != id)
            && let Some(reason) = why_float(function, node)
        {
            report.remark(
                &node.location,
                format!("'{}' stays float: {reason}", node.name()),
            );
        }
    }
    if !table.rows.is_empty() {
        report.tables.push(table);
    }
    report.figure("ternary layers", count);
    report.figure("float layers", layers.len() - count);
    report.figure("ternary weights", weights);
    report.figure(
        "share of zeros",
        if weights > 0 {
            zeros as f64 / weights as f64
        } else {
            0.0
        },
    );
    report.figure("weight bytes before", before);
    report.figure("weight bytes after", after);
}

/// Why a contraction is none of the layers that could become ternary; `None` for other ops and for
/// products of two computed matrices, which have no weights.
fn why_float(function: &Function, node: &Node) -> Option<&'static str> {
    match node.op {
        Op::DepthwiseConv2d | Op::TransposeConv2d => {
            Some("only tosa.conv2d and tosa.matmul become ternary")
        }
        Op::Conv2d => match function.constant_value(node.operands[1]) {
            None => Some("its weights are no constant"),
            Some(_) => Some("its weights are integers"),
        },
        Op::MatMul => {
            let weight = function.constant_value(node.operands[1])?;
            if weight.dtype().is_float() {
                Some("its weights differ along the batch")
            } else {
                Some("its weights are integers")
            }
        }
        _ => None,
    }
}
