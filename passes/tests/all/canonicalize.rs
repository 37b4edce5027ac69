//! Every rule fires on a function made for it, and keeps every bit, special values included.

use hla_ir::{Attr, DType, Function, Op, Tensor, TensorType, ValueId};
use hla_reference::Tolerance;
use proptest::prelude::*;

use crate::build::{Build, i64s, passes};
use crate::oracle::{compare, keeps_all_cases, numbers};

/// Values at which algebra breaks first, mixed with ordinary ones.
fn special(ty: &TensorType, seed: u64) -> Tensor {
    let plain = numbers(&ty.shape, seed).to_f32s();
    let values = plain.iter().enumerate().map(|(i, &v)| {
        let v = f64::from(v);
        let pick = (i as u64 * 7 + seed) % 13;
        if !ty.dtype.is_float() {
            let extreme = 2f64.powi(8 * ty.dtype.bytes() as i32 - 1);
            return match pick {
                0 => -extreme,
                1 => extreme - 1.0,
                2 => 0.0,
                _ => (v * 40.0).round(),
            };
        }
        match pick {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => 0.0,
            4 => -0.0,
            5 => 1e-45,
            6 => f64::from(f32::MAX),
            _ => v,
        }
    });
    Tensor::from_f64s(ty.clone(), values).unwrap()
}

/// The function simplifies by this rule and keeps its values.
fn check(rule: &str, function: &Function, seed: u64) {
    let (new, report) = passes("hla-canonicalize", function).unwrap();
    let fired = report
        .tables
        .first()
        .map(|t| t.rows.iter().map(|r| r[0].to_string()));
    assert!(
        fired.is_some_and(|mut names| names.any(|n| n == rule)),
        "{rule} does not apply:\n{function}"
    );
    let types = function.args.iter().map(|a| a.ty.tensor().unwrap());
    let inputs: Vec<Tensor> = types
        .enumerate()
        .map(|(i, t)| special(t, seed + i as u64))
        .collect();
    compare(function, &new, &inputs, Tolerance::Exact);
    let (again, _) = passes("hla-canonicalize", &new).unwrap();
    assert_eq!(again, new, "{rule}: a second run changes the function");
}

/// The function does not simplify by this rule.
fn holds_back(rule: &str, function: &Function) {
    let (_, report) = passes("hla-canonicalize", function).unwrap();
    let fired = report
        .tables
        .iter()
        .flat_map(|t| &t.rows)
        .map(|r| r[0].to_string());
    assert!(
        !fired.collect::<Vec<_>>().contains(&rule.to_owned()),
        "{rule} applies:\n{function}"
    );
}

/// A function of one argument.
fn unary(ty: TensorType, body: impl FnOnce(&mut Build, ValueId) -> ValueId) -> Function {
    let mut f = Build::new();
    let x = f.typed_arg(ty);
    let y = body(&mut f, x);
    f.results(&[y])
}

fn splat(f: &mut Build, ty: &TensorType, value: f64) -> ValueId {
    let shape = vec![1; ty.rank()];
    let tensor = Tensor::splat(TensorType::new(shape, ty.dtype), value);
    f.0.constant(tensor, hla_ir::Location::unknown())
}

fn ty(dtype: DType) -> TensorType {
    TensorType::new([3, 5], dtype)
}

const NUMBERS: [DType; 6] = [
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::I8,
    DType::I16,
    DType::I32,
];

#[test]
fn every_case_keeps_its_bits() {
    keeps_all_cases("hla-canonicalize", Tolerance::Exact);
}

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

#[test]
fn casts_merge_only_where_they_round_alike() {
    let types = [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I1,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
    ];
    let mut merged = 0;
    let triples = (0..types.len().pow(3)).map(|i| (types[i / 64], types[i / 8 % 8], types[i % 8]));
    for (a, b, c) in triples {
        let argument = if a == DType::I1 { DType::I8 } else { a };
        let f = unary(TensorType::new([70], argument), |f, mut x| {
            if a == DType::I1 {
                x = f.op(Op::Cast, &[x], &[("out_type", a.into())]);
            }
            let x = f.op(Op::Cast, &[x], &[("out_type", b.into())]);
            f.op(Op::Cast, &[x], &[("out_type", c.into())])
        });
        let (new, _) = passes("hla-canonicalize", &f).unwrap();
        merged += usize::from(new.nodes.len() < f.nodes.len());
        for seed in 0..3 {
            let input = special(&TensorType::new([70], argument), seed);
            compare(&f, &new, &[input], Tolerance::Exact);
        }
    }
    assert!(merged > 100, "only {merged} chains merged");
}

