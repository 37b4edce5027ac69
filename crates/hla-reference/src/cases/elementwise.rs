//! Elementwise ops: functions, arithmetic, comparison, selection, clamping.

use hla_ir::{DType, Op};

use super::Case;
use super::generate::{Random, case, f32s, ints, none, op_case};
use crate::tolerance::Tolerance::{self, Exact, Ulps};

use DType::{BF16, F16, F32, I1, I8, I16, I32, I64};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    functions(cases);
    arithmetic(cases);
    broadcasting(cases);
    comparison(cases);
    selection(cases);
    clamping(cases);
}

/// A unary op: name, tolerance in f32, and the bounds of its argument.
const FUNCTIONS: [(Op, &str, Tolerance, f64, f64); 11] = [
    (Op::Negate, "negate", Exact, -3.0, 3.0),
    (Op::Abs, "abs", Exact, -3.0, 3.0),
    (Op::Ceil, "ceil", Exact, -9.0, 9.0),
    (Op::Floor, "floor", Exact, -9.0, 9.0),
    (Op::Reciprocal, "reciprocal", Ulps(1), 0.1, 9.0),
    (Op::Rsqrt, "rsqrt", Ulps(2), 0.01, 99.0),
    (Op::Exp, "exp", Ulps(4), -80.0, 80.0),
    (Op::Log, "log", Ulps(4), 1e-4, 1e4),
    (Op::Tanh, "tanh", Ulps(8), -9.0, 9.0),
    (Op::Sigmoid, "sigmoid", Ulps(8), -20.0, 20.0),
    (Op::Erf, "erf", Ulps(8), -4.0, 4.0),
];

fn functions(cases: &mut Vec<Case>) {
    for (op, name, tolerance, low, high) in FUNCTIONS {
        for (shape, tag) in [(&[17][..], "r1"), (&[3, 5, 7], "r3")] {
            let name = format!("{name}_f32_{tag}");
            let input = Random::new(&name).real(shape, F32, low, high);
            op_case(cases, name, tolerance, [input], op, none());
        }
        for dtype in [F16, BF16] {
            let name = format!("{name}_{dtype}");
            // The exponential of 80 is no f16.
            let (low, high) = (low.max(-9.0), high.min(9.0));
            let input = Random::new(&name).real(&[2, 9], dtype, low, high);
            let tolerance = if tolerance == Exact { Exact } else { Ulps(1) };
            op_case(cases, name, tolerance, [input], op, none());
        }
    }
    for (op, name, low, high) in [
        (Op::Tanh, "tanh_f32_small", -1e-2, 1e-2),
        (Op::Erf, "erf_f32_small", -1e-2, 1e-2),
        (Op::Exp, "exp_f32_small", -1e-2, 1e-2),
        (Op::Log, "log_f32_near_one", 0.9, 1.1),
        (Op::Sigmoid, "sigmoid_f32_small", -1e-2, 1e-2),
    ] {
        let input = Random::new(name).real(&[33], F32, low, high);
        op_case(cases, name, Ulps(8), [input], op, none());
    }
    for dtype in [I8, I16, I32, I64] {
        let (low, high) = crate::number::range(dtype);
        let extremes = ints(dtype, &[low + 1, high, 0, -1, 1, 7, -100]);
        op_case(
            cases,
            format!("abs_{dtype}"),
            Exact,
            [extremes.clone()],
            Op::Abs,
            none(),
        );
        op_case(
            cases,
            format!("negate_{dtype}"),
            Exact,
            [extremes],
            Op::Negate,
            none(),
        );
    }
    let name = "negate_i8_zero_points";
    let attrs = none().with("input1_zp", 3i64).with("output_zp", -5i64);
    op_case(
        cases,
        name,
        Exact,
        [Random::new(name).full(&[5, 7], I8)],
        Op::Negate,
        attrs,
    );
    let extremes = ints(I8, &[-128, -127, -126, 127, 126, 0]);
    let lowest = ints(I8, &[-128, 127, -127]);
    op_case(
        cases,
        "negate_i8_lowest",
        Exact,
        [lowest],
        Op::Negate,
        none(),
    );
    let attrs = none().with("input1_zp", -128i64).with("output_zp", 127i64);
    op_case(
        cases,
        "negate_i8_saturates",
        Exact,
        [extremes],
        Op::Negate,
        attrs,
    );
    let input = Random::new("logical_not").full(&[3, 7], I1);
    op_case(cases, "logical_not", Exact, [input], Op::LogicalNot, none());
}

