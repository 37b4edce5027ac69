//! Shape inference of everything but contractions.

use hla_ir::Op::*;
use hla_ir::{DType, Tensor, TensorType};

use crate::common::{gives, none, refuses};

#[test]
fn broadcasting() {
    gives(Add, &["3x1x5xf32", "1x4x5xf32"], none(), "3x4x5xf32");
    gives(Add, &["f32", "f32"], none(), "f32");
    gives(Add, &["0x3xi8", "1x3xi8"], none(), "0x3xi8");
    gives(Select, &["3x1xi1", "1x4xf32", "1x1xf32"], none(), "3x4xf32");
    refuses(Add, &["3x2xf32", "3x4xf32"], none(), "do not broadcast");
    refuses(Add, &["3x4xf32", "4xf32"], none(), "TOSA wants equal ranks");
    refuses(
        Add,
        &["3xf32", "3xf16"],
        none(),
        "'input2' is tensor<3xf16>, but an element type of f32",
    );
    refuses(Add, &["3xi1", "3xi1"], none(), "a number");
    refuses(Select, &["3xf32", "3xf32", "3xf32"], none(), "'condition'");
    refuses(Select, &["3xi1", "3xf32", "3xi32"], none(), "'on_false'");
}

#[test]
fn elementwise_types() {
    for op in [
        Pow, Exp, Log, Tanh, Sigmoid, Erf, Ceil, Floor, Reciprocal, Rsqrt,
    ] {
        let operands = ["3xi32", "3xi32"];
        let n = op.def().operands.len();
        refuses(op, &operands[..n], none(), "a floating-point tensor");
        gives(op, &["3xbf16", "3xbf16"][..n], none(), "3xbf16");
    }
    for op in [Equal, Greater, GreaterEqual] {
        gives(op, &["3x1xi64", "1x2xi64"], none(), "3x2xi1");
        refuses(op, &["3xf32", "3xi32"], none(), "'input2'");
    }
    for op in [LogicalAnd, LogicalOr] {
        gives(op, &["3xi1", "1xi1"], none(), "3xi1");
        refuses(op, &["3xi8", "3xi8"], none(), "'input1'");
    }
    gives(LogicalNot, &["2xi1"], none(), "2xi1");
    gives(Identity, &["2xi1"], none(), "2xi1");
    gives(
        Cast,
        &["2x3xf32"],
        none().with("out_type", DType::I8),
        "2x3xi8",
    );
    refuses(Cast, &["2x3xf32"], none(), "'out_type' is missing");
    gives(
        Mul,
        &["2xi32", "2xi32"],
        none().with("shift", 31i64),
        "2xi32",
    );
    refuses(
        Mul,
        &["2xi8", "2xi8"],
        none().with("shift", 1i64),
        "needs operands of i32",
    );
    refuses(
        Mul,
        &["2xi32", "2xi32"],
        none().with("shift", 64i64),
        "between 0 and 63",
    );
    refuses(
        Mul,
        &["2xi32", "2xi32"],
        none().with("shift", -1i64),
        "between 0 and 63",
    );
}

#[test]
fn clamp_bounds() {
    let f = |low: f32, high: f32| none().with("min_val", low).with("max_val", high);
    let i = |low: i64, high: i64| none().with("min_val", low).with("max_val", high);
    gives(Clamp, &["2xf32"], f(0.0, f32::INFINITY), "2xf32");
    gives(Clamp, &["2xi8"], i(-5, -5), "2xi8");
    refuses(
        Clamp,
        &["2xf32"],
        f(1.0, 0.0),
        "min_val 1 is not at most max_val 0",
    );
    refuses(Clamp, &["2xf32"], f(f32::NAN, 0.0), "is not at most");
    refuses(Clamp, &["2xi8"], i(1, 0), "is not at most");
    refuses(Clamp, &["2xi8"], f(0.0, 1.0), "wrong kind");
    refuses(Clamp, &["2xf32"], i(0, 1), "wrong kind");
    refuses(
        Clamp,
        &["2xf32"],
        none().with("min_val", 0.0f32),
        "'max_val' is missing",
    );
}

