//! `hla-autodiff`: reverse-mode differentiation of one result by parameters.
//!
//! The function keeps what it computes and gets further results, each with the attribute
//! `hla.gradient = "parameter"`. Its nodes are visited from the last to the first; where one lies on
//! a path from a wanted argument to the objective, the rule of its op turns the cotangents of its
//! results into those of its operands. Nodes off every path get none, so dead gradients are not
//! computed. Several cotangents of a value are added in the order of that visit.
//!
//! - `rules` is the table of derivatives, one row an op; `docs/autodiff.md` shows it;
//! - `path` finds the nodes that lie on a path, and refuses those without a derivative;
//! - `vjp` is what a rule builds gradients with;
//! - `elementwise`, `contraction`, `reduction`, `movement`, `batch_norm`, `training` are the rules.

mod batch_norm;
mod contraction;
mod elementwise;
mod movement;
mod path;
mod reduction;
mod rules;
mod training;
mod vjp;

use hla_ir::graph::{BUFFER, GRADIENT};
use hla_ir::{Attrs, Diagnostic, Function, Location, Node, Rewriter, Tensor, ValueId};

use crate::options::{OptionInfo, OptionKind, Options, did_you_mean};
use crate::registry::PassInfo;
use crate::report::Report;
use path::Path;
pub use rules::{manual, smooth, without_derivative};
use vjp::Vjp;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-autodiff",
    summary: "add the gradients of a result by the parameters, as further results",
    options: &[
        OptionInfo {
            name: "of",
            kind: OptionKind::Text,
            default: "",
            help: "name of the result that is differentiated, a tensor of one element; without it 'objective', else 'loss'",
        },
        OptionInfo {
            name: "with-respect-to",
            kind: OptionKind::List,
            default: "",
            help: "parameters or inputs by which it is differentiated; without it every float parameter that is no hla.buffer",
        },
    ],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let objective = objective(function, options.text("of"))?;
    let wanted = wanted(function, options.list("with-respect-to"))?;
    let path = Path::find(function, objective, &wanted)?;
    let mut rewriter = Rewriter::new(function);
    for (id, _) in function.iter_nodes() {
        rewriter.copy(id)?;
    }
    let cotangents = sweep(&mut rewriter, objective, &path)?;

    let mut report = Report::default();
    let mut results = rewriter.mapped_results();
    for &arg in &wanted {
        let (name, value) = (label(function, arg), ValueId(arg as u32));
        let gradient = gradient(&mut rewriter, &cotangents, value)?;
        if cotangents[value.index()].is_empty() {
            report.remark(
                &function.args[arg].location,
                format!("the objective does not depend on '{name}': its gradient is zero"),
            );
        }
        results.push((gradient, Attrs::new().with(GRADIENT, &*name)));
    }
    let new = rewriter.finish_with(results);
    report.figure("gradients", wanted.len());
    report.figure("nodes before", function.nodes.len());
    report.figure("nodes after", new.nodes.len());
    Ok((new, report))
}

/// The result that is differentiated.
fn objective(function: &Function, of: &str) -> Result<ValueId, Diagnostic> {
    let error = |message| Diagnostic::error(function.location.clone(), message);
    let named =
        |name: &str| (0..function.results.len()).find(|&i| function.result_name(i) == Some(name));
    let found = match of {
        "" => named("objective").or_else(|| named("loss")),
        name => named(name),
    };
    let Some(i) = found else {
        let names: Vec<&str> = (0..function.results.len())
            .filter_map(|i| function.result_name(i))
            .collect();
        let what = if of.is_empty() {
            "objective' or 'loss"
        } else {
            of
        };
        return Err(
            error(format!("'{}' has no result named '{what}'", function.name)).help(
                match (did_you_mean(of, names.iter().copied()), &names[..]) {
                    (Some(close), _) => format!("did you mean '{close}'?"),
                    (None, []) => {
                        "name it in the function's type: -> (tensor<1xf32> {hla.name = \"loss\"})"
                            .to_owned()
                    }
                    (None, names) => format!("the named results are {}", names.join(", ")),
                },
            ),
        );
    };
    let ty = function.ty(function.results[i]);
    match ty.tensor() {
        Some(tensor) if tensor.elements() == 1 && tensor.dtype.is_float() => {
            Ok(function.results[i])
        }
        _ => Err(error(format!(
            "the result '{}' of '{}' has type {ty}, but only one float can be differentiated",
            function.result_name(i).unwrap_or_default(),
            function.name,
        ))
        .help("reduce it to a tensor of one element, or choose another result with of=NAME")),
    }
}

/// What a user calls an argument.
fn label(function: &Function, arg: usize) -> String {
    let arg_ = &function.args[arg];
    let name = arg_.param.as_ref().or(arg_.name.as_ref());
    name.map_or_else(|| arg.to_string(), ToString::to_string)
}