const BINARY: [(Op, &str); 5] = [
    (Op::Add, "add"),
    (Op::Sub, "sub"),
    (Op::Mul, "mul"),
    (Op::Maximum, "maximum"),
    (Op::Minimum, "minimum"),
];

fn arithmetic(cases: &mut Vec<Case>) {
    for (op, name) in BINARY {
        for dtype in [F32, F16, BF16, I8, I16, I32, I64] {
            let name = format!("{name}_{dtype}");
            let mut random = Random::new(&name);
            let inputs = [random.any(&[3, 11], dtype), random.any(&[3, 11], dtype)];
            op_case(cases, name, Exact, inputs, op, none());
        }
        let name = format!("{name}_f32_scalar");
        let mut random = Random::new(&name);
        let inputs = [random.any(&[], F32), random.any(&[], F32)];
        op_case(cases, name, Exact, inputs, op, none());
    }
    for shift in [1i64, 7, 31, 40] {
        let name = format!("mul_i32_shift_{shift}");
        let mut random = Random::new(&name);
        let limit = if shift < 31 {
            30_000
        } else {
            i64::from(i32::MAX)
        };
        let mut input = || random.ints(&[5, 7], I32, -limit, limit);
        let inputs = [input(), input()];
        let attrs = none().with("shift", shift);
        op_case(cases, name, Exact, inputs, Op::Mul, attrs);
    }
    let halves = [ints(I32, &[1, -1, 3, -3, 5, -5]), ints(I32, &[1; 6])];
    let attrs = none().with("shift", 1i64);
    op_case(cases, "mul_i32_shift_ties", Exact, halves, Op::Mul, attrs);
    let name = "pow_f32";
    let mut random = Random::new(name);
    let inputs = [
        random.real(&[5, 7], F32, 0.1, 5.0),
        random.real(&[5, 7], F32, -3.0, 3.0),
    ];
    op_case(cases, name, Ulps(16), inputs, Op::Pow, none());
    let mut random = Random::new("pow_f32_broadcast");
    let inputs = [
        random.real(&[5, 7], F32, 0.1, 5.0),
        f32s(&[2.0]).reshape([1, 1]).expect("one"),
    ];
    op_case(
        cases,
        "pow_f32_broadcast",
        Ulps(16),
        inputs,
        Op::Pow,
        none(),
    );
    // One operand twice, and a value returned twice.
    let input = Random::new("square").any(&[9], F32);
    case(cases, "mul_f32_square_twice", Exact, [input], |b, x| {
        let y = b.op(Op::Mul, &[x[0], x[0]], none());
        vec![y, x[0], y]
    });
}

fn broadcasting(cases: &mut Vec<Case>) {
    let shapes: [(&str, &[usize], &[usize]); 9] = [
        ("left_row", &[1, 7], &[5, 7]),
        ("right_row", &[5, 7], &[1, 7]),
        ("left_column", &[5, 1], &[5, 7]),
        ("right_column", &[5, 7], &[5, 1]),
        ("both", &[5, 1], &[1, 7]),
        ("channel", &[2, 3, 3, 17], &[1, 1, 1, 17]),
        ("middle", &[1, 3, 1, 5], &[2, 1, 3, 1]),
        ("right_one", &[3, 5, 7], &[1, 1, 1]),
        ("rank5", &[2, 1, 3, 1, 5], &[1, 2, 3, 2, 1]),
    ];
    for (tag, left, right) in shapes {
        for (op, name, dtype) in [
            (Op::Add, "add", F32),
            (Op::Sub, "sub", F32),
            (Op::Mul, "mul", I32),
            (Op::Maximum, "maximum", I8),
        ] {
            let name = format!("{name}_{dtype}_broadcast_{tag}");
            let mut random = Random::new(&name);
            let inputs = [random.any(left, dtype), random.any(right, dtype)];
            op_case(cases, name, Exact, inputs, op, none());
        }
    }
}

