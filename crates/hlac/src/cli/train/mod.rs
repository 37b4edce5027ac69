//! `hlac train`: from a model and data to a ternary model.
//!
//! - [`args`] is what it is told, [`numbers`] their ranges, [`check`] what is refused before
//!   anything is computed, [`options`] what graphs and driver are told;
//! - [`watch`] follows a training: [`progress`] on the terminal, [`plots`] in files; [`stop`] is how
//!   Ctrl-C ends it;
//! - [`summary`] is what is told at the end.

mod args;
mod check;
mod numbers;
mod options;
mod plots;
mod progress;
mod stop;
mod summary;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hla_cranelift::CodegenOptions;
use hla_ir::Function;
use hla_passes::training;
use hla_runtime::{StepProgram, ThreadPool};
use hla_train::checkpoint;
use hla_train::data::{Dataset, Names};
use hla_train::init;
use hla_train::trainer::{Outcome, Setup, Trainer};
use hlac::{Model, ModelOptions};

pub use args::Args;

use super::model::{STDIN, read_stdin, value_name};
use super::output::Outputs;
use super::report::{self, Sources, visible};
use super::timing::Timing;
use super::{Failure, tell};
use progress::Progress;
use summary::Summary;
use watch::{Files, Watch};

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    check::options(args)?;
    let shares = check::shares(args)?;
    check::places(args)?;
    let stop = stop::on_signals()?;
    let mut timing = Timing::new(args.process.timing);

    let model = timing.phase("read the model", || read(args, sources))?;
    let names = Names {
        images: args.data.tensors.0.clone(),
        labels: args.data.tensors.1.clone(),
    };
    let open = |path: &PathBuf| Dataset::open(path, &names);
    let data = open(&args.data.data)?;
    let eval = args.data.eval.as_ref().map(open).transpose()?;
    let graphs = timing.phase("build the graphs", || {
        training::build(model.function(), &options::graphs(args))
    })?;
    if !args.process.quiet {
        report::print(&graphs.remarks, sources);
    }
    if let Some(warning) = options::caution(args)
        && !args.process.quiet
    {
        report::print(&[warning], sources);
    }
    let weights = match &args.weights {
        Some(path) => init::load(path, &graphs.state)?,
        None => BTreeMap::new(),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = match args.process.threads.map_or(processors, usize::from) {
        1 => None,
        n => Some(ThreadPool::new(n)?),
    };
    let mut config = options::driver(args, &shares);
    let samples = format!("{} of {:?}", data.len(), data.sample_shape());
    config.graph_options.insert("samples".to_owned(), samples);
    let setup = Setup {
        graphs: &graphs,
        data,
        eval,
        config,
        weights,
        pool: pool.as_ref(),
        checkpoints: args.process.checkpoint.clone(),
        resume: args.process.resume,
    };
    let mut trainer = timing.phase("compile", || Trainer::new(setup, &mut compile))?;

    let files = Files {
        metrics: args.process.metrics.clone(),
        plots: args.process.plots.clone(),
        inputs: args.files(),
    };
    let progress = Progress::new(args.process.quiet);
    let mut watch = Watch::new(progress, &files, sources, stop);
    let outcome = timing.phase("train", || trainer.run(&mut watch));
    let times = watch.finish();
    let done = match outcome? {
        Outcome::Finished(done) => done,
        Outcome::Stopped { epochs } => {
            files.write(trainer.history())?;
            return Err(Failure::Stopped(stopped(args, epochs)));
        }
    };
    timing.phase("write", || -> Result<(), Failure> {
        let mut outputs = Outputs::sparing(files.inputs.iter().map(PathBuf::as_path));
        outputs.add(&args.output, trainer.export()?);
        outputs.commit()?;
        Ok(files.write(trainer.history())?)
    })?;
    let quantizer = value_name(args.method.quantizer);
    let summary = Summary::new(
        &done,
        trainer.history(),
        &graphs,
        quantizer,
        &args.output,
        times,
    );
    if args.process.json {
        let json = serde_json::to_string_pretty(&summary).unwrap_or_default();
        tell(format!("{json}\n"))?;
    } else if !args.process.quiet {
        tell(&*visible(&summary.table()))?;
    }
    timing.finish();
    Ok(())
}

/// Reads the model for batches of this size; its parameters stay open.
fn read(args: &Args, sources: &mut Sources) -> Result<Model, Failure> {
    let options = ModelOptions {
        batch: Some(args.descent.batch as usize),
        function: args.function.clone(),
        ..ModelOptions::default()
    };
    let model = match args.model.as_os_str() == "-" {
        true => Model::parse(STDIN, &read_stdin(sources)?, &options)?,
        false => Model::read(&args.model, &options)?,
    };
    if !args.process.quiet {
        report::print(model.warnings(), sources);
    }
    Ok(model)
}

/// Compiles a function of a training for this processor.
fn compile(function: &Function) -> Result<Box<dyn StepProgram>, hla_ir::Diagnostic> {
    let program = hla_cranelift::jit_step(function, &CodegenOptions::default())?;
    Ok(Box::new(program))
}

/// What a user who interrupted a training should know.
fn stopped(args: &Args, epochs: u64) -> String {
    let kept = args
        .process
        .checkpoint
        .as_ref()
        .filter(|f| checkpoint::find(f).is_some());
    match kept {
        Some(folder) => format!(
            "stopped after {epochs} epochs; {} was not written\n\
             help: the same command with --resume goes on from {}",
            args.output.display(),
            folder.display()
        ),
        None => format!(
            "stopped after {epochs} epochs; {} was not written, and nothing was kept\n\
             help: with --checkpoint DIR a training can go on where it was stopped",
            args.output.display()
        ),
    }
}