/// Numbers of the arguments by which it is differentiated, in order.
fn wanted(function: &Function, names: &[String]) -> Result<Vec<usize>, Diagnostic> {
    let is_float = |i: usize| {
        let ty = function.args[i].ty.tensor();
        ty.is_some_and(|ty| ty.dtype.is_float())
    };
    if names.is_empty() {
        let trained = |&i: &usize| {
            let arg = &function.args[i];
            arg.param.is_some() && arg.attrs.bool(BUFFER) != Some(true) && is_float(i)
        };
        return Ok((0..function.args.len()).filter(trained).collect());
    }
    let mut wanted = Vec::new();
    for name in names {
        let found = (0..function.args.len()).find(|&i| {
            let arg = &function.args[i];
            [&arg.param, &arg.name].contains(&&Some(name.as_str().into()))
        });
        let Some(i) = found else {
            let all = (0..function.args.len()).map(|i| label(function, i));
            let all: Vec<String> = all.collect();
            return Err(Diagnostic::error(
                function.location.clone(),
                format!("'{}' has no argument named '{name}'", function.name),
            )
            .help(match did_you_mean(name, all.iter().map(String::as_str)) {
                Some(close) => format!("did you mean '{close}'?"),
                None => format!("the arguments are {}", all.join(", ")),
            }));
        };
        if !is_float(i) {
            return Err(Diagnostic::error(
                function.args[i].location.clone(),
                format!(
                    "'{name}' has type {}: nothing is differentiated by it",
                    function.args[i].ty
                ),
            )
            .help("name float tensors only"));
        }
        if !wanted.contains(&i) {
            wanted.push(i);
        }
    }
    wanted.sort_unstable();
    Ok(wanted)
}

/// The cotangents of each old value, as new values that are still to be added.
type Cotangents = Vec<Vec<ValueId>>;

/// Visits the nodes from the last to the first.
fn sweep(
    rewriter: &mut Rewriter<'_>,
    objective: ValueId,
    path: &Path,
) -> Result<Cotangents, Diagnostic> {
    let old = rewriter.old();
    let mut cotangents: Cotangents = vec![Vec::new(); old.values.len()];
    let location = old.defining_node(objective).map(|n| n.location.clone());
    let one = Tensor::splat(old.tensor_ty(objective).clone(), 1.0);
    let one = rewriter.constant(one, location.unwrap_or_default())?;
    cotangents[objective.index()].push(one);
    for (id, node) in old.iter_nodes().rev() {
        if !path.holds(id) {
            continue;
        }
        let mut totals = Vec::new();
        for &result in &node.results {
            totals.push(total(
                rewriter,
                &cotangents[result.index()],
                &node.location,
            )?);
        }
        for by in 0..node.operands.len() {
            if !path.leads_to(node, by) || totals.iter().all(Option::is_none) {
                continue;
            }
            if let Some(gradient) = differentiate(rewriter, node, by, &totals)? {
                cotangents[node.operands[by].index()].push(gradient);
            }
        }
    }
    Ok(cotangents)
}

/// The sum of cotangents, from the first to the last; `None` if there is none.
fn total(
    rewriter: &mut Rewriter<'_>,
    parts: &[ValueId],
    location: &Location,
) -> Result<Option<ValueId>, Diagnostic> {
    let Some((&first, rest)) = parts.split_first() else {
        return Ok(None);
    };
    let mut sum = first;
    for &part in rest {
        let operands = [sum, part];
        sum = rewriter.push(hla_ir::Op::Add, &operands, Attrs::new(), location.clone())?;
    }
    Ok(Some(sum))
}

/// The cotangent of one operand: what its rule gives, summed over broadcast axes, in its type.
fn differentiate<'f>(
    rewriter: &mut Rewriter<'f>,
    node: &'f Node,
    by: usize,
    cotangents: &[Option<ValueId>],
) -> Result<Option<ValueId>, Diagnostic> {
    let old = rewriter.old();
    let Some(build) = rules::find(node.op, by).and_then(|rule| rule.build) else {
        return Ok(None);
    };
    let mut cx = Vjp {
        rewriter,
        node,
        by,
        cotangents,
    };
    let Some(mut gradient) = build(&mut cx)? else {
        return Ok(None);
    };
    let ty = old.tensor_ty(node.operands[by]);
    if node.op.def().elementwise {
        let from = &old.tensor_ty(node.result()).shape;
        gradient = cx.sum_to(gradient, from, &ty.shape)?;
    }
    cx.cast(gradient, ty.dtype).map(Some)
}

/// The gradient of an argument: the sum of its cotangents with every element written out.
fn gradient(
    rewriter: &mut Rewriter<'_>,
    cotangents: &Cotangents,
    arg: ValueId,
) -> Result<ValueId, Diagnostic> {
    let old = rewriter.old();
    let ty = old.tensor_ty(arg);
    let location = &old.args[arg.index()].location;
    match total(rewriter, &cotangents[arg.index()], location)? {
        Some(sum) => vjp::full(rewriter, sum, &ty.shape, location),
        None => rewriter.constant(Tensor::splat(ty.clone(), 0.0), location.clone()),
    }
}
