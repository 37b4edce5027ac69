//! Rounding of floats, against exact integers and against other implementations.

use ptx_emulator::float::{Short, fma_wide, fma32, half_to_f32, tf32_away, tf32_even};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

fn random() -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(7)
}

#[test]
fn halves_widen_exactly() {
    for bits in 0..=u16::MAX {
        let (own, other) = (half_to_f32(bits), half::f16::from_bits(bits).to_f32());
        assert!(
            own == other && own.is_sign_negative() == other.is_sign_negative()
                || own.is_nan() && other.is_nan()
        );
    }
}

#[test]
fn singles_fuse() {
    let mut random = random();
    for i in 0..2_000_000 {
        let mut next = || random.next_u64() as u32;
        let (mut a, mut b, mut c) = (next(), next(), next());
        if i % 2 == 0 {
            // Near each other, so that sums cancel or end in ties.
            a = a & 0x80ff_f000 | 0x3f00_0000;
            b = b & 0x80ff_f000 | 0x3f00_0000;
            c = c & 0x83ff_ffff | 0x3c00_0000;
        }
        let [a, b, c] = [a, b, c].map(f32::from_bits);
        let (own, other) = (fma32(a, b, c), a.mul_add(b, c));
        assert!(
            own == other || own.is_nan() && other.is_nan(),
            "{a:e} {b:e} {c:e}: {own:e} {other:e}"
        );
    }
}

/// A half as a multiple of 2⁻²⁴.
fn exact(bits: u16) -> i128 {
    (half::f16::from_bits(bits).to_f64() * 16777216.0) as i128
}

#[test]
fn halves_fuse() {
    let mut random = random();
    let mut seen = 0;
    while seen < 300_000 {
        let word = random.next_u64();
        let [a, b, c] = [0, 16, 32].map(|shift| (word >> shift) as u16);
        if [a, b, c].iter().any(|bits| bits & 0x7c00 == 0x7c00) {
            continue;
        }
        let sum = exact(a) * exact(b) + (exact(c) << 24);
        let wide = |bits| f64::from(half_to_f32(bits));
        let got = Short::Half.narrow(fma_wide(wide(a), wide(b), wide(c)));
        if got & 0x7c00 == 0x7c00 {
            // Beyond the largest half and half a step.
            assert!(sum.abs() >= 65520 << 48, "{a:x} {b:x} {c:x}");
            continue;
        }
        seen += 1;
        // No neighbour is nearer, and a tie is even.
        let distance = |bits: u16| ((exact(bits) << 24) - sum).abs();
        for near in [got.wrapping_add(1), got.wrapping_sub(1)] {
            if near & 0x7c00 == 0x7c00 || (near ^ got) & 0x8000 != 0 {
                continue;
            }
            let (own, other) = (distance(got), distance(near));
            assert!(
                own < other || own == other && got & 1 == 0,
                "{a:x} {b:x} {c:x}: {got:x}"
            );
        }
    }
}

#[test]
fn brains_round_once() {
    let mut random = random();
    for i in 0..500_000 {
        let word = random.next_u64();
        // Doubles just above and below ties of bfloat16, and any.
        let x = match i % 4 {
            0 => f64::from_bits(word & 0x800f_e000_0000_0000 | 0x3ff0_1000_0000_0001),
            1 => f64::from_bits((word & 0x800f_e000_0000_0000 | 0x3ff0_1000_0000_0000) - 1),
            2 => f64::from_bits(word & 0x800f_e000_0000_0000 | 0x3ff0_1000_0000_0000),
            _ => f64::from(f32::from_bits(word as u32)) * 1.000_000_1,
        };
        let got = Short::Brain.narrow(x);
        let value = f64::from(Short::Brain.widen(got));
        if x.is_nan() || value.is_infinite() {
            assert!(x.is_nan() || x.abs() >= 3.39e38);
            continue;
        }
        for near in [got.wrapping_add(1), got.wrapping_sub(1)] {
            let other = f64::from(Short::Brain.widen(near));
            if !other.is_finite() || (near ^ got) & 0x8000 != 0 {
                continue;
            }
            let (own, other) = ((value - x).abs(), (other - x).abs());
            assert!(
                own < other || own == other && got & 1 == 0,
                "{x:e}: {got:x}"
            );
        }
    }
}

#[test]
fn tf32_ties() {
    let bits = |x: f32| x.to_bits();
    let tie = 1.0 + 2f32.powi(-11);
    assert_eq!(tf32_away(tie), bits(1.0 + 2f32.powi(-10)));
    assert_eq!(tf32_even(tie), bits(1.0));
    let next = 1.0 + 3.0 * 2f32.powi(-11);
    assert_eq!(tf32_even(next), bits(1.0 + 2f32.powi(-9)));
    assert_eq!(tf32_away(f32::NEG_INFINITY), bits(f32::NEG_INFINITY));
}
