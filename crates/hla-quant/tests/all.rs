//! Examples worked by hand, and the properties that formats and equations must have.

#![allow(clippy::unwrap_used)]

use hla_quant::ternary::{Scale, Ternary, recognize, recognize_signed, ternarize};
use hla_quant::{Error, entropy, int8, pack, similarity, threshold};
use ndarray::{Array2, arr1, arr2};
use proptest::prelude::*;

/// Two unit columns: (0.6, 0, −0.8, 0) and (0.5, −0.5, 0.5, 0.5).
fn unit() -> Array2<f32> {
    arr2(&[[0.6, 0.0, -0.8, 0.0], [0.5, -0.5, 0.5, 0.5]])
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

/// Eq. 8 on |W| sorted: 0 0 .5 .5 .5 .5 .6 .8 (mn = 8).
#[test]
fn equation_8() {
    let w = unit();
    for (t, want) in [
        (0.0, 0.0),
        (0.124, 0.0),
        (0.25, 0.0),
        (0.3, 0.0),
        (0.375, 0.5),
        (0.75, 0.5),
        (0.875, 0.6),
        (1.0, 0.8),
    ] {
        assert_eq!(threshold::by_sparsity([w.view()], t).unwrap(), want, "{t}");
    }
    // 0.29·100 is 28.999999999999996 in f64: it must count as 29.
    let row = Array2::from_shape_fn((1, 100), |(_, i)| i as f32 + 1.0);
    assert_eq!(threshold::by_sparsity([row.view()], 0.29).unwrap(), 29.0);
}

/// A global threshold looks at all layers at once: the smaller layer starves.
#[test]
fn equation_8_over_two_layers() {
    let (small, large) = (arr2(&[[0.1, 0.2]]), arr2(&[[1.0, 2.0, 3.0]]));
    let delta = threshold::by_sparsity([small.view(), large.view()], 0.6).unwrap();
    assert_eq!(delta, 1.0);
    let starved = ternarize(small.view(), delta, Scale::Norm).unwrap();
    assert_eq!(starved.trits, arr2(&[[0, 1]]));
    assert_eq!(starved.rescued, [0]);
}

/// Eq. 4–5 with Δ = 0.55: column 0 keeps two entries, α = 1/√2; column 1 keeps none, so its first
/// largest, α = 1.
#[test]
fn equations_4_and_5() {
    let t = ternarize(unit().view(), 0.55, Scale::Norm).unwrap();
    assert_eq!(t.trits, arr2(&[[1, 0, -1, 0], [1, 0, 0, 0]]));
    assert_eq!(t.scale, arr1(&[std::f32::consts::FRAC_1_SQRT_2, 1.0]));
    assert_eq!((t.rescued, t.zero), (vec![1], vec![]));
    // The columns have length 1 already, so Eq. 5 as printed is the same.
    let unit_scale = ternarize(unit().view(), 0.55, Scale::Unit).unwrap();
    assert_eq!(unit_scale.scale, t.scale);
    let triple = ternarize((unit() * 3.0).view(), 1.65, Scale::Unit).unwrap();
    assert_eq!(triple.scale, t.scale);
}

/// Eq. 7 with the same: w₀ᵀŵ₀ = (0.6 + 0.8)/√2, w₁ᵀŵ₁ = 0.5.
#[test]
fn equation_7() {
    let t = ternarize(unit().view(), 0.55, Scale::Norm).unwrap();
    let (a, b): (f64, f64) = (1.4 / 2f64.sqrt(), 0.5);
    assert!(close(
        similarity::mean_cosine(unit().view(), &t),
        (a + b) / 2.0
    ));
    let loss = ((a - 1.0).powi(2) + (b - 1.0).powi(2)) / 2.0;
    assert!(close(similarity::loss(unit().view(), &t), loss));
}

/// TWN: mean|w| = 3.4/8 = 0.425, Δ = 0.2975; kept: .6 .8 .5 .5 .5 .5, α = 3.4/6.
#[test]
fn twn() {
    let delta = threshold::twn(unit().view()).unwrap();
    assert!(close(delta.into(), 0.2975));
    let t = ternarize(unit().view(), delta, Scale::LayerMean).unwrap();
    assert_eq!(t.trits, arr2(&[[1, 0, -1, 0], [1, -1, 1, 1]]));
    assert!(t.scale.iter().all(|&a| close(a.into(), 3.4 / 6.0)));
    let t = ternarize(unit().view(), delta, Scale::LeastSquares).unwrap();
    assert!(close(t.scale[0].into(), 0.7) && t.scale[1] == 0.5);
}

#[test]
fn columns_of_zeros_and_bad_weights() {
    let t = ternarize(arr2(&[[0.0, -0.0], [0.0, -3.0]]).view(), 0.0, Scale::Norm).unwrap();
    assert_eq!(t.scale, arr1(&[0.0, 3.0]));
    assert_eq!((&t.rescued[..], &t.zero[..]), (&[][..], &[0][..]));
    assert_eq!(similarity::mean_cosine(arr2(&[[0.0, 0.0]]).view(), &t), 1.0);
    for (bad, index) in [(f32::NAN, 1), (f32::INFINITY, 0)] {
        let mut w = arr2(&[[1.0, 2.0]]);
        w[[0, index]] = bad;
        let error = ternarize(w.view(), 0.0, Scale::Norm).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: i, .. } if i == index));
        assert!(threshold::twn(w.view()).is_err());
        assert!(threshold::by_sparsity([w.view()], 0.5).is_err());
    }
    let huge = Array2::from_elem((1, 4), f32::MAX);
    let mut one = huge.clone();
    one[[0, 0]] = f32::MIN_POSITIVE;
    assert!(ternarize(huge.view(), 0.0, Scale::Norm).is_ok());
    let error = ternarize(huge.view(), f32::MAX, Scale::Norm).unwrap_err();
    assert_eq!(error, Error::ScaleOverflow { column: 0 });
}

