//! The exponential function and what derives from it.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::{copy_sign, polynomial, reciprocal};
use crate::kernel::KernelBuilder;

/// eˣ; error at most 1 ulp, results below the normal range included.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ by a polynomial (SLEEF's coefficients, N. Shibata); 2ⁿ in
/// two factors, so that neither overflows before the product does.
pub fn exp(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    const COEFFICIENTS: [f64; 6] = [
        1.985_276_2e-4,
        1.393_043_6e-3,
        8.333_361e-3,
        4.166_648_5e-2,
        1.666_666_7e-1,
        0.5,
    ];
    // Beyond these bounds the result is infinite or zero already.
    let x = k.fclamp(x, -104.5, 89.0);
    let log2e = k.flike(x, std::f64::consts::LOG2_E);
    let magic = k.flike(x, 12_582_912.0);
    let shifted = k.fma(x, log2e, magic);
    let n = k.b.ins().fsub(shifted, magic);
    let bits = k.bits(shifted);
    let n_int = k.add_imm(bits, -0x4b40_0000);
    let high = k.flike(x, -0.693_145_751_953_125);
    let r = k.fma(n, high, x);
    let low = k.flike(x, -1.428_606_8e-6);
    let r = k.fma(n, low, r);
    let p = polynomial(k, r, &COEFFICIENTS);
    let square = k.b.ins().fmul(r, r);
    let p = k.fma(p, square, r);
    let one = k.flike(x, 1.0);
    let p = k.b.ins().fadd(p, one);
    let half = k.b.ins().sshr_imm_u(n_int, 1);
    let rest = k.b.ins().isub(n_int, half);
    let first = power_of_two(k, half);
    let second = power_of_two(k, rest);
    let product = k.b.ins().fmul(p, first);
    k.b.ins().fmul(product, second)
}

/// 2ⁿ for integers n of normal results.
fn power_of_two(k: &mut KernelBuilder<'_>, n: Value) -> Value {
    let biased = k.add_imm(n, 127);
    let bits = k.b.ins().ishl_imm_u(biased, 23);
    k.float(bits)
}

/// 1/(1 + e⁻ˣ); error at most 3 ulp.
pub fn sigmoid(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    // e^−|x| never overflows, and for negative x it carries the small result.
    let magnitude = k.b.ins().fabs(x);
    let negative = k.b.ins().fneg(magnitude);
    let e = exp(k, negative);
    let one = k.flike(x, 1.0);
    let zero = k.flike(x, 0.0);
    let denominator = k.b.ins().fadd(one, e);
    let below = k.fmask(FloatCC::LessThan, x, zero);
    let numerator = k.choose(below, e, one);
    k.b.ins().fdiv(numerator, denominator)
}

/// Hyperbolic tangent; error at most 2 ulp.
///
/// Near zero x + x³·P(x²) with Cephes' polynomial (S. Moshier), else 1 − 2/(e^2|x| + 1).
pub fn tanh(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    const COEFFICIENTS: [f64; 5] = [
        -5.704_988_7e-3,
        2.063_908_9e-2,
        -5.373_971_6e-2,
        1.333_144_2e-1,
        -3.333_328_1e-1,
    ];
    let square = k.b.ins().fmul(x, x);
    let p = polynomial(k, square, &COEFFICIENTS);
    let p = k.b.ins().fmul(p, square);
    let near = k.fma(p, x, x);
    let magnitude = k.b.ins().fabs(x);
    let doubled = k.b.ins().fadd(magnitude, magnitude);
    let e = exp(k, doubled);
    let one = k.flike(x, 1.0);
    let denominator = k.b.ins().fadd(e, one);
    let inverse = reciprocal(k, denominator);
    let minus_two = k.flike(x, -2.0);
    let far = k.fma(minus_two, inverse, one);
    let far = copy_sign(k, far, x);
    let boundary = k.flike(x, 0.625);
    let is_near = k.fmask(FloatCC::LessThan, magnitude, boundary);
    k.choose(is_near, near, far)
}
