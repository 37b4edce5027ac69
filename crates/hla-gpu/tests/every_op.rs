//! Every op has a kernel.

use std::collections::BTreeSet;

use hla_gpu::{GpuOptions, lower};
use hla_ir::Op;
use hla_ir::ops::OPS;
use hla_reference::cases::{cases, random_case, random_network, training_cases};

/// Ops that have none.
const REFUSED: [Op; 1] = [Op::Opaque];

#[test]
fn every_op_has_a_kernel() {
    let random = (0..100).flat_map(|seed| [random_case(seed), random_network(seed)]);
    let mut lowered = BTreeSet::new();
    for case in cases().into_iter().chain(training_cases()).chain(random) {
        if let Err(error) = lower(&case.function, &GpuOptions::default()) {
            panic!("{}: {error}", case.name);
        }
        lowered.extend(case.function.nodes.iter().map(|node| node.op.def().name));
    }
    let all = OPS.iter().filter(|def| !REFUSED.contains(&def.op));
    let missing: Vec<&str> = all
        .map(|def| def.name)
        .filter(|name| !lowered.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case has {}", missing.join(", "));
}
