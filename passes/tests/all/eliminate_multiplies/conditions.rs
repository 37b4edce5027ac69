//! Each condition of a rule: where it does not hold, the rule does not fire.

use hla_ir::cost::total_multiplications;
use hla_ir::{Function, Op, ValueId};

use super::{RTOL, eliminate, fired};
use crate::agree::assert_agree;
use crate::build::{Build, i64s};

const X: &[usize] = &[2, 4, 4, 3];

/// Asserts that the rule does not fire on this program, and that whatever else does is right.
fn stays(rule: &str, build: impl FnOnce(&mut Build) -> ValueId) -> Function {
    let mut f = Build::new();
    let result = build(&mut f);
    let old = f.results(&[result]);
    let (new, report) = eliminate(&old);
    assert!(
        fired(&report).iter().all(|name| name != rule),
        "{rule} fired on\n{old}"
    );
    assert_agree(&old, &new, RTOL, 1.0);
    assert!(total_multiplications(&new) <= total_multiplications(&old));
    new
}

#[test]
fn a_negative_or_zero_scale_does_not_cross_a_clamp() {
    for s in [[1.0, -2.0, 3.0], [1.0, 0.0, 3.0]] {
        stays("scale-below-clamp", |f| {
            let x = f.arg(X);
            let y = f.channels(Op::Mul, x, &s);
            f.relu(y)
        });
        stays("scale-above-clamp", |f| {
            let x = f.arg(X);
            let y = f.ternary(x, &[0.5, 0.25, 0.1], &[1.0, 2.0, 3.0], 5);
            let y = f.relu(y);
            f.channels(Op::Mul, y, &s)
        });
    }
}

#[test]
fn a_scale_by_channel_does_not_cross_a_clamp_with_bounds_of_its_own() {
    stays("scale-below-clamp", |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[1.0, 2.0, 3.0]);
        f.clamp(y, 0.0, 6.0)
    });
}

#[test]
fn a_negative_scale_does_not_cross_a_max_pool() {
    stays("scale-below-max-pool", |f| {
        let x = f.arg(X);
        let y = f.scale(x, -3.0);
        f.pool(Op::MaxPool2d, y)
    });
}

#[test]
fn a_scale_that_varies_within_a_window_does_not_cross_a_pool() {
    let rows = |f: &mut Build, op| {
        let x = f.arg(X);
        let s = f.constant(&[1, 4, 1, 1], &[1.0, 2.0, 3.0, 4.0]);
        let y = f.op(Op::Mul, &[x, s], &[]);
        f.pool(op, y)
    };
    stays("scale-below-max-pool", |f| rows(f, Op::MaxPool2d));
    stays("scale-below-sum", |f| rows(f, Op::AvgPool2d));
}

#[test]
fn a_scale_that_varies_along_the_axis_does_not_cross_a_sum() {
    stays("scale-below-sum", |f| {
        let x = f.arg(X);
        let y = f.channels(Op::Mul, x, &[1.0, 2.0, 3.0]);
        f.op(Op::ReduceSum, &[y], &[("axis", 3_i64.into())])
    });
}

#[test]
fn a_scale_does_not_cross_padding_with_another_constant_than_zero() {
    stays("scale-below-move", |f| {
        let x = f.arg(X);
        let y = f.scale(x, 3.0);
        f.op(
            Op::Pad,
            &[y],
            &[
                ("padding", i64s(&[0, 0, 1, 1, 1, 1, 0, 0])),
                ("pad_const", 1.0_f32.into()),
            ],
        )
    });
}

#[test]
fn a_scale_does_not_rise_above_a_reshape_that_mixes_channels() {
    for rule in ["scale-above-move", "bias-above-move"] {
        stays(rule, |f| {
            let x = f.arg(X);
            let y = f.ternary(x, &[0.5, 0.25, 0.1], &[1.0, 2.0, 3.0], 5);
            let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[2, 3, 16]))]);
            let values: Vec<f32> = (1..17).map(|i| i as f32).collect();
            let y = f.channels(Op::Mul, y, &values);
            f.channels(Op::Add, y, &values)
        });
    }
}

