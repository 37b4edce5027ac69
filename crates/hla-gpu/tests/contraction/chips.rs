//! The contractions of ResNet-18's training, batch 256, assembled for three chips: no register of
//! theirs is spilled.

use std::fmt::Write as _;
use std::process::Command;

use hla_gpu::contraction::{Contraction, Epilogue, Extra, Finish, Kernels};
use hla_gpu::options::Precision;
use hla_gpu::{Body, BodyOp, BodyValue, KernelCode};
use hla_ir::{Attrs, DType, Op, TensorType};

use crate::ptx::compile;

/// A convolution over square images.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Height and width of the input.
    pub size: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pad: usize,
}

impl Shape {
    /// Height and width of the result.
    fn count(self) -> usize {
        (self.size + 2 * self.pad - self.kernel) / self.stride + 1
    }

    /// Attributes of the three contractions. The windows cover the padded input exactly, as TOSA
    /// wants it.
    pub fn attrs(self) -> Attrs {
        let covered = (self.count() - 1) * self.stride + self.kernel;
        let ints = |values: &[usize]| values.iter().map(|&v| v as i64).collect::<Vec<_>>();
        let (before, after) = (self.pad, covered - self.size - self.pad);
        Attrs::new()
            .with("pad", ints(&[before, after, before, after]))
            .with("stride", ints(&[self.stride; 2]))
            .with("dilation", ints(&[1, 1]))
            .with("kernel", ints(&[self.kernel; 2]))
    }
}

/// Size, channels in and out, kernel, stride, padding of each kind of layer of ResNet-18.
const LAYERS: [[usize; 6]; 11] = [
    [224, 3, 64, 7, 2, 3],
    [56, 64, 64, 3, 1, 1],
    [56, 64, 128, 3, 2, 1],
    [55, 64, 128, 1, 2, 0],
    [28, 128, 128, 3, 1, 1],
    [28, 128, 256, 3, 2, 1],
    [27, 128, 256, 1, 2, 0],
    [14, 256, 256, 3, 1, 1],
    [14, 256, 512, 3, 2, 1],
    [13, 256, 512, 1, 2, 0],
    [7, 512, 512, 3, 1, 1],
];

/// relu(sum·scale + residual), with a bias if the op has one.
fn epilogue(finish: Finish, result: &TensorType) -> Epilogue {
    let channels = result.shape[3];
    let extra = |shape: &[usize], dtype, strides| Extra {
        ty: TensorType::new(shape, dtype),
        strides,
        start: 0,
    };
    let mut extras = Vec::new();
    if finish == Finish::Bias {
        extras.push(extra(&[channels], result.dtype, [0, 0, 1]));
    }
    extras.push(extra(&[1, 1, 1, channels], result.dtype, [0, 0, 1]));
    extras.push(extra(&result.shape, result.dtype, [0, channels, 1]));
    let op = |op, a, b| BodyOp {
        op,
        operands: vec![a, b],
        attrs: Attrs::new(),
        dtype: result.dtype,
    };
    let zero = BodyValue::Constant(0.0, result.dtype);
    Epilogue {
        finish,
        extras,
        body: Body {
            inputs: vec![result.dtype; 3],
            ops: vec![
                op(Op::Mul, BodyValue::Input(0), BodyValue::Input(1)),
                op(Op::Add, BodyValue::Op(0), BodyValue::Input(2)),
                op(Op::Maximum, BodyValue::Op(1), zero),
            ],
            results: vec![BodyValue::Op(2)],
        },
    }
}

/// A contraction of a layer.
pub fn contraction(
    batch: usize,
    layer: Shape,
    op: Op,
    attrs: &Attrs,
    dtype: DType,
    precision: Precision,
) -> Contraction<'_> {
    let Shape {
        size,
        inputs,
        outputs,
        kernel,
        ..
    } = layer;
    let count = layer.count();
    let x = TensorType::new([batch, size, size, inputs], dtype);
    let w = TensorType::new([outputs, kernel, kernel, inputs], dtype);
    let g = TensorType::new([batch, count, count, outputs], dtype);
    let (operands, result, finish) = match op {
        Op::Conv2d => ([x, w], g, Finish::Bias),
        Op::Conv2dInputGrad => ([g, w], x, Finish::Sum),
        _ => ([x, g], w, Finish::Sum),
    };
    Contraction {
        op,
        attrs,
        operands,
        transposed: [false; 2],
        packed: None,
        epilogue: match op {
            Op::Conv2dWeightGrad => Epilogue::identity(Finish::Sum, Vec::new(), DType::F32),
            _ => epilogue(finish, &result),
        },
        result,
        precision,
        computes: format!(
            "{op:?} {size}x{size}x{inputs} -> {outputs}, {kernel}x{kernel} / {}",
            layer.stride
        ),
    }
}

