//! Programs for a GPU in their linalg form: every case of the numeric suite is lowered to kernels and
//! a launch plan, and what the kernels say in linalg is run by `mlir-runner-22` over the planned
//! memory and compared with the reference.

use hla_gpu::{GpuOptions, lower, lower_program};
use hla_ir::decompose::decompose;
use hla_ir::{Function, Op};
use hla_reference::cases::{Case, cases, random_case, random_network, training_cases};
use hla_reference::evaluate;
use hlac_tests::upstream::Upstream;

/// How many functions share a program.
const BATCH: usize = 40;

/// How many random cases and networks are run besides the suite.
const RANDOM: u64 = 60;

/// Ops that have no kernel yet; cases with one of them are not run.
const WITHOUT_KERNEL: &[Op] = &[
    Op::Conv2d,
    Op::DepthwiseConv2d,
    Op::TransposeConv2d,
    Op::MatMul,
    Op::Conv2dInputGrad,
    Op::Conv2dWeightGrad,
    Op::DepthwiseConv2dInputGrad,
    Op::DepthwiseConv2dWeightGrad,
    Op::TernaryConv2d,
    Op::TernaryMatMul,
    Op::AvgPool2d,
    Op::MaxPool2d,
    Op::AvgPool2dGrad,
    Op::MaxPool2dGrad,
    Op::ReduceSum,
    Op::ReduceMax,
    Op::ReduceMin,
    Op::ReduceProduct,
    Op::ArgMax,
    Op::Threshold,
    Op::ScatterAdd,
    Op::DynamicQuantize,
    Op::Ternarize,
    Op::Pack,
    Op::Unpack,
];

/// Cases in which the CPU computes something else than the reference, and why.
const DIFFERS: &[(&str, &str)] = &[(
    "cast_f32_bf16_special",
    "the conversion on x86 flushes denormals to zero",
)];

/// Runs cases in one program; gives what is wrong with each.
fn run(upstream: &Upstream, cases: &[Case]) -> Vec<String> {
    let functions: Vec<Function> = cases
        .iter()
        .enumerate()
        .map(|(i, case)| {
            let mut function = case.function.clone();
            function.name = format!("case{i}");
            function
        })
        .collect();
    let inputs: Vec<&[_]> = cases.iter().map(|c| &c.inputs[..]).collect();
    let computed = lower_program(&functions, &GpuOptions::default())
        .map_err(|e| e.to_string())
        .and_then(|program| upstream.run_lowered(&program, &inputs));
    let computed = match computed {
        Ok(computed) => computed,
        // Which of them it is, each by itself says.
        Err(_) if cases.len() > 1 => {
            return cases
                .iter()
                .flat_map(|case| run(upstream, std::slice::from_ref(case)))
                .collect();
        }
        Err(error) => return vec![format!("{}: {error}", cases[0].name)],
    };
    let mut wrong = Vec::new();
    for (case, computed) in cases.iter().zip(computed) {
        let expected = evaluate(&case.function, &case.inputs).unwrap();
        assert_eq!(expected.len(), computed.len());
        let pairs = expected.iter().zip(&computed);
        let checked: Result<(), String> = pairs.map(|(e, c)| case.tolerance.check(e, c)).collect();
        let differs = DIFFERS.iter().find(|(name, _)| *name == case.name);
        match (checked, differs) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(_)) => wrong.push(format!("{}: is right, against the list", case.name)),
            (Err(error), None) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    wrong
}

#[test]
fn linalg_agrees_with_the_reference() {
    let upstream = Upstream::find().unwrap();
    let filter = std::env::var("CASE").unwrap_or_default();
    let random = (0..RANDOM).flat_map(|seed| [random_case(seed), random_network(seed)]);
    let all: Vec<Case> = cases()
        .into_iter()
        .chain(training_cases())
        .chain(random)
        .filter(|c| c.name.contains(&filter))
        .collect();
    // Only for want of a kernel may a case be refused, and what is refused is what the list says.
    let mut wrong = Vec::new();
    let mut lowered = Vec::new();
    for case in all {
        let lacks = decompose(&case.function)
            .unwrap()
            .nodes
            .iter()
            .any(|node| WITHOUT_KERNEL.contains(&node.op));
        match lower(&case.function, &GpuOptions::default()) {
            Ok(_) if !lacks => lowered.push(case),
            Err(_) if lacks => {}
            Ok(_) => wrong.push(format!("{}: can be lowered, against the list", case.name)),
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    let count = lowered.len();
    for batch in lowered.chunks(BATCH) {
        wrong.extend(run(&upstream, batch));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases fail:\n{}",
        wrong.len(),
        count,
        wrong.join("\n")
    );
}
