//! Random numbers that are the same everywhere and for ever.
//!
//! The generator is PCG64 DXSM, whose algorithm is fixed
//! (<https://docs.rs/rand_pcg>, M. O'Neill, HMC-CS-2014-0905), and how its bits become numbers is
//! written here, so no new version of a crate changes a training. Nothing of a generator is ever
//! stored: whoever needs random numbers names what they are for ([`Random::of`]), and a training
//! that continues from a checkpoint names the same things.

use rand_core::Rng;
use rand_pcg::Lcg128CmDxsm64;
use twox_hash::XxHash3_128;

/// A generator of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    bits: Lcg128CmDxsm64,
    /// The second number of a normal pair.
    spare: Option<f32>,
}

impl Random {
    /// The generator for one purpose, from the seed of the training and up to two indices, such as
    /// epoch and sample: its state is XXH3-128 over `seed, a, b` (little-endian) and `purpose`.
    pub fn of(seed: u64, purpose: &str, a: u64, b: u64) -> Random {
        let mut bytes = Vec::with_capacity(24 + purpose.len());
        for number in [seed, a, b] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(purpose.as_bytes());
        let state = XxHash3_128::oneshot(&bytes);
        Random {
            bits: Lcg128CmDxsm64::new(state, 0),
            spare: None,
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.bits.next_u64()
    }

    /// Uniform in [0, 1): the upper 24 bits over 2²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [−range, range).
    pub fn symmetric(&mut self, range: f32) -> f32 {
        (2.0 * self.uniform() - 1.0) * range
    }

    /// Uniform in 0..bound, without bias: Lemire's multiplication (arXiv 1805.10941). `bound` must
    /// not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = |bits: u64| u128::from(bits) * u128::from(bound);
        let mut wide = product(self.bits());
        if (wide as u64) < bound {
            let threshold = bound.wrapping_neg() % bound.max(1);
            while (wide as u64) < threshold {
                wide = product(self.bits());
            }
        }
        (wide >> 64) as u64
    }

    /// Normal with mean 0 and deviation 1: Box and Muller's transform of two uniform numbers.
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 1 − u is in (0, 1], so the logarithm is finite.
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.uniform()));
        let angle = std::f32::consts::TAU * self.uniform();
        let (sin, cos) = libm::sincosf(angle);
        self.spare = Some(radius * sin);
        radius * cos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_numpy() {
        // numpy.random.PCG64DXSM with inc = 1 and state = (seed + inc)·0xda942042e4dd58b5 + inc,
        // which is how Rust's generator begins.
        let state = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        let mut random = Random {
            bits: Lcg128CmDxsm64::new(state, 0),
            spare: None,
        };
        let bits: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(
            bits,
            [
                1_273_092_611_878_421_564,
                10_604_278_395_547_167_703,
                8_666_879_461_160_921_827
            ]
        );
    }

    #[test]
    fn each_purpose_has_its_own_numbers() {
        let first = |seed, purpose, a, b| Random::of(seed, purpose, a, b).bits();
        let base = first(1, "shuffle", 2, 3);
        assert_eq!(base, first(1, "shuffle", 2, 3));
        for other in [
            first(2, "shuffle", 2, 3),
            first(1, "augment", 2, 3),
            first(1, "shuffle", 3, 3),
            first(1, "shuffle", 2, 4),
            first(1, "shuffle", 3, 2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_are_right() {
        let mut random = Random::of(7, "test", 0, 0);
        let n = 100_000;
        let (mut sum, mut squares, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = f64::from(random.normal());
            sum += x;
            squares += x * x;
            let u = random.uniform();
            assert!((0.0..1.0).contains(&u));
            uniform += f64::from(u);
        }
        let n = f64::from(n);
        // Five standard errors.
        assert!((sum / n).abs() < 5.0 / n.sqrt());
        assert!((squares / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((uniform / n - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt());
    }

    #[test]
    fn bounded_numbers_are_even() {
        let mut random = Random::of(7, "test", 0, 1);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[random.below(6) as usize] += 1;
        }
        // Binomial(60000, 1/6): deviation 91.
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 460),
            "{counts:?}"
        );
        assert_eq!(random.below(1), 0);
    }
}
