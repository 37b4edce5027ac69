//! The findings of the HLA paper on digits in clutter: runs of `hlac train`, and tables of them.
//!
//! - `plan` lists the runs, `run` carries them out, `record` is what one came to, `tables` says it.

mod plan;
mod record;
mod run;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cluttered::data::{Recipe, Set};
use cluttered::difficulty::Degree;
use cluttered::digits::Part;
use hla_ir::Diagnostic;

use plan::Scale;

/// Trains what docs/reproduction.md tells of, and prints its tables.
///
/// Runs that are done are not done again: it may be stopped at any moment and started again, and the
/// tables hold what there is so far. Runs go side by side, one thread each, all runs of one seed
/// before those of the next.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// The hlac to train with
    hlac: PathBuf,
    /// Minutes instead of hours: one seed, fewer images, fewer epochs. Shows that it works, not what
    /// the paper found
    #[arg(value_name = "quick", value_parser = ["quick"])]
    quick: Option<String>,
    /// The folder for data, trained models and results.jsonl
    #[arg(long, value_name = "DIR", default_value = "out/reproduce")]
    folder: PathBuf,
    /// Seeds 0 to N-1
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Only runs whose name contains this
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    only: String,
    /// Runs side by side [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print the commands and what is done, run nothing
    #[arg(long)]
    list: bool,
    /// Write the tables into this page, between its markers
    #[arg(long, value_name = "PAGE.md")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match reproduce(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every run is done.
fn reproduce(args: &Args) -> Result<bool, Diagnostic> {
    let quick = args.quick.is_some();
    let scale = if quick { Scale::QUICK } else { Scale::FULL };
    let folder = if quick {
        args.folder.with_file_name("reproduce-quick")
    } else {
        args.folder.clone()
    };
    let seeds = if quick { 1 } else { args.seeds };
    let mut runs = plan::runs(&scale, seeds);
    plan::keep(&mut runs, &args.only);

    let mut records = record::Records::open(&folder.join("results.jsonl"))?;
    if args.list {
        for run in &runs {
            let state = if records.done(run) { "done" } else { "open" };
            println!(
                "{state} {}: hlac train {}",
                run.name(),
                run.arguments.join(" ")
            );
        }
        return Ok(true);
    }
    draw(&folder, &scale)?;
    let jobs = args.jobs.map(usize::from);
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let done = run::all(&args.hlac, &folder, &runs, &mut records, jobs)?;
    let tables = tables::all(records.of(&runs));
    match &args.page {
        Some(page) => tables::write(page, &tables)?,
        None => println!("{}", tables::text(&tables)),
    }
    Ok(done)
}

/// The data, unless it is there.
fn draw(folder: &std::path::Path, scale: &Scale) -> Result<(), Diagnostic> {
    let parts = [
        (Part::Train, scale.train, "train.safetensors"),
        (Part::Test, scale.test, "test.safetensors"),
    ];
    for (part, count, name) in parts {
        let path = folder.join(name);
        if !path.exists() {
            let (seed, degree) = (0, Degree::Normal);
            Set::draw(Recipe {
                part,
                count,
                seed,
                degree,
            })?
            .write(&path)?;
        }
    }
    Ok(())
}
