//! 2-bit codes, quantization of activations, ternarization.

use hla_ir::{DType, Op, Tensor, TensorType};

use super::Case;
use super::generate::{Random, f32s, none, op_case};
use super::ternary::packed;
use crate::tolerance::Tolerance::{Exact, Ulps};

use DType::{F32, I8};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    codes(cases);
    quantization(cases);
    ternarize(cases);
}

/// Sizes that no thread takes by itself, and none at all; values that are hard to scale.
pub(super) fn add_odd_to(cases: &mut Vec<Case>) {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let shapes: [&[usize]; 6] = [&[], &[0, 3], &[3, 0], &[65, 48], &[3, 1026], &[33, 7, 4]];
    codes_of(cases, &shapes);
    for (tag, values) in [
        ("infinite", &[1.0, INF, -2.0, NAN][..]),
        ("nothing_but_nan", &[NAN, NAN]),
        ("tiny", &[1e-45, -3e-39, 0.0]),
        ("empty", &[]),
    ] {
        let name = format!("dynamic_quantize_{tag}");
        let op = Op::DynamicQuantize;
        op_case(cases, name, Exact, [f32s(values)], op, none());
    }
    let input = Random::new("dynamic_many").any(&[13, 5419], F32);
    op_case(
        cases,
        "dynamic_quantize_many",
        Exact,
        [input],
        Op::DynamicQuantize,
        none(),
    );
    let weight = Tensor::splat(TensorType::f32([0, 3]), 0.0);
    let attrs = none().with("threshold", 0.5f32);
    op_case(
        cases,
        "ternarize_nothing",
        Exact,
        [weight],
        Op::Ternarize,
        attrs,
    );
}

fn codes(cases: &mut Vec<Case>) {
    codes_of(cases, &[&[3, 3, 3, 5], &[2, 8], &[7, 1], &[5], &[1, 3, 1]]);
}

fn codes_of(cases: &mut Vec<Case>, shapes: &[&[usize]]) {
    for &shape in shapes {
        let tag: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let tag = tag.join("x");
        let trits = Random::new(&tag).trits(shape, 4);
        op_case(
            cases,
            format!("pack_{tag}"),
            Exact,
            [trits.clone()],
            Op::Pack,
            none(),
        );
        let extents: Vec<i64> = shape.iter().map(|&e| e as i64).collect();
        let attrs = none().with("shape", extents);
        op_case(
            cases,
            format!("unpack_{tag}"),
            Exact,
            [packed(&trits)],
            Op::Unpack,
            attrs,
        );
    }
}

fn quantization(cases: &mut Vec<Case>) {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let edges = [
        0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, 128.0, -127.5, -129.0, 0.0, -0.0, NAN, INF, -INF,
        1e30, 3.7,
    ];
    op_case(
        cases,
        "quantize_edges",
        Exact,
        [f32s(&edges)],
        Op::Quantize,
        none().with("scale", 1.0f32),
    );
    for (i, scale) in [0.023f32, 0.1, 7.5].into_iter().enumerate() {
        let name = format!("quantize_{i}");
        let input = Random::new(&name).real(&[2, 3, 5, 7], F32, -3.0, 3.0);
        op_case(
            cases,
            name,
            Exact,
            [input],
            Op::Quantize,
            none().with("scale", scale),
        );
        let name = format!("dequantize_{i}");
        let input = Random::new(&name).full(&[3, 5, 7], I8);
        op_case(
            cases,
            name,
            Exact,
            [input],
            Op::Dequantize,
            none().with("scale", scale),
        );
    }
    let input = Random::new("dynamic").any(&[2, 3, 5, 7], F32);
    op_case(
        cases,
        "dynamic_quantize",
        Exact,
        [input],
        Op::DynamicQuantize,
        none(),
    );
    let input = f32s(&[-3.0, 1.0, 0.5, -0.0, 2.999]);
    op_case(
        cases,
        "dynamic_quantize_vector",
        Exact,
        [input],
        Op::DynamicQuantize,
        none(),
    );
    let zero = Tensor::splat(TensorType::f32([3, 3]), 0.0);
    op_case(
        cases,
        "dynamic_quantize_zero",
        Exact,
        [zero],
        Op::DynamicQuantize,
        none(),
    );
    let nan = f32s(&[NAN, 1.0, -2.0, NAN, 0.3]);
    op_case(
        cases,
        "dynamic_quantize_nan",
        Exact,
        [nan],
        Op::DynamicQuantize,
        none(),
    );
    let input = Random::new("relayout").any(&[1, 3, 5, 7], F32);
    op_case(cases, "relayout_none", Exact, [input], Op::Relayout, none());
}

fn ternarize(cases: &mut Vec<Case>) {
    for (axis, threshold) in [(0i64, 0.5f32), (1, 1.0), (3, 2.0), (0, 2.9)] {
        let name = format!("ternarize_axis{axis}_{threshold}");
        let weight = Random::new(&name).any(&[5, 3, 3, 7], F32);
        let attrs = none().with("axis", axis).with("threshold", threshold);
        op_case(cases, name, Ulps(1), [weight], Op::Ternarize, attrs);
    }
    let rows = [0.1, -0.2, 0.2, 0.0, 0.0, 0.0, 1.0, -1.0, 0.5];
    let weight = f32s(&rows).reshape([3, 3]).expect("nine");
    op_case(
        cases,
        "ternarize_empty_columns",
        Ulps(1),
        [weight],
        Op::Ternarize,
        none().with("threshold", 0.5f32),
    );
}
