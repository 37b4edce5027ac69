//! Launch plans keep the rules of [`hla_runtime::plan`]: no live buffers overlap, nothing is read
//! before it was written, nothing reaches beyond its place.

use hla_gpu::{GpuOptions, Lowered, lower};
use hla_ir::{Diagnostic, Function};
use hla_reference::cases::{cases, odd_cases, random_case, random_network, training_cases};
use hla_runtime::plan::{Command, check};

fn checked(lowered: &Lowered) -> Result<(), Diagnostic> {
    let kernels: Vec<(&str, usize)> = (lowered.kernels.iter().map(|k| &*k.computes))
        .zip(lowered.arguments.iter().map(Vec::len))
        .collect();
    let constants = lowered.constants.len() as u64;
    check::functions(&lowered.functions, &kernels, constants)
}

/// Checks the plans of functions; what has no kernels is left out. Gives how many were checked, and
/// how many launches are in them.
fn check_all<'f>(functions: impl Iterator<Item = (String, &'f Function)>) -> (usize, usize) {
    let (mut count, mut launches) = (0, 0);
    let mut wrong = Vec::new();
    for (name, function) in functions {
        let Ok(lowered) = lower(function, &GpuOptions::default()) else {
            continue;
        };
        let commands = lowered.functions.iter().flat_map(|f| &f.commands);
        launches += commands
            .filter(|c| matches!(c, Command::Launch { .. }))
            .count();
        count += 1;
        if let Err(error) = checked(&lowered) {
            wrong.push(format!("{name}: {}", error.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    (count, launches)
}

#[test]
fn of_the_numeric_suite() {
    let cases = [cases(), training_cases(), odd_cases()].concat();
    let functions = cases.iter().map(|c| (c.name.to_string(), &c.function));
    let (count, launches) = check_all(functions);
    assert!(count > 100 && launches > count, "{count} {launches}");
}

#[test]
fn of_random_functions() {
    let cases: Vec<_> = (0..300)
        .map(random_case)
        .chain((0..300).map(random_network))
        .collect();
    let functions = cases.iter().map(|c| (c.name.to_string(), &c.function));
    let (count, launches) = check_all(functions);
    assert!(count > 100 && launches > count, "{count} {launches}");
}
