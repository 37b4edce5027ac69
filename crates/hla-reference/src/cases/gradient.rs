//! Gradients of convolutions, pooling and gather.

use hla_ir::{DType, Op};

use super::Case;
use super::contraction::{CONVOLUTIONS, Convolution, DEPTHWISE, NEAR, convolution};
use super::generate::{Random, case, ints, none, op_case};
use super::pooling::{POOLS, pool_attrs};
use crate::tolerance::Tolerance::{self, Exact, Ulps};

use DType::{BF16, F16, F32, I32};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    convolutions(cases);
    pools(cases);
    slices(cases);
    scatter(cases);
}

/// Extents of a window op's result.
fn extents(
    input: [usize; 4],
    kernel: [usize; 2],
    pad: [i64; 4],
    stride: [i64; 2],
    dilation: [i64; 2],
) -> [usize; 2] {
    [0, 1].map(|i| {
        let reach = (kernel[i] - 1) * dilation[i] as usize + 1;
        let padded = input[1 + i] + (pad[2 * i] + pad[2 * i + 1]) as usize;
        (padded - reach) / stride[i] as usize + 1
    })
}

/// More than a tile of everything: rows, input and output channels.
const LARGE: [Convolution; 3] = [
    convolution("large", [2, 9, 11, 16], [24, 3, 3], [1; 4], [1, 1], [1, 1]),
    convolution(
        "large_stride2",
        [3, 11, 9, 13],
        [19, 3, 3],
        [1; 4],
        [2, 2],
        [1, 1],
    ),
    convolution(
        "large_1x1",
        [2, 8, 7, 33],
        [35, 1, 1],
        [0; 4],
        [1, 1],
        [1, 1],
    ),
];

/// Both gradients of one convolution. On a grid all sums are exact, in whatever order.
fn gradients_of(
    cases: &mut Vec<Case>,
    c: &Convolution,
    depthwise: bool,
    dtype: DType,
    tolerance: Tolerance,
) {
    let [oc, kh, kw] = c.kernel;
    let [n, .., channels] = c.input;
    let (name, by_input, by_weight, weight, columns) = match depthwise {
        false => (
            "conv2d",
            Op::Conv2dInputGrad,
            Op::Conv2dWeightGrad,
            [oc, kh, kw, channels],
            oc,
        ),
        true => (
            "depthwise_conv2d",
            Op::DepthwiseConv2dInputGrad,
            Op::DepthwiseConv2dWeightGrad,
            [kh, kw, channels, oc],
            oc * channels,
        ),
    };
    let real = match (dtype, tolerance) {
        (F32, Exact) => String::new(),
        (F32, _) => "_real".to_owned(),
        (half, _) => format!("_{}", half.name()),
    };
    let [oh, ow] = extents(c.input, [kh, kw], c.pad, c.stride, c.dilation);
    let gradient = [n, oh, ow, columns];
    let mut random = Random::new(c.tag);
    let mut values = |shape: &[usize]| match tolerance == Exact {
        true => random.grid(shape, dtype),
        false => random.real(shape, dtype, -1.0, 1.0),
    };
    let attrs = c
        .attrs()
        .with("input_shape", c.input.map(|e| e as i64).to_vec());
    let tag = format!("{name}_input_grad{real}_{}", c.tag);
    let inputs = [values(&gradient), values(&weight)];
    op_case(cases, tag, tolerance, inputs, by_input, attrs);
    let attrs = c.attrs().with("kernel", vec![kh as i64, kw as i64]);
    let tag = format!("{name}_weight_grad{real}_{}", c.tag);
    let inputs = [values(&c.input), values(&gradient)];
    op_case(cases, tag, tolerance, inputs, by_weight, attrs);
}

fn convolutions(cases: &mut Vec<Case>) {
    for c in CONVOLUTIONS.iter().chain(&LARGE) {
        gradients_of(cases, c, false, F32, Exact);
    }
    for c in CONVOLUTIONS[3..9].iter().chain(&LARGE) {
        gradients_of(cases, c, false, F32, NEAR);
    }
    for c in &DEPTHWISE {
        gradients_of(cases, c, true, F32, Exact);
        gradients_of(cases, c, true, F32, NEAR);
    }
    // Factors of 16 bits, summed in f32: exact on a grid too.
    for half in [BF16, F16] {
        for c in CONVOLUTIONS[3..9].iter().chain(&LARGE) {
            gradients_of(cases, c, false, half, Exact);
        }
        for c in &DEPTHWISE {
            gradients_of(cases, c, true, half, Exact);
        }
    }
}

