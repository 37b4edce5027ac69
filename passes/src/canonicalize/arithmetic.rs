//! Neutral elements, double negation, clamps, selections, reductions over nothing.

use hla_ir::{Attr, Attrs, DType, Diagnostic, Op, ValueId};

use super::{Cx, Rule};

type Found = Result<Option<ValueId>, Diagnostic>;

/// The rules of this file.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("identity", identity),
    ("constant-second", constant_second),
    ("add-zero", add_zero),
    ("sub-zero", sub_zero),
    ("mul-one", mul_one),
    ("pow-one", pow_one),
    ("negate-negate", negate_negate),
    ("not-not", not_not),
    ("abs-abs", abs_abs),
    ("idempotent", idempotent),
    ("extremum-to-clamp", extremum_to_clamp),
    ("clamp-clamp", clamp_clamp),
    ("clamp-all", clamp_all),
    ("select-same", select_same),
    ("select-constant", select_constant),
    ("reduce-one", reduce_one),
    ("max-pool-one", max_pool_one),
];

// identity(x) = x
fn identity(cx: &mut Cx<'_, '_>) -> Found {
    Ok(cx.is(Op::Identity).then(|| cx.operands[0]))
}

// c ∘ x = x ∘ c for a commutative ∘
fn constant_second(cx: &mut Cx<'_, '_>) -> Found {
    let swap = cx.node.op.def().commutative && cx.constant(0).is_some() && cx.constant(1).is_none();
    if !swap {
        return Ok(None);
    }
    let operands = [cx.operands[1], cx.operands[0]];
    cx.push(cx.node.op, &operands, cx.node.attrs.clone())
}

/// Whether operand `i` is this constant everywhere, the sign of a float zero included.
fn is_splat(cx: &Cx<'_, '_>, i: usize, value: f64) -> bool {
    cx.splat(i).is_some_and(|v| v.to_bits() == value.to_bits())
}

// x + (−0) = x for floats (+0 would turn −0 into +0); x + 0 = x for integers
fn add_zero(cx: &mut Cx<'_, '_>) -> Found {
    let zero = if cx.ty.dtype.is_float() { -0.0 } else { 0.0 };
    Ok((cx.is(Op::Add) && is_splat(cx, 1, zero)).then(|| cx.operands[0]))
}

// x − 0 = x
fn sub_zero(cx: &mut Cx<'_, '_>) -> Found {
    Ok((cx.is(Op::Sub) && is_splat(cx, 1, 0.0)).then(|| cx.operands[0]))
}

// x·1 = x
fn mul_one(cx: &mut Cx<'_, '_>) -> Found {
    let unshifted = cx.node.attrs.i64("shift") == Some(0);
    Ok((cx.is(Op::Mul) && unshifted && is_splat(cx, 1, 1.0)).then(|| cx.operands[0]))
}

// x¹ = x
fn pow_one(cx: &mut Cx<'_, '_>) -> Found {
    Ok((cx.is(Op::Pow) && is_splat(cx, 1, 1.0)).then(|| cx.operands[0]))
}

/// Whether negation of this type is its own inverse: it saturates for i8 and i16.
fn negates_exactly(dtype: DType) -> bool {
    !matches!(dtype, DType::I8 | DType::I16)
}

/// Whether a `tosa.negate` has no zero points.
fn plain_negate(attrs: &Attrs) -> bool {
    ["input1_zp", "output_zp"]
        .iter()
        .all(|zp| attrs.f32(zp).unwrap_or(0.0) == 0.0)
}

// −(−x) = x
fn negate_negate(cx: &mut Cx<'_, '_>) -> Found {
    if !(cx.is(Op::Negate) && negates_exactly(cx.ty.dtype) && plain_negate(&cx.node.attrs)) {
        return Ok(None);
    }
    let inner = cx.inner(0, Op::Negate).filter(|n| plain_negate(&n.attrs));
    Ok(inner.map(|n| n.operands[0]))
}

