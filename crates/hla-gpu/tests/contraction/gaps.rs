//! Windows with gaps whose taps are walked over phase by phase.

use hla_gpu::options::Precision;
use hla_ir::{Attrs, DType, Op};

use crate::job::job;
use crate::large::case;
use crate::suite::check;

fn gradient(stride: i64, pad: [i64; 4], input: [i64; 4]) -> Attrs {
    Attrs::new()
        .with("pad", pad.to_vec())
        .with("stride", vec![stride; 2])
        .with("dilation", vec![1i64, 1])
        .with("input_shape", input.to_vec())
}

/// Phases of four, two and one taps; phases without a tap; a stride of three with phases of unequal
/// numbers of pixels; a result that is cropped and padded; strides that differ.
#[test]
fn phases_give_the_reference() {
    let transposed = Attrs::new()
        .with("out_pad", vec![-1i64, 0, 0, 1])
        .with("stride", vec![2i64, 1]);
    let input = Op::Conv2dInputGrad;
    let cases = [
        case(
            "stride_2",
            input,
            &[&[2, 8, 9, 32], &[32, 3, 3, 40]],
            gradient(2, [1; 4], [2, 15, 17, 40]),
        ),
        case(
            "one_tap",
            input,
            &[&[2, 8, 9, 64], &[64, 1, 1, 24]],
            gradient(2, [0; 4], [2, 15, 17, 24]),
        ),
        case(
            "stride_3",
            input,
            &[&[1, 5, 4, 32], &[32, 5, 5, 16]],
            gradient(3, [1, 2, 0, 1], [1, 14, 13, 16]),
        ),
        case(
            "transposed",
            Op::TransposeConv2d,
            &[&[1, 7, 6, 32], &[24, 3, 3, 32], &[24]],
            transposed,
        ),
        case(
            "large",
            input,
            &[&[4, 32, 32, 32], &[32, 3, 3, 56]],
            gradient(2, [1; 4], [4, 63, 63, 56]),
        ),
    ];
    for narrow in [Some(DType::BF16), None] {
        let jobs: Vec<_> = cases
            .iter()
            .map(|case| {
                let job = job(case, Precision::Tf32, narrow).expect("a contraction");
                let text = &job.launches[0].0.gpu;
                assert!(text.contains("arith.maxui"), "{}: {text}", job.name);
                job
            })
            .collect();
        check(&jobs);
    }
}
