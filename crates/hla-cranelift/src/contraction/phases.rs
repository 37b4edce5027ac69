//! One dimension of a transposed convolution as plain convolutions.
//!
//! Input i and tap k add to output i·s + k + pad. Outputs o with one remainder modulo s see the
//! same taps: with o − pad = q·s + r they are k = r + s·j at inputs i = q − j, for j = 0 … T − 1,
//! T = ⌈(K − r)/s⌉. Summing by ascending i, as TOSA's pseudocode does, takes j downwards.
//!
//! With a large stride the phases would be many and each would have next to no taps. Then the input is
//! spread instead: s − 1 zeros between neighbours, and one phase in which every output sees all taps.

/// More phases than this in one dimension are not worth their code.
const MAX_PHASES: u64 = 8;

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
    /// Kernel index of the tap at the first input; that of the next is s less.
    pub kernel: u64,
}

/// All phases of a dimension, and the padding of the input that they want.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Phases {
    pub before: u64,
    pub after: u64,
    /// Distance of neighbouring inputs in the padded input: 1 unless the stride is large.
    pub spread: u64,
    /// Distance of the outputs of a phase, and of the kernel indices of its taps.
    pub step: u64,
    pub phases: Vec<Phase>,
}

/// Divides a dimension: extents of input, output and kernel, stride, and `out_pad` before.
pub(super) fn phases(input: u64, output: u64, kernel: u64, stride: u64, pad: i64) -> Phases {
    if stride.min(output) > MAX_PHASES {
        let before = (kernel as i64 - 1 + pad) as u64;
        let spread = (input - 1) * stride + 1;
        return Phases {
            before,
            after: output + kernel - 1 - before - spread,
            spread: stride,
            step: 1,
            phases: vec![Phase {
                output: 0,
                count: output,
                taps: kernel,
                input: 0,
                kernel: kernel - 1,
            }],
        };
    }
    let s = stride as i64;
    // (output, count, taps, first input unpadded, kernel)
    let found: Vec<(u64, u64, u64, i64, u64)> = (0..stride.min(output))
        .map(|o| {
            let t = o as i64 - pad;
            let (q, r) = (t.div_euclid(s), t.rem_euclid(s) as u64);
            let taps = kernel.saturating_sub(r).div_ceil(stride);
            let last = taps.saturating_sub(1);
            let count = (output - o).div_ceil(stride);
            (o, count, taps, q - last as i64, r + stride * last)
        })
        .collect();
    let summed = || found.iter().filter(|p| p.2 > 0);
    let before = summed().map(|p| -p.3).max().unwrap_or(0).max(0) as u64;
    let ends = summed().map(|p| p.3 + (p.1 + p.2 - 1) as i64);
    let after = ends.max().map_or(0, |end| (end - input as i64).max(0)) as u64;
    let phases = found
        .into_iter()
        .map(|(output, count, taps, first, kernel)| Phase {
            output,
            count,
            taps,
            input: if taps == 0 {
                0
            } else {
                (first + before as i64) as u64
            },
            kernel: if taps == 0 { 0 } else { kernel },
        })
        .collect();
    Phases {
        before,
        after,
        spread: 1,
        step: stride,
        phases,
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
            input in 1u64..6, kernel in 1u64..6, stride in 1u64..13,
            before in -4i64..5, after in -4i64..5,
        ) {
            prop_assume!(before > -(kernel as i64) && after > -(kernel as i64));
            let output = (input as i64 - 1) * stride as i64 + before + after + kernel as i64;
            prop_assume!(output > 0);
            let output = output as u64;
            let mut expected = vec![Vec::new(); output as usize];
            for i in 0..input {
                for k in 0..kernel {
                    let o = (i * stride + k) as i64 + before;
                    if let Some(taps) = usize::try_from(o).ok().and_then(|o| expected.get_mut(o)) {
                        taps.push((i, k));
                    }
                }
            }
            let all = phases(input, output, kernel, stride, before);
            let mut found = vec![Vec::new(); output as usize];
            let extent = all.before + (input - 1) * all.spread + 1 + all.after;
            for phase in &all.phases {
                for n in 0..phase.count {
                    let o = (phase.output + n * all.step) as usize;
                    for tap in 0..phase.taps {
                        let padded = phase.input + n + tap;
                        prop_assert!(padded < extent);
                        let k = phase.kernel - tap * all.step;
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
