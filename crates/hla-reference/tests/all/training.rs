//! Ops of training, worked by hand.

use crate::common::{f32s, ints, none, run, try_run};
use hla_ir::{Attrs, DType, Op, Tensor};
use hla_reference::Tolerance;
use proptest::prelude::*;

fn axis(axis: i64) -> Attrs {
    none().with("axis", axis)
}

fn scalar(value: f32) -> Tensor {
    f32s(&[1], &[value])
}

fn window(pad: [i64; 4], stride: i64, dilation: i64) -> Attrs {
    none()
        .with("pad", pad.to_vec())
        .with("stride", vec![1, stride])
        .with("dilation", vec![1, dilation])
}

/// One row of pixels with one channel.
fn row(values: &[f32]) -> Tensor {
    f32s(&[1, 1, values.len(), 1], values)
}

fn near(computed: &Tensor, expected: &[f32]) {
    let expected = f32s(computed.shape(), expected);
    let tolerance = Tolerance::Relative {
        rtol: 1e-6,
        atol: 0.0,
    };
    tolerance.check(&expected, computed).unwrap();
}

#[test]
fn columns_get_unit_length() {
    let weight = f32s(&[3, 2], &[3.0, 4.0, 0.0, 0.0, -5.0, 12.0]);
    // √(25 + 11) = 6; zeros stay zeros; √(169 + 11) = √180.
    let unit = run(
        Op::Normalize,
        std::slice::from_ref(&weight),
        axis(0).with("epsilon", 11.0f32),
    );
    let root = 180f32.sqrt();
    near(&unit, &[0.5, 4.0 / 6.0, 0.0, 0.0, -5.0 / root, 12.0 / root]);
    // Along the other axis the columns are (3, 0, −5) and (4, 0, 12).
    let unit = run(Op::Normalize, &[weight], axis(1).with("epsilon", 0.0f32));
    let (a, b) = (34f32.sqrt(), 160f32.sqrt());
    near(&unit, &[3.0 / a, 4.0 / b, 0.0, 0.0, -5.0 / a, 12.0 / b]);
}

#[test]
fn a_threshold_is_an_order_statistic() {
    let of = |values: &[f32], t: f32| {
        let inputs = [f32s(&[values.len()], values), scalar(t)];
        run(Op::Threshold, &inputs, none()).to_f32s()[0]
    };
    let weight = [0.5, -0.1, 0.4, -0.3, 0.2];
    let by_share = [0.0, 0.2, 0.5, 0.6, 0.99, 1.0, 2.0, -1.0, f32::NAN].map(|t| of(&weight, t));
    assert_eq!(by_share, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.0, 0.0]);
    // 0.7 in f32 is a little less than 0.7; 0.7·10 in f32 is 7.
    let ten: Vec<f32> = (0..10).map(|v| v as f32).collect();
    assert_eq!(of(&ten, 0.7), 6.0);
    // A NaN is larger than infinity.
    let odd = [f32::NAN, 1.0, f32::NEG_INFINITY];
    assert_eq!(of(&odd, 0.7), f32::INFINITY);
    assert!(of(&odd, 1.0).is_nan());
}

#[test]
fn a_trained_threshold_ternarizes_as_a_constant_one() {
    let weight = f32s(
        &[3, 4],
        &[
            0.6, -0.6, 0.1, 0.0, 0.3, -0.3, 0.3, 0.2, 0.0, -0.0, 0.0, 0.0,
        ],
    );
    let of = |threshold: f32| {
        run(
            Op::SteTernarize,
            &[weight.clone(), scalar(threshold)],
            axis(0),
        )
    };
    let root = 0.5f32.sqrt();
    // Two above 0.5; none, so the first largest; all zero.
    near(
        &of(0.5),
        &[
            root, -root, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        ],
    );
    // Training may push the threshold below zero: zeros are no weights all the same.
    let third = (1.0f32 / 3.0).sqrt();
    let all = [
        third, -third, third, 0.0, 0.5, -0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0,
    ];
    near(&of(-0.25), &all);
    near(&of(0.0), &all);
}

