//! `hla-eliminate-multiplies`: every rule by itself, every condition of a rule, random programs.

mod conditions;
mod random;
mod rules;
mod whole;

use hla_ir::{Function, Tensor, ValueId};
use hla_passes::{Cell, Report};

use crate::build::passes;

/// Floats re-associate: results may move by this part of the largest magnitude.
const RTOL: f64 = 1e-5;

fn eliminate(f: &Function) -> (Function, Report) {
    passes("hla-eliminate-multiplies", f).unwrap()
}

fn figure(report: &Report, name: &str) -> i64 {
    match report.get(name) {
        Some(Cell::Int(v)) => *v,
        other => panic!("{name}: {other:?}"),
    }
}

/// Names of the rules that found something.
fn fired(report: &Report) -> Vec<String> {
    let table = &report.tables[0];
    assert_eq!(table.columns[0], "rule");
    table.rows.iter().map(|r| r[0].to_string()).collect()
}

fn constant_of(f: &Function, v: ValueId) -> &Tensor {
    f.constant_value(v).unwrap()
}
