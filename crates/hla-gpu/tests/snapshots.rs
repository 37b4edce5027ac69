//! What a reader checks by eye: one function for each kind of kernel, as linalg and in the gpu dialect,
//! with its launches.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use hla_gpu::{GpuOptions, Precision, lower};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, TensorType, ValueId};
use hla_runtime::plan::Command;

use DType::{BF16, F32, I8};

struct Builder(Function);

impl Builder {
    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        let location = Location::unknown();
        self.0.push(op, operands, attrs, location).unwrap()
    }
}

fn none() -> Attrs {
    Attrs::new()
}

fn axis(axis: i64) -> Attrs {
    none().with("axis", axis)
}

/// The function, its linalg, each kernel in the gpu dialect, the launches.
fn show(
    name: &str,
    inputs: &[(&[usize], DType)],
    build: impl FnOnce(&mut Builder, &[ValueId]) -> Vec<ValueId>,
) {
    let mut builder = Builder(Function::new(name));
    let args: Vec<ValueId> = inputs
        .iter()
        .map(|(shape, dtype)| builder.0.add_arg(Arg::new(TensorType::new(*shape, *dtype))))
        .collect();
    builder.0.results = build(&mut builder, &args);
    let options = GpuOptions {
        precision: Precision::F32,
        ..GpuOptions::default()
    };
    let program = lower(&builder.0, &options).unwrap();
    let mut text = format!("{}\n// ---- linalg ----\n{}", builder.0, program.linalg());
    text.push_str("\n// ---- gpu ----\n");
    for (i, kernel) in program.kernels.iter().enumerate() {
        let _ = writeln!(text, "// {}", kernel.computes);
        let name = format!("@kernel{i}");
        text.push_str(&kernel.gpu.replace(hla_gpu::kernel::NAME, &name));
    }
    text.push_str("\n// ---- launches ----\n");
    for command in &program.functions[0].commands {
        let _ = match command {
            Command::Launch { kernel, grid, .. } => {
                let block = program.kernels[*kernel as usize].block;
                writeln!(text, "kernel{kernel}: {grid:?} blocks of {block:?} threads")
            }
            Command::Copy { source, .. } => writeln!(text, "copy {} bytes", source.bytes),
            Command::Fill { target, byte } => {
                writeln!(text, "fill {} bytes with {byte}", target.bytes)
            }
        };
    }
    insta::assert_snapshot!(name, text);
}

/// Elementwise ops are one map: vectors of four, a number for each channel, two results.
#[test]
fn map() {
    let inputs: [(&[usize], DType); 3] = [(&[2, 3, 8], F32), (&[1, 1, 8], F32), (&[1, 1, 8], F32)];
    show("map", &inputs, |b, x| {
        let scaled = b.op(Op::Mul, &[x[0], x[1]], none());
        let sum = b.op(Op::Add, &[scaled, x[2]], none());
        let clamp = none()
            .with("min_val", 0.0_f32)
            .with("max_val", f32::INFINITY);
        let relu = b.op(Op::Clamp, &[sum], clamp);
        vec![relu, b.op(Op::Cast, &[relu], none().with("out_type", BF16))]
    });
}

/// The innermost axis: threads of a warp walk along a row.
#[test]
fn reduce_rows() {
    show("reduce_rows", &[(&[4, 96], F32)], |b, x| {
        vec![b.op(Op::ReduceSum, &[x[0]], axis(1))]
    });
}

/// An outer axis, of squares computed on the way: threads side by side have neighbouring columns.
#[test]
fn reduce_columns() {
    show("reduce_columns", &[(&[40, 8], F32)], |b, x| {
        let squares = b.op(Op::Mul, &[x[0], x[0]], none());
        vec![b.op(Op::ReduceSum, &[squares], axis(0))]
    });
}

/// All of a long vector: segments, then a second kernel.
#[test]
fn reduce_whole() {
    show("reduce_whole", &[(&[100_003], F32)], |b, x| {
        vec![b.op(Op::ReduceMax, &[x[0]], axis(0))]
    });
}

/// The first of the largest.
#[test]
fn argmax() {
    show("argmax", &[(&[6, 10], F32)], |b, x| {
        vec![b.op(Op::ArgMax, &[x[0]], axis(1))]
    });
}

/// Through shared memory, a square at a time.
#[test]
fn transpose() {
    show("transpose", &[(&[70, 66], F32)], |b, x| {
        vec![b.op(Op::Transpose, &[x[0]], none().with("perms", vec![1_i64, 0]))]
    });
}

/// Two pieces of one map.
#[test]
fn concat() {
    show("concat", &[(&[7, 16], F32), (&[7, 8], F32)], |b, x| {
        vec![b.op(Op::Concat, x, axis(1))]
    });
}

/// Windows of a pool, and the gradient of it.
#[test]
fn max_pool() {
    let inputs: [(&[usize], DType); 2] = [(&[1, 5, 5, 4], F32), (&[1, 3, 3, 4], F32)];
    show("max_pool", &inputs, |b, x| {
        let attrs = none()
            .with("kernel", vec![3_i64, 3])
            .with("stride", vec![2_i64, 2])
            .with("pad", vec![1_i64, 1, 1, 1]);
        let pooled = b.op(Op::MaxPool2d, &[x[0]], attrs.clone());
        vec![pooled, b.op(Op::MaxPool2dGrad, &[x[0], x[1]], attrs)]
    });
}

/// In f32 without tensor cores, with what follows in the epilogue.
#[test]
fn matmul() {
    let inputs: [(&[usize], DType); 3] =
        [(&[1, 20, 24], F32), (&[1, 24, 36], F32), (&[1, 1, 36], F32)];
    show("matmul", &inputs, |b, x| {
        let product = b.op(Op::MatMul, &[x[0], x[1]], none());
        vec![b.op(Op::Add, &[product, x[2]], none())]
    });
}

/// Selection by digits in one block.
#[test]
fn threshold() {
    show("threshold", &[(&[99], F32), (&[1], F32)], |b, x| {
        vec![b.op(Op::Threshold, x, none())]
    });
}

/// Selection by digits in many blocks.
#[test]
fn threshold_of_many() {
    show(
        "threshold_of_many",
        &[(&[40_000], F32), (&[1], F32)],
        |b, x| vec![b.op(Op::Threshold, x, none())],
    );
}

/// Two-bit codes from values and back.
#[test]
fn codes() {
    show("codes", &[(&[3, 10], I8), (&[16], I8)], |b, x| {
        let shape = none().with("shape", vec![4_i64, 16]);
        vec![
            b.op(Op::Pack, &[x[0]], none()),
            b.op(Op::Unpack, &[x[1]], shape),
        ]
    });
}
