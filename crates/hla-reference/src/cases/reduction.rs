//! Reductions and argmax.

use hla_ir::{DType, Op, Tensor};

use super::Case;
use super::generate::{Random, f32s, none, op_case};
use crate::tolerance::Tolerance::{Exact, Relative, Ulps};

use DType::{BF16, F16, F32, I8, I16, I32, I64};

const REDUCTIONS: [(Op, &str); 4] = [
    (Op::ReduceSum, "reduce_sum"),
    (Op::ReduceMax, "reduce_max"),
    (Op::ReduceMin, "reduce_min"),
    (Op::ReduceProduct, "reduce_product"),
];

pub(super) fn add_to(cases: &mut Vec<Case>) {
    for (op, name) in REDUCTIONS {
        for axis in 0..3i64 {
            for dtype in [F32, I32] {
                let name = format!("{name}_{dtype}_axis{axis}");
                let input = input(&name, op, &[3, 5, 7], dtype);
                op_case(cases, name, Exact, [input], op, none().with("axis", axis));
            }
        }
        for dtype in [F16, BF16, I8, I16, I64] {
            let name = format!("{name}_{dtype}");
            let input = input(&name, op, &[4, 9], dtype);
            op_case(cases, name, Exact, [input], op, none().with("axis", 1i64));
        }
        let name = format!("{name}_f32_long");
        let input = input(&name, op, &[1, 67], F32);
        op_case(cases, name, Exact, [input], op, none().with("axis", 1i64));
    }
    let name = "reduce_sum_f32_real";
    let input = Random::new(name).any(&[3, 33], F32);
    let near = Relative {
        rtol: 1e-5,
        atol: 1e-5,
    };
    op_case(
        cases,
        name,
        near,
        [input],
        Op::ReduceSum,
        none().with("axis", 1i64),
    );
    let name = "reduce_product_f32_real";
    let input = Random::new(name).real(&[3, 9], F32, 0.5, 1.5);
    op_case(
        cases,
        name,
        Ulps(9),
        [input],
        Op::ReduceProduct,
        none().with("axis", 1i64),
    );
    nan(cases);
    argmax(cases);
}

/// Values whose reduction is exact in any order: products of ±½, ±1 and ±2 for floats.
fn input(name: &str, op: Op, shape: &[usize], dtype: DType) -> Tensor {
    let mut random = Random::new(name);
    match op {
        Op::ReduceProduct if dtype.is_float() => {
            let exponents = random.ints(shape, I8, -3, 2).to_i64s().unwrap_or_default();
            let power = |e: i64| [-0.5, -1.0, -2.0, 0.5, 1.0, 2.0][(e + 3) as usize];
            let ty = hla_ir::TensorType::new(shape, dtype);
            Tensor::from_f64s(ty, exponents.into_iter().map(power)).expect("as many values")
        }
        _ if dtype.is_float() => random.grid(shape, dtype),
        _ => random.full(shape, dtype),
    }
}

fn nan(cases: &mut Vec<Case>) {
    const NAN: f32 = f32::NAN;
    let values = [1.0, NAN, 3.0, NAN, NAN, NAN, -1.0, f32::INFINITY, -2.0];
    let input = f32s(&values).reshape([3, 3]).expect("nine");
    for (op, name) in [
        (Op::ReduceMax, "reduce_max"),
        (Op::ReduceMin, "reduce_min"),
        (Op::ArgMax, "argmax"),
    ] {
        for mode in ["PROPAGATE", "IGNORE"] {
            let attrs = none().with("axis", 1i64).with("nan_mode", mode);
            let name = format!("{name}_f32_nan_{}", mode.to_lowercase());
            op_case(cases, name, Exact, [input.clone()], op, attrs);
        }
    }
}

fn argmax(cases: &mut Vec<Case>) {
    for axis in 0..3i64 {
        for dtype in [F32, I8] {
            let name = format!("argmax_{dtype}_axis{axis}");
            // A grid has ties: the first wins.
            let input = Random::new(&name).grid(&[5, 7, 3], dtype);
            op_case(
                cases,
                name,
                Exact,
                [input],
                Op::ArgMax,
                none().with("axis", axis),
            );
        }
    }
    for dtype in [F16, BF16, I16, I32, I64] {
        let name = format!("argmax_{dtype}");
        let input = Random::new(&name).grid(&[3, 17], dtype);
        op_case(
            cases,
            name,
            Exact,
            [input],
            Op::ArgMax,
            none().with("axis", 1i64),
        );
    }
    let input = Random::new("argmax_f32_vector").any(&[17], F32);
    let attrs = none().with("axis", 0i64).with("out_type", I64);
    op_case(
        cases,
        "argmax_f32_vector_i64",
        Exact,
        [input],
        Op::ArgMax,
        attrs,
    );
    let input = Tensor::splat(hla_ir::TensorType::f32([2, 5]), -1.0);
    op_case(
        cases,
        "argmax_f32_all_equal",
        Exact,
        [input],
        Op::ArgMax,
        none().with("axis", 1i64),
    );
}
