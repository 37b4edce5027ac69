//! Each rule by itself: it fires, the multiplications fall to what the algebra says, the values
//! stay.

use std::collections::BTreeSet;

use hla_ir::cost::total_multiplications;
use hla_ir::{Attr, Function, Op};

use super::{RTOL, eliminate, fired};
use crate::agree::assert_agree;
use crate::build::{Build, i64s};

/// Shape of most inputs: 2·4·4·3 = 96 elements.
const X: &[usize] = &[2, 4, 4, 3];

/// A case: the rule it is about, and the multiplications that should be left.
type Case = (&'static str, u64, fn(&mut Build) -> hla_ir::ValueId);

const CASES: &[Case] = &[
    ("fold-constants", 96, |f| {
        let x = f.arg(X);
        let (a, b) = (
            f.splat(&[1, 1, 1, 1], 5.0),
            f.constant(&[1, 1, 1, 3], &[2.0, -0.25, 1e4]),
        );
        let quotient = f.op(Op::Reciprocal, &[b], &[]);
        let c = f.op(Op::Mul, &[a, quotient], &[]);
        f.op(Op::Mul, &[x, c], &[])
    }),
    ("merge-scales", 96, |f| {
        let x = f.arg(X);
        let y = f.scale(x, -3.0);
        f.channels(Op::Mul, y, &[1e-5, -7.0, 3e4])
    }),
    ("scale-before-bias", 96, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[0.5, -7.0, 3e4]);
        let y = f.channels(Op::Add, y, &[1.0, -2.0, 0.0]);
        f.scale(y, 0.3)
    }),
    ("merge-biases", 0, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Add, x, &[1.0, -2.0, 0.0]);
        f.channels(Op::Add, y, &[0.5, 2.0, 100.0])
    }),
    ("subtract-constant", 96, |f| {
        let x = f.arg(X);
        let y = f.scale(x, 3.0);
        let c = f.constant(&[1, 1, 1, 3], &[1.0, -2.0, 0.0]);
        let y = f.op(Op::Sub, &[y, c], &[]);
        let y = f.op(Op::Sub, &[c, y], &[]);
        f.scale(y, 0.7)
    }),
    ("negate-is-scale", 96, |f| {
        let x = f.arg(X);
        let y = f.scale(x, 3.0);
        let y = f.op(Op::Negate, &[y], &[]);
        f.scale(y, 0.7)
    }),
    ("scale-is-negate", 0, |f| {
        let x = f.arg(X);
        f.scale(x, -1.0)
    }),
    ("unit-scale", 0, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[1.0; 3]);
        f.relu(y)
    }),
    ("zero-scale", 0, |f| {
        let x = f.arg(X);
        let y = f.scale(x, 0.0);
        f.op(Op::Add, &[y, x], &[])
    }),
    ("zero-bias", 96, |f| {
        let x = f.arg(X);
        let y = f.scale(x, 4.0);
        let y = f.channels(Op::Add, y, &[0.0; 3]);
        f.scale(y, 3.0)
    }),
    ("double", 0, |f| {
        let x = f.arg(X);
        f.scale(x, 8.0)
    }),
    ("scale-into-weights", 2 * 16 * 5 * 27, |f| {
        let x = f.arg(X);
        let y = f.conv(x, 5, 3);
        f.channels(Op::Mul, y, &[0.1, -0.2, 3.0, 0.0, 1e4])
    }),
    ("bias-into-convolution", 2 * 16 * 5 * 27, |f| {
        let x = f.arg(X);
        let y = f.conv(x, 5, 3);
        let y = f.channels(Op::Mul, y, &[0.1, -0.2, 3.0, 0.0, 1e4]);
        f.channels(Op::Add, y, &[1.0, 2.0, 3.0, 4.0, 5.0])
    }),
    ("input-scale-into-weights", 2 * 16 * 5 * 27, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[0.1, -0.2, 0.0]);
        f.conv(y, 5, 3)
    }),
    ("scale-across-matmul", 2 * 3 * 4 * 5 + 2 * 3 * 5, |f| {
        let (x, y) = (f.arg(&[2, 3, 4]), f.arg(&[2, 4, 5]));
        let (x, y) = (f.scale(x, -3.0), f.scale(y, 0.125));
        f.op(Op::MatMul, &[x, y], &[])
    }),
    ("scale-into-ternary", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        f.channels(Op::Mul, y, &[0.1, -0.2, 3.0, 1e4])
    }),
    ("bias-into-ternary", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.channels(Op::Add, y, &[0.1, -0.2, 3.0, 1e4]);
        f.scale(y, -2.5)
    }),
    ("negative-scale-into-trits", 2 * 16 * 2 * 36, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, -0.25, 0.0, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.relu(y);
        f.conv(y, 2, 9)
    }),
    ("release-scale", 2 * 2 * 2 * 2 * 36, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, 100.0, 0.3], &[1.0, -2.0, 0.0, 4.0], 5);
        let y = f.relu(y);
        let y = f.pool(Op::MaxPool2d, y);
        f.conv(y, 2, 9)
    }),
    ("scale-across-ternary", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let x = f.scale(x, -0.3);
        f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5)
    }),
    ("scale-into-residual", 2 * 2 * 16 * 3, |f| {
        let x = f.arg(X);
        let r = f.scale(x, -0.3);
        f.ternary_with(x, Some(r), &[0.5, 0.25, -0.1], &[1.0, 2.0, 3.0], 5, &[])
    }),
    ("dequantize-into-ternary", 2 * 16 * 3, |f| {
        let q = f.arg_i8(X);
        let x = f.op(Op::Dequantize, &[q], &[("scale", 0.03.into())]);
        f.ternary(x, &[0.5, 0.25, -0.1], &[1.0, 2.0, 3.0], 5)
    }),
    ("scale-into-quantize", 96, |f| {
        let x = f.arg(X);
        let x = f.scale(x, 0.3);
        f.op(Op::Quantize, &[x], &[("scale", 0.007.into())])
    }),
    ("scale-into-dequantize", 96, |f| {
        let q = f.arg_i8(X);
        let x = f.op(Op::Dequantize, &[q], &[("scale", 0.03.into())]);
        f.scale(x, 0.3)
    }),
    ("scale-below-clamp", 96, |f| {
        let x = f.arg(X);
        let y = f.scale(x, 3.0);
        let y = f.clamp(y, -1.5, 4.0);
        f.scale(y, -0.3)
    }),
    ("scale-above-clamp", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.clamp(y, -0.5, 6.0);
        f.scale(y, 3.0)
    }),
    ("scale-below-max-pool", 24, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[3.0, 0.1, 1e4]);
        f.pool(Op::MaxPool2d, y)
    }),
    ("scale-below-sum", 24 + 24, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[3.0, -0.1, 1e4]);
        f.pool(Op::AvgPool2d, y)
    }),
    ("scale-above-max-pool", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.pool(Op::MaxPool2d, y);
        f.channels(Op::Mul, y, &[3.0, 0.1, 1e4, 2.0])
    }),
    ("scale-above-sum", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.op(Op::ReduceSum, &[y], &[("axis", Attr::I64(1))]);
        f.channels(Op::Mul, y, &[3.0, -0.1, 1e4, 2.0])
    }),
    ("scale-below-move", 2 * 48 * 5, |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[3.0, -0.1, 1e4]);
        let y = f.op(Op::Transpose, &[y], &[("perms", i64s(&[0, 2, 3, 1]))]);
        let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[2, 1, 48]))]);
        let w = f.random(&[2, 48, 5], 11);
        f.op(Op::MatMul, &[y, w], &[])
    }),
    ("scale-above-move", 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.op(Op::Transpose, &[y], &[("perms", i64s(&[3, 0, 1, 2]))]);
        let s = f.constant(&[4, 1, 1, 1], &[3.0, -0.1, 1e4, 2.0]);
        let y = f.op(Op::Mul, &[y, s], &[]);
        let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[4, 32]))]);
        f.scale(y, -3.0)
    }),
    ("bias-above-move", 2 * 16 * 4, |f| {
        // What specialising a batch leaves between a matrix product and its batch norm.
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[8, 4, 4]))]);
        let y = f.channels(Op::Mul, y, &[3.0, -0.1, 1e4, 2.0]);
        let y = f.channels(Op::Add, y, &[1.0, 2.0, 3.0, 4.0]);
        f.op(Op::Transpose, &[y], &[("perms", i64s(&[2, 0, 1]))])
    }),
    ("scale-below-concat", 2 * 16 * 2 * 54, |f| {
        let x = f.arg(X);
        let a = f.channels(Op::Mul, x, &[3.0, -0.1, 1e4]);
        let b = f.scale(x, 0.7);
        let y = f.op(Op::Concat, &[a, b], &[("axis", Attr::I64(3))]);
        f.conv(y, 2, 9)
    }),
    ("common-scale", 96, |f| {
        let (x, y) = (f.arg(X), f.arg(X));
        let (x, y) = (f.scale(x, 0.3), f.scale(y, 0.3));
        f.op(Op::Sub, &[x, y], &[])
    }),
    ("distribute-scale", 2 * 2 * 16 * 4, |f| {
        let x = f.arg(X);
        let y = f.ternary(x, &[0.5, 0.25, -0.1, 0.3], &[1.0, 2.0, 3.0, 4.0], 5);
        let z = f.ternary(x, &[0.1, 0.2, 0.3, 0.4], &[0.0; 4], 7);
        let y = f.op(Op::Add, &[y, z], &[]);
        f.channels(Op::Mul, y, &[3.0, -0.1, 1e4, 2.0])
    }),
];

