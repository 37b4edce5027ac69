//! Convolutions, matrix products and pooling on random shapes and attributes.

use hla_ir::{Attr, DType, Op, ValueId};

use super::differences::Problem;
use crate::build::i64s;

/// An extent that a window op covers exactly: input, kernel, pad before, pad after, stride, dilation.
struct Side {
    input: usize,
    kernel: usize,
    before: usize,
    after: usize,
    stride: usize,
    dilation: usize,
}

impl Side {
    fn random(p: &mut Problem, dilate: bool) -> Side {
        loop {
            let kernel = 1 + p.random.below(3);
            let side = Side {
                input: 2 + p.random.below(5),
                kernel,
                before: p.random.below(kernel),
                after: p.random.below(kernel),
                stride: 1 + p.random.below(3),
                dilation: if dilate { 1 + p.random.below(2) } else { 1 },
            };
            let effective = (side.kernel - 1) * side.dilation + 1;
            let padded = side.input + side.before + side.after;
            if effective <= padded && (padded - effective).is_multiple_of(side.stride) {
                return side;
            }
        }
    }
}

fn window(h: &Side, w: &Side) -> [(&'static str, Attr); 2] {
    let pair = |a: usize, b: usize| [a as i64, b as i64];
    let (top, bottom) = (h.before as i64, h.after as i64);
    let (left, right) = (w.before as i64, w.after as i64);
    [
        ("pad", i64s(&[top, bottom, left, right])),
        ("stride", i64s(&pair(h.stride, w.stride))),
    ]
}

fn convolution(seed: u64, op: Op) {
    let mut p = Problem::new(seed);
    let (h, w) = (Side::random(&mut p, true), Side::random(&mut p, true));
    let (n, ic) = (1 + p.random.below(2), 1 + p.random.below(3));
    let (weight, oc) = match op {
        Op::Conv2d => {
            let oc = 1 + p.random.below(3);
            ([oc, h.kernel, w.kernel, ic], oc)
        }
        _ => {
            let m = 1 + p.random.below(2);
            ([h.kernel, w.kernel, ic, m], ic * m)
        }
    };
    let x = p.uniform(&[n, h.input, w.input, ic], -1.0, 1.0);
    let kernel = p.uniform(&weight, -1.0, 1.0);
    let bias = if seed.is_multiple_of(2) { 1 } else { oc };
    let bias = p.uniform(&[bias], -1.0, 1.0);
    let dilation = i64s(&[h.dilation as i64, w.dilation as i64]);
    let mut attrs = window(&h, &w).to_vec();
    attrs.push(("dilation", dilation));
    let y = p.build.op(op, &[x, kernel, bias], &attrs);
    nonlinear(&mut p, y);
    p.check();
}

/// Σ weights·tanh(y): the cotangent of y depends on y.
fn nonlinear(p: &mut Problem, y: ValueId) {
    let y = p.build.op(Op::Tanh, &[y], &[]);
    p.weigh(y);
}

#[test]
fn convolutions() {
    for seed in 0..16 {
        convolution(seed, Op::Conv2d);
    }
}

#[test]
fn depthwise_convolutions() {
    for seed in 0..16 {
        convolution(seed, Op::DepthwiseConv2d);
    }
}

#[test]
fn transposed_convolutions() {
    for seed in 0..24 {
        let mut p = Problem::new(seed);
        let (h, w) = (1 + p.random.below(3), 1 + p.random.below(3));
        let (kh, kw) = (2 + p.random.below(2), 2 + p.random.below(2));
        let (ic, oc) = (1 + p.random.below(3), 1 + p.random.below(3));
        let x = p.uniform(&[2, h, w, ic], -1.0, 1.0);
        let kernel = p.uniform(&[oc, kh, kw, ic], -1.0, 1.0);
        let bias = p.uniform(&[oc], -1.0, 1.0);
        let stride: [i64; 2] = std::array::from_fn(|_| 1 + p.random.below(3) as i64);
        // From −1, which crops, to 2, which adds.
        let out_pad: [i64; 4] = std::array::from_fn(|_| p.random.below(4) as i64 - 1);
        let extent = |i: usize, s: i64, k: usize, pad: i64| (i as i64 - 1) * s + k as i64 + pad;
        if extent(h, stride[0], kh, out_pad[0] + out_pad[1]) < 1
            || extent(w, stride[1], kw, out_pad[2] + out_pad[3]) < 1
        {
            continue;
        }
        let attrs = [("out_pad", i64s(&out_pad)), ("stride", i64s(&stride))];
        let y = p.build.op(Op::TransposeConv2d, &[x, kernel, bias], &attrs);
        nonlinear(&mut p, y);
        p.check();
    }
}

#[test]
fn matrix_products() {
    for batch in 1..3 {
        let mut p = Problem::new(batch as u64);
        let a = p.uniform(&[batch, 3, 4], -1.0, 1.0);
        let b = p.uniform(&[batch, 4, 2], -1.0, 1.0);
        let y = p.build.op(Op::MatMul, &[a, b], &[]);
        nonlinear(&mut p, y);
        p.check();
    }
    // One matrix on both sides.
    let mut p = Problem::new(9);
    let a = p.uniform(&[1, 3, 3], -1.0, 1.0);
    let y = p.build.op(Op::MatMul, &[a, a], &[]);
    nonlinear(&mut p, y);
    p.check();
}

#[test]
fn narrow_floats_are_differentiated_in_f32_and_converted_back() {
    let mut p = Problem::new(2);
    let (x, w) = (
        p.uniform(&[1, 3, 3, 2], -1.0, 1.0),
        p.uniform(&[2, 3, 3, 2], -1.0, 1.0),
    );
    let to_f16 = [("out_type", Attr::DType(DType::F16))];
    let [x, w] = [x, w].map(|v| p.build.op(Op::Cast, &[v], &to_f16));
    let bias = p.build.splat(&[1], 0.0);
    let attrs = [
        ("pad", i64s(&[1; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
        ("out_type", DType::F32.into()),
    ];
    let y = p.build.op(Op::Conv2d, &[x, w, bias], &attrs);
    nonlinear(&mut p, y);
    p.check();
}

#[test]
fn pools() {
    for seed in 0..12 {
        for op in [Op::AvgPool2d, Op::MaxPool2d] {
            let mut p = Problem::new(seed);
            let (h, w) = (Side::random(&mut p, false), Side::random(&mut p, false));
            let x = p.spread(&[2, h.input, w.input, 2]);
            let mut attrs = window(&h, &w).to_vec();
            attrs.push(("kernel", i64s(&[h.kernel as i64, w.kernel as i64])));
            let y = p.build.op(op, &[x], &attrs);
            nonlinear(&mut p, y);
            p.check();
        }
    }
}
