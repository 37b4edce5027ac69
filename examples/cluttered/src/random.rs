//! Random numbers that are the same on every machine: SplitMix64 (G. Steele, D. Lea, C. Flood,
//! "Fast splittable pseudorandom number generators", 2014), one stream for each image.

/// A stream of random numbers.
pub struct Random(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's finalizer: a bijection in which each bit of the input moves half of the output.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream that these words name; another word anywhere gives another stream.
    pub fn named(words: &[u64]) -> Random {
        Random(words.iter().fold(0, |state, &word| {
            mix(state.wrapping_add(STEP) ^ mix(word.wrapping_add(STEP)))
        }))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A whole number in 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A number in low..high, uniform.
    pub fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// A whole number between two bounds, both included.
    pub fn count(&mut self, (low, high): (usize, usize)) -> usize {
        low + self.below(high - low + 1)
    }

    /// Mean 0, variance 1, nearly normal: the sum of four 16-bit numbers.
    pub fn bell(&mut self) -> f64 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
        (sum as f64 - 131_070.0) / 37_837.227
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The reference implementation's first three outputs for the seed 1234567.
        let mut random = Random(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(expected, [(); 3].map(|()| random.bits()));
    }

    #[test]
    fn words_name_streams_of_their_own() {
        let first = |words: &[u64]| Random::named(words).bits();
        assert_ne!(first(&[0, 1]), first(&[1, 0]));
        assert_ne!(first(&[0]), first(&[0, 0]));
        assert_eq!(first(&[3, 4]), first(&[3, 4]));
    }

    #[test]
    fn bells_have_mean_zero_and_variance_one() {
        let mut random = Random::named(&[7]);
        let draws: Vec<f64> = (0..40_000).map(|_| random.bell()).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / 40_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn ranges_hold_and_are_reached() {
        let mut random = Random::named(&[9]);
        let counts: Vec<usize> = (0..1000).map(|_| random.count((2, 4))).collect();
        assert!((2..=4).all(|n| counts.contains(&n)) && counts.iter().all(|n| (2..=4).contains(n)));
        assert!(
            (0..1000)
                .map(|_| random.between((-1.0, 0.5)))
                .all(|x| (-1.0..0.5).contains(&x))
        );
    }
}
