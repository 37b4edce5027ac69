//! xʸ, by way of f64.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};

use super::{is_negative, is_odd, polynomial};
use crate::kernel::KernelBuilder;

/// xʸ with the special cases of C's `pow`; error at most 0.51 ulp.
pub fn pow(k: &mut KernelBuilder<'_>, x: Value, y: Value) -> Value {
    let magnitude = k.b.ins().fabs(x);
    let power = if k.ty(x).is_vector() {
        let low = halves(k, magnitude, y, false);
        let high = halves(k, magnitude, y, true);
        join(k, low, high)
    } else {
        let wide_x = k.b.ins().fpromote(types::F64, magnitude);
        let wide_y = k.b.ins().fpromote(types::F64, y);
        let wide = power_of_positive(k, wide_x, wide_y);
        k.b.ins().fdemote(types::F32, wide)
    };
    // A negative base: odd powers are negative, powers that are no integers undefined.
    let negative = is_negative(k, x);
    let odd = is_odd(k, y);
    let flipped = k.b.ins().fneg(power);
    let signed = k.choose(odd, flipped, power);
    let power = k.choose(negative, signed, power);
    let whole = k.b.ins().floor(y);
    let fractional = k.fmask(FloatCC::NotEqual, whole, y);
    let zero = k.flike(x, 0.0);
    let infinity = k.flike(x, f64::INFINITY);
    let below = k.fmask(FloatCC::LessThan, x, zero);
    let finite = k.fmask(FloatCC::LessThan, magnitude, infinity);
    let undefined = k.b.ins().band(fractional, below);
    let undefined = k.b.ins().band(undefined, finite);
    let nan = k.flike(x, f64::NAN);
    let power = k.choose(undefined, nan, power);
    // x⁰ = 1ʸ = (−1)^±∞ = 1, even for NaN.
    let one = k.flike(x, 1.0);
    let y_zero = k.fmask(FloatCC::Equal, y, zero);
    let x_one = k.fmask(FloatCC::Equal, x, one);
    let magnitude_one = k.fmask(FloatCC::Equal, magnitude, one);
    let y_magnitude = k.b.ins().fabs(y);
    let y_infinite = k.fmask(FloatCC::Equal, y_magnitude, infinity);
    let limit = k.b.ins().band(magnitude_one, y_infinite);
    let is_one = k.b.ins().bor(y_zero, x_one);
    let is_one = k.b.ins().bor(is_one, limit);
    k.choose(is_one, one, power)
}

/// The power of two lanes of four, in the low lanes of the result.
fn halves(k: &mut KernelBuilder<'_>, x: Value, y: Value, high: bool) -> Value {
    let mut promote = |v: Value| {
        let v = if high { upper_to_lower(k, v) } else { v };
        k.b.ins().fvpromote_low(v)
    };
    let (x, y) = (promote(x), promote(y));
    let wide = power_of_positive(k, x, y);
    k.b.ins().fvdemote(wide)
}

fn upper_to_lower(k: &mut KernelBuilder<'_>, v: Value) -> Value {
    k.shuffle(
        types::F32X4,
        v,
        v,
        std::array::from_fn(|i| 8 + (i as u8 & 7)),
    )
}

/// The low halves of two vectors beside each other.
fn join(k: &mut KernelBuilder<'_>, low: Value, high: Value) -> Value {
    k.shuffle(
        types::F32X4,
        low,
        high,
        std::array::from_fn(|i| if i < 8 { i as u8 } else { i as u8 + 8 }),
    )
}

/// xʸ for x ≥ 0 in f64 lanes, with a relative error below 2⁻³¹ where the result is in f32's range.
/// x comes from f32, so it is never subnormal here.
fn power_of_positive(k: &mut KernelBuilder<'_>, x: Value, y: Value) -> Value {
    let log = log2(k, x);
    let product = k.b.ins().fmul(y, log);
    // Beyond these bounds the f32 result is infinite or zero already.
    let low = k.flike(product, -300.0);
    let product = k.max_or_second(low, product);
    let high = k.flike(product, 300.0);
    let product = k.min_or_second(high, product);
    exp2(k, product)
}

/// Binary logarithm: x = m·2ᵉ with √½ ≤ m < √2, log m = 2·artanh((m − 1)/(m + 1)) as a series.
fn log2(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let bits = k.bits(x);
    let shifted = k.add_imm(bits, -0x3fe6_a09e_667f_3bcd);
    // The exponent, kept non-negative for the conversion below by a bias of 2048.
    let biased = k.add_imm(shifted, 2048 << 52);
    let e = k.b.ins().ushr_imm_u(biased, 52);
    let unbiased = k.add_imm(e, -2048);
    let offset = k.b.ins().ishl_imm_u(unbiased, 52);
    let m = k.b.ins().isub(bits, offset);
    let m = k.float(m);
    // e as f64: its bits under the exponent of 2⁵².
    let two52 = k.ilike(e, 0x4330_0000_0000_0000);
    let e = k.b.ins().bor(e, two52);
    let e = k.float(e);
    let bias = k.flike(e, 4_503_599_627_370_496.0 + 2048.0);
    let e = k.b.ins().fsub(e, bias);
    let one = k.flike(x, 1.0);
    let numerator = k.b.ins().fsub(m, one);
    let denominator = k.b.ins().fadd(m, one);
    let s = k.b.ins().fdiv(numerator, denominator);
    let square = k.b.ins().fmul(s, s);
    let scale = 2.0 * std::f64::consts::LOG2_E;
    let coefficients: Vec<f64> = (0..=8)
        .rev()
        .map(|i| scale / f64::from(2 * i + 1))
        .collect();
    let series = polynomial(k, square, &coefficients);
    let log = k.fma(series, s, e);
    let zero = k.flike(x, 0.0);
    let is_zero = k.fmask(FloatCC::Equal, x, zero);
    let minus_infinity = k.flike(x, f64::NEG_INFINITY);
    let log = k.choose(is_zero, minus_infinity, log);
    // Infinity and NaN are their own logarithms.
    let infinity = k.flike(x, f64::INFINITY);
    let finite = k.fmask(FloatCC::LessThan, x, infinity);
    k.choose(finite, log, x)
}

/// 2ˣ for |x| ≤ 300.
fn exp2(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let magic = k.flike(x, 6_755_399_441_055_744.0);
    let shifted = k.b.ins().fadd(x, magic);
    let n = k.b.ins().fsub(shifted, magic);
    let r = k.b.ins().fsub(x, n);
    // Taylor: (r·ln 2)ⁱ/i!
    let mut coefficients = vec![1.0];
    for i in 1..=10 {
        let last = coefficients[coefficients.len() - 1];
        coefficients.push(last * std::f64::consts::LN_2 / f64::from(i));
    }
    coefficients.reverse();
    let p = polynomial(k, r, &coefficients);
    let bits = k.bits(shifted);
    let exponent = k.b.ins().ishl_imm_u(bits, 52);
    let p = k.bits(p);
    let result = k.b.ins().iadd(p, exponent);
    let result = k.float(result);
    let ordered = k.fmask(FloatCC::Equal, x, x);
    k.choose(ordered, result, x)
}
