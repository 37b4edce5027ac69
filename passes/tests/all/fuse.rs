use hla_ir::{Attr, Attrs, DType, Function, Op, TensorType, ValueId};
use hla_passes::Report;
use proptest::prelude::*;

use crate::agree::{Random, assert_agree};
use crate::build::{Build, i64s, passes};

const X: &[usize] = &[1, 4, 4, 3];
const SCALE: &[f32] = &[0.5, 0.25, -0.1];
const BIAS: &[f32] = &[1.0, -2.0, 3.0];

fn fuse(f: &Function) -> (Function, Report) {
    passes("hla-fuse", f).unwrap()
}

fn quantize(f: &mut Build, x: ValueId, scale: f32) -> ValueId {
    f.op(Op::Quantize, &[x], &[("scale", scale.into())])
}

fn dequantize(f: &mut Build, x: ValueId, scale: f32) -> ValueId {
    f.op(Op::Dequantize, &[x], &[("scale", scale.into())])
}

/// Fuses a function with one result; the ops that compute, constants apart, must be these, and the
/// values the same: floats to `rtol` of the largest, integers to `steps`.
fn becomes(
    build: impl FnOnce(&mut Build) -> ValueId,
    ops: &[Op],
    rtol: f64,
    steps: f64,
) -> Function {
    let mut f = Build::new();
    let result = build(&mut f);
    let old = f.results(&[result]);
    let (new, _) = fuse(&old);
    let computing: Vec<Op> = new.nodes.iter().map(|n| n.op).collect();
    let computing: Vec<Op> = computing
        .into_iter()
        .filter(|&op| op != Op::Const)
        .collect();
    assert_eq!(computing, ops, "\n{old}\n{new}");
    assert_agree(&old, &new, rtol, steps);
    new
}

fn last(f: &Function) -> &Attrs {
    &f.defining_node(f.results[0]).unwrap().attrs
}

#[test]
fn a_clamp_moves_in() {
    let new = becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            let y = f.clamp(y, 0.0, f32::MAX);
            f.clamp(y, -1.0, 2.0)
        },
        &[Op::TernaryConv2d],
        0.0,
        0.0,
    );
    assert_eq!(last(&new).f32("min_val"), Some(0.0));
    assert_eq!(last(&new).f32("max_val"), Some(2.0));
}

#[test]
fn a_residual_moves_in_and_the_clamp_after_it() {
    let residual = |op: Op, turned: bool, scale: f32| {
        let new = becomes(
            |f| {
                let x = f.arg(X);
                let y = f.ternary(x, SCALE, BIAS, 3);
                let operands = if turned { [x, y] } else { [y, x] };
                let y = f.op(op, &operands, &[]);
                f.relu(y)
            },
            &[Op::TernaryConv2d],
            0.0,
            0.0,
        );
        assert_eq!(last(&new).f32("residual_scale"), Some(scale));
    };
    residual(Op::Add, false, 1.0);
    residual(Op::Add, true, 1.0);
    residual(Op::Sub, false, -1.0);
}

#[test]
fn a_clamped_contraction_takes_no_residual() {
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            let y = f.relu(y);
            f.op(Op::Add, &[y, x], &[])
        },
        &[Op::TernaryConv2d, Op::Add],
        0.0,
        0.0,
    );
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            f.op(Op::Sub, &[x, y], &[])
        },
        &[Op::TernaryConv2d, Op::Sub],
        0.0,
        0.0,
    );
}

#[test]
fn the_later_contraction_takes_the_earlier_as_residual() {
    becomes(
        |f| {
            let x = f.arg(X);
            let short = f.ternary(x, SCALE, BIAS, 3);
            let y = f.ternary(x, SCALE, BIAS, 5);
            let y = f.relu(y);
            let y = f.ternary(y, SCALE, BIAS, 7);
            let y = f.op(Op::Add, &[short, y], &[]);
            f.relu(y)
        },
        &[Op::TernaryConv2d; 3],
        0.0,
        0.0,
    );
}

#[test]
fn a_value_that_others_read_is_not_computed_twice() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.ternary(x, SCALE, BIAS, 3);
    let z = f.relu(y);
    let q = quantize(&mut f, z, 0.1);
    let old = f.results(&[y, z, q]);
    assert_eq!(fuse(&old).0, old);

    // Shared only in appearance: equal nodes are one before uses are counted.
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.ternary(x, SCALE, BIAS, 3);
    let (z, w) = (f.relu(y), f.relu(y));
    let old = f.results(&[z, w]);
    let (new, _) = fuse(&old);
    let ternary = new.nodes.iter().filter(|n| n.op != Op::Const);
    assert_eq!(ternary.count(), 1);
}