// not not x = x
fn not_not(cx: &mut Cx<'_, '_>) -> Found {
    let inner = cx.inner(0, Op::LogicalNot);
    Ok(inner
        .filter(|_| cx.is(Op::LogicalNot))
        .map(|n| n.operands[0]))
}

// ||x|| = |x|; |−x| = |x| where negation is exact
fn abs_abs(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Abs) {
        return Ok(None);
    }
    if cx.inner(0, Op::Abs).is_some() {
        return Ok(Some(cx.operands[0]));
    }
    let exact = negates_exactly(cx.ty.dtype);
    match cx.inner(0, Op::Negate) {
        Some(n) if exact && plain_negate(&n.attrs) => {
            let x = n.operands[0];
            cx.push(Op::Abs, &[x], Attrs::new())
        }
        _ => Ok(None),
    }
}

// max(x, x) = min(x, x) = x and x = x or x = x
fn idempotent(cx: &mut Cx<'_, '_>) -> Found {
    let idempotent = matches!(
        cx.node.op,
        Op::Maximum | Op::Minimum | Op::LogicalAnd | Op::LogicalOr
    );
    Ok((idempotent && cx.operands[0] == cx.operands[1]).then(|| cx.operands[0]))
}

/// Smallest and largest value of an element type.
fn limits(dtype: DType) -> (f64, f64) {
    let int = |bits: u32| {
        (
            -(2f64.powi(bits as i32 - 1)),
            2f64.powi(bits as i32 - 1) - 1.0,
        )
    };
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => (f64::NEG_INFINITY, f64::INFINITY),
        DType::I1 => (0.0, 1.0),
        DType::I8 => int(8),
        DType::I16 => int(16),
        DType::I32 => int(32),
        DType::I64 | DType::Index => int(64),
    }
}

/// A bound of a clamp.
fn bound(dtype: DType, value: f64) -> Attr {
    if dtype.is_float() {
        Attr::F32(value as f32)
    } else {
        // Saturates at the largest 64-bit integer, which f64 rounds up.
        Attr::I64(value as i64)
    }
}

// max(x, c) = clamp(x, c, ∞); min(x, c) = clamp(x, −∞, c), but where NaN is ignored: that gives −∞
fn extremum_to_clamp(cx: &mut Cx<'_, '_>) -> Found {
    let maximum = cx.is(Op::Maximum);
    // An f64 holds every integer of at most 32 bits.
    let exact = !matches!(cx.ty.dtype, DType::I64 | DType::Index);
    let Some(c) = cx.splat(1).filter(|c| !c.is_nan() && exact) else {
        return Ok(None);
    };
    let keeps_nan = cx.node.attrs.str("nan_mode") != Some("IGNORE") || !cx.ty.dtype.is_float();
    if !(maximum || cx.is(Op::Minimum) && keeps_nan) {
        return Ok(None);
    }
    let (low, high) = limits(cx.ty.dtype);
    let (low, high) = if maximum { (c, high) } else { (low, c) };
    let mut attrs = Attrs::new();
    attrs.set("min_val", bound(cx.ty.dtype, low));
    attrs.set("max_val", bound(cx.ty.dtype, high));
    if let Some(mode) = cx.node.attrs.get("nan_mode") {
        attrs.set("nan_mode", mode.clone());
    }
    let x = cx.operands[0];
    cx.push(Op::Clamp, &[x], attrs)
}

/// Both bounds of a clamp, in an order in which −0 < +0 for floats.
enum Bounds {
    Float(f32, f32),
    Int(i64, i64),
}

fn bounds(attrs: &Attrs) -> Option<Bounds> {
    match (attrs.get("min_val")?, attrs.get("max_val")?) {
        (Attr::F32(a), Attr::F32(b)) => Some(Bounds::Float(*a, *b)),
        (Attr::I64(a), Attr::I64(b)) => Some(Bounds::Int(*a, *b)),
        _ => None,
    }
}

