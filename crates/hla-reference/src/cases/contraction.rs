//! Convolutions and matrix products.

use hla_ir::{Attrs, DType, Op};

use super::Case;
use super::generate::{Random, case, f32s, none, op_case};
use crate::tolerance::Tolerance::{self, Exact, Relative, Ulps};

use DType::{BF16, F16, F32, I8, I32};

/// For sums of some tens of products of magnitude 1, in any order.
pub(super) const NEAR: Tolerance = Relative {
    rtol: 2e-5,
    atol: 2e-5,
};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    conv2d(cases);
    depthwise(cases);
    transposed(cases);
    matmul(cases);
    slices(cases);
}

/// Extents and attributes of a convolution.
pub(super) struct Convolution {
    pub(super) tag: &'static str,
    /// N, H, W, IC.
    pub(super) input: [usize; 4],
    /// OC (or M), KH, KW.
    pub(super) kernel: [usize; 3],
    pub(super) pad: [i64; 4],
    pub(super) stride: [i64; 2],
    pub(super) dilation: [i64; 2],
}

impl Convolution {
    pub(super) fn attrs(&self) -> Attrs {
        none()
            .with("pad", self.pad.to_vec())
            .with("stride", self.stride.to_vec())
            .with("dilation", self.dilation.to_vec())
    }
}

pub(super) const fn convolution(
    tag: &'static str,
    input: [usize; 4],
    kernel: [usize; 3],
    pad: [i64; 4],
    stride: [i64; 2],
    dilation: [i64; 2],
) -> Convolution {
    Convolution {
        tag,
        input,
        kernel,
        pad,
        stride,
        dilation,
    }
}

pub(super) const CONVOLUTIONS: [Convolution; 14] = [
    convolution("1x1", [1, 5, 7, 3], [5, 1, 1], [0; 4], [1, 1], [1, 1]),
    convolution(
        "1x1_stride2",
        [1, 5, 7, 17],
        [8, 1, 1],
        [0; 4],
        [2, 2],
        [1, 1],
    ),
    convolution("3x3", [1, 5, 7, 3], [4, 3, 3], [0; 4], [1, 1], [1, 1]),
    convolution("3x3_same", [1, 7, 7, 5], [17, 3, 3], [1; 4], [1, 1], [1, 1]),
    convolution(
        "3x3_stride2",
        [1, 7, 9, 3],
        [7, 3, 3],
        [1; 4],
        [2, 2],
        [1, 1],
    ),
    convolution("3x3_batch", [3, 3, 5, 4], [8, 3, 3], [1; 4], [1, 1], [1, 1]),
    convolution(
        "5x3_asymmetric",
        [1, 6, 6, 3],
        [3, 5, 3],
        [2, 1, 0, 3],
        [1, 2],
        [1, 1],
    ),
    convolution(
        "3x3_dilated",
        [1, 7, 9, 2],
        [5, 3, 3],
        [2, 2, 1, 3],
        [1, 1],
        [2, 3],
    ),
    convolution(
        "3x2_stride3_dilated",
        [2, 10, 9, 3],
        [4, 3, 2],
        [1, 0, 0, 1],
        [3, 2],
        [2, 1],
    ),
    convolution(
        "7x7_stride2",
        [1, 13, 13, 3],
        [16, 7, 7],
        [3; 4],
        [2, 2],
        [1, 1],
    ),
    convolution(
        "wide",
        [1, 1, 33, 1],
        [1, 1, 5],
        [0, 0, 2, 2],
        [1, 1],
        [1, 1],
    ),
    convolution("whole", [2, 3, 3, 7], [9, 3, 3], [0; 4], [1, 1], [1, 1]),
    convolution("one", [1, 1, 1, 1], [1, 1, 1], [0; 4], [1, 1], [1, 1]),
    convolution(
        "padding_only",
        [1, 1, 1, 2],
        [3, 2, 2],
        [2; 4],
        [1, 1],
        [1, 1],
    ),
];

