//! Speed of float and int8 contractions in billions of multiply-accumulates a second, one thread.
//!
//! `cargo run -p hla-cranelift --example contraction_speed [FILTER]`

use std::time::Instant;

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Arg, Attrs, DType, Diagnostic, Function, Location, Op, Tensor, TensorType};

/// A contraction: name, op, extents of input and weight, pad, stride.
struct Shape {
    name: &'static str,
    op: Op,
    dtype: DType,
    input: &'static [usize],
    weight: &'static [usize],
    pad: i64,
    stride: i64,
    /// Whether the weight is an argument.
    dynamic: bool,
}

const fn shape(
    name: &'static str,
    op: Op,
    input: &'static [usize],
    weight: &'static [usize],
    pad: i64,
    stride: i64,
) -> Shape {
    Shape {
        name,
        op,
        dtype: DType::F32,
        input,
        weight,
        pad,
        stride,
        dynamic: false,
    }
}

fn values(shape: &[usize], dtype: DType) -> Tensor {
    let ty = TensorType {
        shape: shape.to_vec(),
        dtype,
    };
    let count = ty.elements();
    let values = (0..count)
        .map(|i| ((i * 7919) % 255) as f64 / if dtype == DType::F32 { 128.0 } else { 2.0 } - 1.0);
    Tensor::from_f64s(
        ty,
        values.map(|v| if dtype == DType::F32 { v } else { v.floor() }),
    )
    .expect("a valid tensor")
}

fn main() -> Result<(), Diagnostic> {
    let conv = Op::Conv2d;
    let mut shapes = vec![
        shape(
            "conv 7x7/2 3→64, 224²",
            conv,
            &[1, 229, 229, 3],
            &[64, 7, 7, 3],
            0,
            2,
        ),
        shape(
            "conv 3x3 64→64, 56²",
            conv,
            &[1, 56, 56, 64],
            &[64, 3, 3, 64],
            1,
            1,
        ),
        shape(
            "conv 3x3 128→128, 28²",
            conv,
            &[1, 28, 28, 128],
            &[128, 3, 3, 128],
            1,
            1,
        ),
        shape(
            "conv 3x3 256→256, 14²",
            conv,
            &[1, 14, 14, 256],
            &[256, 3, 3, 256],
            1,
            1,
        ),
        shape(
            "conv 3x3 512→512, 7²",
            conv,
            &[1, 7, 7, 512],
            &[512, 3, 3, 512],
            1,
            1,
        ),
        shape(
            "conv 1x1 64→256, 56²",
            conv,
            &[1, 56, 56, 64],
            &[256, 1, 1, 64],
            0,
            1,
        ),
        shape(
            "conv 1x1 512→1000, 1²",
            conv,
            &[1, 1, 1, 512],
            &[1000, 1, 1, 512],
            0,
            1,
        ),
        shape(
            "conv 1x1 64→2, 56²",
            conv,
            &[1, 56, 56, 64],
            &[2, 1, 1, 64],
            0,
            1,
        ),
        shape(
            "matmul 64x512x512",
            Op::MatMul,
            &[1, 64, 512],
            &[1, 512, 512],
            0,
            1,
        ),
        shape(
            "matmul 1x512x512",
            Op::MatMul,
            &[1, 1, 512],
            &[1, 512, 512],
            0,
            1,
        ),
        shape(
            "depthwise 3x3 128, 56²",
            Op::DepthwiseConv2d,
            &[1, 56, 56, 128],
            &[3, 3, 128, 1],
            1,
            1,
        ),
        shape(
            "transpose 4x4/2 64→32, 28²",
            Op::TransposeConv2d,
            &[1, 28, 28, 64],
            &[32, 4, 4, 64],
            0,
            2,
        ),
    ];
    for (name, from) in [
        ("i8 conv 3x3 64→64, 56²", 1),
        ("i8 matmul 64x512x512", 8),
        ("i8 depthwise 3x3 128, 56²", 10),
    ] {
        let shape = Shape {
            name,
            dtype: DType::I8,
            ..shapes[from]
        };
        shapes.push(shape);
    }
    for (name, from) in [
        ("conv 3x3 64→64, 56², weights as argument", 1),
        ("matmul 64x512x512, both arguments", 8),
        ("matmul 1x512x512, both arguments", 9),
    ] {
        let shape = Shape {
            name,
            dynamic: true,
            ..shapes[from]
        };
        shapes.push(shape);
    }
    let filter = std::env::args().nth(1).unwrap_or_default();
    for s in shapes.iter().filter(|s| s.name.contains(&filter)) {
        measure(s)?;
    }
    Ok(())
}

fn measure(s: &Shape) -> Result<(), Diagnostic> {
    let mut function = Function::new("main");
    let inputs = [values(s.input, s.dtype), values(s.weight, s.dtype)];
    let place = Location::unknown();
    let mut arguments = vec![inputs[0].clone()];
    let mut operands = vec![function.add_arg(Arg::new(inputs[0].ty().clone()))];
    if s.dynamic {
        operands.push(function.add_arg(Arg::new(inputs[1].ty().clone())));
        arguments.push(inputs[1].clone());
    } else {
        operands.push(function.constant(inputs[1].clone(), place.clone()));
    }
    let mut attrs = Attrs::new();
    if s.op != Op::MatMul {
        let out = if s.dtype == DType::F32 {
            DType::F32
        } else {
            DType::I32
        };
        operands.push(function.constant(values(&[1], out), place.clone()));
        let pad = if s.op == Op::TransposeConv2d {
            "out_pad"
        } else {
            "pad"
        };
        attrs = attrs
            .with(pad, vec![s.pad; 4])
            .with("stride", vec![s.stride; 2]);
        if s.op != Op::TransposeConv2d {
            attrs = attrs.with("dilation", vec![1i64; 2]);
        }
    }
    let result = function.push(s.op, &operands, attrs, place)?;
    function.results.push(result);
    let multiplications = hla_ir::cost::total_multiplications(&function) as f64;
    let program = jit(&function, &CodegenOptions::default())?;
    let mut workspace = program.workspace()?;
    let mut best = f64::INFINITY;
    let start = Instant::now();
    for run in 0.. {
        if run >= 5 && start.elapsed().as_secs_f64() > 0.5 {
            break;
        }
        let before = Instant::now();
        program.run_in(&arguments, &mut workspace, None)?;
        best = best.min(before.elapsed().as_secs_f64());
    }
    println!(
        "{:44} {:8.3} ms {:7.1} GMAC/s",
        s.name,
        best * 1e3,
        multiplications / best / 1e9
    );
    Ok(())
}