#[test]
fn codes_that_mean_nothing_are_refused() {
    let refused = |bytes: &[u8], rows, len| pack::unpack(bytes, rows, len).unwrap_err();
    assert_eq!(
        refused(&[0, 0b0011_0000], 2, 3),
        Error::InvalidCode { index: 5 }
    );
    assert_eq!(
        refused(&[0, 0b0100_0000], 2, 3),
        Error::DirtyPadding { row: 1 }
    );
    assert!(matches!(
        refused(&[0], 2, 3),
        Error::WrongLength { expected: 2, .. }
    ));
    assert_eq!(
        pack::pack(&[0, 1, 2], 1, 3).unwrap_err(),
        Error::NotTernary { index: 2, value: 2 }
    );
    assert!(pack::pack(&[0, 1], 1, 3).is_err());
    assert_eq!(pack::rows(&[]), (1, 1));
    assert_eq!(pack::rows(&[3, 2, 5]), (3, 10));
    assert_eq!(pack::pack(&[], 0, 7).unwrap(), [0u8; 0]);
    assert_eq!(pack::pack(&[], 7, 0).unwrap(), [0u8; 0]);
    assert_eq!(pack::unpack(&[], 7, 0).unwrap(), [0i8; 0]);
}

/// Entropy of 70 % zeros and evenly split signs: H(.7) + .3 = 1.18 bit.
#[test]
fn entropy_of_trits() {
    let trits = [vec![0i8; 70], vec![1; 15], vec![-1; 15]].concat();
    let counts = entropy::trit_counts(trits);
    assert_eq!(counts, [15, 70, 15]);
    assert!((entropy::entropy(&counts) - 1.1813).abs() < 1e-4);
    assert_eq!(entropy::entropy(&[]), 0.0);
}

