//! The numeric cases of training, compiled and run on this machine and held against the reference,
//! alone and on several threads.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::Op;
use hla_reference::cases::{Case, training_cases};
use hla_runtime::ThreadPool;

/// The contractions among the ops of training.
const CONTRACTIONS: [Op; 4] = [
    Op::Conv2dInputGrad,
    Op::Conv2dWeightGrad,
    Op::DepthwiseConv2dInputGrad,
    Op::DepthwiseConv2dWeightGrad,
];

fn run(case: &Case, pools: &[ThreadPool]) -> Result<(), String> {
    let expected = hla_reference::evaluate(&case.function, &case.inputs)
        .map_err(|e| format!("oracle: {e}"))?;
    let program =
        jit(&case.function, &CodegenOptions::default()).map_err(|e| format!("compile: {e}"))?;
    let run = |pool| program.run(&case.inputs, pool);
    let alone = run(None).map_err(|e| format!("run: {e}"))?;
    for (expected, computed) in expected.iter().zip(&alone) {
        case.tolerance.check(expected, computed)?;
    }
    for pool in pools {
        if alone != run(Some(pool)).map_err(|e| format!("run: {e}"))? {
            return Err("more threads give other bits than one".to_owned());
        }
    }
    Ok(())
}

#[test]
fn gradients_of_contractions_agree_with_the_reference() {
    let filter = std::env::var("CASE").unwrap_or_default();
    let pools = [2, 3, 7].map(|threads| ThreadPool::new(threads).unwrap());
    let contracts = |c: &Case| {
        c.function
            .nodes
            .iter()
            .any(|n| CONTRACTIONS.contains(&n.op))
    };
    let cases: Vec<Case> = training_cases()
        .into_iter()
        .filter(|c| contracts(c) && c.name.contains(&filter))
        .collect();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|c| run(c, &pools).err().map(|e| format!("{}: {e}", c.name)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    assert!(cases.len() > 40 || !filter.is_empty());
}