#[test]
fn reductions() {
    for op in [ReduceSum, ReduceMax, ReduceMin, ReduceProduct] {
        gives(op, &["2x3x5xf32"], none().with("axis", 1i64), "2x1x5xf32");
        refuses(
            op,
            &["2x3xf32"],
            none().with("axis", 2i64),
            "axis 2 is outside rank 2",
        );
        refuses(
            op,
            &["2x3xf32"],
            none().with("axis", -1i64),
            "axis -1 is outside",
        );
        refuses(op, &["f32"], none().with("axis", 0i64), "outside rank 0");
        refuses(op, &["2xi1"], none().with("axis", 0i64), "a number");
        refuses(op, &["2xf32"], none(), "'axis' is missing");
    }
    gives(ArgMax, &["2x3x5xf32"], none().with("axis", 1i64), "2x5xi32");
    gives(
        ArgMax,
        &["3xi8"],
        none().with("axis", 0i64).with("out_type", DType::I64),
        "i64",
    );
    refuses(
        ArgMax,
        &["3xi8"],
        none().with("axis", 0i64).with("out_type", DType::I8),
        "cannot hold indices",
    );
    refuses(ArgMax, &["3x0xi8"], none().with("axis", 1i64), "extent 0");
}

#[test]
fn shapes() {
    let shape = |s: &[i64]| none().with("shape", s.to_vec());
    gives(Reshape, &["2x3x4xi1"], shape(&[4, 6]), "4x6xi1");
    gives(Reshape, &["1x1xf32"], shape(&[]), "f32");
    refuses(
        Reshape,
        &["2x3xf32"],
        shape(&[5]),
        "has 6 elements and cannot be reshaped",
    );
    refuses(
        Reshape,
        &["2x3xf32"],
        shape(&[-1, 6]),
        "'shape' has the negative entry -1",
    );
    refuses(
        Reshape,
        &["2x3xf32"],
        shape(&[1; 9]),
        "rank 9 is beyond the supported 8",
    );
    refuses(
        Reshape,
        &["0xf32"],
        shape(&[0, i64::MAX, i64::MAX]),
        "more than 2^40",
    );
    let perms = |p: &[i64]| none().with("perms", p.to_vec());
    gives(Transpose, &["2x3x5xf16"], perms(&[2, 0, 1]), "5x2x3xf16");
    refuses(
        Transpose,
        &["2x3xf32"],
        perms(&[0, 0]),
        "is no permutation of 2 dimensions",
    );
    refuses(Transpose, &["2x3xf32"], perms(&[1, 2]), "is no permutation");
    refuses(
        Transpose,
        &["2x3xf32"],
        perms(&[0]),
        "'perms' must have 2 entries, not 1",
    );
    gives(Reverse, &["2x3xf32"], none().with("axis", 1i64), "2x3xf32");
    refuses(
        Reverse,
        &["2x3xf32"],
        none().with("axis", 2i64),
        "outside rank 2",
    );
}

#[test]
fn boxes() {
    let axis = |a: i64| none().with("axis", a);
    gives(
        Concat,
        &["2x3xf32", "2x1xf32", "2x5xf32"],
        axis(1),
        "2x9xf32",
    );
    gives(Concat, &["2xi8"], axis(0), "2xi8");
    refuses(Concat, &[], axis(0), "0 operands are given");
    refuses(
        Concat,
        &["2x3xf32", "3x3xf32"],
        axis(1),
        "do not fit together along axis 1",
    );
    refuses(
        Concat,
        &["2x3xf32", "2xf32"],
        axis(1),
        "do not fit together",
    );
    refuses(Concat, &["2xf32", "2xi8"], axis(0), "'input1'");
    refuses(
        Concat,
        &["1099511627776xi8", "1xi8"],
        axis(0),
        "more than 2^40",
    );
    let padding = |p: &[i64]| none().with("padding", p.to_vec());
    gives(Pad, &["2x3xf32"], padding(&[1, 2, 0, 4]), "5x7xf32");
    refuses(
        Pad,
        &["2x3xf32"],
        padding(&[1, 2]),
        "'padding' must have 4 entries",
    );
    refuses(Pad, &["2xf32"], padding(&[-1, 0]), "negative entry");
    refuses(
        Pad,
        &["2xf32"],
        padding(&[i64::MAX, i64::MAX]),
        "more than 2^40",
    );
    refuses(
        Pad,
        &["2xf32"],
        padding(&[0, 0]).with("pad_const", 1i64),
        "wrong kind",
    );
    let slice = |start: &[i64], size: &[i64]| {
        none()
            .with("start", start.to_vec())
            .with("size", size.to_vec())
    };
    gives(Slice, &["4x5xf32"], slice(&[1, 0], &[3, 5]), "3x5xf32");
    refuses(
        Slice,
        &["4x5xf32"],
        slice(&[2, 0], &[3, 5]),
        "dimension 0: 3 elements from 2 on",
    );
    refuses(Slice, &["4xf32"], slice(&[0], &[0]), "dimension 0");
    refuses(
        Slice,
        &["4xf32"],
        slice(&[i64::MAX], &[i64::MAX]),
        "dimension 0",
    );
    refuses(
        Slice,
        &["4xf32"],
        slice(&[-1], &[1]),
        "'start' has the negative entry",
    );
    let multiples = |m: &[i64]| none().with("multiples", m.to_vec());
    gives(Tile, &["2x3xi8"], multiples(&[3, 1]), "6x3xi8");
    refuses(Tile, &["2xi8"], multiples(&[i64::MAX]), "more than 2^40");
    gives(Gather, &["2x5x3xf32", "2x7xi32"], none(), "2x7x3xf32");
    refuses(
        Gather,
        &["2x5x3xf32", "3x7xi32"],
        none(),
        "differ in the first dimension",
    );
    refuses(Gather, &["2x5x3xf32", "2x7xi64"], none(), "'indices'");
    refuses(
        Gather,
        &["2x0x3xf32", "2x7xi32"],
        none(),
        "nothing can be gathered",
    );
}

