//! The hla dialect on numbers worked by hand.

use crate::common::{f32s, ints, none, run, try_run};
use hla_ir::{Attrs, DType, Op, Tensor};
use proptest::prelude::*;

use DType::{F32, I8};

fn ternarized(shape: &[usize], values: &[f32], threshold: f32, axis: i64) -> Vec<f32> {
    let attrs = none().with("threshold", threshold).with("axis", axis);
    run(Op::Ternarize, &[f32s(shape, values)], attrs).to_f32s()
}

/// Equations 4 and 5. Column 0 keeps 0.5, −0.3 and 0.9: α = 1/√3. Column 1 keeps 0.3 alone, since
/// 0.25 is not above Δ: α = 1.
#[test]
fn ternarize_follows_equations_4_and_5() {
    let weight = [0.5, -0.3, 0.1, 0.9, -0.2, 0.25, 0.3, 0.0];
    let a = 0.577_350_26_f32;
    let expected = [a, -a, 0.0, a, 0.0, 0.0, 1.0, 0.0];
    assert_eq!(ternarized(&[2, 4], &weight, 0.25, 0), expected);
    let transposed = [0.5, -0.2, -0.3, 0.25, 0.1, 0.3, 0.9, 0.0];
    let expected = [a, 0.0, -a, 0.0, 0.0, 1.0, a, 0.0];
    assert_eq!(ternarized(&[4, 2], &transposed, 0.25, 1), expected);
    // Four kept: α = ½; the norm of a column is 1.
    assert_eq!(
        ternarized(&[1, 5], &[1.0, -1.0, 2.0, -2.0, 0.1], 0.5, 0),
        [0.5, -0.5, 0.5, -0.5, 0.0]
    );
}

#[test]
fn an_empty_column_keeps_its_first_largest_entry() {
    assert_eq!(
        ternarized(&[1, 4], &[0.1, -0.2, 0.2, 0.0], 0.5, 0),
        [0.0, -1.0, 0.0, 0.0]
    );
    assert_eq!(ternarized(&[1, 3], &[0.0, -0.0, 0.0], 0.5, 0), [0.0; 3]);
    // NaN is above no threshold and larger than nothing.
    assert_eq!(
        ternarized(&[1, 3], &[f32::NAN, 0.1, -0.3], 0.5, 0),
        [0.0, 0.0, -1.0]
    );
}

fn product(
    x: Tensor,
    trits: &[i64],
    scale: f32,
    bias: f32,
    more: &[Tensor],
    attrs: Attrs,
) -> Tensor {
    let depth = trits.len();
    let mut inputs = vec![
        x,
        ints(&[1, depth], I8, trits),
        f32s(&[1], &[scale]),
        f32s(&[1], &[bias]),
    ];
    inputs.extend_from_slice(more);
    run(Op::TernaryMatMul, &inputs, attrs)
}

/// 1e8 + (−1e8) − 1: from left to right, 1e8 − 1 would round to 1e8 and the sum be 0.
#[test]
fn positive_taps_come_before_negative_ones() {
    let x = f32s(&[1, 1, 3], &[1e8, 1.0, -1e8]);
    assert_eq!(
        product(x, &[1, -1, 1], 1.0, 0.0, &[], none()).to_f32s(),
        [-1.0]
    );
    // −1 taps are subtracted one by one: 1 − 1e8 − (−1e8) = 1e8 rounded away, then 0.
    let x = f32s(&[1, 1, 3], &[1e8, -1e8, 1.0]);
    assert_eq!(
        product(x, &[-1, -1, 1], 1.0, 0.0, &[], none()).to_f32s(),
        [0.0]
    );
}

/// 3·fl(⅓) − 1 = 2⁻²⁵ exactly; rounded before the addition it would be 0.
#[test]
fn scale_and_bias_are_fused() {
    let third = 1.0f32 / 3.0;
    let x = f32s(&[1, 1, 1], &[3.0]);
    let y = product(x.clone(), &[1], third, -1.0, &[], none());
    assert_eq!(y.to_f32s(), [2.0f32.powi(-25)]);
    let residual = f32s(&[1, 1, 1], &[3.0]);
    let attrs = none().with("residual_scale", third);
    let y = product(
        f32s(&[1, 1, 1], &[-1.0]),
        &[1],
        1.0,
        0.0,
        &[residual],
        attrs,
    );
    assert_eq!(y.to_f32s(), [2.0f32.powi(-25)]);
}