fn conv2d(cases: &mut Vec<Case>) {
    for c in &CONVOLUTIONS {
        let [oc, kh, kw] = c.kernel;
        let weight = [oc, kh, kw, c.input[3]];
        for dtype in [F32, I8] {
            let name = format!("conv2d_{dtype}_{}", c.tag);
            let mut random = Random::new(&name);
            let out = if dtype == I8 { I32 } else { dtype };
            let weights = random.grid(&weight, dtype);
            let bias = random.grid(&[oc], out);
            case(
                cases,
                name,
                Exact,
                [random.grid(&c.input, dtype)],
                |b, x| {
                    let (w, bias) = (b.constant(weights), b.constant(bias));
                    vec![b.op(Op::Conv2d, &[x[0], w, bias], c.attrs())]
                },
            );
        }
    }
    for c in &CONVOLUTIONS[3..9] {
        let [oc, kh, kw] = c.kernel;
        let name = format!("conv2d_f32_real_{}", c.tag);
        let mut random = Random::new(&name);
        let inputs = [
            random.any(&c.input, F32),
            random.real(&[oc, kh, kw, c.input[3]], F32, -1.0, 1.0),
            random.any(&[oc], F32),
        ];
        op_case(cases, name, NEAR, inputs, Op::Conv2d, c.attrs());
    }
    let c = &CONVOLUTIONS[4];
    let name = "conv2d_i8_zero_points";
    let mut random = Random::new(name);
    let inputs = [
        random.full(&c.input, I8),
        random.full(&[7, 3, 3, 3], I8),
        random.full(&[1], I32),
    ];
    let attrs = c.attrs().with("input_zp", -7i64).with("weight_zp", 5i64);
    op_case(cases, name, Exact, inputs, Op::Conv2d, attrs);
    for dtype in [F16, BF16] {
        for out in [dtype, F32] {
            let name = format!("conv2d_{dtype}_to_{out}");
            let mut random = Random::new(&name);
            let inputs = [
                random.grid(&c.input, dtype),
                random.grid(&[7, 3, 3, 3], dtype),
                random.grid(&[7], out),
            ];
            let attrs = c.attrs().with("out_type", out);
            op_case(cases, name, Exact, inputs, Op::Conv2d, attrs);
        }
    }
}

pub(super) const DEPTHWISE: [Convolution; 5] = [
    convolution("3x3_same", [1, 7, 5, 5], [1, 3, 3], [1; 4], [1, 1], [1, 1]),
    convolution("3x3_wide", [1, 5, 5, 17], [1, 3, 3], [1; 4], [1, 1], [1, 1]),
    convolution(
        "3x3_multiplier",
        [1, 5, 7, 3],
        [2, 3, 3],
        [0; 4],
        [1, 1],
        [1, 1],
    ),
    convolution(
        "stride2_batch",
        [2, 7, 9, 8],
        [1, 3, 3],
        [1; 4],
        [2, 2],
        [1, 1],
    ),
    convolution(
        "dilated_asymmetric",
        [1, 7, 9, 3],
        [3, 3, 2],
        [2, 2, 0, 3],
        [1, 2],
        [2, 3],
    ),
];

