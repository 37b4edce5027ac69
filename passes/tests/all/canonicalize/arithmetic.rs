use hla_ir::{Attr, DType, Op, TensorType, ValueId};
use proptest::prelude::*;

use super::{NUMBERS, check, holds_back, splat, ty, unary};
use crate::build::Build;

#[test]
fn neutral_elements_vanish() {
    for dtype in NUMBERS {
        let ty = ty(dtype);
        let zero = if dtype.is_float() { -0.0 } else { 0.0 };
        for (rule, op, neutral) in [
            ("add-zero", Op::Add, zero),
            ("sub-zero", Op::Sub, 0.0),
            ("mul-one", Op::Mul, 1.0),
        ] {
            let f = unary(ty.clone(), |f, x| {
                let c = splat(f, &ty, neutral);
                f.op(op, &[x, c], &[])
            });
            check(rule, &f, 1);
        }
        // The constant may stand first where order does not matter.
        let f = unary(ty.clone(), |f, x| {
            let c = splat(f, &ty, 1.0);
            f.op(Op::Mul, &[c, x], &[])
        });
        check("constant-second", &f, 2);
        check(
            "identity",
            &unary(ty.clone(), |f, x| f.op(Op::Identity, &[x], &[])),
            3,
        );
    }
    // −0 + 0 is +0: a positive zero is not neutral.
    let f = unary(ty(DType::F32), |f, x| {
        let c = f.splat(&[1, 1], 0.0);
        f.op(Op::Add, &[x, c], &[])
    });
    holds_back("add-zero", &f);
    // A product that is shifted is no x·1.
    let f = unary(ty(DType::I32), |f, x| {
        let c = splat(f, &ty(DType::I32), 1.0);
        f.op(Op::Mul, &[x, c], &[("shift", 1i64.into())])
    });
    holds_back("mul-one", &f);
    // The constant broadcasts x: the result is larger than x.
    let f = unary(TensorType::f32([1, 5]), |f, x| {
        let c = f.splat(&[3, 5], 1.0);
        f.op(Op::Mul, &[x, c], &[])
    });
    holds_back("mul-one", &f);
    let f = unary(ty(DType::F32), |f, x| {
        let c = f.splat(&[1, 1], 1.0);
        f.op(Op::Pow, &[x, c], &[])
    });
    check("pow-one", &f, 4);
}

#[test]
fn inverses_cancel() {
    for dtype in NUMBERS {
        let negated = |op| {
            unary(ty(dtype), |f, x| {
                let y = f.op(Op::Negate, &[x], &[]);
                f.op(op, &[y], &[])
            })
        };
        let saturates = matches!(dtype, DType::I8 | DType::I16);
        if saturates {
            holds_back("negate-negate", &negated(Op::Negate));
            holds_back("abs-abs", &negated(Op::Abs));
        } else {
            check("negate-negate", &negated(Op::Negate), 5);
            check("abs-abs", &negated(Op::Abs), 6);
        }
        let twice = unary(ty(dtype), |f, x| {
            let y = f.op(Op::Abs, &[x], &[]);
            f.op(Op::Abs, &[y], &[])
        });
        check("abs-abs", &twice, 7);
    }
    let f = unary(ty(DType::F32), |f, x| {
        let zero = f.splat(&[1, 1], 0.0);
        let c = f.op(Op::Greater, &[x, zero], &[]);
        let not = f.op(Op::LogicalNot, &[c], &[]);
        let again = f.op(Op::LogicalNot, &[not], &[]);
        f.op(Op::LogicalAnd, &[again, c], &[])
    });
    check("not-not", &f, 8);
    check("idempotent", &f, 8);
}

#[test]
fn selections_that_are_decided_go() {
    let f = unary(ty(DType::F32), |f, x| {
        let zero = f.splat(&[1, 1], 0.0);
        let c = f.op(Op::Greater, &[x, zero], &[]);
        f.op(Op::Select, &[c, x, x], &[])
    });
    check("select-same", &f, 9);
    for decided in [0.0, 1.0] {
        let f = unary(ty(DType::F32), |f, x| {
            let c = splat(f, &ty(DType::I1), decided);
            let y = f.op(Op::Exp, &[x], &[]);
            f.op(Op::Select, &[c, x, y], &[])
        });
        check("select-constant", &f, 10);
    }
}

fn clamp(f: &mut Build, x: ValueId, dtype: DType, low: f64, high: f64, mode: &str) -> ValueId {
    let bound = |v: f64| match dtype.is_float() {
        true => Attr::F32(v as f32),
        false => Attr::I64(v as i64),
    };
    let attrs = [
        ("min_val", bound(low)),
        ("max_val", bound(high)),
        ("nan_mode", mode.into()),
    ];
    f.op(Op::Clamp, &[x], &attrs)
}

#[test]
fn extrema_with_constants_are_clamps() {
    for dtype in NUMBERS {
        for op in [Op::Maximum, Op::Minimum] {
            for mode in ["PROPAGATE", "IGNORE"] {
                for c in [0.0, 1.0, -1.0] {
                    let f = unary(ty(dtype), |f, x| {
                        let c = splat(f, &ty(dtype), c);
                        f.op(op, &[c, x], &[("nan_mode", mode.into())])
                    });
                    if op == Op::Minimum && mode == "IGNORE" && dtype.is_float() {
                        holds_back("extremum-to-clamp", &f);
                    } else {
                        check("extremum-to-clamp", &f, 11);
                    }
                }
            }
        }
    }
    let f = unary(ty(DType::F32), |f, x| {
        let c = f.splat(&[1, 1], f32::NAN);
        f.op(Op::Maximum, &[x, c], &[])
    });
    holds_back("extremum-to-clamp", &f);
}

#[test]
fn a_clamp_to_everything_is_nothing() {
    let infinite = |mode: &str| {
        unary(ty(DType::F32), |f, x| {
            clamp(f, x, DType::F32, f64::NEG_INFINITY, f64::INFINITY, mode)
        })
    };
    check("clamp-all", &infinite("PROPAGATE"), 12);
    holds_back("clamp-all", &infinite("IGNORE"));
    let finite = unary(ty(DType::F32), |f, x| {
        clamp(
            f,
            x,
            DType::F32,
            f32::MIN.into(),
            f32::MAX.into(),
            "PROPAGATE",
        )
    });
    holds_back("clamp-all", &finite);
    let bytes = unary(ty(DType::I8), |f, x| {
        clamp(f, x, DType::I8, -128.0, 127.0, "PROPAGATE")
    });
    check("clamp-all", &bytes, 13);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any two clamps, crossed bounds and both ways to treat NaN included.
    #[test]
    fn clamps_merge(
        bounds in proptest::array::uniform4(-6i32..6), modes in (any::<bool>(), any::<bool>()), seed in 0u64..99, float in any::<bool>(),
    ) {
        let dtype = if float { DType::F32 } else { DType::I8 };
        // Both zeros occur.
        let b = bounds.map(|v| if v == 0 { -0.0 } else { f64::from(v) / 2.0 }.trunc());
        let mode = |ignore| if ignore { "IGNORE" } else { "PROPAGATE" };
        let f = unary(ty(dtype), |f, x| {
            let y = clamp(f, x, dtype, b[0].min(b[1]), b[0].max(b[1]), mode(modes.0));
            clamp(f, y, dtype, b[2].min(b[3]), b[2].max(b[3]), mode(modes.1))
        });
        if modes.0 == modes.1 || modes.0 {
            check("clamp-clamp", &f, seed);
        } else {
            holds_back("clamp-clamp", &f);
        }
    }
}
