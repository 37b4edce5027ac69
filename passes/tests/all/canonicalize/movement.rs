use hla_ir::{Attr, DType, Op, Tensor, TensorType};
use hla_reference::Tolerance;
use proptest::prelude::*;

use super::{check, holds_back, special, unary};
use crate::build::{Build, i64s, passes};
use crate::oracle::compare;

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
