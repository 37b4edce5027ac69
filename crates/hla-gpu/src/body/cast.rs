//! Conversions between element types.

use hla_ir::DType;

use super::emit::{Emitter, Step, computed};

/// Smallest and largest value of an integer type.
pub(super) fn range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::I1 => (0, 1),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

/// The nearest value of an integer type, in a wider type.
pub(super) fn saturate(e: &mut Emitter<'_>, x: &str, dtype: DType, wide: &str) -> String {
    let (low, high) = range(dtype);
    let (low, high) = (e.int(low, wide), e.int(high, wide));
    let above = e.same("arith.maxsi", &[x, &low], wide);
    e.same("arith.minsi", &[&above, &high], wide)
}

/// The value in the form in which its type is computed with; of a narrow float, before rounding.
pub(super) fn cast(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let (x, from, to) = (step.operand(0), step.from, step.to);
    let (source, target) = (computed(from), computed(to));
    match (from, to) {
        _ if from.is_float() && to.is_float() => x.to_owned(),
        (_, DType::I1) if from.is_float() => {
            let zero = e.float(0.0);
            e.same("arith.cmpf une,", &[x, &zero], source)
        }
        (_, DType::I1) if from == to => x.to_owned(),
        (_, DType::I1) => {
            let zero = e.int(0, source);
            e.same("arith.cmpi ne,", &[x, &zero], source)
        }
        _ if from.is_float() => {
            let rounded = e.same("math.roundeven", &[x], "f32");
            to_int(e, &rounded, to)
        }
        (DType::I1, _) if to.is_float() => e.convert("arith.uitofp", x, source, target),
        (DType::I32 | DType::I64 | DType::Index, DType::BF16) => {
            let odd = rounded_to_odd(e, x, source);
            e.convert("arith.sitofp", &odd, source, target)
        }
        _ if to.is_float() => e.convert("arith.sitofp", x, source, target),
        (DType::I1, _) => e.convert("arith.extui", x, source, target),
        _ if from.bytes() < to.bytes() => e.convert("arith.extsi", x, source, target),
        _ if from.bytes() > to.bytes() => e.convert("arith.trunci", x, source, target),
        _ => x.to_owned(),
    }
}

/// An integral float as an integer: saturated, a NaN as 0.
fn to_int(e: &mut Emitter<'_>, x: &str, to: DType) -> String {
    if let DType::I8 | DType::I16 = to {
        let (low, high) = range(to);
        let wide = narrow_to_int(e, x, low as f32, high as f32);
        return e.convert("arith.trunci", &wide, "i32", computed(to));
    }
    let (low, high) = range(to);
    // −2³¹ and 2³¹, or −2⁶³ and 2⁶³.
    let (below, above) = (e.float(low as f32), e.float(-(low as f32)));
    let (ty, zero) = (computed(to), e.float(0.0));
    let large = e.same("arith.cmpf oge,", &[x, &above], "f32");
    let not_small = e.same("arith.cmpf oge,", &[x, &below], "f32");
    let small = e.same("arith.cmpf olt,", &[x, &below], "f32");
    // Neither too large nor too small nor a NaN.
    let bounded = e.select(&large, &zero, x, "f32");
    let bounded = e.select(&not_small, &bounded, &zero, "f32");
    let converted = e.convert("arith.fptosi", &bounded, "f32", ty);
    let (low, high) = (e.int(low, ty), e.int(high, ty));
    let converted = e.select(&large, &high, &converted, ty);
    e.select(&small, &low, &converted, ty)
}

/// An integral float within bounds, a NaN as 0, as i32.
fn narrow_to_int(e: &mut Emitter<'_>, x: &str, low: f32, high: f32) -> String {
    let (low, high) = (e.float(low), e.float(high));
    let number = e.same("arith.cmpf ord,", &[x, x], "f32");
    let zero = e.float(0.0);
    let x = e.select(&number, x, &zero, "f32");
    let above = e.same("arith.maximumf", &[&x, &low], "f32");
    let within = e.same("arith.minimumf", &[&above, &high], "f32");
    e.convert("arith.fptosi", &within, "f32", "i32")
}

/// An integer with at most 24 bits from the highest that is set, the last of them set if any bit
/// that went was: bf16 has 8 bits, so rounding such a number to f32 and then to bf16 rounds once.
fn rounded_to_odd(e: &mut Emitter<'_>, x: &str, ty: &str) -> String {
    let mut x = x.to_owned();
    // Of numbers from 2ⁿ on, so many low bits go: less than half of bf16's last place there.
    let steps: &[(u32, u32)] = match ty {
        "i32" => &[(24, 16)],
        _ => &[(24, 16), (39, 31), (54, 46)],
    };
    let zero = e.int(0, ty);
    let minus = e.same("arith.subi", &[&zero, &x], ty);
    let magnitude = e.same("arith.maxsi", &[&x, &minus], ty);
    for &(from, bits) in steps {
        let ones = (1_i64 << bits) - 1;
        // As an unsigned number, for the magnitude of the most negative one.
        let limit = e.int(1 << from, ty);
        let large = e.same("arith.cmpi uge,", &[&magnitude, &limit], ty);
        let mask = e.int(ones, ty);
        let low = e.same("arith.andi", &[&x, &mask], ty);
        let any = e.same("arith.cmpi ne,", &[&low, &zero], ty);
        let keep = e.int(!ones, ty);
        let high = e.same("arith.andi", &[&x, &keep], ty);
        let half = e.int(1 << (bits - 1), ty);
        let sticky = e.select(&any, &half, &zero, ty);
        let odd = e.same("arith.ori", &[&high, &sticky], ty);
        x = e.select(&large, &odd, &x, ty);
    }
    x
}

/// saturate(round_even(x·(1/scale)), ±127), a NaN as 0.
pub(super) fn quantize(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let inverse = e.float(1.0 / step.attrs.f32("scale").unwrap_or(1.0));
    let scaled = e.same("arith.mulf", &[step.operand(0), &inverse], "f32");
    let rounded = e.same("math.roundeven", &[&scaled], "f32");
    let wide = narrow_to_int(e, &rounded, -127.0, 127.0);
    e.convert("arith.trunci", &wide, "i32", computed(step.to))
}

/// The scale with which a largest magnitude becomes 127; 1 for 0.
pub(super) fn scale(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let x = step.operand(0);
    let (most, zero, one) = (e.float(127.0), e.float(0.0), e.float(1.0));
    let quotient = e.same("arith.divf", &[x, &most], "f32");
    let none = e.same("arith.cmpf oeq,", &[x, &zero], "f32");
    e.select(&none, &one, &quotient, "f32")
}

/// q·scale.
pub(super) fn dequantize(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let scale = e.float(step.attrs.f32("scale").unwrap_or(1.0));
    let q = e.convert("arith.sitofp", step.operand(0), computed(step.from), "f32");
    e.same("arith.mulf", &[&q, &scale], "f32")
}
