//! Whole small networks through the pipeline of a compilation: what each pass may change, and how
//! far.

use std::sync::Arc;

use hla_ir::{Attr, Function, Location, Op, Tensor, ValueId};
use hla_passes::calibration::{Program, calibrate};
use hla_passes::{Activations, CompileOptions, inference_pipeline, run};
use hla_reference::evaluate;
use proptest::prelude::*;

use crate::build::{Build, i64s};
use crate::oracle::numbers;

/// One block of a network.
#[derive(Clone, Debug)]
struct Block {
    kernel: usize,
    batch_norm: bool,
    relu: Option<f32>,
    residual: bool,
    pool: bool,
}

fn block() -> impl Strategy<Value = Block> {
    let relu = prop_oneof![Just(None), Just(Some(f32::MAX)), Just(Some(6.0))];
    (
        any::<bool>(),
        any::<bool>(),
        relu,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(wide, batch_norm, relu, residual, pool)| Block {
            kernel: if wide { 3 } else { 1 },
            batch_norm,
            relu,
            residual,
            pool,
        })
}

const CHANNELS: usize = 6;

fn constant(f: &mut Build, shape: &[usize], seed: u64, low: f32, high: f32) -> ValueId {
    let unit = numbers(shape, seed).to_f32s();
    let values: Vec<f32> = unit
        .iter()
        .map(|v| low + (v + 2.0) / 4.0 * (high - low))
        .collect();
    let tensor = Tensor::from_f32s(shape, &values).unwrap();
    f.0.constant(tensor, Location::unknown())
}

fn conv(f: &mut Build, x: ValueId, out: usize, kernel: usize, seed: u64) -> ValueId {
    let inputs = f.0.tensor_ty(x).shape[3];
    let size = 1.5 / ((kernel * kernel * inputs) as f32).sqrt();
    let w = constant(f, &[out, kernel, kernel, inputs], seed, -size, size);
    let b = constant(f, &[out], seed + 1, -0.2, 0.2);
    let attrs = [
        ("pad", i64s(&[kernel as i64 / 2; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    f.op(Op::Conv2d, &[x, w, b], &attrs)
}

fn batch_norm(f: &mut Build, x: ValueId, seed: u64) -> ValueId {
    let shape = [1, 1, 1, CHANNELS];
    let mean = constant(f, &shape, seed, -0.3, 0.3);
    let variance = constant(f, &shape, seed + 1, 0.3, 1.2);
    let gamma = constant(f, &shape, seed + 2, 0.5, 1.5);
    let beta = constant(f, &shape, seed + 3, -0.5, 0.5);
    let eps = f.splat(&[1, 1, 1, 1], 1e-5);
    let var = f.op(Op::Add, &[variance, eps], &[]);
    let rsqrt = f.op(Op::Rsqrt, &[var], &[]);
    let x = f.op(Op::Sub, &[x, mean], &[]);
    let x = f.op(Op::Mul, &[x, rsqrt], &[]);
    let x = f.op(Op::Mul, &[x, gamma], &[]);
    f.op(Op::Add, &[x, beta], &[])
}

fn network(blocks: &[Block], seed: u64) -> Function {
    let mut f = Build::new();
    let x = f.arg(&[1, 8, 8, 3]);
    let mut x = conv(&mut f, x, CHANNELS, 3, seed);
    for (i, block) in blocks.iter().enumerate() {
        let seed = seed + 100 * (i as u64 + 1);
        let mut y = conv(&mut f, x, CHANNELS, block.kernel, seed);
        if block.batch_norm {
            y = batch_norm(&mut f, y, seed + 10);
        }
        if block.residual {
            y = f.op(Op::Add, &[y, x], &[]);
        }
        if let Some(limit) = block.relu {
            let bounds = [("min_val", Attr::F32(0.0)), ("max_val", Attr::F32(limit))];
            y = f.op(Op::Clamp, &[y], &bounds);
        }
        if block.pool && f.0.tensor_ty(y).shape[1] > 2 {
            let two = [
                ("kernel", i64s(&[2, 2])),
                ("stride", i64s(&[2, 2])),
                ("pad", i64s(&[0; 4])),
            ];
            y = f.op(Op::MaxPool2d, &[y], &two);
        }
        x = y;
    }
    let [_, h, w, _] = f.0.tensor_ty(x).shape[..] else {
        unreachable!()
    };
    let rows = f.op(
        Op::Reshape,
        &[x],
        &[("shape", i64s(&[1, (h * w) as i64, CHANNELS as i64]))],
    );
    let w = constant(&mut f, &[1, CHANNELS, 4], seed + 5, -0.5, 0.5);
    let y = f.op(Op::MatMul, &[rows, w], &[]);
    f.results(&[y])
}

/// Root of the mean square of a difference, in terms of the values' own.
fn distance(expected: &Tensor, computed: &Tensor) -> f64 {
    let square = |v: f64| v * v;
    let pairs = expected.iter_f64().zip(computed.iter_f64());
    let error: f64 = pairs.map(|(e, c)| square(e - c)).sum();
    let own: f64 = expected.iter_f64().map(square).sum();
    (error / own.max(1e-12)).sqrt()
}

/// How far a pass may move the result.
fn allowed(pass: &str, activations: Activations) -> f64 {
    let int8 = activations != Activations::F32;
    match pass {
        // Quantization of weights is what this pass is for.
        "hla-ternarize" => f64::INFINITY,
        "hla-freeze" | "hla-eliminate-multiplies" => 1e-5,
        "hla-quantize-activations" if int8 => 0.08,
        // Moving a quantization into an epilogue may turn a rounding the other way.
        "hla-fuse" if int8 => 0.04,
        "hla-fuse" => 1e-5,
        _ => 0.0,
    }
}

fn check(blocks: &[Block], activations: Activations, seed: u64) {
    let f = network(blocks, seed);
    let x = vec![numbers(&[1, 8, 8, 3], seed + 77)];
    let sample = x.clone();
    let options = CompileOptions {
        activations,
        sparsity: 0.6,
        calibrator: Some(Arc::new(move |f: &Function, values: &[ValueId]| {
            let prepare = |f: &Function| -> Result<Program, _> {
                let f = f.clone();
                Ok(Box::new(move |x: &[Tensor]| evaluate(&f, x)))
            };
            calibrate(f, values, std::slice::from_ref(&sample), 100.0, &prepare)
        })),
        ..CompileOptions::default()
    };
    let passes = inference_pipeline(&options).unwrap();
    let new = run(&f, &passes, true, &mut |run| {
        let before = evaluate(run.before, &x).unwrap();
        let after = evaluate(run.after, &x).unwrap();
        let moved = distance(&before[0], &after[0]);
        let limit = allowed(run.pass.name, activations);
        assert!(
            moved <= limit,
            "{} moves the result by {moved}:\n{}{}",
            run.pass.name,
            run.before,
            run.after
        );
    })
    .unwrap();
    let ternary = new
        .nodes
        .iter()
        .filter(|n| n.op == Op::TernaryConv2d)
        .count();
    assert_eq!(ternary, blocks.len(), "{new}");
    let unpacks = new.nodes.iter().filter(|n| n.op == Op::Unpack).count();
    assert_eq!(unpacks, blocks.len(), "{new}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn compile_to_what_their_passes_promise(
        blocks in proptest::collection::vec(block(), 1..5), mode in 0u8..3, seed in 0u64..1000,
    ) {
        let activations = match mode {
            0 => Activations::F32,
            1 => Activations::Int8,
            _ => Activations::DynamicInt8,
        };
        check(&blocks, activations, seed * 1000);
    }
}
