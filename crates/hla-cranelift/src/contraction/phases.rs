//! One dimension of a transposed convolution as plain convolutions.
//!
//! Input i and tap k add to output i·s + k·d + pad. Outputs o with one remainder modulo s see the
//! same taps. With g = gcd(s, d) and t = o − pad they are those with k·d ≡ t modulo s: none unless g
//! divides t, else k = k₀ + (s/g)·j for j = 0 … T − 1, T = ⌈(K − k₀)/(s/g)⌉, at inputs
//! i = (t − k₀·d)/s − (d/g)·j. Summing by ascending i, as TOSA's pseudocode does, takes j downwards.
//!
//! With a large stride the phases would be many and each would have next to no taps. Then the input is
//! spread instead: s − 1 zeros between neighbours, and one phase in which every output sees all taps.

/// More phases than this in one dimension are not worth their code.
const MAX_PHASES: u64 = 8;

/// One dimension of a transposed convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scatter {
    /// Extents, none of which is zero.
    pub input: u64,
    pub output: u64,
    pub kernel: u64,
    pub stride: u64,
    pub dilation: u64,
    /// Outputs before that of the first input and tap; may be negative.
    pub pad: i64,
}

/// The outputs of one remainder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Phase {
    /// First output; the others follow at distance s.
    pub output: u64,
    /// How many there are.
    pub count: u64,
    /// Taps that each of them sums.
    pub taps: u64,
    /// First input of the first output, in the padded input; of the other outputs it is 1 further
    /// each.
    pub input: u64,
    /// Kernel index of the tap at the first input.
    pub kernel: u64,
}

/// All phases of a dimension, and the padding of the input that they want.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Phases {
    pub before: u64,
    pub after: u64,
    /// Distance of neighbouring inputs in the padded input: 1 unless the stride is large.
    pub spread: u64,
    /// Distance of the outputs of a phase.
    pub step: u64,
    /// Distance of the inputs of neighbouring taps.
    pub reach: u64,
    /// How much less the kernel index of each tap is than that of the one before.
    pub back: u64,
    pub phases: Vec<Phase>,
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Scatter {
    /// Divides the dimension.
    pub fn phases(self) -> Phases {
        let Scatter { stride, output, .. } = self;
        if stride.min(output) > MAX_PHASES {
            let spread = Scatter {
                input: (self.input - 1) * stride + 1,
                stride: 1,
                ..self
            };
            return Phases {
                spread: stride,
                ..spread.phases()
            };
        }
        let common = gcd(stride, self.dilation);
        let (back, reach) = (stride / common, self.dilation / common);
        // (phase, first input unpadded)
        let found: Vec<(Phase, i64)> = (0..stride.min(output))
            .map(|o| {
                let t = o as i64 - self.pad;
                let step = |k: u64| t - (k * self.dilation) as i64;
                let lands = |&k: &u64| step(k).rem_euclid(stride as i64) == 0;
                let first = (0..back.min(self.kernel)).find(lands);
                let taps = first.map_or(0, |k| (self.kernel - k).div_ceil(back));
                let phase = Phase {
                    output: o,
                    count: (output - o).div_ceil(stride),
                    taps,
                    input: 0,
                    kernel: first.unwrap_or(0) + taps.saturating_sub(1) * back,
                };
                let input = step(phase.kernel).div_euclid(stride as i64);
                (phase, input)
            })
            .collect();
        let summed = || found.iter().filter(|(p, _)| p.taps > 0);
        let before = summed().map(|&(_, first)| -first).max().unwrap_or(0).max(0);
        let ends = summed().map(|(p, first)| first + (p.count + (p.taps - 1) * reach) as i64);
        let after = ends.max().map_or(0, |end| (end - self.input as i64).max(0));
        let phases = found.iter().map(|&(phase, first)| Phase {
            input: if phase.taps == 0 {
                0
            } else {
                (first + before) as u64
            },
            ..phase
        });
        Phases {
            before: before as u64,
            after: after as u64,
            spread: 1,
            step: stride,
            reach,
            back,
            phases: phases.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every (input, tap) that lands on an output is met there once, in ascending order of
        /// inputs, and nothing else but padding.
        #[test]
        fn taps_are_those_of_the_scatter(
            input in 1u64..6, kernel in 1u64..6, stride in 1u64..13, dilation in 1u64..7,
            before in -4i64..5, after in -4i64..5,
        ) {
            let window = ((kernel - 1) * dilation + 1) as i64;
            let output = (input as i64 - 1) * stride as i64 + before + after + window;
            prop_assume!(output > 0);
            let output = output as u64;
            let mut expected = vec![Vec::new(); output as usize];
            for i in 0..input {
                for k in 0..kernel {
                    let o = (i * stride + k * dilation) as i64 + before;
                    if let Some(taps) = usize::try_from(o).ok().and_then(|o| expected.get_mut(o)) {
                        taps.push((i, k));
                    }
                }
            }
            let all = Scatter { input, output, kernel, stride, dilation, pad: before }.phases();
            let mut found = vec![Vec::new(); output as usize];
            let extent = all.before + (input - 1) * all.spread + 1 + all.after;
            for phase in &all.phases {
                for n in 0..phase.count {
                    let o = (phase.output + n * all.step) as usize;
                    for tap in 0..phase.taps {
                        let padded = phase.input + n + tap * all.reach;
                        prop_assert!(padded < extent);
                        let k = phase.kernel - tap * all.back;
                        prop_assert!(k < kernel);
                        let place = padded.checked_sub(all.before);
                        if let Some(place) = place.filter(|p| p.is_multiple_of(all.spread))
                            && place / all.spread < input
                        {
                            found[o].push((place / all.spread, k));
                        }
                    }
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