#[test]
fn a_quantization_moves_in() {
    let new = becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary_with(
                x,
                Some(x),
                SCALE,
                BIAS,
                3,
                &[
                    ("max_val", 6.0_f32.into()),
                    ("residual_scale", 0.5_f32.into()),
                ],
            );
            let y = f.clamp(y, 0.0, f32::MAX);
            quantize(f, y, 0.05)
        },
        &[Op::TernaryConv2d],
        0.0,
        1.0,
    );
    let attrs = last(&new);
    assert_eq!(attrs.dtype("out_type"), Some(DType::I8));
    assert_eq!(attrs.f32("min_val"), Some(0.0));
    assert_eq!(
        attrs.f32("max_val"),
        Some((6.0 / f64::from(0.05_f32)) as f32)
    );
    assert_eq!(
        attrs.f32("residual_scale"),
        Some((0.5 / f64::from(0.05_f32)) as f32)
    );
}

#[test]
fn a_quantization_without_constant_scale_or_with_one_beyond_f32_stays() {
    becomes(
        |f| {
            let x = f.arg(X);
            let s = f.arg(&[3]);
            let w =
                f.0.constant(Random(3).trits(&[3, 1, 1, 3]), hla_ir::Location::unknown());
            let b = f.constant(&[3], BIAS);
            let y = f.op(
                Op::TernaryConv2d,
                &[x, w, s, b],
                &[
                    ("pad", i64s(&[0; 4])),
                    ("stride", i64s(&[1, 1])),
                    ("dilation", i64s(&[1, 1])),
                ],
            );
            quantize(f, y, 0.05)
        },
        &[Op::TernaryConv2d, Op::Quantize],
        0.0,
        0.0,
    );
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, &[1e30, 1.0, 1.0], BIAS, 3);
            quantize(f, y, 1e-20)
        },
        &[Op::TernaryConv2d, Op::Quantize],
        0.0,
        0.0,
    );
}

#[test]
fn clamps_and_quantizations_pass_motion() {
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            let y = f.pool(Op::MaxPool2d, y);
            let y = f.relu(y);
            let pad = [
                ("padding", i64s(&[0, 0, 1, 1, 0, 1, 0, 0])),
                ("pad_const", 0.0_f32.into()),
            ];
            let y = f.op(Op::Pad, &[y], &pad);
            let y = f.op(Op::Transpose, &[y], &[("perms", perms())]);
            let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[1, 36]))]);
            let y = f.op(
                Op::Slice,
                &[y],
                &[("start", i64s(&[0, 5])), ("size", i64s(&[1, 30]))],
            );
            quantize(f, y, 0.05)
        },
        &[
            Op::TernaryConv2d,
            Op::MaxPool2d,
            Op::Pad,
            Op::Transpose,
            Op::Reshape,
            Op::Slice,
        ],
        0.0,
        1.0,
    );
}

fn perms() -> Attr {
    Attr::I64s(vec![0, 3, 1, 2])
}

#[test]
fn a_clamp_does_not_pass_padding_that_it_would_change() {
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            let pad = [
                ("padding", i64s(&[0, 0, 1, 1, 0, 1, 0, 0])),
                ("pad_const", 0.0_f32.into()),
            ];
            let y = f.op(Op::Pad, &[y], &pad);
            f.clamp(y, 0.5, 6.0)
        },
        &[Op::TernaryConv2d, Op::Pad, Op::Clamp],
        0.0,
        0.0,
    );
}

#[test]
fn nothing_passes_an_average() {
    becomes(
        |f| {
            let x = f.arg(X);
            let y = f.ternary(x, SCALE, BIAS, 3);
            let y = f.pool(Op::AvgPool2d, y);
            let y = f.relu(y);
            quantize(f, y, 0.05)
        },
        &[Op::TernaryConv2d, Op::AvgPool2d, Op::Clamp, Op::Quantize],
        0.0,
        0.0,
    );
}