fn comparison(cases: &mut Vec<Case>) {
    let all = [
        (Op::Equal, "equal"),
        (Op::Greater, "greater"),
        (Op::GreaterEqual, "greater_equal"),
    ];
    for (op, name) in all {
        for dtype in [F32, F16, BF16, I8, I16, I32, I64] {
            let name = format!("{name}_{dtype}");
            let mut random = Random::new(&name);
            let inputs = [random.grid(&[5, 9], dtype), random.grid(&[1, 9], dtype)];
            op_case(cases, name, Exact, inputs, op, none());
        }
    }
    for (op, name) in [
        (Op::LogicalAnd, "logical_and"),
        (Op::LogicalOr, "logical_or"),
    ] {
        let mut random = Random::new(name);
        let inputs = [random.full(&[5, 7], I1), random.full(&[5, 1], I1)];
        op_case(cases, name, Exact, inputs, op, none());
    }
}

fn selection(cases: &mut Vec<Case>) {
    type Shapes = (&'static str, [&'static [usize]; 3]);
    let shapes: [Shapes; 4] = [
        ("same", [&[3, 7], &[3, 7], &[3, 7]]),
        ("condition", [&[1, 7], &[3, 7], &[3, 7]]),
        ("values", [&[3, 7], &[1, 7], &[3, 1]]),
        ("all", [&[3, 1, 1], &[1, 5, 1], &[1, 1, 7]]),
    ];
    for (tag, [condition, yes, no]) in shapes {
        for dtype in [F32, I8, I32] {
            let name = format!("select_{dtype}_{tag}");
            let mut random = Random::new(&name);
            let condition = random.full(condition, I1);
            let inputs = [condition, random.any(yes, dtype), random.any(no, dtype)];
            op_case(cases, name, Exact, inputs, Op::Select, none());
        }
    }
    for dtype in [F16, BF16, I1, I16, I64] {
        let name = format!("select_{dtype}");
        let mut random = Random::new(&name);
        let condition = random.full(&[5], I1);
        let inputs = [condition, random.any(&[5], dtype), random.any(&[5], dtype)];
        op_case(cases, name, Exact, inputs, Op::Select, none());
    }
}

fn clamping(cases: &mut Vec<Case>) {
    for dtype in [F32, F16, BF16] {
        let name = format!("clamp_{dtype}");
        let input = Random::new(&name).any(&[3, 7], dtype);
        let attrs = none().with("min_val", -1.0f32).with("max_val", 1.5f32);
        op_case(cases, name, Exact, [input], Op::Clamp, attrs);
    }
    let name = "clamp_f32_relu";
    let input = Random::new(name).any(&[2, 3, 3, 5], F32);
    let attrs = none()
        .with("min_val", 0.0f32)
        .with("max_val", f32::INFINITY);
    op_case(cases, name, Exact, [input], Op::Clamp, attrs);
    for (dtype, low, high) in [
        (I8, -5i64, 100i64),
        (I16, -500, 9),
        (I32, 0, 1 << 20),
        (I64, -7, 7),
    ] {
        let name = format!("clamp_{dtype}");
        let input = Random::new(&name).full(&[3, 7], dtype);
        let attrs = none().with("min_val", low).with("max_val", high);
        op_case(cases, name, Exact, [input], Op::Clamp, attrs);
    }
    for mode in ["PROPAGATE", "IGNORE"] {
        let attrs = none().with("min_val", -1.0f32).with("max_val", 2.0f32);
        let name = format!("clamp_f32_nan_{}", mode.to_lowercase());
        let input = f32s(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5, -1e-40]);
        op_case(
            cases,
            name,
            Exact,
            [input],
            Op::Clamp,
            attrs.with("nan_mode", mode),
        );
    }
}