/// The kernels of the three contractions of each layer.
pub fn layers(batch: usize, dtype: DType, precision: Precision) -> Vec<KernelCode> {
    let mut kernels = Vec::new();
    for [size, inputs, outputs, kernel, stride, pad] in LAYERS {
        let layer = Shape {
            size,
            inputs,
            outputs,
            kernel,
            stride,
            pad,
        };
        let attrs = layer.attrs();
        for op in [Op::Conv2d, Op::Conv2dInputGrad, Op::Conv2dWeightGrad] {
            let contraction = contraction(batch, layer, op, &attrs, dtype, precision);
            match contraction.kernels().expect("a contraction") {
                Kernels::One(kernel) => kernels.push(kernel),
                Kernels::Two { parts, sum, .. } => kernels.extend([parts, sum]),
            }
        }
    }
    kernels
}

/// The kernels of the ternary layers over whole numbers and tf32, their weights packed.
fn inference(batch: usize) -> Vec<KernelCode> {
    let mut kernels = Vec::new();
    for [size, inputs, outputs, kernel, stride, pad] in &LAYERS[1..] {
        let layer = Shape {
            size: *size,
            inputs: *inputs,
            outputs: *outputs,
            kernel: *kernel,
            stride: *stride,
            pad: *pad,
        };
        let attrs = layer.attrs();
        for dtype in [DType::I8, DType::F32] {
            let forward = contraction(batch, layer, Op::Conv2d, &attrs, dtype, Precision::Tf32);
            let per_channel = Extra {
                ty: TensorType::f32([*outputs]),
                strides: [0, 0, 1],
                start: 0,
            };
            let residual = Extra {
                ty: forward.result.clone(),
                strides: [0, *outputs, 1],
                start: 0,
            };
            let finish = Finish::Ternary {
                residual: Some(0.5),
                min: 0.0,
                max: f32::INFINITY,
            };
            let extras = vec![per_channel.clone(), per_channel, residual];
            let shape = forward.operands[1].shape.clone();
            let bytes = hla_ir::infer::hla::packed_bytes(&shape);
            let ternary = Contraction {
                op: Op::TernaryConv2d,
                operands: [
                    forward.operands[0].clone(),
                    TensorType::new([bytes], DType::I8),
                ],
                packed: Some(shape),
                epilogue: Epilogue::identity(finish, extras, dtype),
                computes: format!("ternary {}", forward.computes),
                ..forward
            };
            match ternary.kernels().expect("a contraction") {
                Kernels::One(kernel) => kernels.push(kernel),
                Kernels::Two { parts, sum, .. } => kernels.extend([parts, sum]),
            }
        }
    }
    kernels
}

/// Registers and spilled bytes of each entry.
fn assemble(ptx: &str, chip: &str, count: usize) -> Vec<(u32, u32)> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("kernels.ptx");
    std::fs::write(&path, ptx).expect("written");
    let program = std::env::var("HLAC_PTXAS").unwrap_or_else(|_| "ptxas".to_owned());
    let arch = format!("-arch={chip}");
    let mut command = Command::new(program);
    command.args([&arch, "-v", "-o", "/dev/null"]).arg(&path);
    let out = command
        .output()
        .expect("ptxas is in PATH or named by HLAC_PTXAS");
    let text = String::from_utf8_lossy(&out.stderr) + String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    let mut found = vec![(0, u32::MAX); count];
    for part in text.split("Compiling entry function 'kernel").skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let number = |before: &str, after: &str| -> u32 {
            let end = part.find(after).expect(after);
            let text = &part[..end];
            let start = text.rfind(before).map_or(0, |at| at + before.len());
            text[start..].trim().parse().expect("a number")
        };
        let spilled = number("stack frame,", "bytes spill stores");
        found[digits.parse::<usize>().expect("a number")] = (number("Used", "registers"), spilled);
    }
    found
}

#[test]
#[ignore = "needs ptxas"]
fn resnet_assembles_without_spills() {
    let mut kernels = Vec::new();
    for (dtype, precision) in [
        (DType::BF16, Precision::F32),
        (DType::F16, Precision::F32),
        (DType::F32, Precision::Tf32),
        (DType::F32, Precision::F32),
    ] {
        kernels.extend(layers(256, dtype, precision));
    }
    kernels.extend(inference(64));
    let only = std::env::var("ONLY").unwrap_or_default();
    kernels.retain(|kernel| kernel.computes.contains(&only));
    let (mut spilled, mut table) = (Vec::new(), String::new());
    for kernels in kernels.chunks(24) {
        let all: Vec<&KernelCode> = kernels.iter().collect();
        let ptx = compile(&all);
        for chip in ["sm_80", "sm_90", "sm_100"] {
            let found = assemble(&ptx, chip, kernels.len());
            for (kernel, (registers, bytes)) in kernels.iter().zip(found) {
                let row = format!(
                    "{chip} {:3} registers, {:6} bytes shared, {:7} blocks of {}: {}",
                    registers,
                    kernel.shared_bytes,
                    kernel.grid[0],
                    kernel.block[0],
                    kernel.computes
                );
                let _ = writeln!(table, "{row}");
                if bytes > 0 {
                    spilled.push(format!("{bytes} bytes spilled: {row}"));
                }
            }
        }
    }
    println!("{table}");
    assert!(spilled.is_empty(), "{}", spilled.join("\n"));
}
