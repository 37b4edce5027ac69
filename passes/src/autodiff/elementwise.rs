//! Elementwise ops. The driver sums what was broadcast ([`Row::elementwise`]); a rule here gives the
//! cotangent in the shape of the result, or in a smaller one that broadcasts to it.
//!
//! [`Row::elementwise`]: super::rules::Row

use hla_ir::Op;

use super::vjp::{Built, New, Vjp};

/// r = x + y, x: g.
pub(super) fn pass(cx: &mut Vjp<'_, '_>) -> Built {
    Ok(Some(cx.g()))
}

/// r = x − y, y: −g.
pub(super) fn negated(cx: &mut Vjp<'_, '_>) -> Built {
    cx.negate(cx.g()).map(Some)
}

/// r = x·y, x: g·y.
pub(super) fn other_factor(cx: &mut Vjp<'_, '_>) -> Built {
    let other = cx.operand(1 - cx.by);
    cx.mul(cx.g(), other).map(Some)
}

/// r = xʸ, x: g·y·xʸ⁻¹, and 0 where y = 0.
pub(super) fn pow_base(cx: &mut Vjp<'_, '_>) -> Built {
    let (x, y) = (cx.operand(0), cx.operand(1));
    match cx.splat_value(y) {
        Some(0.0) => return Ok(None),
        Some(1.0) => return Ok(Some(cx.g())),
        Some(2.0) => {
            let twice = cx.scale(x, 2.0)?;
            return cx.mul(cx.g(), twice).map(Some);
        }
        _ => {}
    }
    // With exponent 0 the power is 1 at any x: without the selection 0·x⁻¹ is NaN at x = 0.
    let (zero, one) = (cx.number(y, 0.0)?, cx.number(y, 1.0)?);
    let flat = cx.op(Op::Equal, &[y, zero])?;
    let less = cx.sub(y, one)?;
    let exponent = cx.op(Op::Select, &[flat, one, less])?;
    let power = cx.op(Op::Pow, &[x, exponent])?;
    let g = cx.g();
    cx.product(&[g, y, power]).map(Some)
}

/// r = xʸ, y: g·r·ln x, and 0 where x = 0.
pub(super) fn pow_exponent(cx: &mut Vjp<'_, '_>) -> Built {
    let x = cx.operand(0);
    let (zero, one) = (cx.number(x, 0.0)?, cx.number(x, 1.0)?);
    let origin = cx.op(Op::Equal, &[x, zero])?;
    let safe = cx.op(Op::Select, &[origin, one, x])?;
    let log = cx.op(Op::Log, &[safe])?;
    let (g, r) = (cx.g(), cx.result(0));
    cx.product(&[g, r, log]).map(Some)
}

/// r = max(x, y), x: g where x > y, g/2 where x = y.
pub(super) fn maximum(cx: &mut Vjp<'_, '_>) -> Built {
    let (x, y) = (cx.operand(cx.by), cx.operand(1 - cx.by));
    extremum(cx, [x, y]).map(Some)
}

/// r = min(x, y), x: g where x < y, g/2 where x = y.
pub(super) fn minimum(cx: &mut Vjp<'_, '_>) -> Built {
    let (x, y) = (cx.operand(cx.by), cx.operand(1 - cx.by));
    extremum(cx, [y, x]).map(Some)
}

/// g where the first is greater, g/2 where both are equal.
fn extremum(cx: &mut Vjp<'_, '_>, order: [hla_ir::ValueId; 2]) -> New {
    let wins = cx.op(Op::Greater, &order)?;
    let (x, y) = (cx.operand(0), cx.operand(1));
    let ties = cx.op(Op::Equal, &[x, y])?;
    let half = cx.scale(cx.g(), 0.5)?;
    let tied = cx.keep(ties, half)?;
    let g = cx.g();
    cx.op(Op::Select, &[wins, g, tied])
}

/// r = c ? x : y, x: c ? g : 0.
pub(super) fn chosen(cx: &mut Vjp<'_, '_>) -> Built {
    let condition = cx.operand(0);
    cx.keep(condition, cx.g()).map(Some)
}

/// r = c ? x : y, y: c ? 0 : g.
pub(super) fn not_chosen(cx: &mut Vjp<'_, '_>) -> Built {
    let condition = cx.operand(0);
    cx.drop(condition, cx.g()).map(Some)
}

/// r = |x|: g·sign(x).
pub(super) fn abs(cx: &mut Vjp<'_, '_>) -> Built {
    let x = cx.operand(0);
    cx.with_sign(cx.g(), x).map(Some)
}

/// r = 1/x: −g·r².
pub(super) fn reciprocal(cx: &mut Vjp<'_, '_>) -> Built {
    let minus = cx.negate(cx.g())?;
    let r = cx.result(0);
    cx.product(&[minus, r, r]).map(Some)
}

/// r = 1/√x: −g·r³/2.
pub(super) fn rsqrt(cx: &mut Vjp<'_, '_>) -> Built {
    let half = cx.scale(cx.g(), -0.5)?;
    let r = cx.result(0);
    cx.product(&[half, r, r, r]).map(Some)
}

/// r = eˣ: g·r.
pub(super) fn exp(cx: &mut Vjp<'_, '_>) -> Built {
    let r = cx.result(0);
    cx.mul(cx.g(), r).map(Some)
}

/// r = ln x: g/x.
pub(super) fn log(cx: &mut Vjp<'_, '_>) -> Built {
    let x = cx.operand(0);
    let inverse = cx.op(Op::Reciprocal, &[x])?;
    cx.mul(cx.g(), inverse).map(Some)
}

/// r = tanh x: g·(1 − r²).
pub(super) fn tanh(cx: &mut Vjp<'_, '_>) -> Built {
    let r = cx.result(0);
    let square = cx.mul(r, r)?;
    let one = cx.number(r, 1.0)?;
    let slope = cx.sub(one, square)?;
    cx.mul(cx.g(), slope).map(Some)
}

/// r = 1/(1 + e⁻ˣ): g·r·(1 − r).
pub(super) fn sigmoid(cx: &mut Vjp<'_, '_>) -> Built {
    let r = cx.result(0);
    let one = cx.number(r, 1.0)?;
    let rest = cx.sub(one, r)?;
    let g = cx.g();
    cx.product(&[g, r, rest]).map(Some)
}

/// r = erf x: g·(2/√π)·e^(−x²).
pub(super) fn erf(cx: &mut Vjp<'_, '_>) -> Built {
    let x = cx.operand(0);
    let square = cx.mul(x, x)?;
    let minus = cx.negate(square)?;
    let bell = cx.op(Op::Exp, &[minus])?;
    let slope = cx.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)?;
    cx.mul(cx.g(), slope).map(Some)
}

/// r = min(max(x, lo), hi): g where lo < r < hi.
pub(super) fn clamp(cx: &mut Vjp<'_, '_>) -> Built {
    let bound = |name, none: f32| cx.node.attrs.f32(name).unwrap_or(none);
    let (low, high) = (
        bound("min_val", f32::NEG_INFINITY),
        bound("max_val", f32::INFINITY),
    );
    let r = cx.result(0);
    let mut g = cx.g();
    // The largest number stands for no bound at all: nothing is cut there but infinity.
    if high < f32::MAX {
        let bound = cx.number(r, high.into())?;
        let below = cx.op(Op::Greater, &[bound, r])?;
        g = cx.keep(below, g)?;
    }
    if low > f32::MIN {
        let bound = cx.number(r, low.into())?;
        let above = cx.op(Op::Greater, &[r, bound])?;
        g = cx.keep(above, g)?;
    }
    Ok(Some(g))
}
