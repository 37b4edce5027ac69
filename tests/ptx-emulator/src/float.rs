//! Arithmetic of floats as PTX defines it.
//!
//! - A result that is not a number has the one bit pattern that the hardware gives: 0x7fffffff, 0x7fff.
//! - `fma` rounds once, in every type.
//! - Functions marked `.approx` or `.full` are computed in f64 and rounded once. The hardware's are
//!   off by a few units in the last place, so its results differ there; programs must not depend on it.

use half::f16;

/// The one NaN of f32.
pub const NAN32: u32 = 0x7fff_ffff;
/// The one NaN of the types of 16 bits.
pub const NAN16: u16 = 0x7fff;

/// Puts the one NaN in place of any.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(NAN32) } else { x }
}

/// Zero of the same sign in place of a subnormal number.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE {
        0f32.copysign(x)
    } else {
        x
    }
}

/// Clamps to [0, 1]; NaN gives 0.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

/// a · b + c, rounded once.
#[inline(always)]
pub fn fma32(a: f32, b: f32, c: f32) -> f32 {
    // The product is exact in f64. Rounding the sum to f64 and then to f32 is rounding once, except
    // where the f64 lies halfway between two f32, or where the f32 has fewer bits.
    let sum = f64::from(a) * f64::from(b) + f64::from(c);
    let halfway = sum.to_bits() & 0x1fff_ffff == 0x1000_0000;
    if halfway || (sum.abs() < 1e-37 && sum != 0.0) {
        return canonical(a.mul_add(b, c));
    }
    canonical(sum as f32)
}

/// A sum in f64 whose last bit says whether bits were lost, so that rounding it further to a type of
/// less than 52 bits is rounding once.
fn odd_sum(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let other = sum - a;
    let error = (a - (sum - other)) + (b - other);
    if error == 0.0 || !sum.is_finite() || sum.to_bits() & 1 == 1 {
        return sum;
    }
    // Towards the error: away from zero if the signs agree.
    let bits = sum.to_bits();
    f64::from_bits(if (error > 0.0) == (sum > 0.0) {
        bits + 1
    } else {
        bits - 1
    })
}

/// a · b + c to be rounded once to a type of 16 bits: the product is exact in f64.
pub fn fma_wide(a: f64, b: f64, c: f64) -> f64 {
    odd_sum(a * b, c)
}

/// A type of 16 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Short {
    /// IEEE half precision.
    Half,
    /// bfloat16.
    Brain,
}

impl Short {
    /// Its value.
    #[inline(always)]
    pub fn widen(self, bits: u16) -> f32 {
        match self {
            Short::Half => half_to_f32(bits),
            Short::Brain => f32::from_bits(u32::from(bits) << 16),
        }
    }

    /// The nearest number, ties to even.
    #[inline(always)]
    pub fn narrow(self, x: f64) -> u16 {
        self.narrow32(odd_single(x))
    }

    /// The nearest number to an f32, ties to even.
    #[inline(always)]
    pub fn narrow32(self, x: f32) -> u16 {
        match self {
            _ if x.is_nan() => NAN16,
            Short::Half => f16::from_f32(x).to_bits(),
            Short::Brain => {
                let bits = x.to_bits();
                ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
            }
        }
    }

    /// The number next towards zero.
    pub fn truncate(self, x: f32) -> u16 {
        if x.is_nan() {
            return NAN16;
        }
        if self == Short::Brain || x.is_infinite() {
            return if self == Short::Brain {
                (x.to_bits() >> 16) as u16
            } else {
                self.narrow32(x)
            };
        }
        let near = self.narrow32(x);
        if self.widen(near).abs() > x.abs() {
            near - 1
        } else {
            near
        }
    }
}

/// The f32 from which rounding to 16 bits is rounding the double once: it keeps more than the two bits
/// that this needs, and where bits are lost the last one is made odd.
fn odd_single(x: f64) -> f32 {
    let near = x as f32;
    let back = f64::from(near);
    let bits = near.to_bits();
    if back == x || near.is_infinite() || bits & 1 == 1 {
        near
    } else if back.abs() < x.abs() {
        f32::from_bits(bits + 1)
    } else {
        f32::from_bits(bits - 1)
    }
}

