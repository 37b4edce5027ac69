//! Elementwise ops and reductions on random shapes.

use hla_ir::{Attr, DType, Op, TensorType};

use super::differences::Problem;

/// A random shape and one for each of `n` operands that broadcasts to it.
fn shapes(p: &mut Problem, n: usize) -> Vec<Vec<usize>> {
    let rank = 1 + p.random.below(4);
    let shape: Vec<usize> = (0..rank).map(|_| 1 + p.random.below(3)).collect();
    (0..n)
        .map(|_| {
            let unit = |&extent: &usize| if p.random.below(3) == 0 { 1 } else { extent };
            shape.iter().map(unit).collect()
        })
        .collect()
}

fn unary(op: Op, low: f64, high: f64, attrs: &[(&str, Attr)]) {
    for seed in 0..4 {
        let mut p = Problem::new(seed);
        let shape = shapes(&mut p, 1).remove(0);
        let x = p.uniform(&shape, low, high);
        let y = p.build.op(op, &[x], attrs);
        p.weigh(y);
        p.check();
    }
}

fn binary(op: Op, ranges: [(f64, f64); 2]) {
    for seed in 0..8 {
        let mut p = Problem::new(seed);
        let shapes = shapes(&mut p, 2);
        let x = p.uniform(&shapes[0], ranges[0].0, ranges[0].1);
        let y = p.uniform(&shapes[1], ranges[1].0, ranges[1].1);
        let z = p.build.op(op, &[x, y], &[]);
        p.weigh(z);
        p.check();
    }
}

#[test]
fn functions_of_one_number() {
    unary(Op::Negate, -2.0, 2.0, &[]);
    unary(Op::Abs, 0.1, 2.0, &[]);
    unary(Op::Abs, -2.0, -0.1, &[]);
    unary(Op::Reciprocal, 0.5, 2.0, &[]);
    unary(Op::Reciprocal, -2.0, -0.5, &[]);
    unary(Op::Rsqrt, 0.5, 3.0, &[]);
    unary(Op::Exp, -2.0, 2.0, &[]);
    unary(Op::Log, 0.2, 3.0, &[]);
    unary(Op::Tanh, -2.0, 2.0, &[]);
    unary(Op::Sigmoid, -3.0, 3.0, &[]);
    unary(Op::Erf, -2.0, 2.0, &[]);
    unary(Op::Identity, -2.0, 2.0, &[]);
    unary(Op::Cast, -2.0, 2.0, &[("out_type", DType::BF16.into())]);
}

#[test]
fn functions_of_two_numbers() {
    let any = (-2.0, 2.0);
    binary(Op::Add, [any; 2]);
    binary(Op::Sub, [any; 2]);
    binary(Op::Mul, [any; 2]);
    binary(Op::Pow, [(0.3, 2.0), any]);
    binary(Op::Maximum, [any; 2]);
    binary(Op::Minimum, [any; 2]);
}

#[test]
fn a_value_used_twice_gets_both_cotangents() {
    let mut p = Problem::new(1);
    let x = p.uniform(&[3, 2], -2.0, 2.0);
    let square = p.build.op(Op::Mul, &[x, x], &[]);
    let cube = p.build.op(Op::Mul, &[square, x], &[]);
    let sum = p.build.op(Op::Add, &[cube, square], &[]);
    p.weigh(sum);
    p.check();
}

#[test]
fn powers_with_a_constant_exponent() {
    for exponent in [0.0, 1.0, 2.0, 3.0, -1.0, 0.5] {
        let mut p = Problem::new(7);
        let low = if exponent == 0.5 { 0.2 } else { -2.0 };
        let x = p.uniform(&[2, 3], low, 2.0);
        let y = p.build.splat(&[1, 1], exponent);
        let z = p.build.op(Op::Pow, &[x, y], &[]);
        p.weigh(z);
        p.weigh(x);
        p.check();
    }
}

#[test]
fn clamps() {
    // Half-way values lie on neither bound.
    for (low, high) in [
        (0.0, f32::MAX),
        (0.0, 0.5),
        (f32::MIN, 0.25),
        (-0.5, f32::INFINITY),
    ] {
        let mut p = Problem::new(11);
        let x = p.spread(&[4, 5]);
        let bounds = [("min_val", Attr::F32(low)), ("max_val", Attr::F32(high))];
        let y = p.build.op(Op::Clamp, &[x], &bounds);
        p.weigh(y);
        p.check();
    }
}

#[test]
fn selections() {
    for seed in 0..8 {
        let mut p = Problem::new(seed);
        let shapes = shapes(&mut p, 3);
        let x = p.uniform(&shapes[1], -2.0, 2.0);
        let y = p.uniform(&shapes[2], -2.0, 2.0);
        let count = shapes[0].iter().product();
        let bits = (0..count).map(|_| p.random.below(2) as f64).collect();
        let condition = p.input(TensorType::new(shapes[0].clone(), DType::I1), bits);
        let z = p.build.op(Op::Select, &[condition, x, y], &[]);
        p.weigh(z);
        p.check();
    }
}

#[test]
fn reductions() {
    let ops = [
        Op::ReduceSum,
        Op::ReduceMax,
        Op::ReduceMin,
        Op::ReduceProduct,
    ];
    for (op, axis) in ops
        .into_iter()
        .flat_map(|op| (0..3).map(move |axis| (op, axis)))
    {
        let mut p = Problem::new(axis as u64);
        let x = p.spread(&[3, 2, 4]);
        let y = p.build.op(op, &[x], &[("axis", (axis as i64).into())]);
        // What the sum is used in sees the cotangent of one number for the whole axis.
        let y = p.build.op(Op::Tanh, &[y], &[]);
        let y = p.build.op(Op::Mul, &[y, x], &[]);
        p.weigh(y);
        p.check();
    }
}

#[test]
fn products_with_zeros_among_the_factors() {
    let mut p = Problem::new(5);
    let x = p.param(
        &[3, 4],
        vec![0.5, -2.0, 1.5, 3.0, 0.0, 2.0, -1.0, 0.5, 0.0, 0.0, 1.0, 2.0],
    );
    let y = p.build.op(Op::ReduceProduct, &[x], &[("axis", 1.into())]);
    p.weigh(y);
    p.check();
}
