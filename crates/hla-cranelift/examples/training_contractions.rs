//! Speed of the contractions of a training step: forward with weights as argument, gradient by the
//! input, gradient by the weight, in billions of multiply-accumulates a second, one thread.
//!
//! `cargo run -p hla-cranelift --example training_contractions [FILTER]`; PyTorch beside it:
//! `python benches/peers/training_contractions.py [FILTER]`.

use std::time::Instant;

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Arg, Attrs, Diagnostic, Function, Location, Op, Tensor, TensorType};

/// A layer: name, batch, extent, input and output channels, kernel, stride.
struct Layer(&'static str, [usize; 6]);

const LAYERS: [Layer; 22] = [
    Layer("cluttered 1-8 32²", [128, 32, 1, 8, 3, 1]),
    Layer("cluttered 8-16 32²/2", [128, 32, 8, 16, 3, 2]),
    Layer("cluttered 16-16 16²", [128, 16, 16, 16, 3, 1]),
    Layer("cluttered 8-16 1x1 32²/2", [128, 32, 8, 16, 1, 2]),
    Layer("cluttered 16-32 16²/2", [128, 16, 16, 32, 3, 2]),
    Layer("cluttered 32-32 8²", [128, 8, 32, 32, 3, 1]),
    Layer("cluttered 32-64 8²/2", [128, 8, 32, 64, 3, 2]),
    Layer("cluttered 64-64 4²", [128, 4, 64, 64, 3, 1]),
    Layer("resnet8 1-16 32²", [64, 32, 1, 16, 3, 1]),
    Layer("resnet8 3-16 32²", [64, 32, 3, 16, 3, 1]),
    Layer("resnet8 16-16 32²", [64, 32, 16, 16, 3, 1]),
    Layer("resnet8 16-32 32²/2", [64, 32, 16, 32, 3, 2]),
    Layer("resnet8 32-32 16²", [64, 16, 32, 32, 3, 1]),
    Layer("resnet8 32-64 16²/2", [64, 16, 32, 64, 3, 2]),
    Layer("resnet8 64-64 8²", [64, 8, 64, 64, 3, 1]),
    Layer("resnet8 16-32 1x1 32²/2", [64, 32, 16, 32, 1, 2]),
    Layer("resnet8 128x 16-16 32²", [128, 32, 16, 16, 3, 1]),
    Layer("digits 1-16 8²", [64, 8, 1, 16, 3, 1]),
    Layer("digits 16-32 8²", [64, 8, 16, 32, 3, 1]),
    Layer("digits 32-32 4²", [64, 4, 32, 32, 3, 1]),
    Layer("resnet18 128-128 28²", [2, 28, 128, 128, 3, 1]),
    Layer("resnet18 512-512 7²", [4, 7, 512, 512, 3, 1]),
];

fn values(ty: &TensorType) -> Result<Tensor, Diagnostic> {
    let values: Vec<f32> = (0..ty.elements())
        .map(|i| ((i * 7919) % 255) as f32 / 128.0 - 1.0)
        .collect();
    Tensor::from_f32s(&*ty.shape, &values).map_err(|m| Diagnostic::error(Location::unknown(), m))
}

/// How often, and for how many seconds, an op is run. Linux counts computed time in steps of 4 ms.
const ROUNDS: u64 = 4;
const ROUND: f64 = 0.08;

/// Seconds that this thread has computed, so that other programs on the machine count little.
fn now(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let computed = stat.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    computed.map_or_else(|| start.elapsed().as_secs_f64(), |n| n / 1e9)
}

/// Seconds that one op takes at best.
fn measure(op: Op, operands: [&[usize]; 2], bias: usize, attrs: Attrs) -> Result<f64, Diagnostic> {
    let mut function = Function::new("main");
    let mut shapes: Vec<&[usize]> = operands.to_vec();
    let extent = [bias];
    if op == Op::Conv2d {
        shapes.push(&extent);
    }
    let types: Vec<TensorType> = shapes.into_iter().map(TensorType::f32).collect();
    let inputs: Vec<Tensor> = types.iter().map(values).collect::<Result<_, _>>()?;
    let args: Vec<_> = types
        .into_iter()
        .map(|ty| function.add_arg(Arg::new(ty)))
        .collect();
    let result = function.push(op, &args, attrs, Location::unknown())?;
    function.results.push(result);
    let program = jit(&function, &CodegenOptions::default())?;
    let mut workspace = program.workspace()?;
    let mut best = f64::INFINITY;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let before = now(start);
        for run in 1.. {
            program.run_in(&inputs, &mut workspace, None)?;
            let computed = now(start) - before;
            if computed > ROUND {
                best = best.min(computed / f64::from(run));
                break;
            }
        }
    }
    Ok(best)
}

fn main() -> Result<(), Diagnostic> {
    let filter = std::env::args().nth(1).unwrap_or_default();
    println!(
        "{:26} {:>16} {:>16} {:>16}   GMAC/s (ms)",
        "", "forward", "by input", "by weight"
    );
    for Layer(name, [n, extent, ic, oc, kernel, stride]) in LAYERS {
        if !name.contains(&filter) {
            continue;
        }
        let output = extent / stride;
        let reach = (output - 1) * stride + kernel;
        let pad = reach.saturating_sub(extent) as i64;
        let (before, after) = ((pad + 1) / 2, pad / 2);
        // What the window does not cover is cut off.
        let extent = (reach - pad as usize).min(extent);
        let pads = vec![before, after, before, after];
        let x: &[usize] = &[n, extent, extent, ic];
        let w: &[usize] = &[oc, kernel, kernel, ic];
        let y: &[usize] = &[n, output, output, oc];
        let attrs = Attrs::new()
            .with("pad", pads)
            .with("stride", vec![stride as i64; 2])
            .with("dilation", vec![1i64; 2]);
        let shape: Vec<i64> = x.iter().map(|&e| e as i64).collect();
        let by_input = attrs.clone().with("input_shape", shape);
        let by_weight = attrs.clone().with("kernel", vec![kernel as i64; 2]);
        let seconds = [
            measure(Op::Conv2d, [x, w], oc, attrs)?,
            measure(Op::Conv2dInputGrad, [y, w], oc, by_input)?,
            measure(Op::Conv2dWeightGrad, [x, y], oc, by_weight)?,
        ];
        let products = (n * output * output * oc * kernel * kernel * ic) as f64;
        let cells = seconds.map(|s| format!("{:6.1} ({:7.3})", products / s / 1e9, s * 1e3));
        println!(
            "{name:26} {:>16} {:>16} {:>16}",
            cells[0], cells[1], cells[2]
        );
    }
    Ok(())
}
