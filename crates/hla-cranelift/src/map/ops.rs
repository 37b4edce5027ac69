//! Each elementwise op on lanes.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{Attrs, DType, Op};

use super::chain::Step;
use crate::kernel::{KernelBuilder, Width};
use crate::math;

/// Whether an op can be computed on several lanes; all can but one that needs 64-bit products.
pub(super) fn is_wide(op: Op, attrs: &Attrs) -> bool {
    op != Op::Mul || attrs.i64("shift").unwrap_or(0) == 0
}

/// A constant of a dtype in lanes.
pub(super) fn constant(k: &mut KernelBuilder<'_>, width: Width, dtype: DType, value: f64) -> Value {
    let ty = width.ty(dtype);
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => k.f32_const(ty, value as f32),
        DType::I1 => k.int_const(ty, if value == 0.0 { 0 } else { -1 }),
        _ => k.int_const(ty, value as i64),
    }
}

/// Writes one op; floats are rounded to the result's type.
pub(super) fn emit(k: &mut KernelBuilder<'_>, step: &Step, args: &[Value], width: Width) -> Value {
    let value = match step.op {
        Op::Cast => return cast(k, step, args[0], width),
        Op::Quantize => return quantize(k, step, args[0]),
        Op::DynamicQuantize => {
            let inverse = math::reciprocal(k, args[1]);
            let scaled = k.b.ins().fmul(args[0], inverse);
            return k.round_saturate(scaled, 127);
        }
        Op::Dequantize => return dequantize(k, step, args[0]),
        Op::Select => return k.choose(args[0], args[1], args[2]),
        Op::Identity | Op::Relayout => return args[0],
        Op::LogicalAnd => return k.b.ins().band(args[0], args[1]),
        Op::LogicalOr => return k.b.ins().bor(args[0], args[1]),
        Op::LogicalNot => return k.b.ins().bnot(args[0]),
        Op::Equal | Op::Greater | Op::GreaterEqual => return compare(k, step, args),
        _ if step.from.is_float() => float(k, step, args),
        _ => return integer(k, step, args),
    };
    k.round_float(step.to, value)
}

fn float(k: &mut KernelBuilder<'_>, step: &Step, args: &[Value]) -> Value {
    let x = args[0];
    let y = args.get(1).copied().unwrap_or(x);
    let ignore_nan = step.attrs.str("nan_mode") == Some("IGNORE");
    match step.op {
        Op::Add => k.b.ins().fadd(x, y),
        Op::Sub => k.b.ins().fsub(x, y),
        Op::Mul => k.b.ins().fmul(x, y),
        Op::Pow => math::pow(k, x, y),
        Op::Maximum => {
            let larger = k.max_or_second(x, y);
            with_nan(k, larger, x, y, ignore_nan)
        }
        Op::Minimum => {
            let smaller = k.min_or_second(x, y);
            with_nan(k, smaller, x, y, ignore_nan)
        }
        Op::Negate => k.b.ins().fneg(x),
        Op::Abs => k.b.ins().fabs(x),
        Op::Reciprocal => math::reciprocal(k, x),
        Op::Rsqrt => math::rsqrt(k, x),
        Op::Exp => math::exp(k, x),
        Op::Log => math::log(k, x),
        Op::Tanh => math::tanh(k, x),
        Op::Sigmoid => math::sigmoid(k, x),
        Op::Erf => math::erf(k, x),
        Op::Ceil => k.b.ins().ceil(x),
        Op::Floor => k.b.ins().floor(x),
        Op::Clamp => {
            let min = step.attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY);
            let max = step.attrs.f32("max_val").unwrap_or(f32::INFINITY);
            let clamped = k.fclamp(x, min, max);
            if ignore_nan {
                let min = k.flike(x, min.into());
                let ordered = k.fmask(FloatCC::Equal, x, x);
                k.choose(ordered, clamped, min)
            } else {
                clamped
            }
        }
        _ => x,
    }
}

