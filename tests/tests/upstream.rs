//! hla-reference held against upstream's own lowering of TOSA: every case of the numeric suite is
//! lowered by `mlir-opt-22`, run by `mlir-runner-22`, and compared. Cases with hla ops are compared
//! in their TOSA form.

use hla_ir::{DType, Function, Tensor};
use hla_reference::cases::{Case, cases, random_case, training_cases};
use hla_reference::{Tolerance, evaluate};
use hlac_tests::gradient_form::gradient_form;
use hlac_tests::tosa_form::tosa_form;
use hlac_tests::upstream::{Call, Upstream};

/// How many functions share a program: large enough to pay for the processes, small enough that a
/// failure is found again quickly.
const BATCH: usize = 40;

/// How many random cases are held against upstream besides the suite.
const RANDOM: u64 = 120;

/// Why a case is not held against upstream.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Exception {
    /// Upstream has no lowering for it.
    Refused(&'static str),
    /// Upstream computes something else.
    Differs(&'static str),
}
use Exception::{Differs, Refused};

/// Every exception. One that no longer holds fails the test.
const EXCEPTIONS: &[(&str, Exception)] = &[
    (
        "cast_f16_bf16",
        Refused("lowered to an arith.truncf between types of one width"),
    ),
    (
        "cast_bf16_f16",
        Refused("lowered to an arith.truncf between types of one width"),
    ),
    (
        "cast_f32_i32_special",
        Differs("TOSA leaves a NaN's integer open; upstream gives the largest"),
    ),
    (
        "cast_f32_i64_special",
        Differs("TOSA leaves a NaN's integer open; upstream gives the largest"),
    ),
    (
        "cast_f32_bf16_special",
        Differs("the conversion on x86 flushes denormals to zero"),
    ),
];

/// hla ops without a TOSA form; `ternary.rs`, `training.rs` and `fixtures.rs` of
/// crates/hla-reference/tests/all work them by hand or hold them against PyTorch.
const BY_HAND: [&str; 6] = [
    "pack_",
    "unpack_",
    "ternarize_",
    "dynamic_quantize",
    "threshold_",
    "max_pool2d_grad",
];

/// What is asked of upstream for a case.
struct Question {
    case: Case,
    /// The function itself, or its TOSA form.
    function: Function,
    tolerance: Tolerance,
}

fn exception(name: &str) -> Option<Exception> {
    EXCEPTIONS
        .iter()
        .find(|(case, _)| *case == name)
        .map(|(_, e)| *e)
}

#[test]
fn reference_agrees_with_upstream() {
    let upstream = Upstream::find().unwrap_or_else(|e| panic!("{e}"));
    let mut by_hand = 0;
    let mut in_tosa_form = 0;
    let mut questions = Vec::new();
    let random = (0..RANDOM).map(random_case);
    for case in cases().into_iter().chain(training_cases()).chain(random) {
        let plain = case
            .function
            .nodes
            .iter()
            .all(|n| n.name().starts_with("tosa."));
        let trains = case.function.nodes.iter().any(|n| n.op.is_training());
        let (function, tolerance) = if plain {
            (case.function.clone(), case.tolerance)
        } else if let Some(form) = match trains {
            true => gradient_form(&case.function),
            false => tosa_form(&case.function),
        } {
            in_tosa_form += 1;
            let form = form.unwrap_or_else(|e| panic!("{}: {e}", case.name));
            (
                form,
                Tolerance::Relative {
                    rtol: 2e-5,
                    atol: 2e-5,
                },
            )
        } else {
            let known = BY_HAND.iter().any(|p| case.name.starts_with(p))
                || case.name == "network_dynamic_i8";
            assert!(known, "{} has no TOSA form", case.name);
            by_hand += 1;
            continue;
        };
        questions.push(Question {
            case,
            function,
            tolerance,
        });
    }
    let (batched, alone): (Vec<_>, Vec<_>) = questions
        .iter()
        .partition(|q| !matches!(exception(&q.case.name), Some(Refused(_))));
    let batches: Vec<&[&Question]> = batched.chunks(BATCH).collect();
    let (first, second) = batches.split_at(batches.len() / 2);
    let mut failures = std::thread::scope(|scope| {
        let other = scope.spawn(|| ask(&upstream, second));
        let mut failures = ask(&upstream, first);
        failures.extend(other.join().unwrap());
        failures
    });
    for q in &alone {
        if upstream.run(&[call(q)]).is_ok() {
            failures.push(format!(
                "{}: upstream no longer refuses it; drop its exception",
                q.case.name
            ));
        }
    }
    for (name, exception) in EXCEPTIONS {
        assert!(
            questions.iter().any(|q| q.case.name == *name),
            "no case is named {name}"
        );
        eprintln!("exception: {name}: {exception:?}");
    }
    eprintln!(
        "{} cases held against upstream, {in_tosa_form} of them in TOSA form; {} exceptions; {by_hand} worked by hand",
        questions.len() - EXCEPTIONS.len(),
        EXCEPTIONS.len(),
    );
    assert!(
        failures.is_empty(),
        "{} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn call(q: &Question) -> Call<'_> {
    Call {
        function: &q.function,
        inputs: &q.case.inputs,
    }
}

/// Runs batches and gives what went wrong.
fn ask(upstream: &Upstream, batches: &[&[&Question]]) -> Vec<String> {
    let mut failures = Vec::new();
    for batch in batches {
        let calls: Vec<Call<'_>> = batch.iter().map(|q| call(q)).collect();
        match upstream.run(&calls) {
            Ok(results) => {
                failures.extend(
                    batch
                        .iter()
                        .zip(results)
                        .filter_map(|(q, r)| judge(q, Ok(r))),
                );
            }
            // One of them is at fault: find out which.
            Err(together) => {
                let before = failures.len();
                for q in *batch {
                    let result = upstream.run(&[call(q)]).map(|mut r| r.remove(0));
                    failures.extend(judge(q, result));
                }
                if failures.len() == before {
                    failures.push(format!("a batch fails, but none of it alone: {together}"));
                }
            }
        }
    }
    failures
}

/// What is wrong with upstream's answer, if anything.
fn judge(q: &Question, answer: Result<Vec<Tensor>, String>) -> Option<String> {
    let name = &q.case.name;
    let theirs = match answer {
        Ok(theirs) => theirs,
        Err(message) => return Some(format!("{name}: {message}")),
    };
    let ours = match evaluate(&q.case.function, &q.case.inputs) {
        Ok(ours) => ours,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let compared = theirs
        .iter()
        .zip(&ours)
        .try_for_each(|(theirs, ours)| q.tolerance.check(theirs, ours));
    match (compared, exception(name)) {
        (Ok(()), None) | (Err(_), Some(Differs(_))) => None,
        (Err(message), _) => Some(format!("{name}: {message}")),
        (Ok(()), Some(_)) => Some(format!("{name}: upstream agrees; drop its exception")),
    }
}

/// The comparison itself can fail: a result that is off by one unit, and a function upstream cannot
/// lower, are both seen.
#[test]
fn a_wrong_result_is_seen() {
    let upstream = Upstream::find().unwrap_or_else(|e| panic!("{e}"));
    let case = cases().into_iter().find(|c| c.name == "add_i8").unwrap();
    let call = Call {
        function: &case.function,
        inputs: &case.inputs,
    };
    let theirs = upstream.run(&[call, call]).unwrap();
    assert_eq!(theirs[0], theirs[1]);
    let mut values = theirs[0][0].to_i64s().unwrap();
    values[7] ^= 1;
    let wrong = Tensor::from_i64s(theirs[0][0].ty().clone(), &values).unwrap();
    let q = Question {
        function: case.function.clone(),
        tolerance: Tolerance::Exact,
        case,
    };
    assert!(judge(&q, Ok(theirs[0].clone())).is_none());
    assert!(judge(&q, Ok(vec![wrong])).unwrap().contains("add_i8"));
    let cast = cases()
        .into_iter()
        .find(|c| c.name == "cast_f16_bf16")
        .unwrap();
    let error = upstream
        .run(&[Call {
            function: &cast.function,
            inputs: &cast.inputs,
        }])
        .unwrap_err();
    assert!(error.contains("arith.truncf"), "{error}");
    assert_eq!(cast.inputs[0].dtype(), DType::F16);
}