// clamp(clamp(x, a, b), c, d) = clamp(x, clamp(a, c, d), clamp(b, c, d))
fn clamp_clamp(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Clamp) {
        return Ok(None);
    }
    let Some(inner) = cx.inner(0, Op::Clamp) else {
        return Ok(None);
    };
    // An inner clamp that ignores NaN leaves none; one that keeps it needs an outer that keeps it.
    let mode = inner.attrs.get("nan_mode").cloned();
    let same = cx.node.attrs.get("nan_mode") == mode.as_ref();
    if !same && inner.attrs.str("nan_mode") != Some("IGNORE") {
        return Ok(None);
    }
    let x = inner.operands[0];
    let mut attrs = Attrs::new();
    match (bounds(&inner.attrs), bounds(&cx.node.attrs)) {
        (Some(Bounds::Float(a, b)), Some(Bounds::Float(c, d))) => {
            let clamp = |v: f32| {
                let low = if v.total_cmp(&c).is_lt() { c } else { v };
                if low.total_cmp(&d).is_gt() { d } else { low }
            };
            attrs.set("min_val", clamp(a));
            attrs.set("max_val", clamp(b));
        }
        (Some(Bounds::Int(a, b)), Some(Bounds::Int(c, d))) => {
            attrs.set("min_val", a.clamp(c, d));
            attrs.set("max_val", b.clamp(c, d));
        }
        _ => return Ok(None),
    }
    if let Some(mode) = mode {
        attrs.set("nan_mode", mode);
    }
    cx.push(Op::Clamp, &[x], attrs)
}

// clamp(x, −∞, ∞) = x, unless it turns NaN into a bound
fn clamp_all(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Clamp) {
        return Ok(None);
    }
    let (low, high) = limits(cx.ty.dtype);
    let all = match bounds(&cx.node.attrs) {
        Some(Bounds::Float(a, b)) => {
            let keeps_nan = cx.node.attrs.str("nan_mode") != Some("IGNORE");
            keeps_nan && f64::from(a) == low && f64::from(b) == high
        }
        // `as` saturates: the largest 64-bit integer is compared with itself.
        Some(Bounds::Int(a, b)) => a <= low as i64 && b >= high as i64,
        None => false,
    };
    Ok(all.then(|| cx.operands[0]))
}

// select(c, x, x) = x
fn select_same(cx: &mut Cx<'_, '_>) -> Found {
    Ok((cx.is(Op::Select) && cx.operands[1] == cx.operands[2]).then(|| cx.operands[1]))
}

// select(true, x, y) = x; select(false, x, y) = y
fn select_constant(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Select) {
        return Ok(None);
    }
    let chosen = cx
        .splat(0)
        .map(|c| cx.operands[if c != 0.0 { 1 } else { 2 }]);
    Ok(chosen)
}

// max, min or product of one element, and the sum of one integer, is that element
fn reduce_one(cx: &mut Cx<'_, '_>) -> Found {
    let exact = match cx.node.op {
        Op::ReduceMax | Op::ReduceMin | Op::ReduceProduct => true,
        // A sum of floats begins with +0, which turns −0 into +0.
        Op::ReduceSum => !cx.ty.dtype.is_float(),
        _ => return Ok(None),
    };
    // The result keeps the type only if the axis had one element.
    Ok(exact.then(|| cx.operands[0]))
}

// the maximum over windows of one element is that element
fn max_pool_one(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::MaxPool2d) || cx.node.attrs.str("nan_mode") == Some("IGNORE") {
        return Ok(None);
    }
    let ones = |name| {
        cx.node
            .attrs
            .i64s(name)
            .is_some_and(|v| v.iter().all(|&v| v == 1))
    };
    Ok((ones("kernel") && ones("stride")).then(|| cx.operands[0]))
}
