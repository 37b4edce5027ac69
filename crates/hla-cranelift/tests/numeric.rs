//! Every case of the numeric suite, compiled and run on this machine and held against the
//! reference evaluator, alone and on three threads.

use hla_cranelift::{CodegenOptions, jit};
use hla_reference::cases::{Case, cases, odd_cases, training_cases};
use hla_runtime::ThreadPool;

fn run(case: &Case, pool: &ThreadPool) -> Result<(), String> {
    let expected = hla_reference::evaluate(&case.function, &case.inputs)
        .map_err(|e| format!("oracle: {e}"))?;
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
fn native_agrees_with_the_reference() {
    let filter = std::env::var("CASE").unwrap_or_default();
    let pool = ThreadPool::new(3).unwrap();
    let cases: Vec<Case> = [cases(), training_cases(), odd_cases()]
        .concat()
        .into_iter()
        .filter(|c| c.name.contains(&filter))
        .collect();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|c| run(c, &pool).err().map(|e| format!("{}: {e}", c.name)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}
