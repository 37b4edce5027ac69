//! Shapes large enough for each tile, ragged at both ends.

use hla_gpu::options::Precision;
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_reference::Tolerance;
use hla_reference::cases::Case;

use crate::job::{Job, job};
use crate::suite::check;

/// Numbers below 2³¹ by chance.
pub fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    }
}

/// Multiples of ¼ between −1 and 1.
pub fn values(shape: &[usize], seed: u64) -> Tensor {
    let ty = TensorType::new(shape, DType::F32);
    let mut next = random(seed);
    let numbers: Vec<f64> = (0..ty.elements())
        .map(|_| (next() % 9) as f64 / 4.0 - 1.0)
        .collect();
    Tensor::from_f64s(ty, numbers).expect("as many as elements")
}

/// A case of one op on arguments.
pub fn case(name: &str, op: Op, shapes: &[&[usize]], attrs: Attrs) -> Case {
    let inputs: Vec<Tensor> = shapes
        .iter()
        .enumerate()
        .map(|(i, s)| values(s, i as u64))
        .collect();
    let mut function = Function::new(name);
    let args: Vec<_> = inputs
        .iter()
        .map(|t| function.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let result = function
        .push(op, &args, attrs, Location::unknown())
        .expect("a sound case");
    function.results = vec![result];
    Case {
        name: name.to_owned(),
        function,
        inputs,
        tolerance: Tolerance::Exact,
    }
}

fn convolution(stride: i64, pad: [i64; 4]) -> Attrs {
    Attrs::new()
        .with("pad", pad.to_vec())
        .with("stride", vec![stride; 2])
        .with("dilation", vec![1, 1])
}

/// A case, and how many threads and bytes of shared memory tell that the tile is the one meant.
fn cases() -> Vec<(Case, [u32; 2])> {
    let conv = |stride, pad| convolution(stride, pad);
    let kernel = |attrs: Attrs| attrs.with("kernel", vec![3, 3]);
    vec![
        (
            case(
                "product_128x128",
                Op::MatMul,
                &[&[1, 1500, 72], &[1, 72, 1272]],
                Attrs::new(),
            ),
            [128, 65536],
        ),
        (
            case(
                "convolution_128x64",
                Op::Conv2d,
                &[&[4, 63, 61, 8], &[56, 3, 3, 8], &[56]],
                conv(1, [1; 4]),
            ),
            [128, 49152],
        ),
        (
            case(
                "product_64x64",
                Op::MatMul,
                &[&[1, 500, 72], &[1, 72, 1016]],
                Attrs::new(),
            ),
            [128, 32768],
        ),
        (
            case(
                "convolution_128x32",
                Op::Conv2d,
                &[&[4, 63, 61, 8], &[28, 3, 3, 8], &[28]],
                conv(1, [1; 4]),
            ),
            [128, 40960],
        ),
        (
            case(
                "weight_gradient_32x128",
                Op::Conv2dWeightGrad,
                &[&[31, 24, 22, 56], &[31, 24, 22, 24]],
                kernel(conv(1, [1; 4])),
            ),
            [128, 40960],
        ),
        (
            case(
                "product_32x32",
                Op::MatMul,
                &[&[1, 49, 520], &[1, 520, 72]],
                Attrs::new(),
            ),
            [128, 16384],
        ),
        (
            case(
                "odd_channels",
                Op::Conv2d,
                &[&[4, 63, 61, 3], &[64, 3, 3, 3], &[64]],
                conv(1, [1; 4]),
            ),
            [256, 32768],
        ),
        (
            case(
                "input_gradient_128x64",
                Op::Conv2dInputGrad,
                &[&[4, 32, 32, 8], &[8, 3, 3, 56]],
                conv(2, [1; 4]).with("input_shape", vec![4, 63, 63, 56]),
            ),
            [128, 49152],
        ),
        (
            case(
                "weight_gradient_64x128",
                Op::Conv2dWeightGrad,
                &[&[31, 24, 22, 56], &[31, 24, 22, 56]],
                kernel(conv(1, [1; 4])),
            ),
            [128, 49152],
        ),
    ]
}

fn jobs(precision: Precision, narrow: Option<DType>) -> Vec<Job> {
    let cases = cases().into_iter();
    cases
        .map(|(case, [threads, shared])| {
            let job = job(&case, precision, narrow).expect("a contraction");
            let kernel = &job.launches[0].0;
            let name = &job.name;
            assert_eq!(
                (kernel.block[0], kernel.shared_bytes),
                (threads, shared),
                "{name}"
            );
            job
        })
        .collect()
}

#[test]
fn each_tile_gives_the_reference_in_bf16() {
    check(&jobs(Precision::F32, Some(DType::BF16)));
}

#[test]
fn each_tile_gives_the_reference_in_tf32() {
    check(&jobs(Precision::Tf32, None));
}
