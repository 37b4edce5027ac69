use hla_ir::{Attr, DType, Function, Layout, Op, ValueId};
use proptest::prelude::*;

use crate::agree::{Random, assert_agree};
use crate::build::{Build, i64s, passes};

const X: &[usize] = &[1, 4, 4, 3];
const SCALE: &[f32] = &[0.5, 0.25, -0.1];
const BIAS: &[f32] = &[1.0, -2.0, 3.0];

fn plan(f: &Function) -> Function {
    let (new, _) = passes("hla-plan-layout", f).unwrap();
    assert_contract(&new);
    new
}

/// What `hla_ir::layout` promises backends, read again from there and not from the pass.
fn assert_contract(f: &Function) {
    let layout = |v: ValueId| {
        f.defining_node(v)
            .filter(|n| n.result() == v)
            .map_or(Layout::RowMajor, |n| Layout::of(&n.attrs).unwrap())
    };
    for node in &f.nodes {
        let any = match node.op {
            Op::TernaryConv2d
            | Op::MaxPool2d
            | Op::AvgPool2d
            | Op::DynamicQuantize
            | Op::Relayout => true,
            op => op.def().elementwise,
        };
        for &value in node.operands.iter().chain(&node.results) {
            if let Layout::Planar { element, .. } = layout(value) {
                let ty = f.tensor_ty(value);
                assert!(any, "{} meets a planar value\n{f}", node.name());
                assert_eq!(ty.rank(), 4);
                assert_eq!(ty.dtype, element);
                assert!(matches!(element, DType::F32 | DType::I8));
            }
        }
    }
    for &result in &f.results {
        assert_eq!(layout(result), Layout::RowMajor, "a result is planar\n{f}");
    }
}

fn quantize(f: &mut Build, x: ValueId, scale: f32) -> ValueId {
    f.op(Op::Quantize, &[x], &[("scale", scale.into())])
}

/// Ops that compute, each with whether its result is planar.
fn layouts(f: &Function) -> Vec<(Op, bool)> {
    f.nodes
        .iter()
        .filter(|n| n.op != Op::Const)
        .map(|n| (n.op, Layout::of(&n.attrs) != Ok(Layout::RowMajor)))
        .collect()
}

#[test]
fn chains_of_ternary_convolutions_are_planar_and_the_ends_are_not() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.conv(x, 3, 1);
    let y = f.relu(y);
    let y = f.pool(Op::MaxPool2d, y);
    let q = quantize(&mut f, y, 0.1);
    let i8 = [("out_type", Attr::DType(DType::I8))];
    let y = f.ternary_with(q, None, SCALE, BIAS, 3, &i8);
    let y = f.ternary_with(y, Some(q), SCALE, BIAS, 5, &i8);
    let y = f.pool(Op::MaxPool2d, y);
    let y = f.ternary_with(y, None, SCALE, BIAS, 7, &i8);
    let y = f.op(Op::Dequantize, &[y], &[("scale", 0.1_f32.into())]);
    let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[1, 3]))]);
    let old = f.results(&[y]);
    let new = plan(&old);
    assert_agree(&old, &new, 0.0, 0.0);
    assert_eq!(
        layouts(&new),
        [
            (Op::Conv2d, false),
            (Op::Clamp, false),
            (Op::MaxPool2d, false),
            (Op::Quantize, false),
            (Op::TernaryConv2d, true),
            (Op::TernaryConv2d, true),
            (Op::MaxPool2d, true),
            // Nobody wants planes any more.
            (Op::TernaryConv2d, false),
            (Op::Dequantize, false),
            (Op::Reshape, false),
        ]
    );
    insta::assert_snapshot!(new);
}

#[test]
fn what_someone_needs_row_major_is_row_major() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.ternary(x, SCALE, BIAS, 3);
    let z = f.ternary(y, SCALE, BIAS, 5);
    let w = f.op(Op::Reshape, &[y], &[("shape", i64s(&[1, 48]))]);
    let v = f.op(Op::Reverse, &[y], &[("axis", Attr::I64(1))]);
    let old = f.results(&[z, w, v, y]);
    let new = plan(&old);
    assert_agree(&old, &new, 0.0, 0.0);
    assert_eq!(
        layouts(&new),
        [
            (Op::TernaryConv2d, false),
            (Op::TernaryConv2d, false),
            (Op::Reshape, false),
            (Op::Reverse, false),
        ]
    );
}

