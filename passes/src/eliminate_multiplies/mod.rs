//! `hla-eliminate-multiplies`: equality saturation (egg) over the inference graph, keeping the
//! program with the fewest multiplications.
//!
//! - `constants` and `language` say what an expression is; `build` makes the graph of a
//!   function;
//! - `rules` hold the algebra: directed rules only, no commutativity or associativity;
//! - `extract` chooses the cheapest program, `rebuild` writes it as a function.
//!
//! The rules re-associate floating-point arithmetic. Limits are numbers of expressions and
//! iterations, never time, so equal inputs give equal results. docs/eliminate-multiplies.md has the
//! rules in a table.

use std::collections::BTreeMap;
use std::time::Duration;

use egg::{Runner, SimpleScheduler, StopReason};
use hla_ir::cost::total_multiplications;
use hla_ir::{Diagnostic, Function, Op};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::{Cell, Report, Table};

mod build;
mod constants;
mod extract;
mod language;
mod rebuild;
mod rules;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-eliminate-multiplies",
    summary: "fold scales into weights and biases, let them cross other ops, and keep the program with the fewest multiplications",
    options: &[
        OptionInfo {
            name: "node-limit",
            kind: OptionKind::Int(1, 10_000_000),
            default: "10000",
            help: "expressions after which no more are added",
        },
        OptionInfo {
            name: "iteration-limit",
            kind: OptionKind::Int(0, 10_000),
            default: "64",
            help: "rounds of applying all rules",
        },
    ],
    run,
};

/// The rules, as (name, algebra), in the order in which they are tried.
pub fn rule_table() -> impl Iterator<Item = (&'static str, &'static str)> {
    rules::all().map(|rule| (rule.name, rule.algebra))
}

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let before = total_multiplications(function);
    let node_limit = options.int("node-limit") as usize;
    let (graph, classes) = build::build(function, node_limit);
    let rewrites = rules::rewrites();
    let runner: Runner<language::Expr, language::Context> =
        Runner::new(language::Context::new(function, node_limit))
            .with_egraph(graph)
            .with_scheduler(SimpleScheduler)
            .with_time_limit(Duration::MAX)
            .with_node_limit(node_limit)
            .with_iter_limit(options.int("iteration-limit") as usize)
            .run(&rewrites);

    let space = extract::Space::new(&runner.egraph);
    let opaque_operands = function.opaque_nodes().flat_map(|n| n.operands.iter());
    let roots: Vec<usize> = function
        .results
        .iter()
        .chain(opaque_operands)
        .map(|value| space.class(&runner.egraph, classes[value.index()]))
        .collect();
    let choice = space.cheapest(&roots);
    let rebuilt = rebuild::rebuild(function, &runner.egraph, &space, &choice, &classes)?;

    let mut report = Report::default();
    let new = match rebuilt {
        Some(new) if total_multiplications(&new) <= before => new,
        _ => {
            report.remark(
                &function.location,
                "the program as written is kept: no cheaper one could be built",
            );
            function.clone()
        }
    };
    report.figure("multiplications before", before);
    report.figure("multiplications after", total_multiplications(&new));
    report.figure("stop reason", stop_reason(runner.stop_reason.as_ref()));
    report.figure("iterations", runner.iterations.len());
    report.figure("expressions", runner.egraph.total_size());
    report.tables.push(fired(&runner));
    report.tables.push(remaining(&new));
    Ok((new, report))
}

fn stop_reason(reason: Option<&StopReason>) -> String {
    match reason {
        Some(StopReason::Saturated) => "saturated: no rule finds anything new".to_owned(),
        Some(StopReason::NodeLimit(_)) => "node limit".to_owned(),
        Some(StopReason::IterationLimit(_)) => "iteration limit".to_owned(),
        Some(other) => format!("{other:?}"),
        None => "not run".to_owned(),
    }
}

/// How often each rule found something new.
fn fired(runner: &Runner<language::Expr, language::Context>) -> Table {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for iteration in &runner.iterations {
        for (name, count) in &iteration.applied {
            *counts.entry(name.as_str()).or_default() += count;
        }
    }
    let mut table = Table::new("rules that fired", &["rule", "times", "algebra"]);
    for rule in rules::all() {
        if let Some(&count) = counts.get(rule.name) {
            table
                .rows
                .push(vec![rule.name.into(), count.into(), rule.algebra.into()]);
        }
    }
    table
}

/// Where multiplications are left, by op.
fn remaining(function: &Function) -> Table {
    let mut counts: BTreeMap<Op, (usize, u64)> = BTreeMap::new();
    for node in &function.nodes {
        let count = hla_ir::cost::multiplications(function, node);
        if count > 0 {
            let entry = counts.entry(node.op).or_default();
            entry.0 += 1;
            entry.1 = entry.1.saturating_add(count);
        }
    }
    let mut table = Table::new("multiplications left", &["op", "nodes", "multiplications"]);
    table.rows = counts
        .into_iter()
        .map(|(op, (nodes, count))| -> Vec<Cell> {
            vec![op.to_string().into(), nodes.into(), count.into()]
        })
        .collect();
    table
}
