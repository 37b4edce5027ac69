//! Batch norm with the batch's statistics: sums over \[M, C\] and one elementwise expression.
//!
//! With x̂ = (x − μ)·ρ, ρ = 1/√(σ² + ε), M values a channel:
//!
//! - offset: Σ g; scale: ρ·Σ g·(x − μ);
//! - x: γρ·(g − Σ g/M − x̂·Σ(g·x̂)/M) + g_μ/M + g_σ²·2(x − μ)/M, computed as
//!   g·a + (x − μ)·k + e with a = γρ, k = (2·g_σ² − a·ρ·∂scale)/M, e = (g_μ − a·∂offset)/M.

use hla_ir::{Op, ValueId};

use super::vjp::{Built, New, Vjp};

/// What the three rules share; equal nodes are built once.
struct Parts {
    /// x − μ.
    centred: ValueId,
    /// ρ.
    rstd: ValueId,
    /// Shape of x.
    shape: Vec<usize>,
    /// Shape of a statistic.
    channels: Vec<usize>,
}

fn parts(cx: &mut Vjp<'_, '_>) -> Result<Parts, hla_ir::Diagnostic> {
    let (x, mean, variance) = (cx.operand(0), cx.result(1), cx.result(2));
    let centred = cx.sub(x, mean)?;
    let epsilon = cx.node.attrs.f32("epsilon").unwrap_or(1e-5);
    let epsilon = cx.number(variance, epsilon.into())?;
    let sum = cx.add(variance, epsilon)?;
    Ok(Parts {
        centred,
        rstd: cx.op(Op::Rsqrt, &[sum])?,
        shape: cx.ty(x).shape.clone(),
        channels: cx.ty(mean).shape.clone(),
    })
}

/// Σ g.
fn by_offset(cx: &mut Vjp<'_, '_>, parts: &Parts, g: ValueId) -> New {
    cx.sum_to(g, &parts.shape, &parts.channels)
}

/// ρ·Σ g·(x − μ).
fn by_scale(cx: &mut Vjp<'_, '_>, parts: &Parts, g: ValueId) -> New {
    let product = cx.mul(g, parts.centred)?;
    let sum = cx.sum_to(product, &parts.shape, &parts.channels)?;
    cx.mul(sum, parts.rstd)
}

/// Derivative by the offset.
pub(super) fn offset(cx: &mut Vjp<'_, '_>) -> Built {
    let Some(g) = cx.cotangent(0) else {
        return Ok(None);
    };
    let parts = parts(cx)?;
    by_offset(cx, &parts, g).map(Some)
}

/// Derivative by the scale.
pub(super) fn scale(cx: &mut Vjp<'_, '_>) -> Built {
    let Some(g) = cx.cotangent(0) else {
        return Ok(None);
    };
    let parts = parts(cx)?;
    by_scale(cx, &parts, g).map(Some)
}

/// Derivative by the input.
pub(super) fn input(cx: &mut Vjp<'_, '_>) -> Built {
    let parts = parts(cx)?;
    let count =
        (parts.shape.iter().product::<usize>() / parts.channels.iter().product::<usize>()) as f64;
    // k·M, e·M and g·a, where there are any.
    let (mut slope, mut shift, mut direct) = (None, cx.cotangent(1), None);
    if let Some(g) = cx.cotangent(2) {
        slope = Some(cx.scale(g, 2.0)?);
    }
    if let Some(g) = cx.cotangent(0) {
        let scale = cx.operand(1);
        let a = cx.mul(parts.rstd, scale)?;
        let offsets = by_offset(cx, &parts, g)?;
        let scales = by_scale(cx, &parts, g)?;
        let pull = cx.product(&[a, parts.rstd, scales])?;
        slope = Some(less(cx, slope, pull)?);
        let pull = cx.mul(a, offsets)?;
        shift = Some(less(cx, shift, pull)?);
        direct = Some(cx.mul(g, a)?);
    }
    let mut sum = direct;
    if let Some(slope) = slope {
        let k = cx.scale(slope, 1.0 / count)?;
        let part = cx.mul(parts.centred, k)?;
        sum = Some(plus(cx, sum, part)?);
    }
    if let Some(shift) = shift {
        let e = cx.scale(shift, 1.0 / count)?;
        sum = Some(plus(cx, sum, e)?);
    }
    Ok(sum)
}

fn plus(cx: &mut Vjp<'_, '_>, sum: Option<ValueId>, part: ValueId) -> New {
    match sum {
        Some(sum) => cx.add(sum, part),
        None => Ok(part),
    }
}

fn less(cx: &mut Vjp<'_, '_>, sum: Option<ValueId>, part: ValueId) -> New {
    match sum {
        Some(sum) => cx.sub(sum, part),
        None => cx.negate(part),
    }
}
