//! `hlac train`: from a model and data to a ternary model.

use std::path::PathBuf;

use clap::ValueEnum;
use hla_cli::train::{self, Options, options};
use hla_cranelift::CodegenOptions;
use hla_ir::{Diagnostic, Function, Location};
use hla_passes::training;
use hla_runtime::StepProgram;
use hla_train::{Blueprint, compiling};
use hlac::{Model, ModelOptions};

use super::Failure;
use super::model::{STDIN, read_stdin};
use super::report::{self, Sources};
use super::timing::Timing;

#[derive(clap::Args)]
#[command(after_help = format!("{}\n\n{EXAMPLES}", train::ABOUT))]
pub struct Args {
    /// The model: MLIR text or bytecode; `-` is standard input
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The function that is the model [default: main, or the only one]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    #[command(flatten)]
    options: Options,
    /// Where training runs
    #[arg(
        long,
        value_name = "TARGET",
        default_value = "cpu",
        help_heading = "Run"
    )]
    target: TargetName,
}

const EXAMPLES: &str = "\
Examples:
  hlac train cnn.mlir --weights cnn.safetensors --data train-images.npy --eval test-images.npy \\
      --epochs-per-t 2 --ternary-epochs 20 -o ternary.safetensors
  hlac compile cnn.mlir --weights ternary.safetensors -o cnn.o
      the object computes what training evaluated
  hlac train cnn.mlir --data train-images.npy --quantizer float --float-epochs 30 -o float.safetensors
      plain training from random weights
  hlac train … --checkpoint state/ --resume --metrics run.jsonl --plots plots/ -o out.safetensors
      can be killed at any time and started again with the same command";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TargetName {
    /// This machine's processor
    Cpu,
    /// A CUDA device; not in this build
    Cuda,
}

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    let options = &args.options;
    if args.target == TargetName::Cuda {
        return Err(Diagnostic::error(
            Location::unknown(),
            "this build of hlac trains on the processor only: it has no CUDA back end",
        )
        .help("leave --target away, or say --target cpu")
        .into());
    }
    let prepared = train::prepare(options, &args.model)?;
    let mut timing = Timing::new(options.process.timing);
    let model = timing.phase("read the model", || read(args, sources))?;
    let data = train::open(options)?;
    let graphs = timing.phase("build the graphs", || {
        training::build(model.function(), &options::graphs(options))
    })?;
    if !options.process.quiet {
        report::print(&graphs.remarks, sources);
    }
    let blueprint = Blueprint::of(&graphs, options::of_graphs(options));
    let mut compile = compiling(&graphs, compile);
    train::train(
        options,
        prepared,
        data,
        &blueprint,
        &mut compile,
        sources,
        timing,
    )?;
    Ok(())
}

/// Reads the model for batches of this size; its parameters stay open.
fn read(args: &Args, sources: &mut Sources) -> Result<Model, Failure> {
    let options = ModelOptions {
        batch: Some(args.options.descent.batch as usize),
        function: args.function.clone(),
        ..ModelOptions::default()
    };
    let model = match args.model.as_os_str() == "-" {
        true => Model::parse(STDIN, &read_stdin(sources)?, &options)?,
        false => Model::read(&args.model, &options)?,
    };
    if !args.options.process.quiet {
        report::print(model.warnings(), sources);
    }
    Ok(model)
}

/// Compiles a function of a training for this processor.
fn compile(function: &Function) -> Result<Box<dyn StepProgram>, Diagnostic> {
    let program = hla_cranelift::jit_step(function, &CodegenOptions::default())?;
    Ok(Box::new(program))
}
