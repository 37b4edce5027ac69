//! Division of a sum by the number of its terms.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::DType;

use crate::kernel::{KernelBuilder, Width};

/// What a sum is divided by.
#[derive(Clone, Copy)]
pub(super) enum Divisor {
    /// The count as f32.
    Float(Value),
    /// TOSA's fixed-point reciprocal: multiplier, and the shift after it, as 64-bit integers; and
    /// what zero points add to the sum, as i32.
    Fixed {
        multiplier: Value,
        shift: Value,
        correction: Value,
    },
}

impl Divisor {
    /// The divisor for a 64-bit count of at least one.
    pub fn new(k: &mut KernelBuilder<'_>, dtype: DType, count: Value, input_zp: i64) -> Divisor {
        if dtype.is_float() {
            return Divisor::Float(k.b.ins().fcvt_from_sint(types::F32, count));
        }
        // TOSA's reciprocal_scale: 2³⁰⁺ᵏ/count, a little more.
        let less = k.offset(count, -1);
        let zeros = k.b.ins().clz(less);
        let bits = k.int(64);
        let exponent = k.b.ins().isub(bits, zeros);
        let numerator = k.int((1 << 30) + 1);
        let numerator = k.b.ins().ishl(numerator, exponent);
        let multiplier = k.b.ins().udiv(numerator, count);
        let shift = k.offset(exponent, 30);
        let correction = k.scale(count, -input_zp);
        let correction = k.b.ins().ireduce(types::I32, correction);
        Divisor::Fixed {
            multiplier,
            shift,
            correction,
        }
    }

    /// The average of lanes of sums, saturated to the type.
    pub fn apply(
        self,
        k: &mut KernelBuilder<'_>,
        dtype: DType,
        width: Width,
        sum: Value,
        output_zp: i64,
    ) -> Value {
        match self {
            Divisor::Float(count) => {
                let ty = k.ty(sum);
                let count = k.splat(ty, count);
                let average = k.b.ins().fdiv(sum, count);
                k.round_float(dtype, average)
            }
            Divisor::Fixed {
                multiplier,
                shift,
                correction,
            } => {
                let ty = k.ty(sum);
                let correction = k.splat(ty, correction);
                let sum = k.b.ins().iadd(sum, correction);
                let divide = |k: &mut KernelBuilder<'_>, sum: Value| {
                    let sum = k.b.ins().sextend(types::I64, sum);
                    let product = k.b.ins().imul(sum, multiplier);
                    let one = k.int(1);
                    let less = k.offset(shift, -1);
                    let half = k.b.ins().ishl(one, less);
                    let rounded = k.b.ins().iadd(product, half);
                    let quotient = k.b.ins().sshr(rounded, shift);
                    let quotient = k.offset(quotient, output_zp);
                    let bits = 8 * dtype.bytes() as u32;
                    let quotient =
                        k.iclamp(quotient, i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
                    k.b.ins().ireduce(types::I32, quotient)
                };
                if width == Width::One {
                    return divide(k, sum);
                }
                let mut result = sum;
                for lane in 0..4 {
                    let element = k.b.ins().extractlane(sum, lane);
                    let quotient = divide(k, element);
                    result = k.b.ins().insertlane(result, quotient, lane);
                }
                result
            }
        }
    }
}