fn function(case: &Case) -> Function {
    let mut f = Build::new();
    let result = case.2(&mut f);
    f.results(&[result])
}

#[test]
fn every_rule_has_a_case() {
    let rules: BTreeSet<&str> = hla_passes::eliminate_multiplies::rule_table()
        .map(|(name, _)| name)
        .collect();
    let cases: BTreeSet<&str> = CASES.iter().map(|c| c.0).collect();
    assert_eq!(rules, cases);
}

#[test]
fn every_rule_fires_saves_multiplications_and_keeps_the_values() {
    for case in CASES {
        let old = function(case);
        let (new, report) = eliminate(&old);
        assert!(
            fired(&report).iter().any(|name| name == case.0),
            "{}: only {:?} fired",
            case.0,
            fired(&report)
        );
        assert_agree(&old, &new, RTOL, 1.0);
        assert_eq!(total_multiplications(&new), case.1, "{}:\n{new}", case.0);
        // What is done is done: a second run finds nothing to save.
        let (again, _) = eliminate(&new);
        assert_eq!(
            total_multiplications(&again),
            case.1,
            "{}:\n{again}",
            case.0
        );
    }
}

#[test]
fn the_manual_lists_every_rule() {
    let manual = include_str!("../../../../docs/eliminate-multiplies.md");
    for (name, algebra) in hla_passes::eliminate_multiplies::rule_table() {
        let row = format!("| `{name}` | {algebra} |");
        assert!(manual.contains(&row), "missing in the manual:\n{row}");
    }
}