#[test]
fn int8_rounds_to_even_and_saturates() {
    for (x, q) in [
        (0.5, 0),
        (1.5, 2),
        (-2.5, -2),
        (126.7, 127),
        (1e9, 127),
        (f32::NAN, 0),
    ] {
        assert_eq!(int8::quantize(x, 1.0), q, "{x}");
        if !x.is_nan() {
            assert_eq!(int8::quantize(-x, 1.0), -q, "{x}");
        }
    }
    for range in [0.0, f32::MIN_POSITIVE, 1e-45, 1.0, 12.7, f32::MAX] {
        let scale = int8::scale(range);
        assert!(
            scale.is_normal() && scale.recip().is_normal() && scale > 0.0,
            "{range}"
        );
    }
}

fn matrix() -> impl Strategy<Value = Array2<f32>> {
    // Ties and zeros must be common: a third of the entries are multiples of 1/4.
    let entry = prop_oneof![
        2 => -4.0f32..4.0,
        1 => (-8i32..8).prop_map(|v| v as f32 / 4.0),
    ];
    (1usize..6, 1usize..20).prop_flat_map(move |(n, m)| {
        proptest::collection::vec(entry.clone(), n * m)
            .prop_map(move |values| Array2::from_shape_vec((n, m), values).unwrap())
    })
}

