//! Mathematical functions on lanes of f32, without any library.
//!
//! Each is made of additions, multiplications, fused multiply-adds, divisions, square roots and bit
//! operations only, so that every processor with FMA gives the same bits. The errors stated are
//! those that the test `math` measures against f64 over every binade.

mod exp;
mod pow;

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value};

use crate::kernel::KernelBuilder;

pub use exp::{exp, sigmoid, tanh};
pub use pow::pow;

/// Horner's rule: `coefficients` from the highest power down.
fn polynomial(k: &mut KernelBuilder<'_>, x: Value, coefficients: &[f64]) -> Value {
    let mut sum = k.flike(x, coefficients[0]);
    for &c in &coefficients[1..] {
        let c = k.flike(x, c);
        sum = k.fma(sum, x, c);
    }
    sum
}

/// `magnitude` with the sign of `sign`.
fn copy_sign(k: &mut KernelBuilder<'_>, magnitude: Value, sign: Value) -> Value {
    let bits = k.bits(sign);
    let sign = k.band(bits, -0x8000_0000);
    let bits = k.bits(magnitude);
    let bits = k.band(bits, 0x7fff_ffff);
    let bits = k.b.ins().bor(bits, sign);
    k.float(bits)
}

/// 1/x, correctly rounded.
pub fn reciprocal(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let one = k.flike(x, 1.0);
    k.b.ins().fdiv(one, x)
}

/// 1/√x, two roundings; error at most 1.5 ulp.
pub fn rsqrt(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let root = k.b.ins().sqrt(x);
    reciprocal(k, root)
}

/// Natural logarithm; error at most 1 ulp.
///
/// x = m·2ᵉ with √½ ≤ m < √2; the polynomial is that of Cephes' `logf` (S. Moshier).
pub fn log(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    const COEFFICIENTS: [f64; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    // Subnormals are scaled into the normal range first.
    let tiny = k.flike(x, f64::from(f32::MIN_POSITIVE));
    let subnormal = k.fmask(FloatCC::LessThan, x, tiny);
    let factor = k.flike(x, 8_388_608.0);
    let scaled = k.b.ins().fmul(x, factor);
    let normal = k.choose(subnormal, scaled, x);
    let bits = k.bits(normal);
    // Subtracting √½'s bits moves the boundary between exponents to √½.
    let shifted = k.add_imm(bits, -0x3f35_04f3);
    let e = k.b.ins().sshr_imm_u(shifted, 23);
    let offset = k.b.ins().ishl_imm_u(e, 23);
    let m = k.b.ins().isub(bits, offset);
    let m = k.float(m);
    let correction = k.band(subnormal, 23);
    let e = k.b.ins().isub(e, correction);
    let ty = k.ty(x);
    let e = k.b.ins().fcvt_from_sint(ty, e);
    let one = k.flike(x, 1.0);
    let f = k.b.ins().fsub(m, one);
    let square = k.b.ins().fmul(f, f);
    let p = polynomial(k, f, &COEFFICIENTS);
    let cube = k.b.ins().fmul(square, f);
    let minus_half = k.flike(x, -0.5);
    let low = k.flike(x, -2.121_944_4e-4);
    let e_low = k.b.ins().fmul(e, low);
    let tail = k.fma(p, cube, e_low);
    let tail = k.fma(minus_half, square, tail);
    let high = k.flike(x, 0.693_359_375);
    let sum = k.b.ins().fadd(f, tail);
    let result = k.fma(e, high, sum);
    // Zero, negative numbers, infinity and NaN.
    let zero = k.flike(x, 0.0);
    let infinity = k.flike(x, f64::INFINITY);
    let minus_infinity = k.flike(x, f64::NEG_INFINITY);
    let nan = k.flike(x, f64::NAN);
    let is_zero = k.fmask(FloatCC::Equal, x, zero);
    let result = k.choose(is_zero, minus_infinity, result);
    let valid = k.fmask(FloatCC::GreaterThanOrEqual, x, zero);
    let result = k.choose(valid, result, nan);
    let is_infinite = k.fmask(FloatCC::Equal, x, infinity);
    k.choose(is_infinite, infinity, result)
}

/// Gauss error function; error at most 1 ulp. The polynomials are N. Juffa's (`erff`).
pub fn erf(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    const INNER: [f64; 6] = [
        -5.967_617_03e-4,
        4.991_194_23e-3,
        -2.676_813_49e-2,
        1.128_199_25e-1,
        -3.761_253_36e-1,
        1.283_791_66e-1,
    ];
    const OUTER: [f64; 7] = [
        -1.728_534_7e-5,
        3.831_971_26e-4,
        -3.883_964_38e-3,
        2.425_462_19e-2,
        -1.067_778_77e-1,
        -6.348_466_87e-1,
        -1.287_175_12e-1,
    ];
    let magnitude = k.b.ins().fabs(x);
    let square = k.b.ins().fmul(x, x);
    let inner = polynomial(k, square, &INNER);
    let inner = k.fma(inner, x, x);
    // Beyond 4 the result is ±1 already.
    let t = k.fclamp(magnitude, f32::NEG_INFINITY, 4.0);
    let exponent = polynomial(k, t, &OUTER);
    let minus_t = k.b.ins().fneg(t);
    let exponent = k.fma(exponent, t, minus_t);
    let complement = exp(k, exponent);
    let one = k.flike(x, 1.0);
    let outer = k.b.ins().fsub(one, complement);
    let outer = copy_sign(k, outer, x);
    let boundary = k.flike(x, 0.927_734_375);
    let is_outer = k.fmask(FloatCC::GreaterThan, magnitude, boundary);
    k.choose(is_outer, outer, inner)
}

/// A mask of where floats are odd integers.
fn is_odd(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let half = k.flike(x, 0.5);
    let halved = k.b.ins().fmul(x, half);
    let floor = k.b.ins().floor(halved);
    let not_even = k.fmask(FloatCC::NotEqual, floor, halved);
    let whole = k.b.ins().floor(x);
    let integer = k.fmask(FloatCC::Equal, whole, x);
    k.b.ins().band(not_even, integer)
}

/// A mask of where the sign bit is set.
fn is_negative(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let bits = k.bits(x);
    let zero = k.ilike(bits, 0);
    k.imask(IntCC::SignedLessThan, bits, zero)
}