fn depthwise(cases: &mut Vec<Case>) {
    for c in &DEPTHWISE {
        let [multiplier, kh, kw] = c.kernel;
        let weight = [kh, kw, c.input[3], multiplier];
        for dtype in [F32, I8] {
            let name = format!("depthwise_conv2d_{dtype}_{}", c.tag);
            let mut random = Random::new(&name);
            let out = if dtype == I8 { I32 } else { dtype };
            let weights = random.grid(&weight, dtype);
            let bias = random.grid(&[c.input[3] * multiplier], out);
            case(
                cases,
                name,
                Exact,
                [random.grid(&c.input, dtype)],
                |b, x| {
                    let (w, bias) = (b.constant(weights), b.constant(bias));
                    vec![b.op(Op::DepthwiseConv2d, &[x[0], w, bias], c.attrs())]
                },
            );
        }
    }
    let c = &DEPTHWISE[3];
    let name = "depthwise_conv2d_f32_real";
    let mut random = Random::new(name);
    let inputs = [
        random.any(&c.input, F32),
        random.any(&[3, 3, 8, 1], F32),
        random.any(&[1], F32),
    ];
    op_case(cases, name, NEAR, inputs, Op::DepthwiseConv2d, c.attrs());
    let name = "depthwise_conv2d_i8_zero_points";
    let mut random = Random::new(name);
    let inputs = [
        random.full(&c.input, I8),
        random.full(&[3, 3, 8, 1], I8),
        random.full(&[8], I32),
    ];
    let attrs = c.attrs().with("input_zp", 9i64).with("weight_zp", -3i64);
    op_case(cases, name, Exact, inputs, Op::DepthwiseConv2d, attrs);
    let name = "depthwise_conv2d_f16";
    let mut random = Random::new(name);
    let inputs = [
        random.grid(&c.input, F16),
        random.grid(&[3, 3, 8, 1], F16),
        random.grid(&[8], F16),
    ];
    op_case(cases, name, Exact, inputs, Op::DepthwiseConv2d, c.attrs());
}