#[test]
fn constants() {
    let values = Tensor::splat(TensorType::f32([2, 3]), 1.0);
    gives(Const, &[], none().with("values", values), "2x3xf32");
    refuses(Const, &[], none(), "'values' is missing");
    refuses(Const, &[], none().with("values", 1i64), "wrong kind");
    refuses(Opaque, &[], none(), "cannot be inferred");
}

#[test]
fn codes_and_quantization() {
    gives(Pack, &["3x5xi8"], none(), "6xi8");
    gives(Pack, &["3x2x2x3xi8"], none(), "9xi8");
    gives(Pack, &["5xi8"], none(), "5xi8");
    gives(Pack, &["i8"], none(), "1xi8");
    refuses(Pack, &["3x5xi32"], none(), "'values'");
    refuses(
        Pack,
        &["3x5xi8"],
        none().with("layout_version", 2i64),
        "this hlac knows version 1",
    );
    let shape = |s: &[i64]| none().with("shape", s.to_vec());
    gives(Unpack, &["6xi8"], shape(&[3, 5]), "3x5xi8");
    refuses(Unpack, &["5xi8"], shape(&[3, 5]), "tensor<6xi8> is needed");
    refuses(Unpack, &["6xi8"], shape(&[3, -5]), "negative entry -5");
    refuses(
        Unpack,
        &["6xi8"],
        shape(&[3, 5]).with("layout_version", 0i64),
        "layout version 0",
    );
    let scale = |s: f32| none().with("scale", s);
    gives(Quantize, &["2x3xf32"], scale(0.1), "2x3xi8");
    gives(Dequantize, &["2x3xi8"], scale(0.1), "2x3xf32");
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40, 1e38 * 3.0] {
        refuses(
            Quantize,
            &["2xf32"],
            scale(bad),
            "is not a positive normal number",
        );
        refuses(
            Dequantize,
            &["2xi8"],
            scale(bad),
            "is not a positive normal number",
        );
    }
    refuses(Quantize, &["2xi8"], scale(1.0), "'input'");
    gives(DynamicQuantize, &["2x3xf32"], none(), "2x3xi8 1xf32");
    let threshold = |t: f32, axis: i64| none().with("threshold", t).with("axis", axis);
    gives(Ternarize, &["2x3xf32"], threshold(0.5, 1), "2x3xf32");
    refuses(
        Ternarize,
        &["2x3xf32"],
        threshold(0.5, 2),
        "axis 2 is outside rank 2",
    );
    refuses(
        Ternarize,
        &["2x3xf32"],
        threshold(-0.5, 0),
        "not a finite number of at least 0",
    );
    refuses(
        Ternarize,
        &["2x3xf32"],
        threshold(f32::INFINITY, 0),
        "not a finite number",
    );
    gives(Relayout, &["1x2x3x4xi8"], none(), "1x2x3x4xi8");
}