#[test]
fn a_scale_by_channel_does_not_cross_a_ternary_contraction() {
    stays("scale-across-ternary", |f| {
        let x = f.arg(X);
        let x = f.channels(Op::Mul, x, &[1.0, 2.0, 3.0]);
        f.ternary(x, &[0.5, 0.25, -0.1], &[1.0, 2.0, 3.0], 5)
    });
}

#[test]
fn a_clamped_ternary_contraction_takes_no_bias_and_no_negative_scale() {
    let clamped = |f: &mut Build| {
        let x = f.arg(X);
        let attrs = [("min_val", 0.0_f32.into())];
        f.ternary_with(x, None, &[0.5, 0.25, 0.1], &[1.0, 2.0, 3.0], 5, &attrs)
    };
    stays("bias-into-ternary", |f| {
        let y = clamped(f);
        f.channels(Op::Add, y, &[1.0, 2.0, 3.0])
    });
    stays("scale-into-ternary", |f| {
        let y = clamped(f);
        f.channels(Op::Mul, y, &[1.0, -2.0, 3.0])
    });
}

#[test]
fn a_ternary_contraction_with_a_residual_takes_no_scale_by_channel() {
    stays("scale-into-ternary", |f| {
        let x = f.arg(X);
        let y = f.ternary_with(x, Some(x), &[0.5, 0.25, 0.1], &[1.0, 2.0, 3.0], 5, &[]);
        f.channels(Op::Mul, y, &[1.0, 2.0, 3.0])
    });
}

#[test]
fn a_negative_scale_does_not_go_into_quantization() {
    stays("scale-into-quantize", |f| {
        let x = f.arg(X);
        let x = f.scale(x, -0.3);
        f.op(Op::Quantize, &[x], &[("scale", 0.01.into())])
    });
    stays("scale-into-dequantize", |f| {
        let q = f.arg_i8(X);
        let x = f.op(Op::Dequantize, &[q], &[("scale", 0.01.into())]);
        f.scale(x, -0.3)
    });
}

#[test]
fn different_scales_are_not_common_and_a_negative_one_does_not_cross_a_maximum() {
    stays("common-scale", |f| {
        let (x, y) = (f.arg(X), f.arg(X));
        let (x, y) = (f.scale(x, 0.3), f.scale(y, 0.300_001));
        f.op(Op::Add, &[x, y], &[])
    });
    stays("common-scale", |f| {
        let (x, y) = (f.arg(X), f.arg(X));
        let (x, y) = (f.scale(x, -0.3), f.scale(y, -0.3));
        f.op(Op::Maximum, &[x, y], &[])
    });
}

#[test]
fn constants_that_f32_cannot_hold_are_not_made() {
    let new = stays("merge-scales", |f| {
        let x = f.arg(X);
        let y = f.scale(x, 1e-30);
        f.scale(y, 1e-30)
    });
    assert_eq!(total_multiplications(&new), 2 * 96);
    let new = stays("merge-scales", |f| {
        let x = f.arg(X);
        let y = f.op(Op::Exp, &[x], &[]);
        let y = f.scale(y, 1e-30);
        f.scale(y, f32::INFINITY)
    });
    assert_eq!(total_multiplications(&new), 3 * 96);
}

#[test]
fn a_value_added_to_itself_is_no_common_scale() {
    // Else doubling and factoring would feed each other for ever.
    stays("common-scale", |f| {
        let x = f.arg(X);
        let y = f.scale(x, 4.0);
        let y = f.relu(y);
        f.scale(y, 0.25)
    });
}

#[test]
fn weights_that_are_arguments_take_no_scale() {
    stays("scale-into-weights", |f| {
        let (x, w) = (f.arg(&[1, 3, 4]), f.arg(&[1, 4, 5]));
        let y = f.op(Op::MatMul, &[x, w], &[]);
        f.scale(y, 3.0)
    });
}

#[test]
fn products_of_two_values_and_of_integers_stay() {
    let mut f = Build::new();
    let x = f.arg(X);
    let i = f.arg_i8(X);
    let square = f.op(Op::Mul, &[x, x], &[]);
    let integer = f.op(Op::Mul, &[i, i], &[]);
    let old = f.results(&[square, integer]);
    let (new, report) = eliminate(&old);
    assert_eq!(new, old);
    assert!(fired(&report).is_empty());
}
