//! The numeric suite through the whole backend for GPUs: kernels, PTX, launch plan, and a device that
//! is the emulator of PTX. `HLAC_SUITE=all` runs every case instead of one in [`SAMPLE`]; `CASE=name`
//! those whose names contain it.

use std::collections::BTreeSet;

use hla_gpu::{GpuOptions, Lowered, Precision, lower, lower_program};
use hla_ir::{Function, Op};
use hla_mlir::gpu::{Chip, program};
use hla_reference::Tolerance;
use hla_reference::cases::{Case, cases, training_cases};
use hla_runtime::plan::DeviceProgram;
use hla_runtime::{DeviceSession, Executable};
use ptx_emulator::{Emulator, Options};

/// Of so many cases one is run.
const SAMPLE: usize = 8;

/// Functions of a program: they share kernels, and the time that a module of PTX costs.
const TOGETHER: usize = 16;

/// Ops that have no kernel for GPUs, in the words of the refusal.
const REFUSED: [&str; 0] = [];

/// In f32, so that sums are those of the reference up to their order.
fn options() -> GpuOptions {
    GpuOptions {
        precision: Precision::F32,
        ..GpuOptions::default()
    }
}

fn compiled(lowered: &Lowered) -> Result<DeviceProgram, String> {
    program(lowered, Chip::DEFAULT, "f32", "test").map_err(|e| format!("PTX: {e:?}"))
}

/// All cases, and which of them are run.
fn wanted() -> Vec<(Case, bool)> {
    let filter = std::env::var("CASE").ok();
    let all = std::env::var("HLAC_SUITE").is_ok_and(|v| v == "all");
    [cases(), training_cases()]
        .concat()
        .into_iter()
        .enumerate()
        .map(|(i, case)| {
            let runs = match &filter {
                Some(filter) => case.name.contains(filter),
                None => all || i % SAMPLE == 0,
            };
            (case, runs)
        })
        .collect()
}

fn run(session: &DeviceSession, case: &Case) -> Result<(), String> {
    let expected = hla_reference::evaluate(&case.function, &case.inputs)
        .map_err(|e| format!("oracle: {e}"))?;
    let step = session.function(&case.function.name);
    let step = step.map_err(|e| format!("session: {e}"))?;
    let results = step
        .run(&case.inputs, None)
        .map_err(|e| format!("run: {e}"))?;
    for (expected, computed) in expected.iter().zip(&results) {
        tolerance(case).check(expected, computed)?;
    }
    Ok(())
}

/// As the case says, but that a sum of floats over ternary weights, whose order is given, has the
/// order of the tile on a GPU.
fn tolerance(case: &Case) -> Tolerance {
    let sums = case.function.nodes.iter().any(|node| {
        let float = |v: &hla_ir::ValueId| case.function.tensor_ty(*v).dtype.is_float();
        matches!(node.op, Op::TernaryConv2d | Op::TernaryMatMul) && float(&node.operands[0])
    });
    match case.tolerance {
        Tolerance::Exact if sums => Tolerance::Relative {
            rtol: 1e-5,
            atol: 1e-5,
        },
        other => other,
    }
}

/// Runs cases as functions of one program; gives what fails.
fn together(cases: &[Case]) -> Vec<String> {
    let functions: Vec<Function> = cases.iter().map(|c| c.function.clone()).collect();
    let session = lower_program(&functions, &options())
        .map_err(|e| format!("lowering: {e}"))
        .and_then(|lowered| compiled(&lowered))
        .and_then(|program| {
            let device = Box::new(Emulator::new(Options::default()));
            DeviceSession::new(device, program).map_err(|e| format!("session: {e}"))
        });
    match session {
        Ok(session) => cases
            .iter()
            .filter_map(|case| {
                run(&session, case)
                    .err()
                    .map(|e| format!("{}: {e}", case.name))
            })
            .collect(),
        // Who it was is found one by one.
        Err(_) if cases.len() > 1 => cases.chunks(1).flat_map(together).collect(),
        Err(error) => vec![format!("{}: {error}", cases[0].name)],
    }
}

#[test]
fn ptx_agrees_with_the_reference() {
    let mut refused = BTreeSet::new();
    let mut lowered = Vec::new();
    for (case, runs) in wanted() {
        match lower(&case.function, &options()) {
            Ok(_) if runs => lowered.push(case),
            Ok(_) => {}
            Err(error) => {
                let op = error.message.split('\'').nth(1).unwrap_or_default();
                refused.insert(op.to_owned());
            }
        }
    }
    let failures: Vec<String> = lowered.chunks(TOGETHER).flat_map(together).collect();
    assert!(
        failures.is_empty(),
        "{} cases were run, of which {} fail:\n{}",
        lowered.len(),
        failures.len(),
        failures.join("\n")
    );
    let expected = REFUSED.iter().map(|&op| op.to_owned());
    assert_eq!(refused, expected.collect::<BTreeSet<String>>());
}

/// Kernels that share memory, without their barriers: the device must see it.
#[test]
fn without_barriers_nothing_passes() {
    let mut tried = 0;
    for case in [cases(), training_cases()].concat() {
        if ![
            "matmul_f32_1x8x16x16",
            "conv2d_f32_3x3",
            "reduce_sum_f32_large",
        ]
        .contains(&&*case.name)
        {
            continue;
        }
        let lowered = lower(&case.function, &options()).unwrap();
        let mut program = compiled(&lowered).unwrap();
        let attempt = |program: &DeviceProgram| {
            let device = Box::new(Emulator::new(Options::default()));
            let session = DeviceSession::new(device, program.clone()).unwrap();
            run(&session, &case)
        };
        attempt(&program).unwrap();
        let mut barriers = 0;
        for module in &mut program.modules {
            barriers += module.matches("bar.sync").count();
            let lines = module.lines().filter(|line| !line.contains("bar.sync"));
            *module = lines.map(|line| format!("{line}\n")).collect();
        }
        if barriers > 0 {
            tried += 1;
            attempt(&program).unwrap_err();
        }
    }
    assert!(tried >= 2);
}