fn pools(cases: &mut Vec<Case>) {
    // Windows of more taps than a byte counts, that overlap.
    let name = "max_pool2d_grad_wide".to_owned();
    let mut random = Random::new(&name);
    let inputs = [
        random.any(&[1, 14, 15, 3], F32),
        random.grid(&[1, 3, 2, 3], F32),
    ];
    let attrs = pool_attrs([12, 14], [0; 4], [1, 1]);
    op_case(cases, name, Exact, inputs, Op::MaxPool2dGrad, attrs);
    for &(tag, input, kernel, pad, stride) in &POOLS {
        let extents_of = kernel.map(|k| k as usize);
        let [oh, ow] = extents(input, extents_of, pad, stride, [1, 1]);
        let gradient = [input[0], oh, ow, input[3]];
        let attrs = pool_attrs(kernel, pad, stride);
        // The grid has many ties, of which the first maximum wins.
        for (kind, tied) in [("", false), ("_tied", true)] {
            let name = format!("max_pool2d_grad{kind}_{tag}");
            let mut random = Random::new(&name);
            let values = match tied {
                true => random.grid(&input, F32),
                false => random.any(&input, F32),
            };
            let inputs = [values, random.grid(&gradient, F32)];
            op_case(cases, name, Exact, inputs, Op::MaxPool2dGrad, attrs.clone());
        }
        for dtype in [F16, BF16] {
            let name = format!("max_pool2d_grad_{dtype}_{tag}");
            let mut random = Random::new(&name);
            let inputs = [random.grid(&input, dtype), random.grid(&gradient, dtype)];
            op_case(cases, name, Exact, inputs, Op::MaxPool2dGrad, attrs.clone());
        }
        let attrs = attrs.with("input_shape", input.map(|e| e as i64).to_vec());
        for (dtype, kind, near) in [
            (F32, "", NEAR),
            (F16, "_f16", Ulps(1)),
            (BF16, "_bf16", Ulps(1)),
        ] {
            let name = format!("avg_pool2d_grad{kind}_{tag}");
            let gradient = Random::new(&name).grid(&gradient, dtype);
            op_case(
                cases,
                name,
                near,
                [gradient],
                Op::AvgPool2dGrad,
                attrs.clone(),
            );
        }
    }
}

/// The gradient by a weight that saw the front of an image.
fn slices(cases: &mut Vec<Case>) {
    for dtype in [F32, BF16] {
        let name = format!("conv2d_weight_grad_of_slice_{dtype}");
        let mut random = Random::new(&name);
        let inputs = [
            random.grid(&[3, 6, 8, 5], dtype),
            random.grid(&[3, 3, 4, 6], dtype),
        ];
        case(cases, name, Exact, inputs, |b, x| {
            let front = none()
                .with("start", vec![0_i64; 4])
                .with("size", vec![3_i64, 5, 7, 5]);
            let front = b.op(Op::Slice, &[x[0]], front);
            let attrs = none()
                .with("kernel", vec![1_i64; 2])
                .with("pad", vec![0_i64; 4])
                .with("stride", vec![2_i64; 2])
                .with("dilation", vec![1_i64; 2]);
            vec![b.op(Op::Conv2dWeightGrad, &[front, x[1]], attrs)]
        });
    }
}

fn scatter(cases: &mut Vec<Case>) {
    for (tag, [n, w, c], rows) in [
        ("odd", [2, 7, 5], 4),
        ("sparse", [1, 3, 17], 40),
        ("one", [1, 1, 1], 1),
    ] {
        let name = format!("scatter_add_{tag}");
        let mut random = Random::new(&name);
        let indices = random.ints(&[n, w], I32, 0, rows - 1);
        let inputs = [indices, random.any(&[n, w, c], F32)];
        let attrs = none().with("rows", rows);
        // The order of summation is declared.
        op_case(cases, name, Ulps(0), inputs, Op::ScatterAdd, attrs);
    }
    let indices = ints(I32, &[2; 9]).reshape([1, 9]).expect("nine");
    let updates = Random::new("scatter_same").any(&[1, 9, 3], F32);
    let attrs = none().with("rows", 3i64);
    let inputs = [indices, updates];
    op_case(
        cases,
        "scatter_add_same",
        Ulps(0),
        inputs,
        Op::ScatterAdd,
        attrs,
    );
}