fn transposed(cases: &mut Vec<Case>) {
    type Shape = (&'static str, [usize; 4], [usize; 3], [i64; 4], [i64; 2]);
    let shapes: [Shape; 7] = [
        ("stride1", [1, 3, 5, 2], [3, 3, 3], [0; 4], [1, 1]),
        ("stride2", [1, 5, 3, 3], [4, 2, 2], [0; 4], [2, 2]),
        ("overlap", [1, 3, 3, 2], [5, 3, 3], [0; 4], [2, 2]),
        ("gap", [1, 3, 2, 1], [2, 1, 2], [0; 4], [3, 3]),
        ("padded", [2, 3, 3, 2], [3, 3, 3], [1, 2, 0, 1], [2, 1]),
        ("cropped", [1, 5, 5, 3], [7, 3, 3], [-1, -1, -1, -2], [2, 2]),
        ("batch", [3, 2, 2, 5], [1, 2, 3], [0; 4], [1, 2]),
    ];
    for (tag, input, [oc, kh, kw], pad, stride) in shapes {
        for dtype in [F32, I8] {
            let name = format!("transpose_conv2d_{dtype}_{tag}");
            let mut random = Random::new(&name);
            let out = if dtype == I8 { I32 } else { dtype };
            let weights = random.grid(&[oc, kh, kw, input[3]], dtype);
            let bias = random.grid(&[oc], out);
            let attrs = none()
                .with("out_pad", pad.to_vec())
                .with("stride", stride.to_vec());
            case(cases, name, Exact, [random.grid(&input, dtype)], |b, x| {
                let (w, bias) = (b.constant(weights), b.constant(bias));
                vec![b.op(Op::TransposeConv2d, &[x[0], w, bias], attrs)]
            });
        }
    }
    let name = "transpose_conv2d_f32_real";
    let mut random = Random::new(name);
    let inputs = [
        random.any(&[1, 3, 5, 7], F32),
        random.any(&[3, 3, 3, 7], F32),
        random.any(&[1], F32),
    ];
    let attrs = none()
        .with("out_pad", vec![0; 4])
        .with("stride", vec![2, 2]);
    op_case(
        cases,
        name,
        NEAR,
        inputs,
        Op::TransposeConv2d,
        attrs.clone(),
    );
    let name = "transpose_conv2d_i8_zero_points";
    let mut random = Random::new(name);
    let inputs = [
        random.full(&[1, 3, 3, 2], I8),
        random.full(&[3, 3, 3, 2], I8),
        random.full(&[3], I32),
    ];
    let attrs = attrs.with("input_zp", 4i64).with("weight_zp", -2i64);
    op_case(cases, name, Exact, inputs, Op::TransposeConv2d, attrs);
}

fn matmul(cases: &mut Vec<Case>) {
    let shapes: [(usize, usize, usize, usize); 7] = [
        (1, 1, 1, 1),
        (1, 1, 17, 5),
        (1, 3, 5, 7),
        (2, 7, 3, 17),
        (1, 17, 33, 9),
        (3, 5, 1, 4),
        (1, 8, 16, 16),
    ];
    for (n, h, c, w) in shapes {
        for dtype in [F32, I8] {
            let name = format!("matmul_{dtype}_{n}x{h}x{c}x{w}");
            let mut random = Random::new(&name);
            let inputs = [
                random.grid(&[n, h, c], dtype),
                random.grid(&[n, c, w], dtype),
            ];
            op_case(cases, name, Exact, inputs, Op::MatMul, none());
        }
    }
    let name = "matmul_f32_real";
    let mut random = Random::new(name);
    let inputs = [random.any(&[2, 5, 33], F32), random.any(&[2, 33, 7], F32)];
    op_case(
        cases,
        name,
        Relative {
            rtol: 2e-5,
            atol: 1e-4,
        },
        inputs,
        Op::MatMul,
        none(),
    );
    let name = "matmul_f32_constant";
    let mut random = Random::new(name);
    let weights = random.grid(&[1, 17, 10], F32);
    case(
        cases,
        name,
        Exact,
        [random.grid(&[1, 3, 17], F32)],
        |b, x| {
            let w = b.constant(weights);
            vec![b.op(Op::MatMul, &[x[0], w], none())]
        },
    );
    let name = "matmul_i8_zero_points";
    let mut random = Random::new(name);
    let inputs = [random.full(&[2, 5, 9], I8), random.full(&[2, 9, 3], I8)];
    let attrs = none().with("a_zp", 11i64).with("b_zp", -128i64);
    op_case(cases, name, Exact, inputs, Op::MatMul, attrs);
    for dtype in [F16, BF16] {
        for out in [dtype, F32] {
            let name = format!("matmul_{dtype}_to_{out}");
            let mut random = Random::new(&name);
            let inputs = [
                random.grid(&[1, 3, 9], dtype),
                random.grid(&[1, 9, 5], dtype),
            ];
            op_case(
                cases,
                name,
                Exact,
                inputs,
                Op::MatMul,
                none().with("out_type", out),
            );
        }
    }
    // No NaN arises from products of an infinity here.
    let a = f32s(&[f32::INFINITY, 1.0, f32::NAN, 2.0, -1.0, 1e38])
        .reshape([1, 3, 2])
        .expect("six");
    let b = f32s(&[1.0, 2.0, 3.0, 4.0])
        .reshape([1, 2, 2])
        .expect("four");
    op_case(
        cases,
        "matmul_f32_special",
        Ulps(1),
        [a, b],
        Op::MatMul,
        none(),
    );
}

/// Convolutions of the front of an image: with windows that end before what is cut off, and with
/// windows that take padding where it would lie.
fn slices(cases: &mut Vec<Case>) {
    for (tag, kernel, pad, stride) in [
        ("1x1_stride2", 1, 0, 2),
        ("3x3", 3, 0, 1),
        ("3x3_padded", 3, 1, 2),
    ] {
        for dtype in [F32, BF16] {
            let name = format!("conv2d_of_slice_{dtype}_{tag}");
            let mut random = Random::new(&name);
            let k = kernel as usize;
            let inputs = [
                random.grid(&[2, 6, 8, 4], dtype),
                random.grid(&[5, k, k, 4], dtype),
                random.grid(&[5], F32),
            ];
            // On a grid all sums are exact, in whatever order.
            case(cases, name, Exact, inputs, |b, x| {
                let front = none()
                    .with("start", vec![0_i64; 4])
                    .with("size", vec![2_i64, 5, 7, 4]);
                let front = b.op(Op::Slice, &[x[0]], front);
                let attrs = none()
                    .with("acc_type", F32)
                    .with("out_type", F32)
                    .with("pad", vec![pad; 4])
                    .with("stride", vec![stride; 2])
                    .with("dilation", vec![1_i64; 2]);
                vec![b.op(Op::Conv2d, &[front, x[1], x[2]], attrs)]
            });
        }
    }
}