#[test]
fn the_loss_is_the_mean_squared_cosine_distance() {
    // Columns (0.6, 0.8) with Ŵ = (1, 1)/√2: 1.4/√2 − 1; and (0, −1), which is ternary already.
    let weight = f32s(&[2, 2], &[0.6, 0.8, 0.0, -1.0]);
    let loss = run(Op::LossAware, &[weight, scalar(0.5)], axis(0));
    let distance = 1.4 / 2f64.sqrt() - 1.0;
    let expected = (distance * distance / 2.0) as f32;
    assert!(
        (loss.to_f32s()[0] - expected).abs() < 1e-8,
        "{loss:?} is not {expected}"
    );
    // A column of zeros is as far away as can be.
    let zero = run(
        Op::LossAware,
        &[f32s(&[2, 1], &[0.0, 0.0]), scalar(0.5)],
        axis(0),
    );
    assert_eq!(zero.to_f32s(), [1.0]);
}

#[test]
fn gradients_pass_beside_values() {
    let (latent, value) = (f32s(&[2], &[1.0, 2.0]), f32s(&[2], &[3.0, f32::NAN]));
    let out = run(
        Op::StraightThrough,
        &[latent.clone(), value.clone()],
        none(),
    );
    assert!(Tolerance::Exact.check(&value, &out).is_ok());
    assert_eq!(
        run(Op::StopGradient, std::slice::from_ref(&latent), none()),
        latent
    );
}

#[test]
fn cross_entropy_of_a_quarter_and_three_quarters() {
    let logits = f32s(&[2, 2], &[0.0, 3f32.ln(), 5.0, 5.0 + 3f32.ln()]);
    let of = |labels: [i64; 2], smoothing: f32| {
        let inputs = [logits.clone(), ints(&[2], DType::I32, &labels)];
        let attrs = none().with("label_smoothing", smoothing);
        run(Op::SoftmaxCrossEntropy, &inputs, attrs)
    };
    let (hit, miss) = ((4.0f32 / 3.0).ln(), 4f32.ln());
    near(&of([1, 1], 0.0), &[hit]);
    near(&of([0, 1], 0.0), &[(hit + miss) / 2.0]);
    near(&of([1, 1], 0.25), &[0.875 * hit + 0.125 * miss]);
    // Labels that are no class have no term of their own.
    near(&of([1, 2], 0.0), &[hit / 2.0]);
    near(&of([-1, 1], 1.0), &[(hit + miss) / 2.0]);
}

#[test]
fn an_impossible_class_costs_nothing_unless_it_is_the_label() {
    let logits = f32s(&[1, 3], &[1.0, f32::NEG_INFINITY, 1.0]);
    let of = |label: i64| {
        let inputs = [logits.clone(), ints(&[1], DType::I32, &[label])];
        run(Op::SoftmaxCrossEntropy, &inputs, none()).to_f32s()[0]
    };
    assert!((of(0) - 2f32.ln()).abs() < 1e-6);
    assert_eq!(of(1), f32::INFINITY);
}

#[test]
fn a_nan_stays_in_its_channel() {
    let input = f32s(&[2, 2], &[1.0, f32::NAN, 3.0, 4.0]);
    let (ones, zeros) = (f32s(&[1, 2], &[1.0; 2]), f32s(&[1, 2], &[0.0; 2]));
    let out = run(
        Op::BatchNorm,
        &[input, ones, zeros],
        none().with("epsilon", 0.0f32),
    )
    .to_f32s();
    assert_eq!((out[0], out[2]), (-1.0, 1.0));
    assert!(out[1].is_nan() && out[3].is_nan());
}

#[test]
fn batch_norm_gives_its_statistics() {
    // Mean 2, variance 1: −1 and 1, scaled by 2 and raised by 1.
    let inputs = [f32s(&[2, 1, 1, 1], &[1.0, 3.0]), row(&[2.0]), row(&[1.0])];
    let results = try_run(Op::BatchNorm, &inputs, none().with("epsilon", 0.0f32)).unwrap();
    let results: Vec<Vec<f32>> = results.iter().map(Tensor::to_f32s).collect();
    assert_eq!(results, [vec![-1.0, 3.0], vec![2.0], vec![1.0]]);
}