#[test]
fn elementwise_ops_keep_planes_for_who_wants_them() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.ternary(x, SCALE, BIAS, 3);
    let y = f.op(Op::Add, &[y, x], &[]);
    let z = f.relu(y);
    let z = f.ternary(z, SCALE, BIAS, 5);
    let w = f.op(Op::Abs, &[y], &[]);
    let old = f.results(&[z, w]);
    let new = plan(&old);
    assert_agree(&old, &new, 0.0, 0.0);
    assert_eq!(
        layouts(&new),
        [
            (Op::TernaryConv2d, true),
            (Op::Add, true),
            (Op::Clamp, true),
            (Op::TernaryConv2d, false),
            (Op::Abs, false),
        ]
    );
}

#[test]
fn without_ternary_convolutions_nothing_changes() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.conv(x, 3, 1);
    let y = f.relu(y);
    let y = f.op(Op::Add, &[y, x], &[]);
    let old = f.results(&[y]);
    assert_eq!(plan(&old), old);
}

#[test]
fn planning_twice_changes_nothing_more() {
    let mut f = Build::new();
    let x = f.arg(X);
    let y = f.ternary(x, SCALE, BIAS, 3);
    let y = f.relu(y);
    let y = f.ternary(y, SCALE, BIAS, 5);
    let old = f.results(&[y]);
    let new = plan(&old);
    let kept: Vec<(Op, bool)> = layouts(&plan(&new));
    assert_eq!(kept.iter().filter(|(_, planar)| *planar).count(), 2);
    assert_agree(&old, &plan(&new), 0.0, 0.0);
}

#[test]
fn every_case_of_the_numeric_suite_keeps_every_bit() {
    crate::oracle::keeps_all_cases("hla-plan-layout", hla_reference::Tolerance::Exact);
}

/// Random programs of ops that do and do not accept planes.
fn program(seed: u64, steps: usize) -> Function {
    let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut f = Build::new();
    let mut values = vec![f.arg(&[2, 4, 4, 2])];
    for _ in 0..steps {
        let x = values[values.len() - 1 - random.below(values.len().min(3))];
        let ty = f.0.tensor_ty(x).clone();
        let like = |v: &&ValueId| *f.0.tensor_ty(**v) == ty;
        let others: Vec<ValueId> = values.iter().filter(like).copied().collect();
        let y = others[random.below(others.len())];
        let seed = 1 + random.below(1 << 20) as u64;
        let is_float = ty.dtype == DType::F32;
        let new = match random.below(12) {
            0..=2 => {
                let out = [DType::F32, DType::I8][random.below(2)];
                let residual = (ty.shape[3] == 2)
                    .then_some(y)
                    .filter(|_| seed.is_multiple_of(2));
                let attrs = [("out_type", Attr::DType(out))];
                f.ternary_with(x, residual, &[0.3, -0.2], &[0.5, -0.5], seed, &attrs)
            }
            3 if is_float => f.relu(x),
            4 if is_float => quantize(&mut f, x, 0.02),
            5 if !is_float => f.op(Op::Dequantize, &[x], &[("scale", 0.02_f32.into())]),
            6 if is_float => f.op(Op::Add, &[x, y], &[]),
            7 if ty.shape[1..3].iter().all(|n| n.is_multiple_of(2)) => {
                f.pool([Op::MaxPool2d, Op::AvgPool2d][random.below(2)], x)
            }
            8 => f.op(Op::Concat, &[x, y], &[("axis", Attr::I64(3))]),
            9 if is_float => f.op(Op::DynamicQuantize, &[x], &[]),
            10 => f.op(Op::Identity, &[x], &[]),
            _ => f.op(Op::Reverse, &[x], &[("axis", Attr::I64(1))]),
        };
        values.push(new);
    }
    let results = [values[values.len() - 1], values[values.len() / 2]];
    f.results(&results)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_keep_every_bit_and_the_contract(seed in any::<u64>(), steps in 1_usize..14) {
        let old = program(seed, steps);
        assert_agree(&old, &plan(&old), 0.0, 0.0);
    }
}
