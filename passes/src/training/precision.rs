//! The graphs of a training in mixed precision.

use hla_ir::{Diagnostic, Function, TensorType};

use super::plan::{Role, StateSpec, TrainingGraphs};
use crate::mixed_precision::PASS;
use crate::mixed_precision::loss_scale::{CLEAN_STEPS, LOSS_SCALE};
use crate::options::Options;

/// Lets the contractions of all steps and evaluations read factors of 16 bits: `hla-mixed-precision` of
/// each, `precision` being its option. In f16 the state of the gradients' scale joins the state, before
/// the momenta.
///
/// # Errors
/// Another precision than `bf16`, `f16` or `f32`; a parameter of the name that the scale's state has.
pub fn with_precision(
    graphs: TrainingGraphs,
    precision: &str,
) -> Result<TrainingGraphs, Diagnostic> {
    let options = Options::defaults(PASS.options).with("precision", precision)?;
    let mixed = |function: &Function| -> Result<Function, Diagnostic> {
        Ok((PASS.run)(function, &options)?.0)
    };
    let mut made = TrainingGraphs {
        float_step: mixed(&graphs.float_step)?,
        finetune_step: mixed(&graphs.finetune_step)?,
        ternary_step: mixed(&graphs.ternary_step)?,
        evaluate_float: mixed(&graphs.evaluate_float)?,
        evaluate: mixed(&graphs.evaluate)?,
        evaluate_ternary: mixed(&graphs.evaluate_ternary)?,
        ..graphs
    };
    let of_scale = |f: &Function| {
        let mut args = f.args.iter();
        args.any(|a| a.param.as_deref() == Some(LOSS_SCALE))
    };
    let steps = [&made.float_step, &made.finetune_step, &made.ternary_step];
    if steps.into_iter().any(of_scale) {
        let momenta = made.state.iter().position(|s| s.role == Role::Momentum);
        let place = momenta.unwrap_or(made.state.len());
        let added = [
            (LOSS_SCALE, Role::LossScale),
            (CLEAN_STEPS, Role::CleanSteps),
        ];
        let added = added.map(|(name, role)| StateSpec {
            name: name.to_owned(),
            ty: TensorType::f32([1]),
            role,
            layer: None,
        });
        made.state.splice(place..place, added);
    }
    Ok(made)
}
