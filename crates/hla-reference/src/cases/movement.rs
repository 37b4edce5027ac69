//! Ops that only move data.

use hla_ir::{DType, Op};

use super::Case;
use super::generate::{Random, case, ints, none, op_case};
use crate::tolerance::Tolerance::Exact;

use DType::{BF16, F16, F32, I1, I8, I16, I32, I64};

const TYPES: [DType; 8] = [F32, F16, BF16, I1, I8, I16, I32, I64];

pub(super) fn add_to(cases: &mut Vec<Case>) {
    every_type(cases);
    reshape_and_constants(cases);
    transpose(cases);
    concat(cases);
    pad_and_slice(cases);
    tile_and_reverse(cases);
    gather(cases);
}

/// Each op once for each element type.
fn every_type(cases: &mut Vec<Case>) {
    let ops = [
        (Op::Identity, "identity", none()),
        (Op::Reshape, "reshape", none().with("shape", vec![5, 3])),
        (Op::Transpose, "transpose", none().with("perms", vec![1, 0])),
        (Op::Pad, "pad", none().with("padding", vec![1, 0, 2, 1])),
        (
            Op::Slice,
            "slice",
            none().with("start", vec![1, 2]).with("size", vec![2, 3]),
        ),
        (Op::Tile, "tile", none().with("multiples", vec![2, 3])),
        (Op::Reverse, "reverse", none().with("axis", 1i64)),
    ];
    for (op, name, attrs) in ops {
        for dtype in TYPES {
            let name = format!("{name}_{dtype}");
            let input = Random::new(&name).any(&[3, 5], dtype);
            op_case(cases, name, Exact, [input], op, attrs.clone());
        }
    }
}

fn reshape_and_constants(cases: &mut Vec<Case>) {
    let input = Random::new("reshape_scalar").any(&[1, 1], F32);
    op_case(
        cases,
        "reshape_f32_to_scalar",
        Exact,
        [input],
        Op::Reshape,
        none().with("shape", Vec::<i64>::new()),
    );
    let input = Random::new("reshape_from_scalar").any(&[], F32);
    let attrs = none().with("shape", vec![1, 1, 1]);
    op_case(
        cases,
        "reshape_f32_from_scalar",
        Exact,
        [input],
        Op::Reshape,
        attrs,
    );
    let input = Random::new("reshape5").any(&[2, 3, 5, 7], F32);
    let attrs = none().with("shape", vec![7, 1, 5, 3, 2]);
    op_case(
        cases,
        "reshape_f32_rank5",
        Exact,
        [input],
        Op::Reshape,
        attrs,
    );
    for dtype in TYPES {
        let values = Random::new("constant").any(&[3, 5], dtype);
        case(cases, format!("const_{dtype}"), Exact, [], |b, _| {
            vec![b.constant(values)]
        });
    }
    let input = Random::new("splat").any(&[3, 5], F32);
    case(cases, "const_f32_splat_added", Exact, [input], |b, x| {
        let splat = hla_ir::Tensor::splat(hla_ir::TensorType::f32([3, 5]), 0.5);
        let y = b.constant(splat);
        vec![b.op(Op::Add, &[x[0], y], none())]
    });
    // An argument that is a result, one that nobody reads, and no node at all.
    let mut random = Random::new("pass");
    let inputs = [random.any(&[3], F32), random.any(&[2], I8)];
    case(cases, "function_without_nodes", Exact, inputs, |_, x| {
        vec![x[1], x[1]]
    });
}

fn transpose(cases: &mut Vec<Case>) {
    let perms: [(&[usize], &[i64]); 7] = [
        (&[17, 33], &[1, 0]),
        (&[3, 5, 7], &[0, 2, 1]),
        (&[3, 5, 7], &[2, 1, 0]),
        (&[2, 3, 5, 7], &[0, 3, 1, 2]),
        (&[2, 7, 3, 5], &[0, 2, 3, 1]),
        (&[2, 3, 1, 5, 3], &[4, 0, 3, 1, 2]),
        (&[5], &[0]),
    ];
    for (shape, perms) in perms {
        for dtype in [F32, I8] {
            let tag: Vec<String> = perms.iter().map(ToString::to_string).collect();
            let name = format!("transpose_{dtype}_{}_{}", shape.len(), tag.concat());
            let input = Random::new(&name).any(shape, dtype);
            let attrs = none().with("perms", perms.to_vec());
            op_case(cases, name, Exact, [input], Op::Transpose, attrs);
        }
    }
}

