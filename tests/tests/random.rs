//! The CPU backend on random cases, held against hla-reference, on one thread and on three:
//! contractions, movements and graphs of many extents; and float networks that the passes of a
//! compilation have made ternary.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Function, Op, Tensor, ValueId};
use hla_passes::calibration::Program;
use hla_passes::{Activations, CompileOptions, calibrate, inference_pipeline};
use hla_reference::cases::{Case, random_case, random_network};
use hla_reference::evaluate;
use hla_runtime::ThreadPool;

/// How many cases run.
const CASES: u64 = 360;

/// How many networks run.
const NETWORKS: u64 = 48;

/// The first seed: 0, unless the environment says another.
fn from() -> u64 {
    let seed = std::env::var("RANDOM_FROM").ok();
    seed.and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn run(case: &Case, pool: &ThreadPool) -> Result<(), String> {
    let expected = evaluate(&case.function, &case.inputs).map_err(|e| format!("reference: {e}"))?;
    let program =
        jit(&case.function, &CodegenOptions::default()).map_err(|e| format!("compile: {e}"))?;
    let alone = program
        .run(&case.inputs, None)
        .map_err(|e| format!("run: {e}"))?;
    for (expected, computed) in expected.iter().zip(&alone) {
        case.tolerance.check(expected, computed)?;
    }
    let threaded = program
        .run(&case.inputs, Some(pool))
        .map_err(|e| format!("run: {e}"))?;
    if alone != threaded {
        return Err("three threads give other bits than one".to_owned());
    }
    Ok(())
}

#[test]
fn random_cases_agree_with_the_reference() {
    let pool = ThreadPool::new(3).unwrap();
    let failures: Vec<String> = (from()..from() + CASES)
        .map(random_case)
        .filter_map(|case| {
            let error = run(&case, &pool).err()?;
            Some(format!("{}: {error}\n{}", case.name, case.function))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {CASES} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The network as a compilation leaves it.
fn compiled(network: &Case, activations: Activations) -> Case {
    let samples = network.inputs.clone();
    let options = CompileOptions {
        activations,
        sparsity: 0.6,
        calibrator: Some(Arc::new(move |f: &Function, values: &[ValueId]| {
            let prepare = |f: &Function| -> Result<Program, _> {
                let f = f.clone();
                Ok(Box::new(move |x: &[Tensor]| evaluate(&f, x)))
            };
            calibrate(f, values, std::slice::from_ref(&samples), 100.0, &prepare)
        })),
        ..CompileOptions::default()
    };
    let passes = inference_pipeline(&options).unwrap();
    let function = hla_passes::run(&network.function, &passes, true, &mut |_| {}).unwrap();
    Case {
        function,
        ..network.clone()
    }
}

/// Passes are judged by their own tests; here the backend must compute what they leave.
#[test]
fn compiled_networks_agree_with_the_reference() {
    let pool = ThreadPool::new(3).unwrap();
    let modes = [
        Activations::F32,
        Activations::Int8,
        Activations::DynamicInt8,
    ];
    let mut ternary = 0;
    let mut failures = Vec::new();
    for seed in from()..from() + NETWORKS {
        let network = random_network(seed);
        let case = compiled(&network, modes[seed as usize % 3]);
        ternary += case
            .function
            .nodes
            .iter()
            .filter(|n| n.op == Op::TernaryConv2d)
            .count();
        for case in [&case, &network] {
            let Err(error) = run(case, &pool) else {
                continue;
            };
            failures.push(format!("{}: {error}\n{}", case.name, case.function));
        }
    }
    assert!(ternary as u64 > NETWORKS, "{ternary} ternary layers only");
    assert!(
        failures.is_empty(),
        "{} of {NETWORKS} networks fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