#[test]
fn one_step_of_descent() {
    let inputs = [scalar(1.0), scalar(0.5), scalar(2.0), scalar(0.25)];
    let of = |decay: f32, nesterov: bool| {
        let attrs = none()
            .with("mu", 0.5f32)
            .with("weight_decay", decay)
            .with("nesterov", nesterov);
        let results = try_run(Op::SgdUpdate, &inputs, attrs).unwrap();
        [results[0].to_f32s()[0], results[1].to_f32s()[0]]
    };
    // m' = ½·2 + ½; p' = 1 − ¼·m'.
    assert_eq!(of(0.0, false), [0.625, 1.5]);
    // g' = ½ + ¼·1.
    assert_eq!(of(0.25, false), [0.5625, 1.75]);
    // p' = 1 − ¼·(¾ + ½·1¾).
    assert_eq!(of(0.25, true), [0.59375, 1.75]);
}

#[test]
fn a_convolution_of_a_row() {
    // y = x ⋆ (2, 3) with the gradient (1, 10).
    let (x, w, g) = (row(&[1.0, 2.0, 3.0]), row(&[2.0, 3.0]), row(&[1.0, 10.0]));
    let attrs = window([0; 4], 1, 1);
    let shape = attrs.clone().with("input_shape", vec![1, 1, 3, 1]);
    let by_input = run(Op::Conv2dInputGrad, &[g.clone(), w], shape);
    assert_eq!(by_input.to_f32s(), [2.0, 3.0 + 20.0, 30.0]);
    let kernel = attrs.with("kernel", vec![1, 2]);
    let by_weight = run(Op::Conv2dWeightGrad, &[x, g], kernel);
    assert_eq!(by_weight.to_f32s(), [1.0 + 20.0, 2.0 + 30.0]);
}

#[test]
fn a_padded_strided_dilated_convolution_of_a_row() {
    // Taps two apart, windows two apart, one pixel of padding before: y₀ = x₁w₁, y₁ = x₁w₀ + x₃w₁.
    let (x, w, g) = (
        row(&[1.0, 2.0, 3.0, 4.0]),
        row(&[2.0, 3.0]),
        row(&[1.0, 10.0]),
    );
    let attrs = window([0, 0, 1, 0], 2, 2);
    let shape = attrs.clone().with("input_shape", vec![1, 1, 4, 1]);
    let by_input = run(Op::Conv2dInputGrad, &[g.clone(), w], shape);
    assert_eq!(by_input.to_f32s(), [0.0, 3.0 + 20.0, 0.0, 30.0]);
    let kernel = attrs.with("kernel", vec![1, 2]);
    let by_weight = run(Op::Conv2dWeightGrad, &[x, g], kernel);
    assert_eq!(by_weight.to_f32s(), [20.0, 2.0 + 40.0]);
}

#[test]
fn a_depthwise_convolution_of_a_pixel() {
    // Two channels with two filters each: y = (2a, 3a, 5b, 7b).
    let (x, w) = (
        f32s(&[1, 1, 1, 2], &[10.0, 20.0]),
        f32s(&[1, 1, 2, 2], &[2.0, 3.0, 5.0, 7.0]),
    );
    let g = f32s(&[1, 1, 1, 4], &[1.0, 10.0, 100.0, 1000.0]);
    let attrs = window([0; 4], 1, 1);
    let shape = attrs.clone().with("input_shape", vec![1, 1, 1, 2]);
    let by_input = run(Op::DepthwiseConv2dInputGrad, &[g.clone(), w], shape);
    assert_eq!(by_input.to_f32s(), [32.0, 7500.0]);
    let kernel = attrs.with("kernel", vec![1, 1]);
    let by_weight = run(Op::DepthwiseConv2dWeightGrad, &[x, g], kernel);
    assert_eq!(by_weight.to_f32s(), [10.0, 100.0, 2000.0, 20000.0]);
}

#[test]
fn the_first_maximum_takes_it_all() {
    let attrs = |kernel: i64, stride: i64| {
        none()
            .with("kernel", vec![1, kernel])
            .with("stride", vec![1, stride])
            .with("pad", vec![0; 4])
    };
    let of =
        |x: &[f32], g: &[f32]| run(Op::MaxPool2dGrad, &[row(x), row(g)], attrs(2, 1)).to_f32s();
    // Windows (2, 5), (5, 5), (5, 1): the second one's first maximum is the first 5.
    assert_eq!(
        of(&[2.0, 5.0, 5.0, 1.0], &[1.0, 10.0, 100.0]),
        [0.0, 11.0, 100.0, 0.0]
    );
    assert_eq!(
        of(&[-0.0, 0.0, f32::NEG_INFINITY], &[1.0, 10.0]),
        [1.0, 10.0, 0.0]
    );
    // A NaN is larger than any number.
    assert_eq!(
        of(&[9.0, f32::NAN, f32::NAN], &[1.0, 10.0]),
        [0.0, 11.0, 0.0]
    );
}

