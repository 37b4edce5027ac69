//! Multiplications, counted by hand.

use hla_ir::cost::{contraction_products, multiplications, total_multiplications};
use hla_ir::{Attrs, DType, Function, Location, Op, Tensor, TensorType};

use crate::common::{function, none};

fn of(op: Op, operands: &[&str], attrs: Attrs) -> u64 {
    let (mut f, values) = function(operands);
    let id = f
        .push_node(op, &values, attrs, Location::unknown())
        .unwrap();
    multiplications(&f, f.node(id))
}

fn window() -> Attrs {
    none()
        .with("pad", vec![0; 4])
        .with("stride", vec![1, 1])
        .with("dilation", vec![1, 1])
}

#[test]
fn contractions_count_one_for_each_product() {
    // 2·2·4 outputs of 3·3·5 products.
    assert_eq!(
        of(
            Op::Conv2d,
            &["1x4x4x5xf32", "4x3x3x5xf32", "4xf32"],
            window()
        ),
        16 * 45
    );
    // 2·2·10 outputs of 3·3 products.
    assert_eq!(
        of(
            Op::DepthwiseConv2d,
            &["1x4x4x5xf32", "3x3x5x2xf32", "10xf32"],
            window()
        ),
        40 * 9
    );
    // 2·3·5 inputs into 4 channels through 2·2 taps each.
    let attrs = none()
        .with("out_pad", vec![0; 4])
        .with("stride", vec![2, 2]);
    assert_eq!(
        of(
            Op::TransposeConv2d,
            &["1x2x3x5xf32", "4x2x2x5xf32", "4xf32"],
            attrs
        ),
        30 * 16
    );
    assert_eq!(
        of(Op::MatMul, &["2x3x5xf32", "2x5x7xf32"], none()),
        2 * 3 * 7 * 5
    );
}

#[test]
fn elementwise_ops_count_results() {
    assert_eq!(of(Op::Mul, &["3x1xf32", "1x5xf32"], none()), 15);
    assert_eq!(of(Op::Add, &["3x1xf32", "1x5xf32"], none()), 0);
    assert_eq!(of(Op::Exp, &["7xf32"], none()), 7);
    assert_eq!(
        of(
            Op::Clamp,
            &["7xf32"],
            none().with("min_val", 0.0f32).with("max_val", 1.0f32)
        ),
        0
    );
    assert_eq!(
        of(Op::ReduceProduct, &["3x5xf32"], none().with("axis", 0i64)),
        15
    );
    assert_eq!(
        of(Op::ReduceSum, &["3x5xf32"], none().with("axis", 0i64)),
        0
    );
    assert_eq!(
        of(Op::Quantize, &["7xf32"], none().with("scale", 0.5f32)),
        7
    );
}

/// A ternary product 3×5 by 5→7 in a function, with this scale and residual factor.
fn ternary(scale: f64, residual: Option<f32>) -> Function {
    let mut operands = vec!["1x3x5xf32", "7x5xi8"];
    operands.extend(residual.map(|_| "1x3x7xf32"));
    let (mut f, mut values) = function(&operands);
    let mut constant = |value| {
        let tensor = Tensor::splat(TensorType::new([7], DType::F32), value);
        f.constant(tensor, Location::unknown())
    };
    let vectors = [constant(scale), constant(0.0)];
    values.splice(2..2, vectors);
    let attrs = match residual {
        Some(factor) => none().with("residual_scale", factor),
        None => none(),
    };
    f.push(Op::TernaryMatMul, &values, attrs, Location::unknown())
        .unwrap();
    f
}

#[test]
fn ternary_sums_are_free() {
    assert_eq!(total_multiplications(&ternary(1.0, None)), 0);
    assert_eq!(total_multiplications(&ternary(0.5, None)), 21);
    assert_eq!(total_multiplications(&ternary(1.0, Some(1.0))), 0);
    assert_eq!(total_multiplications(&ternary(0.5, Some(0.25))), 42);
}

