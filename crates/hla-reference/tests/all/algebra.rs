//! Laws that relate ops to each other, on values where nothing rounds.

use crate::common::{f32s, ints, none, run};
use hla_ir::{Attrs, DType, Op, Tensor};
use proptest::prelude::*;

fn quarters(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-8i64..=8).prop_map(|v| v as f32 / 4.0), n)
}

fn window(pad: Vec<i64>, stride: i64, dilation: i64) -> Attrs {
    none()
        .with("pad", pad)
        .with("stride", vec![stride, stride])
        .with("dilation", vec![dilation, dilation])
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.iter_f64().zip(b.iter_f64()).map(|(a, b)| a * b).sum()
}

proptest! {
    /// A transposed convolution is the adjoint of the convolution with weights in which input and
    /// output channels are exchanged: ⟨conv(x), y⟩ = ⟨x, transposed(y)⟩.
    #[test]
    fn transposed_convolution_is_the_adjoint(
        x in quarters(5 * 5 * 2), y in quarters(2 * 2 * 3), w in quarters(3 * 3 * 3 * 2),
    ) {
        let (x, y) = (f32s(&[1, 5, 5, 2], &x), f32s(&[1, 2, 2, 3], &y));
        let weight = f32s(&[3, 3, 3, 2], &w);
        let forward = run(Op::Conv2d, &[x.clone(), weight.clone(), f32s(&[1], &[0.0])], window(vec![0; 4], 2, 1));
        let exchanged = run(Op::Transpose, &[weight], none().with("perms", vec![3, 1, 2, 0]));
        let attrs = none().with("out_pad", vec![0; 4]).with("stride", vec![2, 2]);
        let backward = run(Op::TransposeConv2d, &[y.clone(), exchanged, f32s(&[1], &[0.0])], attrs);
        prop_assert_eq!(backward.shape(), x.shape());
        prop_assert_eq!(dot(&forward, &y), dot(&x, &backward));
    }

    /// Padding inside a convolution is padding before it.
    #[test]
    fn padding_can_go_first(x in quarters(4 * 3 * 2), w in quarters(2 * 3 * 3 * 2), p in prop::collection::vec(0i64..3, 4)) {
        let (x, weight) = (f32s(&[1, 4, 3, 2], &x), f32s(&[2, 3, 3, 2], &w));
        let bias = f32s(&[2], &[0.5, -1.0]);
        let inside = run(Op::Conv2d, &[x.clone(), weight.clone(), bias.clone()], window(p.clone(), 1, 1));
        let padding = vec![0, 0, p[0], p[1], p[2], p[3], 0, 0];
        let padded = run(Op::Pad, &[x], none().with("padding", padding));
        let before = run(Op::Conv2d, &[padded, weight, bias], window(vec![0; 4], 1, 1));
        prop_assert_eq!(inside, before);
    }

    /// A depthwise convolution is a convolution with block-diagonal weights.
    #[test]
    fn depthwise_is_block_diagonal(x in quarters(5 * 4 * 2), w in quarters(3 * 2 * 2 * 3), dilation in 1i64..3) {
        let (x, depthwise) = (f32s(&[1, 5, 4, 2], &x), f32s(&[3, 2, 2, 3], &w));
        let mut full = vec![0.0; 6 * 3 * 2 * 2];
        for (i, &v) in w.iter().enumerate() {
            let (kh, kw, c, m) = (i / 12, i / 6 % 2, i / 3 % 2, i % 3);
            full[(((c * 3 + m) * 3 + kh) * 2 + kw) * 2 + c] = v;
        }
        let bias = f32s(&[6], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let attrs = window(vec![1, 1, 0, 1], 1, dilation);
        let one = run(Op::DepthwiseConv2d, &[x.clone(), depthwise, bias.clone()], attrs.clone());
        let other = run(Op::Conv2d, &[x, f32s(&[6, 3, 2, 2], &full), bias], attrs);
        prop_assert_eq!(one, other);
    }

    /// A 1×1 convolution is a matrix product; zero points are subtracted from the operands.
    #[test]
    fn zero_points_are_offsets(x in prop::collection::vec(-128i64..128, 6), w in prop::collection::vec(-128i64..128, 6), zx in -128i64..128, zw in -128i64..128) {
        let conv = run(
            Op::Conv2d,
            &[ints(&[1, 1, 2, 3], DType::I8, &x), ints(&[2, 1, 1, 3], DType::I8, &w), ints(&[1], DType::I32, &[9])],
            window(vec![0; 4], 1, 1).with("input_zp", zx).with("weight_zp", zw),
        );
        for (pixel, channel) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let sum: i64 = (0..3).map(|k| (x[pixel * 3 + k] - zx) * (w[channel * 3 + k] - zw)).sum();
            prop_assert_eq!(conv.to_i64s().unwrap()[pixel * 2 + channel], sum + 9);
        }
    }

    /// Transposing there and back, reversing twice, and slicing out of a concatenation are nothing.
    #[test]
    fn movements_have_inverses(x in quarters(2 * 3 * 4), axis in 0i64..3, perms in Just(vec![0i64, 1, 2]).prop_shuffle()) {
        let x = f32s(&[2, 3, 4], &x);
        let there = run(Op::Transpose, std::slice::from_ref(&x), none().with("perms", perms.clone()));
        let mut inverse = vec![0; 3];
        for (i, &p) in perms.iter().enumerate() {
            inverse[p as usize] = i as i64;
        }
        prop_assert_eq!(&run(Op::Transpose, &[there], none().with("perms", inverse)), &x);
        let once = run(Op::Reverse, std::slice::from_ref(&x), none().with("axis", axis));
        prop_assert_eq!(&run(Op::Reverse, std::slice::from_ref(&once), none().with("axis", axis)), &x);
        let both = run(Op::Concat, &[once.clone(), x.clone()], none().with("axis", axis));
        let mut start = vec![0; 3];
        start[axis as usize] = x.shape()[axis as usize] as i64;
        let size: Vec<i64> = x.shape().iter().map(|&e| e as i64).collect();
        let sliced = run(Op::Slice, std::slice::from_ref(&both), none().with("start", start).with("size", size));
        prop_assert_eq!(&sliced, &x);
        let twice = run(Op::Concat, &[x.clone(), x.clone()], none().with("axis", axis));
        let mut multiples = vec![1; 3];
        multiples[axis as usize] = 2;
        prop_assert_eq!(run(Op::Tile, &[x], none().with("multiples", multiples)), twice);
    }

    /// Casting to a wider type and back is nothing; i32 arithmetic wraps like Rust's.
    #[test]
    fn integers_are_rust_integers(a in any::<i32>(), b in any::<i32>(), shift in 1i64..63) {
        let pair = [ints(&[1], DType::I32, &[a.into()]), ints(&[1], DType::I32, &[b.into()])];
        let one = |op, attrs: Attrs| run(op, &pair, attrs).to_i64s().unwrap()[0];
        prop_assert_eq!(one(Op::Add, none()), i64::from(a.wrapping_add(b)));
        prop_assert_eq!(one(Op::Sub, none()), i64::from(a.wrapping_sub(b)));
        prop_assert_eq!(one(Op::Mul, none()), i64::from(a.wrapping_mul(b)));
        let exact = i128::from(a) * i128::from(b);
        let shifted = (exact + (1 << (shift - 1))) >> shift;
        prop_assert_eq!(one(Op::Mul, none().with("shift", shift)), i64::from(shifted as i32));
        let wide = run(Op::Cast, &pair[..1], none().with("out_type", DType::I64));
        prop_assert_eq!(&run(Op::Cast, &[wide], none().with("out_type", DType::I32)), &pair[0]);
    }
}
