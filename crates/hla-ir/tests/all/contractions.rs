//! Shape inference of contractions: what is accepted and what refused.

use hla_ir::Op::*;
use hla_ir::{Attrs, DType};

use crate::common::{gives, none, refuses};

pub(crate) fn window(pad: [i64; 4], stride: [i64; 2], dilation: [i64; 2]) -> Attrs {
    none()
        .with("pad", pad.to_vec())
        .with("stride", stride.to_vec())
        .with("dilation", dilation.to_vec())
}

pub(crate) fn plain() -> Attrs {
    window([0; 4], [1, 1], [1, 1])
}

const CONV: [&str; 3] = ["2x7x9x3xf32", "5x3x3x3xf32", "5xf32"];

#[test]
fn conv2d() {
    gives(Conv2d, &CONV, plain(), "2x5x7x5xf32");
    gives(Conv2d, &CONV, window([1; 4], [2, 2], [1, 1]), "2x4x5x5xf32");
    gives(
        Conv2d,
        &CONV,
        window([2, 0, 1, 3], [1, 2], [3, 2]),
        "2x3x5x5xf32",
    );
    gives(
        Conv2d,
        &["1x3x3x2xi8", "4x1x1x2xi8", "1xi32"],
        plain(),
        "1x3x3x4xi32",
    );
    gives(
        Conv2d,
        &["1x3x3x2xbf16", "4x1x1x2xbf16", "4xbf16"],
        plain(),
        "1x3x3x4xbf16",
    );
    let to_f32 = plain().with("out_type", DType::F32);
    gives(
        Conv2d,
        &["1x3x3x2xf16", "4x1x1x2xf16", "4xf32"],
        to_f32,
        "1x3x3x4xf32",
    );
    gives(
        Conv2d,
        &["0x3x3x2xf32", "4x1x1x2xf32", "4xf32"],
        plain(),
        "0x3x3x4xf32",
    );
}

#[test]
fn conv2d_is_refused() {
    let refuse =
        |operands: &[&str], attrs: Attrs, words: &str| refuses(Conv2d, operands, attrs, words);
    refuse(&CONV[..2], plain(), "2 operands are given, but it takes 3");
    refuse(
        &["7x9x3xf32", CONV[1], CONV[2]],
        plain(),
        "'input' is tensor<7x9x3xf32>, but a tensor of rank 4",
    );
    refuse(
        &[CONV[0], "5x3x3xf32", CONV[2]],
        plain(),
        "'weight' is tensor<5x3x3xf32>, but a tensor of rank 4",
    );
    refuse(
        &[CONV[0], "5x3x3x4xf32", CONV[2]],
        plain(),
        "4 input channels, but the input has 3",
    );
    refuse(
        &[CONV[0], "5x3x3x3xf16", CONV[2]],
        plain(),
        "'weight' is tensor<5x3x3x3xf16>",
    );
    refuse(&[CONV[0], CONV[1], "4xf32"], plain(), "one element or 5");
    refuse(
        &[CONV[0], CONV[1], "5x1xf32"],
        plain(),
        "'bias' is tensor<5x1xf32>, but a tensor of rank 1",
    );
    refuse(&[CONV[0], CONV[1], "5xi32"], plain(), "'bias'");
    refuse(
        &["1x3x3x2xi32", "4x1x1x2xi32", "4xi32"],
        plain(),
        "f32, f16, bf16 or i8",
    );
    refuse(
        &["1x3x3x0xf32", "4x1x1x0xf32", "4xf32"],
        plain(),
        "not empty",
    );
    refuse(
        &CONV,
        window([0; 4], [3, 2], [1, 1]),
        "the stride 3 does not divide 7 - 3",
    );
    refuse(
        &CONV,
        window([0; 4], [1, 1], [4, 1]),
        "the window of 9 is larger than the padded input of 7",
    );
    refuse(
        &CONV,
        window([-1, 0, 0, 0], [1, 1], [1, 1]),
        "'pad' has the entry -1",
    );
    refuse(
        &CONV,
        window([0; 4], [0, 1], [1, 1]),
        "'stride' has the entry 0",
    );
    refuse(
        &CONV,
        window([0; 4], [1, 1], [0, 1]),
        "'dilation' has the entry 0",
    );
    refuse(
        &CONV,
        window([1 << 40, 0, 0, 0], [1, 1], [1, 1]),
        "'pad' has the entry 1099511627776",
    );
    refuse(
        &CONV,
        plain().with("pad", vec![0; 3]),
        "'pad' must have 4 entries, not 3",
    );
    refuse(
        &CONV,
        plain().with("padding", vec![0; 4]),
        "there is no attribute 'padding'",
    );
    refuse(
        &CONV,
        plain().with("pad", 3i64),
        "'pad' has a value of the wrong kind",
    );
    refuse(
        &CONV,
        none().with("pad", vec![0; 4]).with("stride", vec![1, 1]),
        "'dilation' is missing",
    );
    refuse(
        &CONV,
        plain().with("out_type", DType::I32),
        "a result of i32 cannot be had from f32",
    );
    refuse(
        &CONV,
        plain().with("acc_type", DType::I32),
        "acc_type i32 does not go with",
    );
    refuse(
        &CONV,
        plain().with("input_zp", 1.0f32),
        "must be zero for a floating-point input",
    );
    refuse(
        &CONV,
        plain().with("weight_zp", 0i64),
        "'weight_zp' has a value of the wrong kind",
    );
    let i8 = ["1x3x3x2xi8", "4x1x1x2xi8", "4xi32"];
    refuse(
        &i8,
        plain().with("input_zp", 128i64),
        "'input_zp' is 128, which is no i8",
    );
}

