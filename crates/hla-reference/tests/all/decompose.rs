//! Each op of training and its decomposition into TOSA give the same bits.

use crate::common::{f32s, function, ints, none};
use hla_ir::decompose::decompose;
use hla_ir::{Attrs, DType, Op, Tensor, verify};
use hla_reference::cases::training_cases;
use hla_reference::{Tolerance, evaluate, evaluate_f64};
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

/// Evaluates one op directly and decomposed, in f32 and f64; f64 only comes near, since constants of
/// the decomposition are f32: 1/n is 3e-8 off, which a batch norm of equal values divides by √ε.
fn agree(op: Op, inputs: &[Tensor], attrs: Attrs) -> Result<(), TestCaseError> {
    let direct = function(op, inputs, attrs);
    let decomposed = decompose(&direct).unwrap();
    verify::verify(&decomposed).unwrap();
    let foreign = decomposed
        .nodes
        .iter()
        .find(|n| !n.name().starts_with("tosa."));
    prop_assert!(foreign.is_none(), "{foreign:?} stayed");
    let wide: Vec<ArrayD<f64>> = inputs.iter().map(wide).collect();
    let (expected, computed) = (
        evaluate(&direct, inputs).unwrap(),
        evaluate(&decomposed, inputs).unwrap(),
    );
    prop_assert_eq!(expected.len(), computed.len());
    for (e, c) in expected.iter().zip(&computed) {
        // Zeros may differ in sign.
        let same = Tolerance::Ulps(0).check(e, c);
        prop_assert!(same.is_ok(), "{same:?}");
    }
    let (expected, computed) = (
        evaluate_f64(&direct, &wide).unwrap(),
        evaluate_f64(&decomposed, &wide).unwrap(),
    );
    for (e, c) in expected.iter().flatten().zip(computed.iter().flatten()) {
        let near = e.is_nan() && c.is_nan() || e == c || (e - c).abs() <= 2e-5 * (1.0 + e.abs());
        prop_assert!(near, "{e} is not {c}");
    }
    Ok(())
}

fn wide(tensor: &Tensor) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.iter_f64().collect()).unwrap()
}

/// Ties, zeros of both signs, values without bounds, and ordinary ones.
fn value() -> impl Strategy<Value = f32> + Clone {
    prop_oneof![
        4 => -2.0f32..2.0,
        4 => prop::sample::select(vec![0.0, -0.0, 0.5, -0.5, 1.0, -1.0]),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -3e38, 1e-40, 1e30]),
    ]
}

fn tame() -> impl Strategy<Value = f32> + Clone {
    prop_oneof![-2.0f32..2.0, prop::sample::select(vec![0.0, 0.5, -0.5])]
}

/// A tensor of rank 1 to 4 and one of its axes.
fn weight(
    value: impl Strategy<Value = f32> + Clone + 'static,
) -> impl Strategy<Value = (Tensor, i64)> {
    prop::collection::vec(1usize..5, 1..5).prop_flat_map(move |shape| {
        let n = shape.iter().product::<usize>();
        let axis = 0..shape.len() as i64;
        (prop::collection::vec(value.clone(), n), axis)
            .prop_map(move |(values, axis)| (f32s(&shape, &values), axis))
    })
}

fn threshold() -> impl Strategy<Value = f32> {
    prop_oneof![
        2 => 0.0f32..2.0,
        1 => prop::sample::select(vec![0.0, 0.5, 1.0, -1.0, 1e30, f32::INFINITY, f32::NAN]),
    ]
}