/// Mends a maximum or minimum that gives the second operand where one is NaN.
fn with_nan(k: &mut KernelBuilder<'_>, value: Value, x: Value, y: Value, ignore: bool) -> Value {
    let suspect = if ignore { y } else { x };
    let ordered = k.fmask(FloatCC::Equal, suspect, suspect);
    k.choose(ordered, value, x)
}

fn compare(k: &mut KernelBuilder<'_>, step: &Step, args: &[Value]) -> Value {
    let (x, y) = (args[0], args[1]);
    if step.from.is_float() {
        let cc = match step.op {
            Op::Equal => FloatCC::Equal,
            Op::Greater => FloatCC::GreaterThan,
            _ => FloatCC::GreaterThanOrEqual,
        };
        return k.fmask(cc, x, y);
    }
    // Booleans are masks, of which true is the smaller number.
    let (x, y) = if step.from == DType::I1 {
        (y, x)
    } else {
        (x, y)
    };
    let cc = match step.op {
        Op::Equal => IntCC::Equal,
        Op::Greater => IntCC::SignedGreaterThan,
        _ => IntCC::SignedGreaterThanOrEqual,
    };
    let mask = k.imask(cc, x, y);
    if k.ty(mask) == types::I64 {
        k.b.ins().ireduce(types::I32, mask)
    } else {
        mask
    }
}

fn integer(k: &mut KernelBuilder<'_>, step: &Step, args: &[Value]) -> Value {
    let x = args[0];
    let y = args.get(1).copied().unwrap_or(x);
    let value = match step.op {
        Op::Add => k.b.ins().iadd(x, y),
        Op::Sub => k.b.ins().isub(x, y),
        Op::Mul => match step.attrs.i64("shift").unwrap_or(0) {
            0 => k.b.ins().imul(x, y),
            shift => {
                let x = k.b.ins().sextend(types::I64, x);
                let y = k.b.ins().sextend(types::I64, y);
                let product = k.b.ins().imul(x, y);
                let rounded = k.add_imm(product, 1 << (shift - 1));
                let shifted = k.b.ins().sshr_imm_u(rounded, shift);
                k.b.ins().ireduce(types::I32, shifted)
            }
        },
        Op::Maximum => k.b.ins().smax(x, y),
        Op::Minimum => k.b.ins().smin(x, y),
        Op::Negate => {
            if matches!(step.from, DType::I8 | DType::I16) {
                return negate_saturating(k, step, x);
            }
            let zero_points =
                step.attrs.i64("input1_zp").unwrap_or(0) + step.attrs.i64("output_zp").unwrap_or(0);
            let sum = k.ilike(x, zero_points);
            k.b.ins().isub(sum, x)
        }
        Op::Abs => k.b.ins().iabs(x),
        Op::Clamp => {
            let min = step.attrs.i64("min_val").unwrap_or(i64::MIN);
            let max = step.attrs.i64("max_val").unwrap_or(i64::MAX);
            let (low, high) = int_range(step.from);
            return k.iclamp(x, min.max(low), max.min(high));
        }
        _ => x,
    };
    k.wrap_int(step.to, value)
}

/// −(x − input_zp) + output_zp in the types that quantized values have.
fn negate_saturating(k: &mut KernelBuilder<'_>, step: &Step, x: Value) -> Value {
    let zero_points =
        step.attrs.i64("input1_zp").unwrap_or(0) + step.attrs.i64("output_zp").unwrap_or(0);
    let sum = k.ilike(x, zero_points);
    let value = k.b.ins().isub(sum, x);
    let (low, high) = int_range(step.to);
    k.iclamp(value, low, high)
}

