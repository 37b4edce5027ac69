//! What a reduction does with two partial results.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{DType, Op};

use crate::kernel::{KernelBuilder, Width};

/// A reduction's operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Combine {
    pub op: Op,
    pub dtype: DType,
    pub ignore_nan: bool,
    /// Whether there is anything to reduce.
    pub empty: bool,
}

impl Combine {
    /// The value of nothing.
    pub fn start(self, k: &mut KernelBuilder<'_>, width: Width) -> Value {
        let ty = width.ty(self.dtype);
        let bits = 8 * self.dtype.bytes() as u32;
        match (self.op, self.dtype.is_float()) {
            (Op::ReduceSum, true) => k.f32_const(ty, 0.0),
            (Op::ReduceProduct, true) => k.f32_const(ty, 1.0),
            // A NaN that is ignored: it stays only if there is nothing else.
            (_, true) if self.ignore_nan && !self.empty => k.f32_const(ty, f32::NAN),
            (Op::ReduceMax, true) => k.f32_const(ty, f32::NEG_INFINITY),
            (_, true) => k.f32_const(ty, f32::INFINITY),
            (Op::ReduceSum, false) => k.int_const(ty, 0),
            (Op::ReduceProduct, false) => k.int_const(ty, 1),
            (Op::ReduceMax, false) => k.int_const(ty, i64::MIN >> (64 - bits)),
            (_, false) => k.int_const(ty, i64::MAX >> (64 - bits)),
        }
    }

    /// Two partial results, the first of elements before those of the second.
    pub fn apply(self, k: &mut KernelBuilder<'_>, a: Value, b: Value) -> Value {
        match (self.op, self.dtype.is_float()) {
            (Op::ReduceSum, true) => k.b.ins().fadd(a, b),
            (Op::ReduceProduct, true) => k.b.ins().fmul(a, b),
            (Op::ReduceSum, false) => k.b.ins().iadd(a, b),
            (Op::ReduceProduct, false) => k.b.ins().imul(a, b),
            (Op::ReduceMax, false) => k.b.ins().smax(a, b),
            (_, false) => k.b.ins().smin(a, b),
            (op, true) => {
                // Both give b where one is NaN: mend the case in which a must win.
                let value = if op == Op::ReduceMax {
                    k.max_or_second(a, b)
                } else {
                    k.min_or_second(a, b)
                };
                let suspect = if self.ignore_nan { b } else { a };
                let ordered = k.fmask(FloatCC::Equal, suspect, suspect);
                k.choose(ordered, value, a)
            }
        }
    }

    /// The result as its element type holds it: rounded, or wrapped.
    pub fn finish(self, k: &mut KernelBuilder<'_>, value: Value) -> Value {
        if self.dtype.is_float() {
            k.round_float(self.dtype, value)
        } else {
            k.wrap_int(self.dtype, value)
        }
    }
}