#[test]
fn an_average_spreads_its_gradient_over_pixels() {
    // Windows (pad, x₀), (x₀, x₁), (x₁, pad).
    let attrs = none()
        .with("kernel", vec![1, 2])
        .with("stride", vec![1, 1])
        .with("pad", vec![0, 0, 1, 1])
        .with("input_shape", vec![1, 1, 2, 1]);
    let out = run(Op::AvgPool2dGrad, &[row(&[1.0, 10.0, 100.0])], attrs);
    assert_eq!(out.to_f32s(), [1.0 + 5.0, 5.0 + 100.0]);
}

#[test]
fn equal_indices_add_up_in_order() {
    let indices = ints(&[1, 4], DType::I32, &[2, 0, 2, 2]);
    let updates = f32s(&[1, 4, 1], &[1e8, 7.0, 1.0, -1e8]);
    let of = |indices: Tensor| {
        try_run(
            Op::ScatterAdd,
            &[indices, updates.clone()],
            none().with("rows", 3),
        )
    };
    // 1e8 + 1 rounds to 1e8.
    assert_eq!(of(indices).unwrap()[0].to_f32s(), [7.0, 0.0, 0.0]);
    for wrong in [3, -1] {
        let error = of(ints(&[1, 4], DType::I32, &[2, wrong, 2, 2])).unwrap_err();
        let message = format!(
            "'hla.scatter_add': index {wrong} at position 1 of 'indices' is outside the 3 rows of the result"
        );
        assert_eq!(error.message, message);
    }
}

fn quarters(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-8i64..=8).prop_map(|v| v as f32 / 4.0), n)
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.iter_f64().zip(b.iter_f64()).map(|(a, b)| a * b).sum()
}

proptest! {
    /// Gradients of a bilinear op: ⟨conv(x, w), g⟩ = ⟨x, by input⟩ = ⟨w, by weight⟩, exactly on a
    /// grid.
    #[test]
    fn convolutions_and_their_gradients_are_adjoint(
        x in quarters(2 * 6 * 5 * 2), w in quarters(3 * 3 * 2 * 2), g in quarters(2 * 12 * 12 * 4),
        pad in prop::collection::vec(0i64..3, 4), stride in 1i64..3, dilation in 1i64..3, depthwise: bool,
    ) {
        let (kernel, reach) = ([3, 2], [2 * dilation + 1, dilation + 1]);
        let mut pad = pad;
        for (i, extent) in [6, 5].into_iter().enumerate() {
            // One more pixel of padding for each that is missing to a whole stride.
            let rest = (extent + pad[2 * i] + pad[2 * i + 1] - reach[i]).rem_euclid(stride);
            pad[2 * i + 1] += (stride - rest) % stride;
        }
        let x = f32s(&[2, 6, 5, 2], &x);
        let (forward, by_input, by_weight, shape, columns) = match depthwise {
            true => (Op::DepthwiseConv2d, Op::DepthwiseConv2dInputGrad, Op::DepthwiseConv2dWeightGrad, [3, 2, 2, 3], 6),
            false => (Op::Conv2d, Op::Conv2dInputGrad, Op::Conv2dWeightGrad, [3, 3, 2, 2], 3),
        };
        let w = f32s(&shape, &w);
        let attrs = none().with("pad", pad).with("stride", vec![stride; 2]).with("dilation", vec![dilation; 2]);
        let y = run(forward, &[x.clone(), w.clone(), f32s(&[1], &[0.0])], attrs.clone());
        prop_assert_eq!(y.shape()[3], columns);
        let g: Vec<f32> = g.into_iter().cycle().take(y.ty().elements()).collect();
        let g = f32s(y.shape(), &g);
        let gx = run(by_input, &[g.clone(), w.clone()], attrs.clone().with("input_shape", vec![2, 6, 5, 2]));
        let gw = run(by_weight, &[x.clone(), g.clone()], attrs.with("kernel", kernel.map(i64::from).to_vec()));
        prop_assert_eq!(dot(&y, &g), dot(&x, &gx));
        prop_assert_eq!(dot(&y, &g), dot(&w, &gw));
    }
}
