//! Time of a training step of ResNet-8 (`examples/cluttered`) or the digit classifier, and of each
//! of its kernels.
//!
//! `cargo run --release -p hla-cranelift --example training_speed [MODEL] [STEP] [BATCH] [THREADS]`

#[path = "../tests/models/mod.rs"]
mod models;

use std::time::{Duration, Instant};

use hla_cranelift::{CodegenOptions, jit_step};
use hla_ir::{Diagnostic, Location, Tensor};
use hla_passes::training::{TrainingOptions, build};
use hla_runtime::{StepProgram, ThreadPool};

fn main() -> Result<(), Diagnostic> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &'static str| args.get(i).map_or(default, |a| a.as_str());
    let number = |i: usize, default: &'static str| arg(i, default).parse().unwrap_or(1);
    let batch = number(2, "64");
    let model = match arg(0, "resnet8") {
        "digits" => models::digits(batch),
        _ => models::resnet8(batch),
    };
    let graphs = build(&model, &TrainingOptions::default()).map_err(|mut e| {
        e.pop()
            .unwrap_or_else(|| Diagnostic::error(Location::unknown(), "no graphs"))
    })?;
    let function = match arg(1, "ternary") {
        "float" => &graphs.float_step,
        "finetune" => &graphs.finetune_step,
        "evaluate" => &graphs.evaluate,
        _ => &graphs.ternary_step,
    };
    let start = Instant::now();
    let mut step = jit_step(function, &CodegenOptions::default())?;
    println!("compiled in {:.2?}", start.elapsed());
    let mut state = models::state(&graphs.state);
    let inputs = models::inputs(function);
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (&**n, t)).collect();
    let threads = number(3, "1");
    let pool = ThreadPool::new(threads)?;
    let pool = (threads > 1).then_some(&pool);
    const STEPS: usize = 40;
    let mut times = Vec::new();
    for _ in 0..STEPS {
        let start = Instant::now();
        step.step(&mut state, &inputs, pool)?;
        times.push(start.elapsed());
    }
    let mut kernels = vec![Duration::MAX; step.report().kernels.len()];
    for _ in 0..STEPS {
        let profile = step.profile(&mut state, &inputs, pool)?;
        for (least, time) in kernels.iter_mut().zip(profile) {
            *least = time.min(*least);
        }
    }
    let report = step.report();
    let mut order: Vec<usize> = (0..kernels.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(kernels[i]));
    for &i in order.iter().take(number(4, "50")) {
        let kernel = &report.kernels[i];
        let computes: String = kernel.computes.chars().take(150).collect();
        let shared = if kernel.shared { "shared" } else { "" };
        println!(
            "{:9.1?} {:24} {} [{}] {shared} {}",
            kernels[i], kernel.symbol, computes, kernel.strategy, kernel.items
        );
    }
    times.sort();
    println!(
        "{} kernels, sum of their best {:.2?}; step: best {:.2?}, median {:.2?}; workspace {} KB",
        kernels.len(),
        kernels.iter().sum::<Duration>(),
        times[0],
        times[STEPS / 2],
        report.workspace_bytes / 1024
    );
    for note in &report.notes {
        println!("{note}");
    }
    Ok(())
}
