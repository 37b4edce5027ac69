//! Shape inference of pooling and of ternary contractions.

use hla_ir::Op::{self, *};
use hla_ir::{Attrs, DType};

use crate::common::{gives, none, refuses};
use crate::contractions::plain;

#[test]
fn pooling() {
    let attrs = |kernel: [i64; 2], stride: [i64; 2], pad: [i64; 4]| {
        none()
            .with("kernel", kernel.to_vec())
            .with("stride", stride.to_vec())
            .with("pad", pad.to_vec())
    };
    for op in [MaxPool2d, AvgPool2d] {
        gives(
            op,
            &["2x7x5x3xf32"],
            attrs([3, 3], [2, 2], [1; 4]),
            "2x4x3x3xf32",
        );
        gives(
            op,
            &["2x4x6x3xi8"],
            attrs([2, 2], [2, 2], [0; 4]),
            "2x2x3x3xi8",
        );
        let refuse = |ty: &str, attrs, words: &str| refuses(op, &[ty], attrs, words);
        refuse("2x7x5xf32", attrs([3, 3], [2, 2], [1; 4]), "rank 4");
        refuse("1x4x4x1xi1", attrs([2, 2], [2, 2], [0; 4]), "a number");
        refuse(
            "1x4x4x1xf32",
            attrs([2, 2], [2, 2], [2, 0, 0, 0]),
            "a window would hold padding only",
        );
        refuse(
            "1x5x4x1xf32",
            attrs([2, 2], [2, 2], [0; 4]),
            "the stride 2 does not divide 5 - 2",
        );
        refuse(
            "1x4x4x1xf32",
            attrs([0, 2], [2, 2], [0; 4]),
            "'kernel' has the entry 0",
        );
        refuse(
            "1x4x4x1xf32",
            attrs([5, 2], [2, 2], [0; 4]),
            "larger than the padded input of 4",
        );
    }
    let bad = attrs([1, 1], [1, 1], [0; 4]).with("nan_mode", "SOMETIMES");
    refuses(
        MaxPool2d,
        &["1x4x4x1xf32"],
        bad,
        "'nan_mode' has a value of the wrong kind",
    );
}

const TERNARY: [&str; 4] = ["1x5x5x3xf32", "7x3x3x3xi8", "7xf32", "7xf32"];

#[test]
fn ternary_conv2d() {
    let i8 = || plain().with("out_type", DType::I8);
    gives(TernaryConv2d, &TERNARY, plain(), "1x3x3x7xf32");
    gives(
        TernaryConv2d,
        &["1x5x5x3xi8", TERNARY[1], TERNARY[2], TERNARY[3]],
        i8(),
        "1x3x3x7xi8",
    );
    let with = |residual: &'static str| [TERNARY[0], TERNARY[1], TERNARY[2], TERNARY[3], residual];
    gives(TernaryConv2d, &with("1x3x3x7xi8"), plain(), "1x3x3x7xf32");
    let refuse = |operands: &[&str], attrs: Attrs, words: &str| {
        refuses(Op::TernaryConv2d, operands, attrs, words);
    };
    refuse(
        &with("1x3x3x6xf32"),
        plain(),
        "the shape of tensor<1x3x3x7xf32>",
    );
    gives(TernaryConv2d, &with("1x3x3x7xbf16"), plain(), "1x3x3x7xf32");
    refuse(&with("1x3x3x7xi32"), plain(), "f32, f16, bf16 or i8");
    refuse(&TERNARY[..3], plain(), "3 operands are given");
    for half in ["1x5x5x3xf16", "1x5x5x3xbf16"] {
        let operands = [half, TERNARY[1], TERNARY[2], TERNARY[3]];
        gives(TernaryConv2d, &operands, plain(), "1x3x3x7xf32");
        gives(TernaryConv2d, &operands, i8(), "1x3x3x7xi8");
    }
    refuse(
        &["1x5x5x3xi16", TERNARY[1], TERNARY[2], TERNARY[3]],
        plain(),
        "f32, f16, bf16 or i8",
    );
    refuse(
        &[TERNARY[0], "7x3x3x3xf32", TERNARY[2], TERNARY[3]],
        plain(),
        "'weight'",
    );
    refuse(
        &[TERNARY[0], TERNARY[1], "1xf32", TERNARY[3]],
        plain(),
        "tensor<7xf32> is needed",
    );
    refuse(
        &[TERNARY[0], TERNARY[1], TERNARY[2], "7xi32"],
        plain(),
        "'bias'",
    );
    refuse(
        &TERNARY,
        plain().with("out_type", DType::I32),
        "f32 and i8 are",
    );
    refuse(
        &TERNARY,
        plain().with("min_val", 1.0f32).with("max_val", 0.0f32),
        "is not at most",
    );
    refuse(
        &TERNARY,
        plain().with("min_val", f32::NAN),
        "is not at most",
    );
}

#[test]
fn ternary_matmul() {
    let operands = ["2x3x5xi8", "7x5xi8", "7xf32", "7xf32"];
    gives(TernaryMatMul, &operands, none(), "2x3x7xf32");
    refuses(
        TernaryMatMul,
        &["2x3x4xi8", "7x5xi8", "7xf32", "7xf32"],
        none(),
        "cannot be multiplied",
    );
    refuses(
        TernaryMatMul,
        &["3x5xi8", "7x5xi8", "7xf32", "7xf32"],
        none(),
        "rank 3",
    );
}
