//! The numeric suite is sound: every case verifies and evaluates, and no op is left out.

use std::collections::HashSet;

use hla_ir::ops::OPS;
use hla_ir::{Op, verify};
use hla_reference::cases::{cases, random_case, training_cases};
use hla_reference::{Tolerance, evaluate};

#[test]
fn every_case_evaluates() {
    for case in cases().into_iter().chain(training_cases()) {
        verify::verify(&case.function).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let results =
            evaluate(&case.function, &case.inputs).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(results.len(), case.function.results.len(), "{}", case.name);
        for (id, result) in case.function.results.iter().zip(&results) {
            assert_eq!(case.function.tensor_ty(*id), result.ty(), "{}", case.name);
        }
    }
}

#[test]
fn every_op_has_a_case() {
    let used: HashSet<Op> = cases()
        .iter()
        .chain(&training_cases())
        .flat_map(|case| case.function.nodes.iter().map(|node| node.op))
        .collect();
    let missing: Vec<Op> = OPS
        .iter()
        .map(|d| d.op)
        .filter(|op| *op != Op::Opaque && !used.contains(op))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn names_are_unique_and_cases_reproducible() {
    let all = || [cases(), training_cases()].concat();
    let (first, second) = (all(), all());
    let names: HashSet<&str> = first.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names.len(), first.len());
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a.function, b.function);
        assert_eq!(a.inputs, b.inputs);
    }
}

/// A case whose results are all zero, one or saturated would let a wrong backend pass.
#[test]
fn results_say_something() {
    for case in cases()
        .iter()
        .filter(|c| c.name.starts_with("ternary_") || c.name.starts_with("network_"))
    {
        if case.name.contains("all_zero")
            || case.name.contains("1x1x1x1")
            || case.name.contains("_one_")
        {
            continue;
        }
        for result in evaluate(&case.function, &case.inputs).unwrap() {
            let values: HashSet<u64> = result.iter_f64().map(f64::to_bits).collect();
            let bound = result.ty().elements().min(2);
            assert!(
                values.len() >= bound,
                "{}: {} distinct values",
                case.name,
                values.len()
            );
        }
    }
}

/// Cases held to the bit must not depend on the order of summation where the order is free.
#[test]
fn exact_contractions_sum_without_rounding() {
    for case in cases().iter().filter(|c| c.tolerance == Tolerance::Exact) {
        let float = case.function.nodes.iter().any(|n| {
            matches!(
                n.op,
                Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d | Op::MatMul | Op::ReduceSum
            )
        });
        if !float || case.name.starts_with("network_") {
            continue;
        }
        for result in evaluate(&case.function, &case.inputs).unwrap() {
            if result.dtype() == hla_ir::DType::F32 {
                for v in result.iter_f64() {
                    assert!(
                        (v * 16.0).fract() == 0.0 && v.abs() < 4096.0,
                        "{}: {v}",
                        case.name
                    );
                }
            }
        }
    }
}

#[test]
fn random_cases_evaluate() {
    let mut used = HashSet::new();
    for seed in 0..600 {
        let case = random_case(seed);
        used.extend(case.function.nodes.iter().map(|n| n.op));
        let results = evaluate(&case.function, &case.inputs);
        results.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(case.function, random_case(seed).function);
    }
    assert!(used.len() > 20, "{used:?}");
}