#[test]
fn integer_sums_are_exact_and_clamped_before_rounding() {
    let x = |v: i64| ints(&[1, 1, 700], I8, &[v; 700]);
    let y = product(x(-128), &[1; 700], 1.0, 0.5, &[], none());
    assert_eq!(y.to_f32s(), [-89_599.5]);
    let requantized = |scale: f32, bias: f32, low: f32| {
        let attrs = none().with("out_type", I8).with("min_val", low);
        product(ints(&[1, 1, 1], I8, &[1]), &[1], scale, bias, &[], attrs)
            .to_i64s()
            .unwrap()[0]
    };
    let free = f32::NEG_INFINITY;
    assert_eq!(
        [requantized(2.5, 0.0, free), requantized(3.5, 0.0, free)],
        [2, 4]
    );
    assert_eq!(
        [requantized(-2.5, 0.0, free), requantized(-3.5, 0.0, free)],
        [-2, -4]
    );
    assert_eq!(
        [requantized(1e6, 0.0, free), requantized(-1e6, 0.0, free)],
        [127, -127]
    );
    assert_eq!(
        [requantized(-5.0, 1.0, 0.0), requantized(f32::NAN, 0.0, 0.0)],
        [0, 0]
    );
}

#[test]
fn an_i8_residual_is_scaled() {
    let attrs = none()
        .with("residual_scale", 0.5f32)
        .with("max_val", 6.0f32);
    let residual = |v: i64| ints(&[1, 1, 1], I8, &[v]);
    let y = |v: i64| {
        product(
            f32s(&[1, 1, 1], &[2.0]),
            &[-1],
            2.0,
            1.0,
            &[residual(v)],
            attrs.clone(),
        )
        .to_f32s()[0]
    };
    // −2·2 + 1 = −3, plus half the residual, at most 6.
    assert_eq!([y(7), y(-128), y(100)], [0.5, -67.0, 6.0]);
}

