//! Negative controls: a kernel on tensor cores from which something was taken away that holds it
//! together does not pass, so the tests that it passes whole see what they look for.

use hla_gpu::options::Precision;
use hla_ir::{Attrs, DType, Op};
use ptx_emulator::{Landing, Options, Schedule};

use crate::job::{Job, job};
use crate::large::case;
use crate::ptx::{compile, run};

/// A product of more tiles of k than there are stages, in several blocks.
fn product(k: usize) -> Job {
    let shapes: [&[usize]; 2] = [&[1, 72, k], &[1, k, 136]];
    let case = case("product", Op::MatMul, &shapes, Attrs::new());
    job(&case, Precision::F32, Some(DType::BF16)).expect("a contraction")
}

/// How often a text is in the PTX of a job, and in how many ways a run passes with each replaced.
fn passes(job: &Job, from: &str, to: &str) -> (usize, usize) {
    let ptx = compile(&[&job.launches[0].0]);
    // One blank between words, as below.
    let ptx = ptx.replace(" \t", " ");
    let broken = ptx.replace(from, to);
    let mut passed = 0;
    for schedule in [Schedule::InOrder, Schedule::Reverse, Schedule::Random(7)] {
        for landing in [Landing::Early, Landing::Late] {
            for races in [false, true] {
                let options = Options {
                    schedule,
                    landing,
                    races,
                    ..Options::default()
                };
                let result = run(job, &broken, 0, options);
                let right = |result| job.check(&result).is_ok();
                passed += usize::from(result.is_ok_and(right));
            }
        }
    }
    (ptx.matches(from).count(), passed)
}

/// All ways of [`passes`].
const ALL: usize = 12;

#[test]
fn whole_it_passes_every_way() {
    for k in [200, 50] {
        assert_eq!(
            passes(&product(k), "bar.sync", "bar.sync").1,
            ALL,
            "k = {k}"
        );
    }
}

/// The accesses are checked, so no schedule passes in which they are.
#[test]
fn without_its_barrier_it_fails() {
    let (count, passed) = passes(&product(200), "bar.sync 0;", "");
    assert!(count > 0);
    assert!(passed <= ALL / 2, "{passed} ways pass");
}

#[test]
fn with_a_wait_for_less_copies_it_fails() {
    let (count, passed) = passes(
        &product(200),
        "cp.async.wait_group 2;",
        "cp.async.wait_group 3;",
    );
    assert!(count > 0);
    // Copies that land at once are only found by the check of accesses.
    assert!(passed <= ALL / 4, "{passed} ways pass");
}

#[test]
fn with_later_groups_it_fails() {
    let (count, passed) = passes(&product(200), "cp.async.commit_group;", "");
    assert!(count > 0);
    assert!(passed <= ALL / 4, "{passed} ways pass");
}

/// k = 50 is the same in chunks of 2 that are copied 4 bytes at a time, k = 51 in single elements.
#[test]
fn without_the_zeros_behind_its_end_it_fails() {
    for k in [50, 200] {
        // Copies that are told how much there is fill the rest with zeros.
        let job = product(k);
        let ptx = compile(&[&job.launches[0].0]).replace(" \t", " ");
        let mut lines: Vec<String> = Vec::new();
        let mut changed = 0;
        for line in ptx.lines() {
            let copy = line.trim_start().starts_with("cp.async.c");
            let parts: Vec<&str> = line.split(", ").collect();
            if copy && parts.len() == 4 {
                lines.push(format!("{};", parts[..3].join(", ")));
                changed += 1;
            } else {
                lines.push(line.to_owned());
            }
        }
        assert!(changed > 0, "{ptx}");
        let result = run(&job, &lines.join("\n"), 0, Options::default());
        let passed = result.is_ok_and(|result| job.check(&result).is_ok());
        assert!(!passed, "k = {k}");
    }
}