proptest! {
    #[test]
    fn normalize((weight, axis) in weight(value()), epsilon in prop::sample::select(vec![0.0f32, 1e-4, 0.5])) {
        agree(Op::Normalize, &[weight], none().with("axis", axis).with("epsilon", epsilon))?;
    }

    #[test]
    fn ste_ternarize((weight, axis) in weight(value()), threshold in threshold()) {
        agree(Op::SteTernarize, &[weight, f32s(&[1], &[threshold])], none().with("axis", axis))?;
    }

    #[test]
    fn loss_aware((weight, axis) in weight(value()), threshold in threshold()) {
        agree(Op::LossAware, &[weight, f32s(&[1], &[threshold])], none().with("axis", axis))?;
    }

    /// Columns of zeros and small weights under a large threshold: every column is empty.
    #[test]
    fn empty_columns((weight, axis) in weight(prop::sample::select(vec![0.0f32, -0.0, 0.1, -0.1, 0.2]))) {
        agree(Op::SteTernarize, &[weight, f32s(&[1], &[9.0])], none().with("axis", axis))?;
    }

    #[test]
    fn softmax_cross_entropy(
        rows in 1usize..4, classes in 1usize..5,
        values in prop::collection::vec(prop_oneof![5 => -9.0f32..9.0, 1 => value()], 12),
        labels in prop::collection::vec(-1i64..6, 3),
        smoothing in prop::sample::select(vec![0.0f32, 0.1, 1.0]),
    ) {
        let logits = f32s(&[rows, classes], &values[..rows * classes]);
        let labels = ints(&[rows], DType::I32, &labels[..rows]);
        agree(Op::SoftmaxCrossEntropy, &[logits, labels], none().with("label_smoothing", smoothing))?;
    }

    #[test]
    fn batch_norm(
        mut shape in prop::collection::vec(1usize..4, 2..5), values in prop::collection::vec(tame(), 81),
        scale in prop::collection::vec(tame(), 3), offset in prop::collection::vec(tame(), 3),
    ) {
        let n = shape.iter().product::<usize>();
        let input = f32s(&shape, &values[..n]);
        let channels = shape.pop().unwrap_or(1);
        let mut statistics = vec![1; shape.len()];
        statistics.push(channels);
        let (scale, offset) = (f32s(&statistics, &scale[..channels]), f32s(&statistics, &offset[..channels]));
        agree(Op::BatchNorm, &[input, scale, offset], none())?;
    }

    #[test]
    fn sgd_update(
        shape in prop::collection::vec(1usize..3, 0..4), values in prop::collection::vec(tame(), 24),
        rate in 0.0f32..1.0, mu in 0.0f32..1.0, decay in prop::sample::select(vec![0.0f32, 1e-4, 0.1]), nesterov: bool,
    ) {
        let n = shape.iter().product::<usize>();
        let operand = |i: usize| f32s(&shape, &values[i * n..][..n]);
        let attrs = none().with("mu", mu).with("weight_decay", decay).with("nesterov", nesterov);
        agree(Op::SgdUpdate, &[operand(0), operand(1), operand(2), f32s(&[1], &[rate])], attrs)?;
    }
}

#[test]
fn every_case_agrees() {
    for case in training_cases() {
        let decomposed = decompose(&case.function).unwrap();
        verify::verify(&decomposed).unwrap();
        let (expected, computed) = (
            evaluate(&case.function, &case.inputs).unwrap(),
            evaluate(&decomposed, &case.inputs).unwrap(),
        );
        for (e, c) in expected.iter().zip(&computed) {
            let same = Tolerance::Ulps(0).check(e, c);
            assert!(same.is_ok(), "{}: {same:?}", case.name);
        }
    }
}

#[test]
fn nodes_that_only_carry_gradients_vanish() {
    let inputs = [f32s(&[2], &[1.0, 2.0]), f32s(&[2], &[3.0, 4.0])];
    for (op, count, kept) in [(Op::StraightThrough, 2, 1), (Op::StopGradient, 1, 0)] {
        let decomposed = decompose(&function(op, &inputs[..count], none())).unwrap();
        assert!(decomposed.nodes.is_empty());
        assert_eq!(decomposed.results[0].index(), kept);
    }
}

#[test]
fn ops_with_kernels_stay() {
    let inputs = [f32s(&[2, 3], &[0.5; 6]), f32s(&[1], &[0.5])];
    let f = function(Op::Threshold, &inputs, none());
    assert_eq!(decompose(&f).unwrap(), f);
}

/// Equal weights are ternarized once, for the forward pass and the loss.
#[test]
fn the_loss_shares_the_ternary_weight() {
    let inputs = [f32s(&[2, 3], &[0.5; 6]), f32s(&[1], &[0.5])];
    let mut f = function(Op::SteTernarize, &inputs, none());
    let operands = [hla_ir::ValueId(0), hla_ir::ValueId(1)];
    let loss = f.push(
        Op::LossAware,
        &operands,
        none(),
        hla_ir::Location::unknown(),
    );
    f.results.push(loss.unwrap());
    let decomposed = decompose(&f).unwrap();
    let count = |op| decomposed.nodes.iter().filter(|n| n.op == op).count();
    assert_eq!((count(Op::ArgMax), count(Op::ReduceSum)), (1, 3));
}