/// The value of a half.
#[inline(always)]
pub fn half_to_f32(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let sign = u32::from(bits & 0x8000) << 16;
    // Scaling by a power of two makes subnormal numbers right, too.
    let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000);
    let scaled = if bits & 0x7c00 == 0x7c00 {
        f32::from_bits(magnitude | 0x7f80_0000)
    } else {
        scaled
    };
    f32::from_bits(scaled.to_bits() | sign)
}

/// The nearest number of 11 bits, ties away from zero: what `cvt.rna.tf32.f32` gives.
#[inline(always)]
pub fn tf32_away(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return NAN32;
    }
    if x.is_infinite() {
        bits
    } else {
        (bits + 0x1000) & 0xffff_e000
    }
}

/// The nearest number of 11 bits, ties to even.
pub fn tf32_even(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return NAN32;
    }
    if x.is_infinite() {
        return bits;
    }
    (bits + 0xfff + (bits >> 13 & 1)) & 0xffff_e000
}

/// The smaller; −0 is less than +0. One NaN gives the other operand, unless `nan`.
#[inline(always)]
pub fn min32(a: f32, b: f32, nan: bool) -> f32 {
    if a.is_nan() || b.is_nan() {
        return pick(a, b, nan);
    }
    if a == b {
        return f32::from_bits(a.to_bits() | b.to_bits());
    }
    if a < b { a } else { b }
}

/// The larger; +0 is more than −0. One NaN gives the other operand, unless `nan`.
#[inline(always)]
pub fn max32(a: f32, b: f32, nan: bool) -> f32 {
    if a.is_nan() || b.is_nan() {
        return pick(a, b, nan);
    }
    if a == b {
        return f32::from_bits(a.to_bits() & b.to_bits());
    }
    if a > b { a } else { b }
}

fn pick(a: f32, b: f32, nan: bool) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, false) if !nan => b,
        (false, true) if !nan => a,
        _ => f32::from_bits(NAN32),
    }
}

/// The smaller of two doubles by the same rules.
pub fn min64(a: f64, b: f64) -> f64 {
    if a == 0.0 && b == 0.0 {
        f64::from_bits(a.to_bits() | b.to_bits())
    } else {
        a.min(b)
    }
}

/// The larger of two doubles by the same rules.
pub fn max64(a: f64, b: f64) -> f64 {
    if a == 0.0 && b == 0.0 {
        f64::from_bits(a.to_bits() & b.to_bits())
    } else {
        a.max(b)
    }
}

/// A double rounded to f32 in a direction.
pub fn narrow64(x: f64, round: Round) -> f32 {
    let near = x as f32;
    if x.is_nan() {
        return f32::from_bits(NAN32);
    }
    let back = f64::from(near);
    match round {
        Round::Even => near,
        Round::Zero if back.abs() > x.abs() => towards_zero(near),
        Round::Down if back > x => near.next_down(),
        Round::Up if back < x => near.next_up(),
        _ => near,
    }
}

fn towards_zero(x: f32) -> f32 {
    f32::from_bits(x.to_bits() - 1)
}

/// A direction of rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// To the nearest, ties to even.
    Even,
    /// Towards zero.
    Zero,
    /// Towards −∞.
    Down,
    /// Towards +∞.
    Up,
    /// To the nearest, ties away from zero.
    Away,
}

impl Round {
    /// Reads `rn`, `rni`, `rz`, …; the second tells whether to an integer.
    pub fn parse(text: &str) -> Option<(Round, bool)> {
        Some(match text {
            "rn" => (Round::Even, false),
            "rz" => (Round::Zero, false),
            "rm" => (Round::Down, false),
            "rp" => (Round::Up, false),
            "rna" => (Round::Away, false),
            "rni" => (Round::Even, true),
            "rzi" => (Round::Zero, true),
            "rmi" => (Round::Down, true),
            "rpi" => (Round::Up, true),
            _ => return None,
        })
    }

    /// Rounds to an integer.
    pub fn integer(self, x: f64) -> f64 {
        match self {
            Round::Even => x.round_ties_even(),
            Round::Zero => x.trunc(),
            Round::Down => x.floor(),
            Round::Up => x.ceil(),
            Round::Away => x.round(),
        }
    }
}
