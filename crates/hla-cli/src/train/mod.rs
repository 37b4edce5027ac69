//! A training as a command.
//!
//! - [`args`] is what it is told, `numbers` their ranges, `check` what is refused before anything
//!   is computed, [`options`] what graphs and driver are told;
//! - `watch` follows a training: `progress` on the terminal, `plots` in files; `stop` is how Ctrl-C
//!   ends it;
//! - `summary` is what is told at the end.
//!
//! Who has a training [`prepare`]s it, makes its programs, and [`train`]s.

pub mod args;
mod check;
mod numbers;
pub mod options;
mod plots;
mod progress;
mod stop;
mod summary;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hla_runtime::ThreadPool;
use hla_train::data::{Dataset, Names};
use hla_train::trainer::{Outcome, Setup, Trainer};
use hla_train::{Blueprint, Compile, checkpoint, init};

pub use args::Options;

use crate::output::Outputs;
use crate::report::{self, Sources, visible};
use crate::timing::Timing;
use crate::values::value_name;
use crate::{Failure, tell};
use check::Shares;
use progress::Progress;
use summary::Summary;
use watch::{Files, Watch};

/// What training has up to three parts of: a first paragraph of help.
pub const ABOUT: &str = "\
Training has up to three parts. Plain training in full precision (--float-epochs) is for models
without weights. Stage 1 keeps weights in full precision, moves each layer onto the sphere, and
draws its weights to three values while t, the share of zeros, grows from --t1 to --t2. Stage 2
computes with the ternary weights and learns where zero ends.";

/// A training whose options make sense and whose outputs can be written.
pub struct Prepared {
    shares: Shares,
    /// The files that are read.
    inputs: Vec<PathBuf>,
    stop: Arc<AtomicBool>,
}

/// What a training learns from, and what it is evaluated on.
pub struct Data {
    train: Dataset,
    eval: Option<Dataset>,
}

/// Checks options and places, and lets signals end the training softly; `model` is what is read
/// besides.
///
/// # Errors
/// Options that contradict each other, places that cannot be written.
pub fn prepare(options: &Options, model: &Path) -> Result<Prepared, Failure> {
    check::options(options)?;
    let shares = check::shares(options)?;
    let mut inputs = vec![model.to_owned()];
    inputs.extend(options.files());
    check::places(options, &inputs)?;
    Ok(Prepared {
        shares,
        inputs,
        stop: stop::on_signals()?,
    })
}

/// Opens the data.
///
/// # Errors
/// Files that cannot be read or are no data.
pub fn open(options: &Options) -> Result<Data, Failure> {
    let names = Names {
        images: options.data.tensors.0.clone(),
        labels: options.data.tensors.1.clone(),
    };
    let open = |path: &PathBuf| Dataset::open(path, &names);
    Ok(Data {
        train: open(&options.data.data)?,
        eval: options.data.eval.as_ref().map(open).transpose()?,
    })
}

/// Trains, and writes and tells what came of it.
///
/// # Errors
/// As [`Trainer`] gives them; an interruption by the user.
pub fn train(
    options: &Options,
    prepared: Prepared,
    data: Data,
    blueprint: &Blueprint,
    compile: &mut Compile<'_>,
    sources: &Sources,
    mut timing: Timing,
) -> Result<(), Failure> {
    let process = &options.process;
    if let Some(warning) = options::caution(options)
        && !process.quiet
    {
        report::print(&[warning], sources);
    }
    let weights = match &options.weights {
        Some(path) => init::load(path, &blueprint.state)?,
        None => BTreeMap::new(),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = match process.threads.map_or(processors, usize::from) {
        1 => None,
        n => Some(ThreadPool::new(n)?),
    };
    let config = options::driver(options, &prepared.shares);
    let setup = Setup {
        blueprint,
        data: data.train,
        eval: data.eval,
        config,
        weights,
        pool: pool.as_ref(),
        checkpoints: process.checkpoint.clone(),
        resume: process.resume,
    };
    let mut trainer = timing.phase("compile", || Trainer::new(setup, compile))?;

    let files = Files {
        metrics: process.metrics.clone(),
        plots: process.plots.clone(),
        inputs: prepared.inputs,
    };
    let progress = Progress::new(process.quiet);
    let mut watch = Watch::new(progress, &files, sources, prepared.stop);
    let outcome = timing.phase("train", || trainer.run(&mut watch));
    let times = watch.finish();
    let done = match outcome? {
        Outcome::Finished(done) => done,
        Outcome::Stopped { epochs } => {
            files.write(trainer.history())?;
            return Err(Failure::Stopped(stopped(options, epochs)));
        }
    };
    timing.phase("write", || -> Result<(), Failure> {
        let mut outputs = Outputs::sparing(files.inputs.iter().map(PathBuf::as_path));
        outputs.add("-o", &options.output, trainer.export()?);
        outputs.commit()?;
        Ok(files.write(trainer.history())?)
    })?;
    let quantizer = value_name(options.method.quantizer);
    let summary = Summary::new(
        &done,
        trainer.history(),
        blueprint,
        quantizer,
        &options.output,
        times,
    );
    if process.json {
        let json = serde_json::to_string_pretty(&summary).unwrap_or_default();
        tell(format!("{json}\n"))?;
    } else if !process.quiet {
        tell(&*visible(&summary.table()))?;
    }
    timing.finish();
    Ok(())
}

/// What a user who interrupted a training should know.
fn stopped(options: &Options, epochs: u64) -> String {
    let folder = options.process.checkpoint.as_deref();
    let kept = folder.is_some_and(|f| checkpoint::find(f).is_some());
    let next = match folder {
        Some(folder) if kept => format!(
            "the same command with --resume goes on from {}",
            folder.display()
        ),
        Some(_) => "a checkpoint is written after each epoch, and none was complete".to_owned(),
        None => "with --checkpoint DIR a training can go on where it was stopped".to_owned(),
    };
    let nothing = if kept { "" } else { ", and nothing was kept" };
    format!(
        "stopped after {epochs} epochs; {} was not written{nothing}\nhelp: {next}",
        options.output.display()
    )
}