#[test]
fn huge_windows_do_not_overflow() {
    let big = i64::from(i32::MAX);
    let operands = ["1x1x1x1xf32", "1x2x1x1xf32", "1xf32"];
    gives(
        Conv2d,
        &operands,
        window([big, 0, 0, 0], [big - 1, 1], [1, 1]),
        "1x2x1x1xf32",
    );
    refuses(
        Conv2d,
        &operands,
        window([0; 4], [1, 1], [big, 1]),
        "window of 2147483648",
    );
    let everywhere = window([big; 4], [1, 1], [1, 1]);
    refuses(Conv2d, &operands, everywhere, "more than 2^40 elements");
}

#[test]
fn depthwise_conv2d() {
    gives(
        DepthwiseConv2d,
        &["1x5x5x3xf32", "3x3x3x2xf32", "6xf32"],
        plain(),
        "1x3x3x6xf32",
    );
    gives(
        DepthwiseConv2d,
        &["1x5x5x3xi8", "1x5x3x1xi8", "1xi32"],
        plain(),
        "1x5x1x3xi32",
    );
    refuses(
        DepthwiseConv2d,
        &["1x5x5x3xf32", "3x3x2x2xf32", "4xf32"],
        plain(),
        "2 input channels",
    );
    refuses(
        DepthwiseConv2d,
        &["1x5x5x3xf32", "3x3x3x2xf32", "3xf32"],
        plain(),
        "one element or 6",
    );
}

#[test]
fn transpose_conv2d() {
    let attrs = |pad: [i64; 4], stride: [i64; 2]| {
        none()
            .with("out_pad", pad.to_vec())
            .with("stride", stride.to_vec())
    };
    let operands = ["1x4x5x3xf32", "7x2x3x3xf32", "7xf32"];
    // (4 − 1)·2 + 2 and (5 − 1)·3 + 3.
    gives(
        TransposeConv2d,
        &operands,
        attrs([0; 4], [2, 3]),
        "1x8x15x7xf32",
    );
    gives(
        TransposeConv2d,
        &operands,
        attrs([1, 2, -1, -2], [2, 3]),
        "1x11x12x7xf32",
    );
    let refuse =
        |pad, stride, words: &str| refuses(TransposeConv2d, &operands, attrs(pad, stride), words);
    refuse([-2, 0, 0, 0], [1, 1], "which must be larger than -2");
    refuse([0, 0, i64::MIN, 0], [1, 1], "beyond 32 bits");
    refuse([0; 4], [0, 1], "'stride' has the entry 0");
    refuses(
        TransposeConv2d,
        &operands,
        attrs([0; 4], [1, 1]).with("out_pad", vec![0; 2]),
        "must have 4 entries",
    );
    let empty = ["1x0x5x3xf32", "7x2x3x3xf32", "7xf32"];
    refuses(
        TransposeConv2d,
        &empty,
        attrs([0; 4], [1, 1]),
        "would have an extent",
    );
}

#[test]
fn matmul() {
    gives(MatMul, &["2x3x5xf32", "2x5x7xf32"], none(), "2x3x7xf32");
    gives(
        MatMul,
        &["2x3x5xi8", "2x5x7xi8"],
        none().with("a_zp", -128i64),
        "2x3x7xi32",
    );
    gives(
        MatMul,
        &["1x1x1xf16", "1x1x1xf16"],
        none().with("out_type", DType::F32),
        "1x1x1xf32",
    );
    refuses(
        MatMul,
        &["2x3x5xf32", "2x4x7xf32"],
        none(),
        "cannot be multiplied",
    );
    refuses(
        MatMul,
        &["2x3x5xf32", "1x5x7xf32"],
        none(),
        "cannot be multiplied",
    );
    refuses(
        MatMul,
        &["3x5xf32", "5x7xf32"],
        none(),
        "a tensor of rank 3",
    );
    refuses(MatMul, &["2x3x5xf32", "2x5x7xi8"], none(), "'b'");
    refuses(
        MatMul,
        &["2x3x5xi8", "2x5x7xi8"],
        none().with("b_zp", -129i64),
        "no i8",
    );
}