#[test]
fn movements_that_move_nothing_go() {
    let ty = TensorType::f32([2, 1, 3, 1]);
    let one = |op, attrs: &[(&str, Attr)]| unary(ty.clone(), |f, x| f.op(op, &[x], attrs));
    let same = one(Op::Reshape, &[("shape", i64s(&[2, 1, 3, 1]))]);
    check("reshape-same", &same, 1);
    check(
        "transpose-identity",
        &one(Op::Transpose, &[("perms", i64s(&[0, 1, 2, 3]))]),
        2,
    );
    check(
        "transpose-to-reshape",
        &one(Op::Transpose, &[("perms", i64s(&[1, 0, 3, 2]))]),
        3,
    );
    let moves = one(Op::Transpose, &[("perms", i64s(&[2, 1, 0, 3]))]);
    holds_back("transpose-to-reshape", &moves);
    let all = [("start", i64s(&[0; 4])), ("size", i64s(&[2, 1, 3, 1]))];
    check("slice-all", &one(Op::Slice, &all), 4);
    check(
        "pad-nothing",
        &one(Op::Pad, &[("padding", i64s(&[0; 8]))]),
        5,
    );
    check("concat-one", &one(Op::Concat, &[("axis", 1i64.into())]), 6);
    check(
        "tile-one",
        &one(Op::Tile, &[("multiples", i64s(&[1; 4]))]),
        7,
    );
    check(
        "reverse-one",
        &one(Op::Reverse, &[("axis", 1i64.into())]),
        8,
    );
    for (op, axis) in [
        (Op::ReduceMax, 1i64),
        (Op::ReduceMin, 3),
        (Op::ReduceProduct, 1),
    ] {
        check("reduce-one", &one(op, &[("axis", axis.into())]), 9);
    }
    holds_back("reduce-one", &one(Op::ReduceSum, &[("axis", 1i64.into())]));
    holds_back("reduce-one", &one(Op::ReduceMax, &[("axis", 0i64.into())]));
    let ints = unary(TensorType::new([2, 1], DType::I32), |f, x| {
        f.op(Op::ReduceSum, &[x], &[("axis", 1i64.into())])
    });
    check("reduce-one", &ints, 10);
    let ones = [
        ("kernel", i64s(&[1, 1])),
        ("stride", i64s(&[1, 1])),
        ("pad", i64s(&[0; 4])),
    ];
    check("max-pool-one", &one(Op::MaxPool2d, &ones), 11);
}

#[test]
fn concatenations_lose_empty_parts_and_slices_find_their_part() {
    let mut f = Build::new();
    let (x, y) = (f.arg(&[2, 3]), f.arg(&[2, 4]));
    let nothing = f.constant(&[2, 0], &[]);
    let all = f.op(
        Op::Concat,
        &[nothing, x, nothing, y],
        &[("axis", 1i64.into())],
    );
    let inside = [("start", i64s(&[1, 4])), ("size", i64s(&[1, 2]))];
    let across = [("start", i64s(&[0, 2])), ("size", i64s(&[2, 2]))];
    let (a, b) = (
        f.op(Op::Slice, &[all], &inside),
        f.op(Op::Slice, &[all], &across),
    );
    let f = f.results(&[a, b, all]);
    check("concat-empty", &f, 1);
    check("slice-concat", &f, 1);
    let (new, _) = passes("hla-canonicalize", &f).unwrap();
    let of = |i: usize| new.defining_node(new.results[i]).unwrap();
    assert_eq!(of(0).operands, [hla_ir::ValueId(1)]);
    assert_eq!(of(1).operands, [new.results[2]]);
}

#[test]
fn packing_and_unpacking_cancel() {
    let f = unary(TensorType::new([2, 3], DType::I1), |f, x| {
        let x = f.op(Op::Cast, &[x], &[("out_type", DType::I8.into())]);
        let x = f.op(Op::Pack, &[x], &[]);
        f.op(Op::Unpack, &[x], &[("shape", i64s(&[2, 3]))])
    });
    let (new, _) = passes("hla-canonicalize", &f).unwrap();
    assert_eq!(new.nodes.len(), 1);
}

