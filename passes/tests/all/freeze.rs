use hla_ir::{Arg, Attr, Function, Location, Op, TensorType, ValueId};
use hla_reference::Tolerance;
use proptest::prelude::*;

use crate::build::{Build, i64s, passes};
use crate::oracle::{compare, numbers};

const CONV: [usize; 4] = [1, 5, 4, 3];

/// A 3×3 convolution with padding and four channels, and its bias.
fn conv(f: &mut Build, bias: &[f32]) -> ValueId {
    let x = f.arg(&CONV);
    let w = f.0.constant(numbers(&[4, 3, 3, 3], 1), Location::unknown());
    let b = f.constant(&[bias.len()], bias);
    let attrs = [
        ("pad", i64s(&[1; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    f.op(Op::Conv2d, &[x, w, b], &attrs)
}

fn channel(f: &mut Build, values: [f32; 4]) -> ValueId {
    f.constant(&[1, 1, 1, 4], &values)
}

fn ops(f: &Function) -> Vec<Op> {
    let ops = f.nodes.iter().map(|n| n.op);
    ops.filter(|&op| op != Op::Const).collect()
}

/// A function in which batch norm stands as PyTorch's exporters write it.
fn batch_norm(bias: &[f32], variance: [f32; 4]) -> Function {
    let mut f = Build::new();
    let y = conv(&mut f, bias);
    let mean = channel(&mut f, [0.5, -1.0, 0.0, 2.0]);
    let centred = f.op(Op::Sub, &[y, mean], &[]);
    let variance = channel(&mut f, variance);
    let eps = f.splat(&[1, 1, 1, 1], 1e-5);
    let var = f.op(Op::Add, &[variance, eps], &[]);
    let rsqrt = f.op(Op::Rsqrt, &[var], &[]);
    let unit = f.op(Op::Mul, &[rsqrt, centred], &[]);
    let gamma = channel(&mut f, [1.0, -2.0, 0.5, 3.0]);
    let scaled = f.op(Op::Mul, &[unit, gamma], &[]);
    let beta = channel(&mut f, [0.1, 0.2, 0.3, 0.4]);
    let shifted = f.op(Op::Add, &[beta, scaled], &[]);
    f.results(&[shifted])
}

#[test]
fn batch_norm_becomes_one_scale_and_bias() {
    let f = batch_norm(&[0.5, 0.25, 0.0, -1.0], [1.0, 4.0, 0.25, 0.01]);
    let (new, _) = passes("hla-freeze", &f).unwrap();
    assert_eq!(ops(&new), [Op::Conv2d, Op::Mul, Op::Add]);
    // The convolution's bias is zero now; s and b by hand, in f64.
    let node = |op| new.nodes.iter().find(|n| n.op == op).unwrap();
    let of = |op, i: usize| new.constant_value(node(op).operands[i]).unwrap();
    assert_eq!(of(Op::Conv2d, 2).splat_value(), Some(0.0));
    let (mean, var) = ([0.5, -1.0, 0.0, 2.0], [1.0f32, 4.0, 0.25, 0.01]);
    let (gamma, beta) = ([1.0, -2.0, 0.5, 3.0], [0.1f32, 0.2, 0.3, 0.4]);
    let bias = [0.5, 0.25, 0.0, -1.0];
    for i in 0..4 {
        let s = gamma[i] / (f64::from(var[i]) + f64::from(1e-5f32)).sqrt();
        let b = f64::from(beta[i]) + (bias[i] - mean[i]) * s;
        assert_eq!(of(Op::Mul, 1).to_f32s()[i], s as f32);
        assert!((of(Op::Add, 1).to_f32s()[i] - b as f32).abs() <= 1e-6 * b.abs() as f32);
    }
    let tolerance = Tolerance::Relative {
        rtol: 1e-4,
        atol: 1e-4,
    };
    compare(&f, &new, &[numbers(&CONV, 2)], tolerance);
    insta::assert_snapshot!(new);
}

#[test]
fn a_pure_bias_goes_into_the_convolution() {
    let mut f = Build::new();
    let y = conv(&mut f, &[1.0]);
    let b = channel(&mut f, [1.0, 2.0, 3.0, 4.0]);
    let y = f.op(Op::Add, &[y, b], &[]);
    let f = f.results(&[y]);
    let (new, _) = passes("hla-freeze", &f).unwrap();
    assert_eq!(ops(&new), [Op::Conv2d]);
    let bias = new.constant_value(new.nodes.last().unwrap().operands[2]);
    assert_eq!(bias.unwrap().to_f32s(), [2.0, 3.0, 4.0, 5.0]);
    compare(
        &f,
        &new,
        &[numbers(&CONV, 3)],
        Tolerance::Relative {
            rtol: 1e-5,
            atol: 1e-5,
        },
    );
}

#[test]
fn values_with_other_uses_stay() {
    let mut f = Build::new();
    let y = conv(&mut f, &[1.0]);
    let two = channel(&mut f, [2.0; 4]);
    let a = f.op(Op::Mul, &[y, two], &[]);
    let b = f.op(Op::Add, &[a, two], &[]);
    // y itself is a result: its bias must stay where it is.
    let f = f.results(&[b, y]);
    let (new, _) = passes("hla-freeze", &f).unwrap();
    assert_eq!(ops(&new), [Op::Conv2d, Op::Mul, Op::Add]);
    let tight = Tolerance::Relative {
        rtol: 1e-6,
        atol: 1e-6,
    };
    compare(&f, &new, &[numbers(&CONV, 4)], tight);
}

#[test]
fn a_negative_variance_is_left_and_warned_about() {
    let f = batch_norm(&[0.0], [1.0, -4.0, 1.0, 1.0]);
    let (new, report) = passes("hla-freeze", &f).unwrap();
    assert_eq!(ops(&new).len(), ops(&f).len());
    assert!(report.remarks[0].message.contains("not finite"));
}

#[test]
fn padding_joins_a_float_convolution() {
    let build = |pad: [i64; 8], value: f32, weight: f32| {
        let mut f = Build::new();
        let x = f.arg(&[1, 4, 3, 1]);
        let attrs = [("padding", i64s(&pad)), ("pad_const", Attr::F32(value))];
        let x = f.op(Op::Pad, &[x], &attrs);
        let w = f.constant(&[1, 2, 2, 1], &[1.5, -2.0, weight, 0.25]);
        let b = f.splat(&[1], 0.5);
        let attrs = [
            ("pad", i64s(&[0, 1, 0, 0])),
            ("stride", i64s(&[1, 1])),
            ("dilation", i64s(&[1, 1])),
        ];
        let y = f.op(Op::Conv2d, &[x, w, b], &attrs);
        f.results(&[y])
    };
    let sides = [0, 0, 1, 2, 0, 1, 0, 0];
    let f = build(sides, 0.0, 1.0);
    let (new, _) = passes("hla-freeze", &f).unwrap();
    assert_eq!(ops(&new), [Op::Conv2d]);
    compare(&f, &new, &[numbers(&[1, 4, 3, 1], 5)], Tolerance::Exact);
    for (value, weight) in [(1.0, 1.0), (0.0, f32::INFINITY)] {
        let (new, _) = passes("hla-freeze", &build(sides, value, weight)).unwrap();
        assert_eq!(ops(&new), [Op::Pad, Op::Conv2d]);
    }
}

#[test]
fn every_open_parameter_is_named() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([1])));
    for (i, name) in ["conv1.weight", "fc.bias"].into_iter().enumerate() {
        let mut arg = Arg::new(TensorType::f32([1])).param(name);
        arg.location = Location::file("model.mlir", i as u32 + 2, 5);
        f.add_arg(arg);
    }
    f.results.push(x);
    let error = passes("hla-freeze", &f).unwrap_err();
    insta::assert_snapshot!(error);
}

/// Steps of a random chain: op, constant, whether the constant stands first.
fn chain() -> impl Strategy<Value = Vec<(u8, [f32; 4], bool, bool)>> {
    let constant = proptest::array::uniform4(-3.0f32..3.0);
    let step = (0u8..4, constant, any::<bool>(), any::<bool>());
    proptest::collection::vec(step, 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any chain of channel-wise ops, whatever its order and broadcasting, keeps its values, at the
    /// precision of the sums it is made of.
    #[test]
    fn chains_keep_their_values(steps in chain(), bias in proptest::array::uniform4(-1.0f32..1.0), seed in 0u64..99) {
        let mut f = Build::new();
        let mut y = conv(&mut f, &bias);
        let mut magnitude = 100.0f32;
        for (op, constant, first, single) in steps {
            let c = if single { f.splat(&[1, 1, 1, 1], constant[0]) } else { channel(&mut f, constant) };
            let operands = if first { [c, y] } else { [y, c] };
            y = match op {
                0 => f.op(Op::Add, &operands, &[]),
                1 => f.op(Op::Sub, &operands, &[]),
                2 => f.op(Op::Mul, &operands, &[]),
                _ => f.op(Op::Negate, &[y], &[]),
            };
            magnitude = magnitude * 3.0 + 3.0;
        }
        let relu = [("min_val", Attr::F32(0.0)), ("max_val", Attr::F32(f32::MAX))];
        let y = f.op(Op::Clamp, &[y], &relu);
        let f = f.results(&[y]);
        let (new, _) = passes("hla-freeze", &f).unwrap();
        prop_assert!(ops(&new).len() <= 4);
        let tolerance = Tolerance::Relative { rtol: 1e-4, atol: magnitude * 1e-6 };
        compare(&f, &new, &[numbers(&CONV, seed)], tolerance);
        let (again, _) = passes("hla-freeze", &new).unwrap();
        prop_assert_eq!(ops(&again), ops(&new));
    }
}
