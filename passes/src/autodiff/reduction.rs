//! Reductions along an axis. g has a unit extent there, which broadcasts.

use hla_ir::{Op, ValueId};

use super::vjp::{Built, New, Vjp};

/// r = Σ x: g.
pub(super) fn sum(cx: &mut Vjp<'_, '_>) -> Built {
    Ok(Some(cx.g()))
}

/// r = max x or min x: g, split evenly among the elements that equal r.
pub(super) fn extremum(cx: &mut Vjp<'_, '_>) -> Built {
    let (x, r) = (cx.operand(0), cx.result(0));
    let hits = cx.op(Op::Equal, &[x, r])?;
    let ones = indicator(cx, hits, x)?;
    let count = cx.along(Op::ReduceSum, ones, cx.axis())?;
    let inverse = cx.op(Op::Reciprocal, &[count])?;
    let share = cx.mul(cx.g(), inverse)?;
    cx.keep(hits, share).map(Some)
}

/// r = Π x: g times the product of the others, also where factors are 0: with x′ = x, or 1 where
/// x = 0, it is Π x′/x′ᵢ if no other factor is 0, else 0.
pub(super) fn product(cx: &mut Vjp<'_, '_>) -> Built {
    let x = cx.operand(0);
    let (zero, one) = (cx.number(x, 0.0)?, cx.number(x, 1.0)?);
    let zeros = cx.op(Op::Equal, &[x, zero])?;
    let ones = indicator(cx, zeros, x)?;
    let count = cx.along(Op::ReduceSum, ones, cx.axis())?;
    let others = cx.sub(count, ones)?;
    let alone = cx.op(Op::Equal, &[others, zero])?;
    let safe = cx.op(Op::Select, &[zeros, one, x])?;
    let all = cx.along(Op::ReduceProduct, safe, cx.axis())?;
    let inverse = cx.op(Op::Reciprocal, &[safe])?;
    let g = cx.g();
    let product = cx.product(&[g, all, inverse])?;
    cx.keep(alone, product).map(Some)
}

/// 1 where the condition holds, else 0, of the element type of `like`.
pub(super) fn indicator(cx: &mut Vjp<'_, '_>, condition: ValueId, like: ValueId) -> New {
    let one = cx.number(like, 1.0)?;
    cx.keep(condition, one)
}
