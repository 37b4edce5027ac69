//! `hla-loss-aware`: the loss L_d that draws weights to their ternary values (Eq. 7).
//!
//! For each layer L_d = (1/n)·Σ_j (w_jᵀŵ_j − 1)² of its weight on the sphere and its threshold Δ; the
//! result `loss_aware` is their sum over layers, and the objective becomes
//!
//! objective = loss + `loss_aware_weight`·loss_aware.
//!
//! Δ is the one that `hla-ste` quantizes at; without it, state `W.threshold`, a buffer that a driver
//! sets to T(t) (Eq. 8).

use hla_ir::graph::RESULT_NAME;
use hla_ir::{Attrs, Diagnostic, Function, Op, Rewriter, ValueId};

use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;
use crate::selection::{QUANTIZE_ALL, SKIP};
use crate::training::Weights;
use crate::training::edit::{named, plain, scalar_input, threshold_state};
use hla_ir::graph::SPHERE_AXIS;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-loss-aware",
    summary: "add the distance of weights from their ternary values to the objective",
    options: &[SKIP, QUANTIZE_ALL],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let found = Weights::find(function);
    let weights = found.quantized(function, PASS.name, options)?;
    let named_result =
        |name: &str| (0..function.results.len()).find(|&i| function.result_name(i) == Some(name));
    let (Some(loss), Some(objective)) = (named_result("loss"), named_result("objective")) else {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!("'{}' has no results 'objective' and 'loss'", function.name),
        )
        .help("run hla-loss first"));
    };
    if weights.is_empty() {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!("no layer of '{}' is to become ternary", function.name),
        )
        .help("the first convolution and the last layer stay float unless quantize-all is set"));
    }
    let mut rewriter = Rewriter::new(function);
    let mut thresholds = Vec::with_capacity(weights.len());
    for weight in &weights {
        thresholds.push(match weight.ternarize {
            Some(_) => None,
            None => Some(threshold_state(
                &mut rewriter,
                &weight.companion("threshold"),
                false,
            )?),
        });
    }
    let lambda = scalar_input(&mut rewriter, "loss_aware_weight");
    for (id, _) in function.iter_nodes() {
        rewriter.copy(id)?;
    }
    let mut total: Option<ValueId> = None;
    for (weight, threshold) in weights.iter().zip(thresholds) {
        let delta = match (threshold, weight.ternarize) {
            (Some(delta), _) => delta,
            (None, Some(ternarize)) => rewriter.get(function.node(ternarize).operands[1]),
            (None, None) => continue,
        };
        let at = named(&weight.location, format!("{}: L_d, Eq. 7", weight.name));
        let axis = Attrs::new().with("axis", weight.axis as i64);
        let mut w = rewriter.get(weight.value(function));
        let projected = function.args[weight.arg].attrs.get(SPHERE_AXIS).is_some();
        if weight.normalize.is_none() && !projected {
            w = rewriter.push(Op::Normalize, &[w], axis.clone(), at.clone())?;
        }
        let distance = rewriter.push(Op::LossAware, &[w, delta], axis, at.clone())?;
        total = Some(match total {
            Some(sum) => plain(&mut rewriter, Op::Add, &[sum, distance], &at)?,
            None => distance,
        });
    }
    let mut results = rewriter.mapped_results();
    if let Some(total) = total {
        let at = &function.location;
        let weighted = plain(&mut rewriter, Op::Mul, &[lambda, total], at)?;
        let sum = plain(&mut rewriter, Op::Add, &[results[loss].0, weighted], at)?;
        results[objective].0 = sum;
        let attrs = Attrs::new().with(RESULT_NAME, "loss_aware");
        results.insert(loss + 1, (total, attrs));
    }
    let mut report = Report::default();
    report.figure("loss-aware layers", weights.len());
    Ok((rewriter.finish_with(results), report))
}