/// The smallest and largest number of an integer type.
fn int_range(dtype: DType) -> (i64, i64) {
    let bits = 8 * dtype.bytes() as u32;
    (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
}

fn cast(k: &mut KernelBuilder<'_>, step: &Step, x: Value, width: Width) -> Value {
    let (from, to) = (step.from, step.to);
    let to_ty = width.ty(to);
    let is_long = |d: DType| d.bytes() == 8;
    match (from.is_float(), to.is_float()) {
        (true, true) => k.round_float(to, x),
        (true, false) if to == DType::I1 => {
            let zero = k.flike(x, 0.0);
            k.fmask(FloatCC::NotEqual, x, zero)
        }
        (true, false) => {
            let rounded = k.b.ins().nearest(x);
            let value = k.b.ins().fcvt_to_sint_sat(to_ty, rounded);
            if to.bytes() < 4 {
                let (low, high) = int_range(to);
                k.iclamp(value, low, high)
            } else {
                value
            }
        }
        (false, true) if from == DType::I1 => {
            let one = k.int_const(width.ty(DType::I32), 0x3f80_0000);
            let bits = k.b.ins().band(x, one);
            k.float(bits)
        }
        (false, true) => {
            let x = if to == DType::F32 {
                x
            } else {
                odd_to_24_bits(k, x)
            };
            let value = k.b.ins().fcvt_from_sint(to_ty, x);
            k.round_float(to, value)
        }
        (false, false) => {
            let value = match (is_long(from), is_long(to)) {
                _ if to == DType::I1 => {
                    let zero = k.ilike(x, 0);
                    let mask = k.imask(IntCC::NotEqual, x, zero);
                    return if is_long(from) {
                        k.b.ins().ireduce(types::I32, mask)
                    } else {
                        mask
                    };
                }
                (true, false) => k.b.ins().ireduce(types::I32, x),
                (false, true) => k.b.ins().sextend(types::I64, x),
                _ => x,
            };
            if from == DType::I1 {
                k.band(value, 1)
            } else {
                k.wrap_int(to, value)
            }
        }
    }
}

/// Cuts an integer to the 24 bits that f32 holds, the last one set if any lost bit was, so that
/// rounding again to the few bits of f16 or bf16 is as if rounded once.
fn odd_to_24_bits(k: &mut KernelBuilder<'_>, x: Value) -> Value {
    let magnitude = k.b.ins().iabs(x);
    let mask = if k.ty(x) == types::I64 {
        let zeros = k.b.ins().clz(magnitude);
        let low = k.ilike(x, 40);
        let low = k.b.ins().isub(low, zeros);
        let none = k.ilike(x, 0);
        let low = k.b.ins().smax(low, none);
        let one = k.ilike(x, 1);
        let unit = k.b.ins().ishl(one, low);
        k.b.ins().isub(unit, one)
    } else {
        // Beyond 2²⁴, f16 and bf16 do not see the last 9 bits.
        let limit = k.ilike(x, 1 << 24);
        let large = k.imask(IntCC::UnsignedGreaterThan, magnitude, limit);
        k.band(large, 0xff)
    };
    let lost = k.b.ins().band(magnitude, mask);
    let zero = k.ilike(x, 0);
    let sticky = k.imask(IntCC::NotEqual, lost, zero);
    let kept = k.b.ins().band_not(magnitude, mask);
    // One unit above the mask.
    let unit = k.add_imm(mask, 1);
    let sticky = k.b.ins().band(sticky, unit);
    let odd = k.b.ins().bor(kept, sticky);
    let negative = k.imask(IntCC::SignedLessThan, x, zero);
    let flipped = k.b.ins().ineg(odd);
    k.choose(negative, flipped, odd)
}

fn quantize(k: &mut KernelBuilder<'_>, step: &Step, x: Value) -> Value {
    let inverse = 1.0 / step.attrs.f32("scale").unwrap_or(1.0);
    let inverse = k.flike(x, inverse.into());
    let scaled = k.b.ins().fmul(x, inverse);
    k.round_saturate(scaled, 127)
}

fn dequantize(k: &mut KernelBuilder<'_>, step: &Step, x: Value) -> Value {
    let ty = if k.ty(x).is_vector() {
        types::F32X4
    } else {
        types::F32
    };
    let value = k.b.ins().fcvt_from_sint(ty, x);
    let scale = k.flike(value, step.attrs.f32("scale").unwrap_or(1.0).into());
    k.b.ins().fmul(value, scale)
}
