//! The numeric suite.

use hla_gpu::options::Precision;
use hla_ir::DType;
use hla_reference::Tolerance;
use hla_reference::cases::{cases, training_cases};
use ptx_emulator::{Landing, Options, Schedule};

use crate::job::{Job, job};
use crate::{linalg, ptx};

/// All jobs of the suite, operands of f32 in another type if one is given.
pub fn jobs(precision: Precision, narrow: Option<DType>) -> Vec<Job> {
    let all = cases().into_iter().chain(training_cases());
    let mut jobs: Vec<Job> = all
        .filter_map(|case| job(&case, precision, narrow))
        .collect();
    for job in &mut jobs {
        // The order of a ternary sum over f32 is that of k here, not that of the declaration.
        if job.name.starts_with("ternary") && job.tolerance == Tolerance::Exact {
            job.tolerance = Tolerance::Relative {
                rtol: 2e-6,
                atol: 2e-5,
            };
        }
    }
    jobs
}

/// Which results are not near enough.
pub fn compare(jobs: &[Job], results: &[hla_ir::Tensor]) -> Vec<String> {
    let pairs = jobs.iter().zip(results);
    pairs
        .filter_map(|(job, result)| {
            let error = job.tolerance.check(&job.expected, result).err()?;
            Some(format!("{}: {error}", job.name))
        })
        .collect()
}

#[test]
fn linalg_gives_the_reference() {
    let jobs = jobs(Precision::F32, None);
    assert!(jobs.len() > 150, "{} contractions", jobs.len());
    let mut wrong = Vec::new();
    for jobs in jobs.chunks(64) {
        wrong.extend(compare(jobs, &linalg::run(jobs)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Both ends of what a GPU may do.
const WAYS: [Schedule; 2] = [Schedule::InOrder, Schedule::Reverse];

fn ways() -> [Options; 2] {
    [(WAYS[0], Landing::Late), (WAYS[1], Landing::Early)].map(|(schedule, landing)| Options {
        schedule,
        landing,
        ..Options::default()
    })
}

/// Runs jobs in the emulator.
pub fn check(jobs: &[Job]) {
    let mut wrong = Vec::new();
    for jobs in jobs.chunks(32) {
        wrong.extend(ptx::check(jobs, &ways()));
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {}:\n{}",
        jobs.len(),
        wrong.join("\n")
    );
}

#[test]
fn ptx_gives_the_reference() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let jobs: Vec<Job> = jobs(Precision::F32, None)
        .into_iter()
        .filter(|j| j.name.contains(&only))
        .collect();
    check(&jobs);
}

/// Multiples of ¼ are exact in tf32, as are sums of some hundred of their products in f32: those
/// cases are held to the bit. Others lose what rounding to 11 bits loses, and a result of i8 that is
/// near the middle of two may be the other one.
#[test]
fn tf32_gives_the_reference() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut jobs: Vec<Job> = jobs(Precision::Tf32, None)
        .into_iter()
        .filter(|j| j.launches.iter().any(|(k, _)| k.computes.contains("tf32")))
        .filter(|j| j.name.contains(&only))
        .collect();
    assert!(
        jobs.len() > 40 || !only.is_empty(),
        "{} on tensor cores",
        jobs.len()
    );
    for job in &mut jobs {
        if job.tolerance != Tolerance::Exact {
            let whole = !job.expected.dtype().is_float();
            job.tolerance = Tolerance::Relative {
                rtol: 2e-3,
                atol: if whole { 1.0 } else { 3e-2 },
            };
        }
    }
    check(&jobs);
}

/// Multiples of ¼ are exact in bf16 and f16 too.
#[test]
fn narrow_types_give_the_reference() {
    for dtype in [DType::BF16, DType::F16] {
        let jobs = jobs(Precision::F32, Some(dtype));
        let exact = |job: &Job| job.tolerance == Tolerance::Exact;
        let on_tensor_cores = |job: &Job| job.launches[0].0.computes.contains(dtype.name());
        let jobs: Vec<Job> = jobs
            .into_iter()
            .filter(exact)
            .filter(on_tensor_cores)
            .collect();
        assert!(jobs.len() > 40, "{} on tensor cores", jobs.len());
        check(&jobs);
    }
}
