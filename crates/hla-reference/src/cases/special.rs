//! NaN, infinities, signed zeros and denormals, wherever TOSA defines the result.

use hla_ir::Op;

use super::Case;
use super::generate::{f32s, none, op_case};
use crate::tolerance::Tolerance::{Exact, Ulps};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;
const TINY: f32 = f32::MIN_POSITIVE;

pub(super) fn add_to(cases: &mut Vec<Case>) {
    let all = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        INF,
        -INF,
        NAN,
        TINY,
        -TINY,
        f32::MAX,
        -0.5,
        0.5,
        2.5,
        1e-40,
        -1e-40,
    ];
    for (op, name) in [
        (Op::Negate, "negate"),
        (Op::Abs, "abs"),
        (Op::Ceil, "ceil"),
        (Op::Floor, "floor"),
        (Op::Identity, "identity"),
    ] {
        op_case(
            cases,
            format!("{name}_f32_special"),
            Exact,
            [f32s(&all)],
            op,
            none(),
        );
    }
    let of = |cases: &mut Vec<Case>, op, name: &str, values: &[f32]| {
        op_case(
            cases,
            format!("{name}_f32_special"),
            Ulps(4),
            [f32s(values)],
            op,
            none(),
        );
    };
    of(
        cases,
        Op::Reciprocal,
        "reciprocal",
        &[0.0, -0.0, INF, -INF, NAN, 2.0, -3.0, 1e30],
    );
    of(
        cases,
        Op::Rsqrt,
        "rsqrt",
        &[0.0, INF, NAN, -1.0, 4.0, TINY, f32::MAX],
    );
    of(
        cases,
        Op::Exp,
        "exp",
        &[0.0, -0.0, INF, -INF, NAN, 100.0, -200.0, 88.7, -87.3, 1.0],
    );
    of(
        cases,
        Op::Log,
        "log",
        &[0.0, -0.0, INF, NAN, -1.0, 1.0, TINY, f32::MAX, 1e-40],
    );
    of(
        cases,
        Op::Tanh,
        "tanh",
        &[0.0, -0.0, INF, -INF, NAN, 50.0, -50.0, 1e-20, -1e-40],
    );
    of(
        cases,
        Op::Sigmoid,
        "sigmoid",
        &[0.0, -0.0, INF, -INF, NAN, 200.0, -200.0, 1e-20],
    );
    of(
        cases,
        Op::Erf,
        "erf",
        &[0.0, -0.0, INF, -INF, NAN, 50.0, -50.0, 1e-20],
    );
    let bases = [
        2.0, 2.0, -2.0, -2.0, -2.0, 0.0, 0.0, 1.0, NAN, INF, INF, 0.5, 0.5, 4.0, 10.0, -1.0,
    ];
    let exponents = [
        3.0, -2.0, 3.0, 2.0, 0.5, 2.0, 0.5, NAN, 1.0, 2.0, -1.0, INF, -INF, 0.5, 0.0, 7.0,
    ];
    let inputs = [f32s(&bases), f32s(&exponents)];
    op_case(cases, "pow_f32_special", Ulps(4), inputs, Op::Pow, none());
    let a = f32s(&[
        NAN,
        1.0,
        INF,
        -INF,
        INF,
        f32::MAX,
        1e-40,
        -0.0,
        0.0,
        TINY,
        INF,
    ]);
    let b = f32s(&[
        1.0,
        NAN,
        INF,
        INF,
        0.0,
        f32::MAX,
        1e-40,
        -0.0,
        -0.0,
        0.5,
        1.0,
    ]);
    for (op, name) in [(Op::Add, "add"), (Op::Sub, "sub"), (Op::Mul, "mul")] {
        let inputs = [a.clone(), b.clone()];
        op_case(
            cases,
            format!("{name}_f32_special"),
            Exact,
            inputs,
            op,
            none(),
        );
    }
    // No zeros of both signs here: which of them is the larger is not specified.
    let a = f32s(&[NAN, 1.0, NAN, INF, -INF, 2.0, -3.0, 1e-40]);
    let b = f32s(&[1.0, NAN, NAN, 1.0, 1.0, 2.5, -4.0, -1e-40]);
    for (op, name) in [(Op::Maximum, "maximum"), (Op::Minimum, "minimum")] {
        for mode in ["PROPAGATE", "IGNORE"] {
            let attrs = none().with("nan_mode", mode);
            let name = format!("{name}_f32_nan_{}", mode.to_lowercase());
            op_case(cases, name, Exact, [a.clone(), b.clone()], op, attrs);
        }
    }
    let a = f32s(&[NAN, 1.0, NAN, INF, -INF, 0.0, 1e-40, 1.0]);
    let b = f32s(&[1.0, NAN, NAN, INF, INF, -0.0, 0.0, 1.0]);
    for (op, name) in [
        (Op::Equal, "equal"),
        (Op::Greater, "greater"),
        (Op::GreaterEqual, "greater_equal"),
    ] {
        let inputs = [a.clone(), b.clone()];
        op_case(
            cases,
            format!("{name}_f32_special"),
            Exact,
            inputs,
            op,
            none(),
        );
    }
}