/// One channel, kernel [[+1, −1], [0, +1]], padded by one column on the left:
/// rows of x: (1 2 3), (4 5 6).
#[test]
fn convolution_by_hand() {
    let x = f32s(&[1, 2, 3, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let w = ints(&[1, 2, 2, 1], I8, &[1, -1, 0, 1]);
    let attrs = none()
        .with("pad", vec![0, 0, 1, 0])
        .with("stride", vec![1, 1])
        .with("dilation", vec![1, 1]);
    let y = run(
        Op::TernaryConv2d,
        &[x, w, f32s(&[1], &[2.0]), f32s(&[1], &[10.0])],
        attrs,
    );
    // Sums: 0 − 1 + 4 = 3; 1 − 2 + 5 = 4; 2 − 3 + 6 = 5.
    assert_eq!(y.shape(), [1, 1, 3, 1]);
    assert_eq!(y.to_f32s(), [16.0, 18.0, 20.0]);
}

#[test]
fn codes_by_hand() {
    // +1 −1 0 +1 | −1: 01 10 00 01 from the low bits up is 0b01_00_10_01, then 0b10.
    let packed = run(Op::Pack, &[ints(&[1, 5], I8, &[1, -1, 0, 1, -1])], none());
    assert_eq!(packed.to_bytes().as_ref(), [0b0100_1001, 0b10]);
    // Each row begins on a byte.
    let packed = run(Op::Pack, &[ints(&[2, 1], I8, &[1, -1])], none());
    assert_eq!(packed.to_bytes().as_ref(), [1, 2]);
    let bytes = Tensor::from_bytes(packed.ty().clone(), vec![2, 0]).unwrap();
    let values = run(Op::Unpack, &[bytes], none().with("shape", vec![2, 1]));
    assert_eq!(values.to_i64s().unwrap(), [-1, 0]);
}

#[test]
fn invalid_codes_and_weights_are_refused() {
    let unpack = |byte: i64| {
        let attrs = none().with("shape", vec![1, 3]);
        try_run(Op::Unpack, &[ints(&[1], I8, &[byte])], attrs)
            .unwrap_err()
            .to_string()
    };
    assert!(
        unpack(0b11_00).contains("code 1 is 11"),
        "{}",
        unpack(0b11_00)
    );
    assert!(
        unpack(0b01_00_00_00).contains("filling"),
        "{}",
        unpack(0b01_00_00_00)
    );
    let error = try_run(Op::Pack, &[ints(&[1, 2], I8, &[1, 2])], none()).unwrap_err();
    assert_eq!(error.location.line, 7);
    assert!(error.message.contains("2 at element 1"), "{error}");
    let x = f32s(&[1, 1, 1], &[1.0]);
    let inputs = [
        x,
        ints(&[1, 1], I8, &[-2]),
        f32s(&[1], &[1.0]),
        f32s(&[1], &[0.0]),
    ];
    let error = try_run(Op::TernaryMatMul, &inputs, none()).unwrap_err();
    assert!(error.message.contains("-2 at element 0"), "{error}");
}

/// 3/127 is the scale, 127/3 its inverse: 1 is 42.33, ½ is 21.17.
#[test]
fn dynamic_quantization_by_hand() {
    let results = try_run(
        Op::DynamicQuantize,
        &[f32s(&[4], &[-3.0, 1.0, 0.5, 0.0])],
        none(),
    )
    .unwrap();
    assert_eq!(results[0].to_i64s().unwrap(), [-127, 42, 21, 0]);
    assert_eq!(results[1].to_f32s(), [3.0 / 127.0]);
    let results = try_run(Op::DynamicQuantize, &[f32s(&[2], &[0.0, -0.0])], none()).unwrap();
    assert_eq!(
        (results[0].to_i64s().unwrap(), results[1].to_f32s()),
        (vec![0, 0], vec![1.0])
    );
    let results = try_run(Op::DynamicQuantize, &[f32s(&[2], &[f32::NAN, 2.0])], none()).unwrap();
    assert_eq!(
        (results[0].to_i64s().unwrap(), results[1].to_f32s()),
        (vec![0, 127], vec![2.0 / 127.0])
    );
}

#[test]
fn quantization_by_hand() {
    let x = f32s(&[6], &[0.75, 1.25, -0.75, 100.0, -100.0, f32::NAN]);
    let q = run(Op::Quantize, &[x], none().with("scale", 0.5f32));
    assert_eq!(q.to_i64s().unwrap(), [2, 2, -2, 127, -127, 0]);
    let y = run(
        Op::Dequantize,
        &[ints(&[3], I8, &[-128, 0, 3])],
        none().with("scale", 0.1f32),
    );
    assert_eq!(y.to_f32s(), [-12.8, 0.0, 0.3].map(|v: f64| v as f32));
}

proptest! {
    /// Unpacking is the inverse of packing, and no code is 11.
    #[test]
    fn codes_round_trip(
        rows in 1usize..5,
        row in 1usize..11,
        seed in prop::collection::vec(-1i64..=1, 50),
    ) {
        let trits = ints(&[rows, row], I8, &seed[..rows * row]);
        let packed = run(Op::Pack, std::slice::from_ref(&trits), none());
        prop_assert_eq!(packed.shape(), [rows * row.div_ceil(4)]);
        for byte in packed.to_bytes().iter() {
            prop_assert_eq!(byte & (byte >> 1) & 0x55, 0);
        }
        let attrs = none().with("shape", vec![rows as i64, row as i64]);
        prop_assert_eq!(run(Op::Unpack, &[packed], attrs), trits);
    }

    /// A ternary product is the product with the same weights as floats where nothing rounds.
    #[test]
    fn product_is_the_float_product(
        x in prop::collection::vec(-8i64..=8, 12),
        w in prop::collection::vec(-1i64..=1, 8),
    ) {
        let x: Vec<f32> = x.iter().map(|&v| v as f32 / 4.0).collect();
        let x = f32s(&[1, 3, 4], &x);
        let (one, zero) = (f32s(&[2], &[1.0; 2]), f32s(&[2], &[0.0; 2]));
        let ternary = run(Op::TernaryMatMul, &[x.clone(), ints(&[2, 4], I8, &w), one, zero], none());
        let columns: Vec<f32> = (0..8).map(|i| w[i % 2 * 4 + i / 2] as f32).collect();
        let float = run(Op::MatMul, &[x, f32s(&[1, 4, 2], &columns)], none());
        prop_assert_eq!(ternary.dtype(), F32);
        prop_assert_eq!(ternary.to_f32s(), float.to_f32s());
    }
}
