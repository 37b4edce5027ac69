//! The numeric suite.

use hla_gpu::options::Precision;
use hla_reference::Tolerance;
use hla_reference::cases::{cases, training_cases};

use crate::job::{Job, job};
use crate::linalg;

/// All jobs of the suite.
pub fn jobs(precision: Precision) -> Vec<Job> {
    let all = cases().into_iter().chain(training_cases());
    let mut jobs: Vec<Job> = all.filter_map(|case| job(&case, precision)).collect();
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
    let jobs = jobs(Precision::F32);
    assert!(jobs.len() > 150, "{} contractions", jobs.len());
    let mut wrong = Vec::new();
    for jobs in jobs.chunks(64) {
        wrong.extend(compare(jobs, &linalg::run(jobs)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
