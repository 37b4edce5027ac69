//! Updates of parameters.

use super::builder::Builder;
use crate::diagnostic::Diagnostic;
use crate::graph::ValueId;

/// g' = g + weight_decay·p, m' = mu·m + g', p' = p − learning_rate·m' (or g' + mu·m' for Nesterov);
/// results p' and m'.
pub(super) fn sgd_update(
    b: &mut Builder<'_, '_>,
    parameter: ValueId,
    gradient: ValueId,
    momentum: ValueId,
    learning_rate: ValueId,
) -> Result<Vec<ValueId>, Diagnostic> {
    let rank = b.ty(parameter).rank();
    let rate = b.broadcastable(learning_rate, rank)?;
    let decay = b.float("weight_decay");
    let mut gradient = gradient;
    if decay != 0.0 {
        let decay = b.scalar(decay, rank)?;
        let shrink = b.mul(decay, parameter)?;
        gradient = b.add(gradient, shrink)?;
    }
    let mu = b.float("mu");
    let mu = b.scalar(mu, rank)?;
    let kept = b.mul(mu, momentum)?;
    let momentum = b.add(kept, gradient)?;
    let mut direction = momentum;
    if b.attrs().bool("nesterov") == Some(true) {
        let ahead = b.mul(mu, momentum)?;
        direction = b.add(gradient, ahead)?;
    }
    let step = b.mul(rate, direction)?;
    Ok(vec![b.sub(parameter, step)?, momentum])
}
