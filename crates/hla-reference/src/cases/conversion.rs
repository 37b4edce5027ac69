//! Casts between all element types.

use hla_ir::{DType, Op, Tensor, TensorType};

use super::Case;
use super::generate::{f32s, ints, none, op_case};
use crate::tolerance::Tolerance::Exact;

use DType::{BF16, F16, F32, I1, I8, I16, I32, I64};

const TYPES: [DType; 8] = [F32, F16, BF16, I1, I8, I16, I32, I64];

pub(super) fn add_to(cases: &mut Vec<Case>) {
    for from in TYPES {
        for to in TYPES.into_iter().filter(|&to| to != from) {
            let attrs = none().with("out_type", to);
            op_case(
                cases,
                format!("cast_{from}_{to}"),
                Exact,
                [input(from)],
                Op::Cast,
                attrs,
            );
        }
    }
    let special = f32s(&[
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        3e9,
        -3e9,
        1e20,
        -1e20,
    ]);
    for to in [I8, I16, I32, I64] {
        let attrs = none().with("out_type", to);
        op_case(
            cases,
            format!("cast_f32_{to}_special"),
            Exact,
            [special.clone()],
            Op::Cast,
            attrs,
        );
    }
    let wide = f32s(&[
        f32::NAN,
        f32::INFINITY,
        65519.0,
        65520.0,
        1e-8,
        6e-8,
        3.4e38,
        -1e-40,
    ]);
    for to in [F16, BF16] {
        let attrs = none().with("out_type", to);
        op_case(
            cases,
            format!("cast_f32_{to}_special"),
            Exact,
            [wide.clone()],
            Op::Cast,
            attrs,
        );
    }
}

/// Values with ties, signs and magnitudes that every other type rounds or cuts.
fn input(from: DType) -> Tensor {
    match from {
        I1 => ints(I1, &[0, 1, 1, 0, 1]),
        I8 => ints(I8, &[-128, -127, -1, 0, 1, 5, 127]),
        I16 => ints(I16, &[-32768, -300, -129, -1, 0, 1, 128, 255, 257, 32767]),
        I32 => ints(
            I32,
            &[
                i64::from(i32::MIN),
                -70000,
                -129,
                -1,
                0,
                1,
                2049,
                16_777_217,
                i64::from(i32::MAX),
            ],
        ),
        I64 => ints(
            I64,
            &[
                i64::MIN,
                -(1 << 40),
                -129,
                -1,
                0,
                1,
                (1 << 33) + 1,
                16_777_217,
                i64::MAX,
            ],
        ),
        _ => {
            let values = [
                -1000.5,
                -128.5,
                -2.5,
                -1.5,
                -0.75,
                -0.5,
                -0.0,
                0.0,
                0.25,
                0.5,
                1.5,
                2.5,
                126.5,
                127.5,
                300.25,
                1000.0,
                1.0009765625,
            ];
            let ty = TensorType::new([values.len()], from);
            Tensor::from_f64s(ty, values).expect("as many values as elements")
        }
    }
}