fn normalized(mut w: Array2<f32>) -> Array2<f32> {
    for mut column in w.outer_iter_mut() {
        let norm = column
            .iter()
            .map(|&v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        if norm > 0.0 {
            column.mapv_inplace(|v| (f64::from(v) / norm) as f32);
        }
    }
    w
}

fn at(w: &Array2<f32>, t: f64, scale: Scale) -> Ternary {
    let delta = threshold::by_sparsity([w.view()], t).unwrap();
    ternarize(w.view(), delta, scale).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// ‖ŵ_j‖ = ‖w_j‖, which is 1 on the sphere, for every column that is not zero.
    #[test]
    fn ternary_columns_keep_their_norm(w in matrix(), t in 0.0f64..=1.0) {
        let w = normalized(w);
        let ternary = at(&w, t, Scale::Norm);
        for (j, column) in ternary.dequantized().outer_iter().enumerate() {
            let norm = column.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let want = if ternary.zero.contains(&j) { 0.0 } else { 1.0 };
            prop_assert!(close(norm, want), "{norm}");
        }
    }

    /// At least ⌊t·m·n⌋ zeros, but for one rescued entry a column; strictly larger weights all stay.
    #[test]
    fn sparsity_is_bounded(w in matrix(), t in 0.0f64..=1.0) {
        let delta = threshold::by_sparsity([w.view()], t).unwrap();
        let ternary = ternarize(w.view(), delta, Scale::Norm).unwrap();
        let zeros = ternary.trits.iter().filter(|&&t| t == 0).count();
        let wanted = (t * w.len() as f64).floor() as usize;
        prop_assert!(zeros + ternary.rescued.len() >= wanted);
        let smaller = w.iter().filter(|v| v.abs() < delta).count();
        prop_assert!(smaller < wanted.max(1), "T(t) is the smallest such threshold");
        for (&w, &trit) in w.iter().zip(&ternary.trits) {
            prop_assert!(w.abs() <= delta || f32::from(trit) == w.signum());
        }
    }

    /// What is ternary stays as it is.
    #[test]
    fn ternarizing_is_idempotent(w in matrix(), t in 0.0f64..0.95) {
        for rule in [Scale::Norm, Scale::LeastSquares] {
            let once = at(&w, t, rule);
            let again = ternarize(once.dequantized().view(), 0.0, rule).unwrap();
            prop_assert_eq!(&again.trits, &once.trits);
            for (a, b) in again.scale.iter().zip(&once.scale) {
                prop_assert!(close((*a).into(), (*b).into()));
            }
            let recognized = recognize(once.dequantized().view()).unwrap();
            prop_assert_eq!(&recognized.trits, &once.trits);
            prop_assert_eq!(&recognized.scale, &once.scale);
        }
    }

    /// Multiplying W by a power of two multiplies Δ and α by it and changes no trit.
    #[test]
    fn scaling_a_layer_scales_alpha(w in matrix(), t in 0.0f64..=1.0, exponent in -8i32..8) {
        let factor = 2f32.powi(exponent);
        for rule in [Scale::Norm, Scale::LayerMean, Scale::LeastSquares] {
            let (a, b) = (at(&w, t, rule), at(&(&w * factor), t, rule));
            prop_assert_eq!(&a.trits, &b.trits);
            for (a, b) in a.scale.iter().zip(&b.scale) {
                prop_assert!(close((a * factor).into(), (*b).into()));
            }
        }
    }

    /// No other α gives a smaller error than the mean of the kept magnitudes.
    #[test]
    fn least_squares_is_least(w in matrix(), t in 0.0f64..0.9, nudge in -0.1f32..0.1) {
        let best = at(&w, t, Scale::LeastSquares);
        let mut other = best.clone();
        other.scale.mapv_inplace(|a| a * (1.0 + nudge));
        let error = |t: &Ternary| (&w - &t.dequantized()).mapv(|e| f64::from(e).powi(2)).sum();
        prop_assert!(error(&best) <= error(&other) * (1.0 + 1e-6) + 1e-9);
    }

    #[test]
    fn packing_is_reversible(rows in 0usize..5, len in 0usize..15, seed in any::<u64>()) {
        let values: Vec<i8> = (0..rows * len)
            .map(|i| (seed.wrapping_mul(2 * i as u64 + 1).rotate_left(29) % 3) as i8 - 1)
            .collect();
        let bytes = pack::pack(&values, rows, len).unwrap();
        prop_assert_eq!(bytes.len(), pack::packed_len(rows, len));
        prop_assert_eq!(pack::unpack(&bytes, rows, len).unwrap(), values);
    }

    /// Whatever unpacks, packs to the same bytes: there is one spelling of every value.
    #[test]
    fn unpacking_is_injective(bytes in proptest::collection::vec(any::<u8>(), 6), len in 9usize..=12) {
        if let Ok(values) = pack::unpack(&bytes, 2, len) {
            prop_assert_eq!(pack::pack(&values, 2, len).unwrap(), bytes);
        }
    }

    /// Values inside the range come back within half a step.
    #[test]
    fn int8_round_trip(range in 1e-3f32..1e3, part in -1.0f32..=1.0) {
        let scale = int8::scale(range);
        let x = range * part;
        let back = int8::dequantize(int8::quantize(x, scale), scale);
        prop_assert!((x - back).abs() <= 0.5001 * scale);
        let q = int8::quantize(x, scale);
        prop_assert_eq!(int8::quantize(back, scale), q);
    }
}

#[test]
fn a_scale_for_each_sign_is_read_back() {
    let w = arr2(&[[0.5_f32, 0.0, -0.75], [0.0, 0.0, 0.0], [0.5, -0.75, 0.5]]);
    let (ternary, negative) = recognize_signed(w.view()).unwrap();
    assert_eq!(ternary.trits, arr2(&[[1, 0, -1], [0, 0, 0], [1, -1, 1]]));
    assert_eq!(ternary.scale.to_vec(), [0.5; 3]);
    assert_eq!(negative, 0.75);
    assert_eq!(ternary.zero, [1]);
    for other in [
        [0.5_f32, 0.0, -0.75, 0.625],
        [0.5, 0.0, -0.75, f32::NAN],
        [0.5, 0.5, 0.5, 0.0],
        // Two weights could be any.
        [0.5, 0.0, -0.75, 0.0],
    ] {
        assert!(
            recognize_signed(arr2(&[other]).view()).is_none(),
            "{other:?}"
        );
    }
}
