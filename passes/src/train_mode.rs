//! `hla-train-mode`: batch norm takes the statistics of the batch, and keeps running ones.
//!
//! A chain ((x − μ)·(σ² + ε)^−½)·γ + β whose μ and σ² are parameters, its factors in any order,
//! becomes `hla.batch_norm`. The function gets two results for each, `hla.updates` of μ and σ²:
//!
//! μ ← (1 − m)·μ + m·mean(x), σ² ← (1 − m)·σ² + m·variance(x)·n/(n − 1),
//!
//! with n values a channel, as PyTorch has it. μ and σ² become `hla.buffer`s; parameters that are no
//! weights of a contraction get `hla.no_decay`. A batch norm whose statistics are constants is frozen
//! and stays as it is.

use std::collections::HashMap;

use hla_ir::graph::{BUFFER, NO_DECAY, UPDATES};
use hla_ir::{Attrs, Diagnostic, Function, Location, NodeId, Op, Rewriter, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::training::batch_norm::{self, BatchNorm};
use crate::training::edit::{plain, reshape, splat};
use crate::training::{Role, roles};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-train-mode",
    summary: "let batch norm take the statistics of the batch and update the running ones",
    options: &[OptionInfo {
        name: "momentum",
        kind: OptionKind::Float(0.0, 1.0),
        default: "0.1",
        help: "m: running statistics become (1 - m)·running + m·batch",
    }],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let mut report = Report::default();
    let norms = batch_norm::find(function);
    check(function, &norms)?;
    warn_of_others(function, &norms, &mut report);
    let marked = marked(function);
    let function = &marked;
    let by_end: HashMap<NodeId, &BatchNorm> = norms.iter().map(|n| (n.end, n)).collect();
    let mut rewriter = Rewriter::new(function);
    let mut statistics = Vec::new();
    for (id, _) in function.iter_nodes() {
        let Some(norm) = by_end.get(&id) else {
            rewriter.copy(id)?;
            continue;
        };
        let [y, mean, variance] = normalize(&mut rewriter, norm)?;
        rewriter.set(function.node(id).result(), y);
        statistics.push((norm, mean, variance));
    }
    let m = options.float("momentum");
    let mut results = rewriter.mapped_results();
    for (norm, mean, variance) in statistics {
        let n = values_per_channel(function, norm) as f64;
        for (arg, batch, weight) in [
            (norm.mean, mean, m),
            (norm.variance, variance, m * n / (n - 1.0)),
        ] {
            let updated = running(&mut rewriter, norm, arg, batch, [1.0 - m, weight])?;
            let name = function.args[arg].param.as_deref().unwrap_or_default();
            results.push((updated, Attrs::new().with(UPDATES, name)));
        }
    }
    report.figure("batch norms", norms.len());
    Ok((rewriter.finish_with(results), report))
}

/// How many values a mean over a batch norm's channel takes.
fn values_per_channel(function: &Function, norm: &BatchNorm) -> usize {
    let shape = &function.tensor_ty(norm.input).shape;
    shape[..shape.len() - 1].iter().product()
}

/// Every batch norm has more than one value a channel and statistics of its own.
fn check(function: &Function, norms: &[BatchNorm]) -> Result<(), Diagnostic> {
    let mut seen: HashMap<usize, &Location> = HashMap::new();
    for norm in norms {
        let at = &function.node(norm.end).location;
        if values_per_channel(function, norm) <= 1 {
            return Err(Diagnostic::error(
                at.clone(),
                format!(
                    "this batch norm over {} sees one value a channel, which has no variance",
                    function.ty(norm.input)
                ),
            )
            .help("train with a larger batch, as with --batch 64"));
        }
        for arg in [norm.mean, norm.variance] {
            if let Some(first) = seen.insert(arg, at) {
                let name = function.args[arg].param.as_deref().unwrap_or_default();
                return Err(Diagnostic::error(
                    at.clone(),
                    format!("two batch norms share the running statistic '{name}'"),
                )
                .note(first.clone(), "the first is here")
                .help("give each its own running mean and variance"));
            }
        }
    }
    Ok(())
}

/// Warns of variances in chains that are no batch norm that hlac recognises.
fn warn_of_others(function: &Function, norms: &[BatchNorm], report: &mut Report) {
    for node in &function.nodes {
        let Some(sum) = (node.op == Op::Rsqrt)
            .then(|| function.defining_node(node.operands[0]))
            .flatten()
            .filter(|sum| sum.op == Op::Add)
        else {
            continue;
        };
        let args = sum.operands.iter();
        for arg in args.filter_map(|&v| batch_norm::parameter(function, v)) {
            if norms.iter().all(|n| n.variance != arg) {
                let name = function.args[arg].param.as_deref().unwrap_or_default();
                report.warn(
                    &node.location,
                    format!("'{name}' looks like a variance, but what follows is no batch norm as hlac knows it: '{name}' is trained like a weight"),
                );
            }
        }
    }
}

/// The function with the roles of its parameters in their attributes.
fn marked(function: &Function) -> Function {
    let mut marked = function.clone();
    for (arg, role) in marked.args.iter_mut().zip(roles(function)) {
        match role {
            Some(Role::RunningMean | Role::RunningVariance) => {
                arg.attrs.set(BUFFER, true);
                arg.attrs.set(NO_DECAY, true);
            }
            Some(Role::Weight { .. }) | None => {}
            Some(_) => arg.attrs.set(NO_DECAY, true),
        }
    }
    marked
}

/// The batch norm; gives its result, mean and variance.
fn normalize(rewriter: &mut Rewriter<'_>, norm: &BatchNorm) -> Result<[ValueId; 3], Diagnostic> {
    let old = rewriter.old();
    let at = &old.node(norm.end).location;
    let ty = old.tensor_ty(norm.input);
    let mut shape = vec![1; ty.rank()];
    shape[ty.rank() - 1] = ty.shape[ty.rank() - 1];
    let mut channel = |value: Option<ValueId>, default: f64| match value {
        Some(value) => {
            let value = rewriter.get(value);
            reshape(rewriter, value, &shape, at)
        }
        None => splat(rewriter, &shape[..], default, at),
    };
    let (scale, offset) = (channel(norm.scale, 1.0)?, channel(norm.offset, 0.0)?);
    let input = rewriter.get(norm.input);
    let attrs = Attrs::new().with("epsilon", norm.epsilon);
    let node = rewriter.push_node(Op::BatchNorm, &[input, scale, offset], attrs, at.clone())?;
    match rewriter.new_function().node(node).results[..] {
        [y, mean, variance] => Ok([y, mean, variance]),
        _ => Err(Diagnostic::error(
            at.clone(),
            "hla.batch_norm has no statistics",
        )),
    }
}

/// keep·running + weight·batch, in the shape of the argument.
fn running(
    rewriter: &mut Rewriter<'_>,
    norm: &BatchNorm,
    arg: usize,
    batch: ValueId,
    [keep, weight]: [f64; 2],
) -> Result<ValueId, Diagnostic> {
    let old = rewriter.old();
    let at = &old.node(norm.end).location;
    let shape = old.tensor_ty(ValueId(arg as u32)).shape.clone();
    let batch = reshape(rewriter, batch, &shape, at)?;
    let mut terms = Vec::with_capacity(2);
    for (value, factor) in [(rewriter.get(ValueId(arg as u32)), keep), (batch, weight)] {
        let factor = splat(rewriter, vec![1; shape.len()], factor, at)?;
        terms.push(plain(rewriter, Op::Mul, &[value, factor], at)?);
    }
    plain(rewriter, Op::Add, &terms, at)
}