#[test]
fn all_operands_of_a_concatenation_are_quantized_or_none() {
    let concat = |f: &mut Build, both: bool| {
        let x = f.arg(X);
        let y = f.ternary(x, SCALE, BIAS, 3);
        let z = if both {
            f.ternary(x, SCALE, BIAS, 5)
        } else {
            x
        };
        let y = f.op(Op::Concat, &[y, z], &[("axis", Attr::I64(3))]);
        quantize(f, y, 0.05)
    };
    let both = [Op::TernaryConv2d, Op::TernaryConv2d, Op::Concat];
    becomes(|f| concat(f, true), &both, 0.0, 1.0);
    let one = [Op::TernaryConv2d, Op::Concat, Op::Quantize];
    becomes(|f| concat(f, false), &one, 0.0, 0.0);
}

#[test]
fn dequantized_operands_are_read_as_they_are() {
    let new = becomes(
        |f| {
            let (q, r) = (f.arg_i8(X), f.arg_i8(X));
            let (x, r) = (dequantize(f, q, 0.03), dequantize(f, r, 0.07));
            f.ternary_with(
                x,
                Some(r),
                SCALE,
                BIAS,
                3,
                &[("residual_scale", (-2.0_f32).into())],
            )
        },
        &[Op::TernaryConv2d],
        1e-5,
        0.0,
    );
    assert_eq!(last(&new).f32("residual_scale"), Some(-0.14));
}

#[test]
fn a_dequantization_passes_motion_downwards() {
    becomes(
        |f| {
            let q = f.arg_i8(X);
            let y = dequantize(f, q, 0.03);
            let y = f.pool(Op::MaxPool2d, y);
            let z = f.op(Op::Concat, &[y, y], &[("axis", Attr::I64(3))]);
            f.op(Op::Reshape, &[z], &[("shape", i64s(&[1, 24]))])
        },
        &[Op::MaxPool2d, Op::Concat, Op::Reshape, Op::Dequantize],
        0.0,
        0.0,
    );
}

#[test]
fn dequantizing_what_was_quantized_gives_it_back() {
    becomes(
        |f| {
            let x = f.arg(X);
            let q = quantize(f, x, 0.013);
            let y = dequantize(f, q, 0.013);
            let y = f.pool(Op::MaxPool2d, y);
            quantize(f, y, 0.013)
        },
        &[Op::Quantize, Op::MaxPool2d],
        0.0,
        0.0,
    );
    // An argument may hold −128, which quantization never gives; another scale changes the value.
    becomes(
        |f| {
            let q = f.arg_i8(X);
            let y = dequantize(f, q, 0.013);
            quantize(f, y, 0.013)
        },
        &[Op::Dequantize, Op::Quantize],
        0.0,
        0.0,
    );
    becomes(
        |f| {
            let x = f.arg(X);
            let q = quantize(f, x, 0.013);
            let y = dequantize(f, q, 0.013);
            quantize(f, y, 0.02)
        },
        &[Op::Quantize, Op::Dequantize, Op::Quantize],
        0.0,
        0.0,
    );
}

