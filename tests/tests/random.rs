//! The CPU backend on random cases: contractions, movements and graphs of many extents, held
//! against hla-reference, on one thread and on three.

use hla_cranelift::{CodegenOptions, jit};
use hla_reference::cases::{Case, random_case};
use hla_runtime::ThreadPool;

/// How many cases run, beginning with seed `RANDOM_FROM` (0 unless the environment sets it).
const CASES: u64 = 360;

fn run(case: &Case, pool: &ThreadPool) -> Result<(), String> {
    let expected = hla_reference::evaluate(&case.function, &case.inputs)
        .map_err(|e| format!("reference: {e}"))?;
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
    let from = std::env::var("RANDOM_FROM")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    let pool = ThreadPool::new(3).unwrap();
    let failures: Vec<String> = (from..from + CASES)
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