#[test]
fn padding_joins_an_exact_convolution() {
    let build = |dtype: DType, pad_const: Attr, op: Op| {
        let mut f = Build::new();
        let x = f.typed_arg(TensorType::new([1, 4, 5, 2], dtype));
        let attrs = [
            ("padding", i64s(&[0, 0, 1, 0, 2, 1, 0, 0])),
            ("pad_const", pad_const),
        ];
        let x = f.op(Op::Pad, &[x], &attrs);
        let trits = Tensor::from_i64s(
            TensorType::new([1, 2, 2, 2], DType::I8),
            &[1, 0, -1, 1, 1, -1, 0, 1],
        );
        let mut w = f.0.constant(trits.unwrap(), hla_ir::Location::unknown());
        let window = [
            ("pad", i64s(&[0, 1, 1, 0])),
            ("stride", i64s(&[1, 1])),
            ("dilation", i64s(&[1, 1])),
        ];
        let y = if op == Op::TernaryConv2d {
            let (scale, bias) = (f.splat(&[1], 0.5), f.splat(&[1], 0.25));
            f.op(op, &[x, w, scale, bias], &window)
        } else {
            let out = if dtype == DType::I8 {
                DType::I32
            } else {
                dtype
            };
            if dtype != DType::I8 {
                w = f.op(Op::Cast, &[w], &[("out_type", dtype.into())]);
            }
            let bias = Tensor::splat(TensorType::new([1], out), 3.0);
            let bias = f.0.constant(bias, hla_ir::Location::unknown());
            let mut attrs = window.to_vec();
            if dtype == DType::I8 {
                attrs.push(("input_zp", 5i64.into()));
            }
            f.op(op, &[x, w, bias], &attrs)
        };
        f.results(&[y])
    };
    let rule = "pad-convolution";
    check(
        rule,
        &build(DType::F32, 0.0f32.into(), Op::TernaryConv2d),
        1,
    );
    check(rule, &build(DType::I8, 0i64.into(), Op::TernaryConv2d), 2);
    check(rule, &build(DType::I8, 5i64.into(), Op::Conv2d), 3);
    holds_back(rule, &build(DType::I8, 0i64.into(), Op::Conv2d));
    holds_back(rule, &build(DType::F32, 1.0f32.into(), Op::TernaryConv2d));
    holds_back(rule, &build(DType::F32, 0.0f32.into(), Op::Conv2d));
}

#[test]
fn a_chosen_layout_is_respected() {
    let f = unary(TensorType::f32([1, 2, 2, 1]), |f, x| {
        let layout = ("hla.layout", "planar<1,1,1,1,f32>".into());
        f.op(Op::Identity, &[x], &[layout])
    });
    assert_eq!(passes("hla-canonicalize", &f).unwrap().0, f);
}

fn shape(rank: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..4, rank)
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

    /// Any chain of reshapes, transposes, slices and reversals.
    #[test]
    fn movements_merge(
        shape in shape(4), steps in proptest::collection::vec((0u8..5, any::<u64>()), 1..6), seed in 0u64..99,
    ) {
        let start = TensorType::f32(shape);
        let f = unary(start.clone(), |f, mut x| {
            for (kind, random) in steps {
                let shape = f.0.tensor_ty(x).shape.clone();
                let pick = |n: usize, i: u32| ((random >> (8 * i)) as usize) % n.max(1);
                let mut order: Vec<i64> = (0..shape.len() as i64).collect();
                order.sort_by_key(|&i| (random.rotate_left(7 * i as u32) % 97, i));
                x = match kind {
                    0 => {
                        let permuted: Vec<i64> = order.iter().map(|&i| shape[i as usize] as i64).collect();
                        f.op(Op::Reshape, &[x], &[("shape", i64s(&permuted))])
                    }
                    1 => f.op(Op::Transpose, &[x], &[("perms", i64s(&order))]),
                    2 => {
                        let start: Vec<i64> = (0..4).map(|i| pick(shape[i], i as u32) as i64).collect();
                        let size: Vec<i64> = (0..4)
                            .map(|i| 1 + pick(shape[i] - start[i] as usize, i as u32 + 4) as i64)
                            .collect();
                        f.op(Op::Slice, &[x], &[("start", i64s(&start)), ("size", i64s(&size))])
                    }
                    3 => f.op(Op::Reverse, &[x], &[("axis", (pick(4, 0) as i64).into())]),
                    _ => {
                        let padding: Vec<i64> = (0..8).map(|i| pick(2, i) as i64).collect();
                        let value = ("pad_const", Attr::F32(if pick(2, 3) == 0 { 0.0 } else { -0.0 }));
                        f.op(Op::Pad, &[x], &[("padding", i64s(&padding)), value])
                    }
                };
            }
            x
        });
        let (new, _) = passes("hla-canonicalize", &f).unwrap();
        prop_assert!(new.nodes.len() <= f.nodes.len());
        compare(&f, &new, &[special(&start, seed)], Tolerance::Exact);
        let (again, _) = passes("hla-canonicalize", &new).unwrap();
        prop_assert_eq!(again, new);
    }
}

#[test]
fn a_network_shrinks() {
    let mut f = Build::new();
    let x = f.arg(&[1, 2, 2, 3]);
    let x = f.op(Op::Transpose, &[x], &[("perms", i64s(&[0, 3, 1, 2]))]);
    let zero = f.splat(&[1, 1, 1, 1], 0.0);
    let x = f.op(Op::Maximum, &[zero, x], &[]);
    let six = f.splat(&[1, 1, 1, 1], 6.0);
    let x = f.op(Op::Minimum, &[x, six], &[]);
    let x = f.op(Op::Reshape, &[x], &[("shape", i64s(&[3, 4]))]);
    let x = f.op(Op::Identity, &[x], &[]);
    let x = f.op(Op::Reshape, &[x], &[("shape", i64s(&[12]))]);
    let f = f.results(&[x]);
    let (new, report) = passes("hla-canonicalize", &f).unwrap();
    insta::assert_snapshot!(format!("{new}{report}"));
}
