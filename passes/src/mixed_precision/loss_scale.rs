//! The scale of gradients in f16, after Micikevicius and others (*Mixed Precision Training*,
//! arXiv 1710.03740, section 3.2), and how it follows what happens.
//!
//! f16 has no number between 0 and 2⁻²⁴, where many gradients are. So each gradient g that is kept in
//! f16 is kept as round(S·g), and what is computed of it is divided by S. S is a power of two: neither
//! changes a bit of an f32 that is not near the ends of its range. As everything between the loss and
//! its gradients is linear in them, this is what scaling the loss by S gives, with gradients of
//! parameters that are not scaled.
//!
//! Where S·g is beyond 65504 it is infinite, and some gradient of a parameter is no finite number. Such a
//! step is skipped: all state stays, S is halved. After so many steps without one, S is doubled. At S = 1
//! nothing is skipped: what is not finite there is so without any scale, and training should tell.

use hla_ir::graph::{BUFFER, UPDATES};
use hla_ir::{Attr, Attrs, DType, Diagnostic, Location, Op, Rewriter, TensorType, ValueId};

use crate::training::edit::{argument, plain, reshape, splat, state};

/// The state S, one number.
pub const LOSS_SCALE: &str = "loss_scale";
/// The state that counts steps since S changed or a step was skipped, one number.
pub const CLEAN_STEPS: &str = "loss_scale.clean_steps";
/// S before the first step.
pub const INITIAL: f64 = 65536.0;
/// The largest S: where gradients vanish it would grow without end.
const LARGEST: f64 = 16_777_216.0;

/// S in a function.
#[derive(Clone, Copy)]
pub(super) struct LossScale {
    scale: ValueId,
    clean_steps: ValueId,
    /// 1/S.
    reciprocal: ValueId,
}

impl LossScale {
    /// Adds its state.
    pub(super) fn new(rewriter: &mut Rewriter<'_>, at: &Location) -> Result<LossScale, Diagnostic> {
        let ty = TensorType::f32([1]).into();
        let buffer = [(BUFFER, Attr::Bool(true))];
        let scale = state(rewriter, LOSS_SCALE, &ty, &buffer)?;
        let clean_steps = state(rewriter, CLEAN_STEPS, &ty, &buffer)?;
        let reciprocal = plain(rewriter, Op::Reciprocal, &[scale], at)?;
        Ok(LossScale {
            scale,
            clean_steps,
            reciprocal,
        })
    }

    /// S·x.
    pub(super) fn scaled(
        &self,
        rewriter: &mut Rewriter<'_>,
        value: ValueId,
        at: &Location,
    ) -> Result<ValueId, Diagnostic> {
        times(rewriter, value, self.scale, at)
    }

    /// x/S.
    pub(super) fn unscaled(
        &self,
        rewriter: &mut Rewriter<'_>,
        value: ValueId,
        at: &Location,
    ) -> Result<ValueId, Diagnostic> {
        times(rewriter, value, self.reciprocal, at)
    }

    /// Lets the updates of a step happen only if all gradients of parameters are finite, and adds those
    /// of the scale, which grows after `interval` such steps.
    pub(super) fn guarded(
        &self,
        rewriter: &mut Rewriter<'_>,
        gradients: &[ValueId],
        interval: i64,
        at: &Location,
    ) -> Result<Vec<(ValueId, Attrs)>, Diagnostic> {
        let finite = all_finite(rewriter, gradients, at)?;
        let one = splat(rewriter, [1], 1.0, at)?;
        let at_least = plain(rewriter, Op::GreaterEqual, &[one, self.scale], at)?;
        let happens = plain(rewriter, Op::LogicalOr, &[finite, at_least], at)?;
        let mut results = Vec::new();
        for (value, attrs) in rewriter.mapped_results() {
            let old = attrs
                .str(UPDATES)
                .map(|name| argument(rewriter.old(), name));
            let Some(Some((arg, _))) = old else {
                results.push((value, attrs));
                continue;
            };
            let rank = rewriter.new_function().tensor_ty(value).rank();
            let condition = reshape(rewriter, happens, &vec![1; rank], at)?;
            let old = rewriter.get(ValueId(arg as u32));
            let kept = plain(rewriter, Op::Select, &[condition, value, old], at)?;
            results.push((kept, attrs));
        }
        for (value, name) in self.next(rewriter, finite, interval, at)? {
            results.push((value, Attrs::new().with(UPDATES, name)));
        }
        Ok(results)
    }

    /// S and the number of clean steps for the next step.
    fn next(
        &self,
        rewriter: &mut Rewriter<'_>,
        finite: ValueId,
        interval: i64,
        at: &Location,
    ) -> Result<[(ValueId, &'static str); 2], Diagnostic> {
        let one = splat(rewriter, [1], 1.0, at)?;
        let zero = splat(rewriter, [1], 0.0, at)?;
        let half = splat(rewriter, [1], 0.5, at)?;
        let two = splat(rewriter, [1], 2.0, at)?;
        let largest = splat(rewriter, [1], LARGEST, at)?;
        let interval = splat(rewriter, [1], interval as f64, at)?;
        let counted = plain(rewriter, Op::Add, &[self.clean_steps, one], at)?;
        let full = plain(rewriter, Op::GreaterEqual, &[counted, interval], at)?;
        let doubled = plain(rewriter, Op::Mul, &[self.scale, two], at)?;
        let doubled = plain(rewriter, Op::Minimum, &[doubled, largest], at)?;
        let halved = plain(rewriter, Op::Mul, &[self.scale, half], at)?;
        let halved = plain(rewriter, Op::Maximum, &[halved, one], at)?;
        let grown = plain(rewriter, Op::Select, &[full, doubled, self.scale], at)?;
        let scale = plain(rewriter, Op::Select, &[finite, grown, halved], at)?;
        let counted = plain(rewriter, Op::Select, &[full, zero, counted], at)?;
        let counted = plain(rewriter, Op::Select, &[finite, counted, zero], at)?;
        Ok([(scale, LOSS_SCALE), (counted, CLEAN_STEPS)])
    }
}

/// A product with a number, a tensor of one element.
fn times(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    number: ValueId,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let rank = rewriter.new_function().tensor_ty(value).rank();
    let number = reshape(rewriter, number, &vec![1; rank], at)?;
    plain(rewriter, Op::Mul, &[value, number], at)
}

/// Whether all elements of all tensors are finite: Σ x·0 is 0 then, and NaN if one is not.
fn all_finite(
    rewriter: &mut Rewriter<'_>,
    values: &[ValueId],
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let zero = splat(rewriter, [1], 0.0, at)?;
    let mut total = zero;
    for &value in values {
        let ty = rewriter.new_function().tensor_ty(value);
        debug_assert_eq!(ty.dtype, DType::F32);
        let flat = [ty.elements()];
        let flat = reshape(rewriter, value, &flat, at)?;
        let nothing = plain(rewriter, Op::Mul, &[flat, zero], at)?;
        let axis = Attrs::new().with("axis", 0_i64);
        let sum = rewriter.push(Op::ReduceSum, &[nothing], axis, at.clone())?;
        total = plain(rewriter, Op::Add, &[total, sum], at)?;
    }
    plain(rewriter, Op::Equal, &[total, zero], at)
}