#[test]
fn gradients_count_as_many_products_as_their_convolution() {
    // 2·2·4 elements of the gradient, 3·3·5 products each.
    let input = window().with("input_shape", vec![1, 4, 4, 5]);
    let operands = ["1x2x2x4xf32", "4x3x3x5xf32"];
    assert_eq!(of(Op::Conv2dInputGrad, &operands, input.clone()), 16 * 45);
    let kernel = window().with("kernel", vec![3, 3]);
    let operands = ["1x4x4x5xf32", "1x2x2x4xf32"];
    assert_eq!(of(Op::Conv2dWeightGrad, &operands, kernel.clone()), 16 * 45);
    // 2·2·10 elements of the gradient, 3·3 products each.
    let operands = ["1x2x2x10xf32", "3x3x5x2xf32"];
    assert_eq!(of(Op::DepthwiseConv2dInputGrad, &operands, input), 40 * 9);
    let operands = ["1x4x4x5xf32", "1x2x2x10xf32"];
    assert_eq!(of(Op::DepthwiseConv2dWeightGrad, &operands, kernel), 40 * 9);
}

#[test]
fn contractions_are_counted_apart() {
    let (mut f, operands) = function(&["1x4x4x5xf32", "4x3x3x5xf32", "4xf32"]);
    let y = f
        .push(Op::Conv2d, &operands, window(), Location::unknown())
        .unwrap();
    f.push(Op::Exp, &[y], none(), Location::unknown()).unwrap();
    assert_eq!(total_multiplications(&f), 16 * 45 + 16);
    assert_eq!(contraction_products(&f), 16 * 45);
    // Of ternary weights as of dense ones: 3·7 outputs of 5 products.
    assert_eq!(contraction_products(&ternary(0.5, None)), 21 * 5);
    let operands = ["1x4x4x5xi8", "4x3x3x5xi8", "4xf32", "4xf32"];
    let (mut f, operands) = function(&operands);
    f.push(Op::TernaryConv2d, &operands, window(), Location::unknown())
        .unwrap();
    assert_eq!(contraction_products(&f), 16 * 45);
}

#[test]
fn ops_of_training_count_by_their_equations() {
    assert_eq!(of(Op::Normalize, &["3x5xf32"], none()), 2 * 15);
    assert_eq!(of(Op::SteTernarize, &["3x5xf32", "1xf32"], none()), 15);
    assert_eq!(of(Op::LossAware, &["3x5xf32", "1xf32"], none()), 15);
    assert_eq!(of(Op::Threshold, &["3x5xf32", "1xf32"], none()), 0);
    assert_eq!(
        of(Op::SoftmaxCrossEntropy, &["3x5xf32", "3xi32"], none()),
        15
    );
    assert_eq!(
        of(Op::BatchNorm, &["3x5xf32", "1x5xf32", "1x5xf32"], none()),
        2 * 15
    );
    let update = ["3x5xf32", "3x5xf32", "3x5xf32", "1xf32"];
    assert_eq!(of(Op::SgdUpdate, &update, none()), 2 * 15);
    let all = none().with("weight_decay", 0.1f32).with("nesterov", true);
    assert_eq!(of(Op::SgdUpdate, &update, all), 4 * 15);
}

#[test]
fn hostile_sizes_saturate() {
    let side = 1u64 << 20;
    let operands = [
        format!("1x{side}x{side}xf32"),
        format!("1x{side}x{side}xf32"),
    ];
    let mut f = function(&[&operands[0], &operands[1]]).0;
    let (a, b) = (hla_ir::ValueId(0), hla_ir::ValueId(1));
    for _ in 0..17 {
        f.push(Op::MatMul, &[a, b], none(), Location::unknown())
            .unwrap();
    }
    assert_eq!(multiplications(&f, &f.nodes[0]), 1 << 60);
    assert_eq!(total_multiplications(&f), u64::MAX);
}
