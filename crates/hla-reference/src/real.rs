//! The floats that the evaluator computes in: f32, as a function declares, or f64, for central
//! differences.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use hla_ir::DType;

use crate::number;

/// A number that contractions accumulate in.
pub(crate) trait Accumulator: Copy {
    /// Where sums begin.
    const ZERO: Self;
    /// self + x·w, with one rounding.
    fn accumulate(self, x: Self, w: Self) -> Self;
    /// self + x.
    fn plus(self, x: Self) -> Self;
}

impl Accumulator for f32 {
    const ZERO: f32 = 0.0;
    fn accumulate(self, x: f32, w: f32) -> f32 {
        x.mul_add(w, self)
    }
    fn plus(self, x: f32) -> f32 {
        self + x
    }
}

impl Accumulator for f64 {
    const ZERO: f64 = 0.0;
    fn accumulate(self, x: f64, w: f64) -> f64 {
        x.mul_add(w, self)
    }
    fn plus(self, x: f64) -> f64 {
        self + x
    }
}

/// Wraps modulo 2⁶⁴, so the low 32 bits are those of an i32 accumulator.
impl Accumulator for i64 {
    const ZERO: i64 = 0;
    fn accumulate(self, x: i64, w: i64) -> i64 {
        self.wrapping_add(x.wrapping_mul(w))
    }
    fn plus(self, x: i64) -> i64 {
        self.wrapping_add(x)
    }
}

/// A float to compute in. Everything but sums and products goes through f64, which is exact for
/// comparisons and rounding functions and rounded once for the others.
pub(crate) trait Real:
    Accumulator
    + PartialOrd
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// 1.
    const ONE: Self;
    /// The nearest value.
    fn of(value: f64) -> Self;
    /// The same value.
    fn wide(self) -> f64;
    /// An integer as it is stored in a tensor of this float type, rounded once.
    fn of_int(value: i64, dtype: DType) -> Self;
    /// A value as it is stored in a tensor of this float type.
    fn stored(self, dtype: DType) -> Self;
    /// A wide value as it is stored in a tensor of this float type, rounded once.
    fn stored_wide(value: f64, dtype: DType) -> Self;

    /// Whether it is no number.
    fn is_nan(self) -> bool {
        self.wide().is_nan()
    }

    /// |self|.
    fn abs(self) -> Self {
        Self::of(self.wide().abs())
    }
}

impl Real for f32 {
    const ONE: f32 = 1.0;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn of_int(value: i64, dtype: DType) -> f32 {
        match dtype {
            DType::F32 => value as f32,
            _ => number::round_f64(dtype, value as f64),
        }
    }
    fn stored(self, dtype: DType) -> f32 {
        number::round(dtype, self)
    }
    fn stored_wide(value: f64, dtype: DType) -> f32 {
        number::round_f64(dtype, value)
    }
}

/// Holds the value of any float type without rounding it.
impl Real for f64 {
    const ONE: f64 = 1.0;
    fn of(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    fn of_int(value: i64, _: DType) -> f64 {
        value as f64
    }
    fn stored(self, _: DType) -> f64 {
        self
    }
    fn stored_wide(value: f64, _: DType) -> f64 {
        value
    }
}
