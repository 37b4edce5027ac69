//! Places at their limits: the last block of the largest convolutions, and numbers of 64 bits.

use hla_gpu::KernelCode;
use hla_gpu::contraction::Kernels;
use hla_gpu::options::Precision;
use hla_ir::{Attrs, DType, Op, Tensor, TensorType};
use hla_reference::evaluate;
use hla_runtime::plan::Access;
use ptx_emulator::{Options, run_kernel_with};

use crate::chips::{Shape, contraction, layers};
use crate::large::{case, values};
use crate::ptx::compile;
use crate::suite::check;

/// A kernel of which one block runs: that of this number.
fn only(kernel: &KernelCode, block: u32) -> KernelCode {
    let from = "gpu.block_id x";
    assert_eq!(kernel.gpu.matches(from).count(), 1);
    KernelCode {
        gpu: kernel
            .gpu
            .replace(from, &format!("arith.constant {block} : index")),
        grid: [1, 1, 1],
        ..kernel.clone()
    }
}

/// Convolution 3×3 over images of batch 256 in bf16, of which only the last block runs: what it
/// writes at the end of a buffer of 51 million elements is what a convolution of the last rows gives.
#[test]
fn the_last_block_of_a_large_batch_is_right() {
    let (batch, size, channels) = (256, 56, 64);
    let layer = Shape {
        size,
        inputs: channels,
        outputs: channels,
        kernel: 3,
        stride: 1,
        pad: 1,
    };
    let attrs = layer.attrs();
    let mut contraction = contraction(
        batch,
        layer,
        Op::Conv2d,
        &attrs,
        DType::BF16,
        Precision::F32,
    );
    contraction.epilogue = hla_gpu::contraction::Epilogue::identity(
        hla_gpu::contraction::Finish::Bias,
        contraction.epilogue.extras[..1].to_vec(),
        DType::BF16,
    );
    let Some(Kernels::One(kernel)) = contraction.kernels() else {
        panic!("a convolution is one kernel");
    };
    let row = size * channels;
    // The last four rows of the last image; before them are zeros, and what they give is not compared.
    let image = values(&[1, 4, size, channels], 1);
    let weight = values(&[channels, 3, 3, channels], 2);
    let bias = values(&[channels], 3);
    let narrow = |tensor: &Tensor| {
        let ty = tensor.ty().with_dtype(DType::BF16);
        let tensor = Tensor::from_f64s(ty, tensor.iter_f64()).expect("as many");
        tensor.to_bytes().into_owned()
    };
    let total = batch * size * row * 2;
    let mut x = vec![0u8; total];
    x[total - 4 * row * 2..].copy_from_slice(&narrow(&image));
    let buffers = &mut [x, narrow(&weight), narrow(&bias), vec![0x5a; total]];
    let last = only(&kernel, kernel.grid[0] - 1);
    let ptx = compile(&[&last]);
    let access = [Access::Read, Access::Read, Access::Read, Access::ReadWrite];
    let launch = [last.grid, last.block];
    let shared = last.shared_bytes;
    run_kernel_with(
        Options::default(),
        &ptx,
        "kernel0",
        launch,
        shared,
        buffers,
        &access,
    )
    .expect("no fault");

    let small = case(
        "rows",
        Op::Conv2d,
        &[
            &[1, 4, size, channels],
            &[channels, 3, 3, channels],
            &[channels],
        ],
        Attrs::new()
            .with("pad", vec![0i64, 1, 1, 1])
            .with("stride", vec![1i64, 1])
            .with("dilation", vec![1i64, 1]),
    );
    let expected = evaluate(&small.function, &[image, weight, bias])
        .expect("a convolution")
        .remove(0);
    // The block has 128 pixels, which are in the last three rows.
    let expected = narrow(&expected);
    let (pixels, written) = (128 * channels * 2, &buffers[3]);
    let same = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a == b);
    assert!(same(
        &written[total - pixels..],
        &expected[expected.len() - pixels..]
    ));
    assert!(written[..total - pixels].iter().all(|&byte| byte == 0x5a));
}

/// Padding and dilation that reach further than 32 bits do over images of a few pixels.
#[test]
fn wide_places_are_right() {
    let attrs = |far: i64| {
        Attrs::new()
            .with("pad", vec![far, far, far, far])
            .with("stride", vec![1i64, 1])
            .with("dilation", vec![2 * far - 1, 2 * far - 1])
    };
    let far = 1 << 29;
    let forward = case(
        "wide",
        Op::Conv2d,
        &[&[2, 2, 2, 8], &[8, 2, 2, 8], &[8]],
        attrs(far),
    );
    let result = forward
        .function
        .tensor_ty(forward.function.results[0])
        .clone();
    assert_eq!(result, TensorType::f32([2, 3, 3, 8]));
    let backward = case(
        "wide_input",
        Op::Conv2dInputGrad,
        &[&[2, 3, 3, 8], &[8, 2, 2, 8]],
        attrs(far).with("input_shape", vec![2i64, 2, 2, 8]),
    );
    let weights = case(
        "wide_weight",
        Op::Conv2dWeightGrad,
        &[&[2, 2, 2, 8], &[2, 3, 3, 8]],
        attrs(far).with("kernel", vec![2i64, 2]),
    );
    for narrow in [Some(DType::BF16), None] {
        let jobs: Vec<_> = [&forward, &backward, &weights]
            .into_iter()
            .map(|case| crate::job::job(case, Precision::Tf32, narrow).expect("a contraction"))
            .collect();
        for job in &jobs {
            let text = &job.launches[0].0.gpu;
            assert!(text.contains(": index to i64"), "{}: {text}", job.name);
        }
        check(&jobs);
    }
}

/// Every contraction of ResNet-18's training at batch 256 becomes PTX, in each type.
#[test]
fn resnet_is_lowered() {
    let mut kernels = Vec::new();
    for (dtype, precision) in [(DType::BF16, Precision::F32), (DType::F32, Precision::Tf32)] {
        kernels.extend(layers(256, dtype, precision));
    }
    for kernels in kernels.chunks(16) {
        let all: Vec<&KernelCode> = kernels.iter().collect();
        let ptx = compile(&all);
        assert_eq!(ptx.matches(".visible .entry").count(), all.len());
        for kernel in kernels {
            // Nothing is so large that places need 64 bits, which a GPU multiplies in parts.
            let wide = kernel.gpu.lines().find(|line| line.ends_with(": i64"));
            assert!(wide.is_none(), "{}: {wide:?}", kernel.computes);
        }
    }
}