fn concat(cases: &mut Vec<Case>) {
    for axis in 0..3i64 {
        for dtype in [F32, I8, I64] {
            let name = format!("concat_{dtype}_axis{axis}");
            let mut random = Random::new(&name);
            let mut part = |extent: usize| {
                let mut shape = [2, 3, 5];
                shape[axis as usize] = extent;
                random.any(&shape, dtype)
            };
            let inputs = [part(1), part(7), part(3)];
            op_case(
                cases,
                name,
                Exact,
                inputs,
                Op::Concat,
                none().with("axis", axis),
            );
        }
    }
    let input = Random::new("concat_one").any(&[3], F32);
    op_case(
        cases,
        "concat_f32_one",
        Exact,
        [input.clone()],
        Op::Concat,
        none().with("axis", 0i64),
    );
    case(cases, "concat_f32_same_twice", Exact, [input], |b, x| {
        vec![b.op(Op::Concat, &[x[0], x[0]], none().with("axis", 0i64))]
    });
}

fn pad_and_slice(cases: &mut Vec<Case>) {
    let input = Random::new("pad4").any(&[2, 3, 5, 3], F32);
    let attrs = none()
        .with("padding", vec![0, 0, 1, 2, 3, 0, 0, 0])
        .with("pad_const", -1.5f32);
    op_case(cases, "pad_f32_image_value", Exact, [input], Op::Pad, attrs);
    let input = Random::new("pad8").any(&[2, 3, 5, 3], I8);
    let attrs = none()
        .with("padding", vec![0, 1, 1, 2, 3, 0, 1, 0])
        .with("pad_const", -7i64);
    op_case(cases, "pad_i8_image_value", Exact, [input], Op::Pad, attrs);
    let input = Random::new("pad_none").any(&[3], F32);
    op_case(
        cases,
        "pad_f32_nothing",
        Exact,
        [input],
        Op::Pad,
        none().with("padding", vec![0, 0]),
    );
    let input = Random::new("slice4").any(&[3, 5, 7, 9], F32);
    let attrs = none()
        .with("start", vec![1, 0, 2, 3])
        .with("size", vec![2, 5, 3, 6]);
    op_case(cases, "slice_f32_rank4", Exact, [input], Op::Slice, attrs);
    let input = Random::new("slice5").any(&[2, 3, 2, 3, 5], I16);
    let attrs = none()
        .with("start", vec![1, 1, 0, 2, 4])
        .with("size", vec![1, 2, 2, 1, 1]);
    op_case(cases, "slice_i16_rank5", Exact, [input], Op::Slice, attrs);
}

fn tile_and_reverse(cases: &mut Vec<Case>) {
    let input = Random::new("tile3").any(&[2, 1, 3], F32);
    let attrs = none().with("multiples", vec![3, 2, 2]);
    op_case(cases, "tile_f32_rank3", Exact, [input], Op::Tile, attrs);
    let input = Random::new("tile1").any(&[5], F32);
    op_case(
        cases,
        "tile_f32_once",
        Exact,
        [input],
        Op::Tile,
        none().with("multiples", vec![1]),
    );
    for axis in 0..4i64 {
        let name = format!("reverse_f32_axis{axis}");
        let input = Random::new(&name).any(&[2, 3, 5, 7], F32);
        op_case(
            cases,
            name,
            Exact,
            [input],
            Op::Reverse,
            none().with("axis", axis),
        );
    }
}

fn gather(cases: &mut Vec<Case>) {
    for dtype in [F32, F16, BF16, I8, I16, I32, I64] {
        let name = format!("gather_{dtype}");
        let mut random = Random::new(&name);
        let values = random.any(&[3, 5, 7], dtype);
        let indices = random.ints(&[3, 4], I32, 0, 4);
        op_case(cases, name, Exact, [values, indices], Op::Gather, none());
    }
    let values = Random::new("gather_one").any(&[1, 9, 1], F32);
    let indices = ints(I32, &[8, 0, 8, 3]).reshape([1, 4]).expect("four");
    op_case(
        cases,
        "gather_f32_repeated",
        Exact,
        [values, indices],
        Op::Gather,
        none(),
    );
}
