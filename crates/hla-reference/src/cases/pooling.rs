//! Average and maximum over windows.

use hla_ir::{Attrs, DType, Op, Tensor};

use super::Case;
use super::contraction::NEAR;
use super::generate::{Random, f32s, none, op_case};
use crate::tolerance::Tolerance::{Exact, Ulps};

use DType::{BF16, F16, F32, I8, I16};

/// A tag, extents of the input, kernel, pad, stride.
pub(super) type Shape = (&'static str, [usize; 4], [i64; 2], [i64; 4], [i64; 2]);

pub(super) const POOLS: [Shape; 7] = [
    ("2x2", [1, 4, 6, 3], [2, 2], [0; 4], [2, 2]),
    ("3x3_padded", [1, 7, 5, 5], [3, 3], [1; 4], [2, 2]),
    ("3x2_asymmetric", [2, 6, 5, 7], [3, 2], [0, 2, 1, 0], [1, 1]),
    ("overlap", [1, 5, 5, 17], [3, 3], [0; 4], [1, 1]),
    ("global", [1, 7, 7, 4], [7, 7], [0; 4], [1, 1]),
    ("1x1_stride3", [1, 7, 4, 2], [1, 1], [0; 4], [3, 3]),
    ("batch", [3, 3, 3, 1], [2, 2], [1, 0, 0, 1], [1, 1]),
];

pub(super) fn pool_attrs(kernel: [i64; 2], pad: [i64; 4], stride: [i64; 2]) -> Attrs {
    none()
        .with("kernel", kernel.to_vec())
        .with("pad", pad.to_vec())
        .with("stride", stride.to_vec())
}

pub(super) fn add_to(cases: &mut Vec<Case>) {
    for (tag, input, kernel, pad, stride) in POOLS {
        let attrs = pool_attrs(kernel, pad, stride);
        for dtype in [F32, F16, I8, I16] {
            let name = format!("max_pool2d_{dtype}_{tag}");
            let values = Random::new(&name).any(&input, dtype);
            op_case(cases, name, Exact, [values], Op::MaxPool2d, attrs.clone());
        }
        for (dtype, tolerance) in [(F32, Ulps(1)), (F16, Exact), (I8, Exact)] {
            let name = format!("avg_pool2d_{dtype}_{tag}");
            let mut random = Random::new(&name);
            // A grid has exact sums.
            let values = if dtype == I8 {
                random.full(&input, I8)
            } else {
                random.grid(&input, dtype)
            };
            op_case(
                cases,
                name,
                tolerance,
                [values],
                Op::AvgPool2d,
                attrs.clone(),
            );
        }
    }
    let attrs = none()
        .with("kernel", vec![3, 3])
        .with("pad", vec![1; 4])
        .with("stride", vec![1, 1]);
    let input = Random::new("avg_zero").full(&[1, 5, 5, 3], I8);
    let zeros = attrs
        .clone()
        .with("input_zp", -8i64)
        .with("output_zp", 100i64);
    op_case(
        cases,
        "avg_pool2d_i8_zero_points",
        Exact,
        [input],
        Op::AvgPool2d,
        zeros,
    );
    let input = Random::new("avg_16").full(&[1, 5, 5, 3], I16);
    op_case(
        cases,
        "avg_pool2d_i16",
        Exact,
        [input],
        Op::AvgPool2d,
        attrs.clone(),
    );
    for dtype in [F32, BF16] {
        let input = Random::new("avg_real").any(&[1, 5, 5, 3], dtype);
        let tolerance = if dtype == F32 { NEAR } else { Ulps(1) };
        op_case(
            cases,
            format!("avg_pool2d_{dtype}_real"),
            tolerance,
            [input],
            Op::AvgPool2d,
            attrs.clone(),
        );
    }
    let input = Random::new("max_bf16").any(&[1, 5, 5, 3], BF16);
    op_case(
        cases,
        "max_pool2d_bf16",
        Exact,
        [input],
        Op::MaxPool2d,
        attrs.clone(),
    );
    const NAN: f32 = f32::NAN;
    let values = [NAN, 1.0, -2.0, -3.0, 4.0, f32::NEG_INFINITY, 7.0, -8.0, NAN];
    let input: Tensor = f32s(&values).reshape([1, 3, 3, 1]).expect("nine");
    for mode in ["PROPAGATE", "IGNORE"] {
        let attrs = none()
            .with("kernel", vec![2, 2])
            .with("pad", vec![0; 4])
            .with("stride", vec![1, 1])
            .with("nan_mode", mode);
        let name = format!("max_pool2d_f32_nan_{}", mode.to_lowercase());
        op_case(cases, name, Exact, [input.clone()], Op::MaxPool2d, attrs);
    }
}
