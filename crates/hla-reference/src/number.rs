//! Rounding, wrapping and saturation to an element type.

use half::{bf16, f16};
use hla_ir::DType;

use crate::real::Real;

/// Rounds to nearest even to a floating-point type.
pub(crate) fn round(dtype: DType, value: f32) -> f32 {
    match dtype {
        DType::F16 => f16::from_f32(value).to_f32(),
        DType::BF16 => bf16::from_f32(value).to_f32(),
        _ => value,
    }
}

/// Rounds a wide value to nearest even to a floating-point type, once.
pub(crate) fn round_f64(dtype: DType, value: f64) -> f32 {
    match dtype {
        DType::F16 => f16::from_f64(value).to_f32(),
        DType::BF16 => bf16::from_f64(value).to_f32(),
        _ => value as f32,
    }
}

/// Smallest and largest value of an integer type.
pub(crate) fn range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::I1 => (0, 1),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Keeps the low bits that an integer type has.
pub(crate) fn wrap(dtype: DType, value: i64) -> i64 {
    match dtype {
        DType::I1 => value & 1,
        DType::I8 => i64::from(value as i8),
        DType::I16 => i64::from(value as i16),
        DType::I32 => i64::from(value as i32),
        _ => value,
    }
}

/// The nearest value of an integer type.
pub(crate) fn saturate(dtype: DType, value: i128) -> i64 {
    let (low, high) = range(dtype);
    value.clamp(low.into(), high.into()) as i64
}

/// The value of an integer type nearest to a float, ties to even; NaN gives 0.
pub(crate) fn from_float(dtype: DType, value: f64) -> i64 {
    let (low, high) = range(dtype);
    (value.round_ties_even() as i64).clamp(low, high)
}

/// The larger of two floats; −0 is smaller than +0. A NaN wins, or loses where it is ignored.
pub(crate) fn maximum<F: Real>(a: F, b: F, ignore_nan: bool) -> F {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => F::of(f64::NAN),
        (true, false) if ignore_nan => b,
        (false, true) if ignore_nan => a,
        (true, _) | (_, true) => F::of(f64::NAN),
        _ if a == b && a.wide().is_sign_negative() => b,
        _ if a == b => a,
        _ if a > b => a,
        _ => b,
    }
}

/// The smaller of two floats, as [`maximum`].
pub(crate) fn minimum<F: Real>(a: F, b: F, ignore_nan: bool) -> F {
    -maximum(-a, -b, ignore_nan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_to_even_and_saturate() {
        let i8 = |v| from_float(DType::I8, v);
        assert_eq!(
            [i8(0.5), i8(1.5), i8(2.5), i8(-0.5), i8(-1.5)],
            [0, 2, 2, 0, -2]
        );
        assert_eq!(
            [i8(127.5), i8(-128.5), i8(1e30), i8(f64::NEG_INFINITY)],
            [127, -128, 127, -128]
        );
        assert_eq!(i8(f64::NAN), 0);
        assert_eq!(from_float(DType::I64, f64::INFINITY), i64::MAX);
        assert_eq!(from_float(DType::I32, 2147483648.0), i64::from(i32::MAX));
    }

    #[test]
    fn zeros_are_ordered_by_sign() {
        assert_eq!(maximum(-0.0f32, 0.0, false).to_bits(), 0);
        assert_eq!(maximum(0.0f32, -0.0, false).to_bits(), 0);
        assert_eq!(minimum(0.0f32, -0.0, false).to_bits(), (-0.0f32).to_bits());
        assert_eq!(minimum(-0.0f32, -0.0, false).to_bits(), (-0.0f32).to_bits());
    }

    #[test]
    fn nan_wins_or_is_ignored() {
        assert!(maximum(f32::NAN, 1.0, false).is_nan());
        assert!(minimum(1.0, f32::NAN, false).is_nan());
        assert_eq!(maximum(f32::NAN, 1.0, true), 1.0);
        assert_eq!(minimum(-2.0, f32::NAN, true), -2.0);
        assert!(maximum(f32::NAN, f32::NAN, true).is_nan());
    }

    #[test]
    fn narrow_floats_round_once() {
        // 1 + 2^-11 lies half-way between two f16 values; a little more rounds up.
        assert_eq!(round(DType::F16, 1.0 + 1.0 / 2048.0), 1.0);
        assert_eq!(
            round(DType::F16, 1.0 + 1.0 / 2048.0 + 1e-6),
            1.0 + 1.0 / 1024.0
        );
        assert_eq!(round(DType::BF16, 1.0 + 1.0 / 256.0), 1.0);
        assert_eq!(round(DType::F16, 65520.0), f32::INFINITY);
    }
}
