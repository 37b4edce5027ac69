//! `hla-sgd`: gradients become updates, by stochastic gradient descent with momentum.
//!
//! A result `hla.gradient` of parameter p becomes two, `hla.updates` of p and of its momentum:
//!
//! g ← g + weight_decay·p; m ← μ·m + g; p ← p − learning_rate·m (Nesterov: g + μ·m).
//!
//! Arguments with `hla.no_decay` have no weight decay. One with `hla.sphere_axis` is brought back to
//! the sphere, one with `hla.lower_bound`, such as a threshold, is kept at or above it.

use hla_ir::graph::{BUFFER, GRADIENT, NO_DECAY, SPHERE_AXIS, UPDATES};
use hla_ir::{Arg, Attr, Attrs, Diagnostic, Function, Location, Op, Rewriter, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::training::edit::{argument, named, scalar_input, state};
use crate::training::{LOWER_BOUND, SPHERE_EPSILON, companion};

pub(crate) const MOMENTUM: OptionInfo = OptionInfo {
    name: "momentum",
    kind: OptionKind::Float(0.0, 1.0),
    default: "0.9",
    help: "μ: the momentum becomes μ·momentum + gradient",
};

pub(crate) const WEIGHT_DECAY: OptionInfo = OptionInfo {
    name: "weight-decay",
    kind: OptionKind::Float(0.0, f64::MAX),
    default: "0.0001",
    help: "times the weight joins its gradient; batch norm, biases and thresholds are spared",
};

pub(crate) const NESTEROV: OptionInfo = OptionInfo {
    name: "nesterov",
    kind: OptionKind::Flag,
    default: "false",
    help: "step by gradient + μ·momentum",
};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-sgd",
    summary: "turn gradients into updates of parameters and momenta",
    options: &[MOMENTUM, WEIGHT_DECAY, NESTEROV],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let mut rewriter = Rewriter::new(function);
    let mut momenta = Vec::with_capacity(function.results.len());
    for i in 0..function.results.len() {
        momenta.push(match function.gradient_of(i) {
            Some(name) => Some(add_momentum(&mut rewriter, name)?),
            None => None,
        });
    }
    let count = momenta.iter().flatten().count();
    if count == 0 {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!("'{}' has no gradients", function.name),
        )
        .help("run hla-autodiff first, on a function whose weights are hla.param arguments"));
    }
    let learning_rate = scalar_input(&mut rewriter, "learning_rate");
    for (id, _) in function.iter_nodes() {
        rewriter.copy(id)?;
    }
    let mut results = Vec::new();
    for ((gradient, attrs), momentum) in rewriter.mapped_results().into_iter().zip(momenta) {
        let (Some(name), Some((arg, momentum))) = (attrs.str(GRADIENT), momentum) else {
            results.push((gradient, attrs));
            continue;
        };
        let old = &function.args[arg];
        let at = &named(&old.location, format!("{name}: SGD"));
        let spared = old.attrs.bool(NO_DECAY) == Some(true);
        let decay = if spared {
            0.0
        } else {
            options.float("weight-decay")
        };
        let step = Attrs::new()
            .with("mu", options.float("momentum") as f32)
            .with("weight_decay", decay as f32)
            .with("nesterov", options.flag("nesterov"));
        let parameter = rewriter.get(ValueId(arg as u32));
        let operands = [parameter, gradient, momentum, learning_rate];
        let node = rewriter.push_node(Op::SgdUpdate, &operands, step, at.clone())?;
        let [parameter, new_momentum] = rewriter.new_function().node(node).results[..] else {
            continue;
        };
        let parameter = constrained(&mut rewriter, parameter, old, at)?;
        let updates = |name: &str| Attrs::new().with(UPDATES, name);
        results.push((parameter, updates(name)));
        results.push((new_momentum, updates(&companion(name, "momentum"))));
    }
    let mut report = Report::default();
    report.figure("updated parameters", count);
    Ok((rewriter.finish_with(results), report))
}

/// Adds the momentum of a parameter; gives the parameter's argument too.
fn add_momentum(rewriter: &mut Rewriter<'_>, name: &str) -> Result<(usize, ValueId), Diagnostic> {
    let old = rewriter.old();
    let Some((arg, of)) = argument(old, name) else {
        return Err(Diagnostic::error(
            old.location.clone(),
            format!("there is a gradient of '{name}', but no argument has this hla.param"),
        )
        .help("give the argument back its hla.param"));
    };
    let attrs = [(BUFFER, Attr::Bool(true))];
    let momentum = state(rewriter, &companion(name, "momentum"), &of.ty, &attrs)?;
    Ok((arg, momentum))
}

/// The new parameter where it may be.
fn constrained(
    rewriter: &mut Rewriter<'_>,
    mut value: ValueId,
    arg: &Arg,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    if let Some(axis) = arg.attrs.i64(SPHERE_AXIS) {
        let epsilon = arg.attrs.f32(SPHERE_EPSILON).unwrap_or(1e-4);
        let attrs = Attrs::new().with("axis", axis).with("epsilon", epsilon);
        value = rewriter.push(Op::Normalize, &[value], attrs, at.clone())?;
    }
    if let Some(bound) = arg.attrs.f32(LOWER_BOUND) {
        let attrs = Attrs::new()
            .with("min_val", bound)
            .with("max_val", f32::MAX);
        value = rewriter.push(Op::Clamp, &[value], attrs, at.clone())?;
    }
    Ok(value)
}
