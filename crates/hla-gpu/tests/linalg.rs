//! Programs for a GPU in their linalg form: every case of the numeric suite is lowered to kernels and
//! a launch plan, and what the kernels say in linalg is run by `mlir-runner-22` over the planned
//! memory and compared with the reference.

use hla_gpu::{GpuOptions, Lowered, lower_program};
use hla_ir::{Function, Op};
use hla_reference::cases::{Case, cases, odd_cases, random_case, random_network, training_cases};
use hla_reference::{Tolerance, evaluate};
use hla_runtime::plan::{DeviceProgram, Kernel, check};
use hlac_tests::upstream::Upstream;

/// How many functions share a program.
const BATCH: usize = 40;

/// How many random cases and networks are run besides the suite.
const RANDOM: u64 = 60;

/// Cases in which the CPU computes something else than the reference, and why.
const DIFFERS: &[(&str, &str)] = &[(
    "cast_f32_bf16_special",
    "the conversion on x86 flushes denormals to zero",
)];

/// How near a result must be: a ternary sum over f32 is in the order of its taps here, not in that
/// which its declaration states.
fn tolerance(case: &Case) -> Tolerance {
    let sums = case.function.nodes.iter().any(|node| {
        matches!(node.op, Op::TernaryConv2d | Op::TernaryMatMul)
            && case.function.tensor_ty(node.operands[0]).dtype.is_float()
    });
    match sums && case.tolerance == Tolerance::Exact {
        true => Tolerance::Relative {
            rtol: 2e-6,
            atol: 2e-5,
        },
        false => case.tolerance,
    }
}

/// Checks the plan of a program whose kernels are entries without code.
fn check_plan(program: &Lowered) -> Result<(), String> {
    let mut module = String::new();
    let mut kernels = Vec::new();
    for (i, (code, types)) in program.kernels.iter().zip(&program.arguments).enumerate() {
        let parameters: Vec<String> = (0..types.len())
            .map(|p| format!(".param .u64 p{p}"))
            .collect();
        module.push_str(&format!(".entry k{i}({})\n", parameters.join(", ")));
        kernels.push(Kernel {
            entry: format!("k{i}"),
            module: 0,
            block: code.block,
            shared_bytes: code.shared_bytes,
            computes: code.computes.clone(),
        });
    }
    let program = DeviceProgram {
        chip: "sm_80".to_owned(),
        precision: "tf32".to_owned(),
        producer: "test".to_owned(),
        modules: vec![module],
        kernels,
        constants: program.constants.clone(),
        functions: program.functions.clone(),
        driver: None,
    };
    check(&program).map_err(|e| e.to_string())
}

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
        .and_then(|program| {
            check_plan(&program)?;
            upstream.run_lowered(&program, &inputs)
        });
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
        let expected = match evaluate(&case.function, &case.inputs) {
            Ok(expected) => expected,
            Err(error) => {
                wrong.push(format!("{}: oracle: {error}", case.name));
                continue;
            }
        };
        assert_eq!(expected.len(), computed.len());
        let mut pairs = expected.iter().zip(&computed);
        let tolerance = tolerance(case);
        let checked = pairs.try_for_each(|(e, c)| tolerance.check(e, c));
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
        .chain(odd_cases())
        .chain(random)
        .filter(|c| c.name.contains(&filter))
        .collect();
    let count = all.len();
    let mut wrong = Vec::new();
    for batch in all.chunks(BATCH) {
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
