//! Random programs of the ops that rules know, with random scales: negative, zero, large, small.

use hla_ir::cost::total_multiplications;
use hla_ir::{Function, Op, ValueId};
use proptest::prelude::*;

use super::eliminate;
use crate::agree::{Random, assert_agree};
use crate::build::{Build, i64s};

/// A scale: of either sign, sometimes zero, one or minus one, sometimes far from one.
fn scale(random: &mut Random) -> f32 {
    let special = [0.0, 1.0, -1.0, 2.0, 4.0, 0.5, 0.3, 0.3];
    match random.below(4) {
        0 => special[random.below(special.len())],
        1 => (random.unit() * 3.0 + 0.1) as f32,
        2 => (random.signed() * 10f64.powf(random.signed() * 3.0)) as f32,
        _ => (random.signed() * 2.0) as f32,
    }
}

fn scales(random: &mut Random, n: usize) -> Vec<f32> {
    let one = scale(random);
    let positive = random.below(2) == 0;
    let uniform = random.below(3) == 0;
    (0..n)
        .map(|_| if uniform { one } else { scale(random) })
        .map(|s| if positive { s.abs().max(1e-3) } else { s })
        .collect()
}

/// Applies a random op to a random value; all values are \[1, 4, 4, C\] or pooled from that.
fn step(f: &mut Build, values: &mut Vec<ValueId>, random: &mut Random) {
    let x = values[values.len() - 1 - random.below(values.len().min(3))];
    let shape = f.0.tensor_ty(x).shape.clone();
    let channels = shape[3];
    let like: Vec<ValueId> = values
        .iter()
        .copied()
        .filter(|&v| f.0.tensor_ty(v).shape == shape)
        .collect();
    let y = like[random.below(like.len())];
    let seed = 1 + random.below(1 << 20) as u64;
    let new = match random.below(18) {
        0 => f.scale(x, scale(random)),
        1 | 2 => f.channels(Op::Mul, x, &scales(random, channels)),
        3 => f.channels(Op::Add, x, &scales(random, channels)),
        4 => f.relu(x),
        5 => f.clamp(x, -(random.unit() as f32), random.unit() as f32 * 6.0),
        6 => f.op(Op::Add, &[x, y], &[]),
        7 => f.op(
            [Op::Sub, Op::Maximum, Op::Minimum][random.below(3)],
            &[x, y],
            &[],
        ),
        8 | 9 => {
            let n = 1 + random.below(4);
            let (s, b) = (scales(random, n), scales(random, n));
            f.ternary(x, &s, &b, seed)
        }
        10 => {
            let (s, b) = (scales(random, channels), scales(random, channels));
            let attrs = [
                ("min_val", 0.0_f32.into()),
                ("residual_scale", scale(random).into()),
            ];
            f.ternary_with(x, Some(y), &s, &b, seed, &attrs)
        }
        11 => f.conv(x, 1 + random.below(4), seed),
        12 if shape[1..3].iter().all(|n| n.is_multiple_of(2)) => {
            f.pool([Op::MaxPool2d, Op::AvgPool2d][random.below(2)], x)
        }
        13 => f.op(Op::Negate, &[x], &[]),
        // A reshape that keeps channels, and one that mixes them.
        15 | 16 => {
            let rest = shape.iter().product::<usize>() / channels;
            let y = f.op(
                Op::Reshape,
                &[x],
                &[("shape", i64s(&[1, rest as i64, channels as i64]))],
            );
            let y = f.channels(Op::Mul, y, &scales(random, channels));
            let y = f.channels(Op::Add, y, &scales(random, channels));
            let turned: Vec<i64> = [0, 3, 1, 2].map(|d| shape[d] as i64).to_vec();
            let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&turned))]);
            f.scale(y, scale(random))
        }
        14 => f.op(Op::Concat, &[x, y], &[("axis", 3_i64.into())]),
        _ => f.op(Op::Transpose, &[x], &[("perms", i64s(&[0, 2, 1, 3]))]),
    };
    values.push(new);
}

fn program(seed: u64, steps: usize) -> Function {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut f = Build::new();
    let mut values = vec![f.arg(&[1, 4, 4, 3])];
    for _ in 0..steps {
        step(&mut f, &mut values, &mut random);
    }
    let last = values.len() - 1;
    let results = [values[last], values[last / 2]];
    f.results(&results)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Sums that cancel lose more than the last places: the bound is 10 times that of a single rule.
    #[test]
    fn random_programs_keep_their_values(seed in any::<u64>(), steps in 1_usize..20) {
        let old = program(seed, steps);
        let (new, report) = eliminate(&old);
        assert_agree(&old, &new, 1e-4, 1.0);
        prop_assert!(total_multiplications(&new) <= total_multiplications(&old), "{}", report);
    }
}