#[test]
fn matrix_products_fuse_too() {
    becomes(
        |f| {
            let x = f.arg(&[1, 2, 6]);
            let mut y = x;
            for seed in [3, 5] {
                let w =
                    f.0.constant(Random(seed).trits(&[6, 6]), hla_ir::Location::unknown());
                let s = f.constant(&[6], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
                let b = f.constant(&[6], &[1.0; 6]);
                y = f.op(Op::TernaryMatMul, &[y, w, s, b], &[]);
                y = f.relu(y);
                let q = quantize(f, y, 0.02);
                y = dequantize(f, q, 0.02);
            }
            quantize(f, y, 0.02)
        },
        &[Op::TernaryMatMul, Op::TernaryMatMul],
        0.0,
        2.0,
    );
}

/// Two residual blocks with int8 activations, as `hla-quantize-activations` leaves them.
fn residual_blocks() -> Function {
    let mut f = Build::new();
    let x = f.arg(X);
    let mut q = quantize(&mut f, x, 0.02);
    for seed in [3, 5] {
        let y = f.ternary(q, &[0.01, 0.02, -0.015], BIAS, seed);
        let y = f.relu(y);
        let y = quantize(&mut f, y, 0.05);
        let y = f.ternary(y, &[0.05, 0.04, 0.03], BIAS, seed + 10);
        let skip = dequantize(&mut f, q, 0.02);
        let y = f.op(Op::Add, &[y, skip], &[]);
        let y = f.relu(y);
        q = quantize(&mut f, y, 0.02);
    }
    let y = dequantize(&mut f, q, 0.02);
    let y = f.pool(Op::AvgPool2d, y);
    f.results(&[y])
}

#[test]
fn residual_blocks_become_chains_of_int8_contractions() {
    let old = residual_blocks();
    let (new, report) = fuse(&old);
    // Four steps of 0.02 through the last block, relative to a largest value of about 2.5.
    assert_agree(&old, &new, 4.0 * 0.02 / 2.5, 0.0);
    assert_eq!(report.get("residuals fused"), Some(&2_usize.into()));
    assert_eq!(report.get("quantizations fused"), Some(&4_usize.into()));
    insta::assert_snapshot!(new);
}

#[test]
fn every_case_of_the_numeric_suite_keeps_its_values() {
    let tolerance = hla_reference::Tolerance::Relative {
        rtol: 1e-5,
        atol: 1e-5,
    };
    crate::oracle::keeps_all_cases("hla-fuse", tolerance);
}

/// Random chains of what the pass knows, with values read by others now and then.
fn program(seed: u64, steps: usize) -> Function {
    let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut f = Build::new();
    let mut values = vec![f.arg(&[1, 4, 4, 2])];
    for _ in 0..steps {
        let back = if random.below(4) == 0 { 2 } else { 1 };
        let x = values[values.len().saturating_sub(back)];
        let ty = f.0.tensor_ty(x).clone();
        let like = |v: &&ValueId| *f.0.tensor_ty(**v) == ty;
        let others: Vec<ValueId> = values.iter().filter(like).copied().collect();
        let y = others[random.below(others.len())];
        let seed = 1 + random.below(1 << 20) as u64;
        let is_float = ty.dtype == DType::F32;
        let new = match random.below(10) {
            0..=2 if ty.rank() == 4 => {
                let scale = [0.3, -0.2];
                f.ternary(x, &scale, &[0.5, -0.5], seed)
            }
            3 if is_float => f.relu(x),
            4 if is_float => f.clamp(x, -1.0, 1.5),
            5 if is_float => f.op(Op::Add, &[x, y], &[]),
            6 if is_float => f.op(Op::Sub, &[x, y], &[]),
            7 if ty.shape[1].is_multiple_of(2) && ty.shape[2].is_multiple_of(2) => {
                f.pool(Op::MaxPool2d, x)
            }
            8 => f.op(Op::Concat, &[x, y], &[("axis", Attr::I64(1))]),
            _ => f.op(Op::Reverse, &[x], &[("axis", Attr::I64(1))]),
        };
        values.push(new);
    }
    let last = values[values.len() - 1];
    f.results(&[last])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Without quantization every rule is exact, so is any chain of them.
    #[test]
    fn random_float_programs_keep_every_bit(seed in any::<u64>(), steps in 1_usize..14) {
        let old = program(seed, steps);
        let (new, _) = fuse(&old);
        assert_agree(&old, &new, 0.0, 0.0);
    }

    /// One quantization at the end of a random chain moves by at most one step.
    #[test]
    fn a_quantization_after_a_random_program_moves_by_one_step(seed in any::<u64>(), steps in 1_usize..10) {
        let mut f = Build(program(seed, steps));
        let x = f.0.results[0];
        let q = quantize(&mut f, x, 0.05);
        let old = f.results(&[q]);
        let (new, _) = fuse(&old);
        assert_agree(&old, &new, 0.0, 1.0);
    }

    /// Dequantized inputs, whose scales multiply into those of the contraction.
    #[test]
    fn dequantized_inputs_move_by_the_last_places(seed in 1_u64..1 << 30, a in 0.001_f32..2.0, b in -2.0_f32..2.0) {
        let mut f = Build::new();
        let (q, r) = (f.arg_i8(X), f.arg_i8(X));
        let (x, r) = (dequantize(&mut f, q, a), dequantize(&mut f, r, a));
        let y = f.ternary_with(x, Some(r), SCALE, BIAS, seed, &[("residual_scale", b.into())]);
        let old = f.results(&[y]);
        let (new, _) = fuse(&old);
        assert!(new.nodes.iter().all(|n| n.op != Op::Dequantize));
        assert_agree(&old, &new, 1e-5, 0.0);
    }
}

#[test]
fn values_with_a_layout_stay() {
    let mut f = Build::new();
    let x = f.typed_arg(TensorType::f32(X));
    let y = f.ternary_with(
        x,
        None,
        SCALE,
        BIAS,
        3,
        &[("hla.layout", "planar<1,1,1,1,f32>".into())],
    );
    let y = f.relu(y);
    let old = f.results(&[y]);
    assert_eq!(fuse(&old).0, old);
}
