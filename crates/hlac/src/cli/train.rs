//! `hlac train`: from a model and data to a ternary model.

use std::path::{Path, PathBuf};

use clap::builder::ArgPredicate;
use hla_cli::train::{self, Options, options};
use hla_cranelift::CodegenOptions;
use hla_ir::{Diagnostic, Function};
use hla_passes::training::{self, TrainingGraphs};
use hla_runtime::device::cuda::Cuda;
use hla_runtime::{DeviceSession, StepProgram};
use hla_train::{Blueprint, Part, compiling};
use hlac::{CudaProgram, CudaTarget, Model, ModelOptions, Precision};

use super::compile::{PrecisionName, of_gpu};
use super::model::{STDIN, read_stdin};
use super::output::Outputs;
use super::report::{self, Sources, visible};
use super::timing::Timing;
use super::{Failure, tell};

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
    /// Where training runs: cpu; cuda; or cuda:sm_90 and so on, whose code older GPUs do not take
    #[arg(
        long,
        value_name = "TARGET",
        default_value = "cpu",
        help_heading = "Run"
    )]
    target: String,
    /// How convolutions and matrix products are computed; in f16 gradients are scaled. On a processor
    /// bf16 and f16 are slower than f32, and show what a GPU's rounding does [default: tf32 on a GPU,
    /// else f32]
    #[arg(long, value_name = "TYPE", value_enum, help_heading = "Run")]
    precision: Option<PrecisionName>,
    /// On a GPU: which one, as the driver counts them [default: 0]
    #[arg(long, value_name = "N", help_heading = "Run")]
    device: Option<usize>,
    /// For a GPU: write the compiled training and do not train; `hla-run train` trains with it, on a
    /// machine without hlac
    #[arg(long, value_name = "OUT.hlaprog", help_heading = "Run")]
    emit_program: Option<PathBuf>,
}

/// A training that is only compiled has no use for data, nor for a place for weights.
pub fn declare(command: clap::Command) -> clap::Command {
    let spare = |arg: clap::Arg| {
        arg.required(false)
            .default_value_if("emit_program", ArgPredicate::IsPresent, "-")
            .required_unless_present("emit_program")
    };
    command.mut_arg("data", spare).mut_arg("output", spare)
}

const EXAMPLES: &str = "\
Examples:
  hlac train cnn.mlir --weights cnn.safetensors --data train-images.npy --eval test-images.npy \\
      --epochs-per-t 2 --ternary-epochs 20 -o ternary.safetensors
  hlac compile cnn.mlir --weights ternary.safetensors -o cnn.o
      the object computes what training in f32 evaluated
  hlac train cnn.mlir --data train-images.npy --quantizer float --float-epochs 30 -o float.safetensors
      plain training from random weights
  hlac train cnn.mlir --target cuda --precision bf16 --batch 256 --emit-program cnn.hlaprog
      then, on the machine with the GPU: hla-run train cnn.hlaprog --data … -o ternary.safetensors
  hlac train … --checkpoint state/ --resume --metrics run.jsonl --plots plots/ -o out.safetensors
      can be killed at any time and started again with the same command";

/// `given` names the options on the command line.
pub fn run(args: &Args, given: &[String], sources: &mut Sources) -> Result<(), Failure> {
    let options = &args.options;
    let gpu = gpu(args)?;
    if let Some((path, target)) = args.emit_program.as_ref().zip(gpu) {
        return emit(args, given, path, target, sources);
    }
    // A machine without a GPU says so at once.
    let device = match gpu {
        Some(_) => Some(Cuda::open(args.device.unwrap_or(0), false).map_err(without_gpu)?),
        None => None,
    };
    let prepared = train::prepare(options, &args.model)?;
    let mut timing = Timing::new(options.process.timing);
    let model = timing.phase("read the model", || read(args, sources))?;
    let data = train::open(options)?;
    let (graphs, blueprint) = build(args, &model, gpu, sources, &mut timing)?;
    match gpu.zip(device) {
        None => {
            let mut compile = compiling(&graphs, for_processor);
            train::train(
                options,
                prepared,
                data,
                &blueprint,
                &mut compile,
                sources,
                timing,
            )?;
        }
        Some((target, device)) => {
            let made = timing.phase("compile for the GPU", || program(&graphs, target))?;
            let session = timing.phase("load the program", || {
                DeviceSession::new(Box::new(device), made.program)
            })?;
            let mut compile = |part: Part| -> Result<Box<dyn StepProgram>, Diagnostic> {
                Ok(Box::new(session.function(part.name())?))
            };
            train::train(
                options,
                prepared,
                data,
                &blueprint,
                &mut compile,
                sources,
                timing,
            )?;
        }
    }
    Ok(())
}

/// The GPU that training is for, if it is for one.
fn gpu(args: &Args) -> Result<Option<CudaTarget>, Failure> {
    let precision = args.precision.unwrap_or_default();
    let gpu = CudaTarget::parse(&args.target, precision.into())?;
    match gpu {
        Some(_) => {}
        None if args.target != "cpu" => {
            return Err(Failure::Usage(format!(
                "there is no target '{}' for training: cpu, cuda or cuda:sm_90",
                args.target
            )));
        }
        None if args.precision == Some(PrecisionName::Tf32) => {
            return Err(Failure::Usage(
                "--precision tf32 is of a GPU's tensor cores; with --target cpu there are f32, bf16 and f16"
                    .to_owned(),
            ));
        }
        None if args.device.is_some() => return Err(of_gpu("--device")),
        None if args.emit_program.is_some() => return Err(of_gpu("--emit-program")),
        None => {}
    }
    Ok(gpu)
}

/// What a user must know of options that a program does not keep: those that shape no graph.
fn not_kept(args: &Args, given: &[String]) -> Option<String> {
    let shaping = options::of_graphs(&args.options);
    // λ chooses whether there is an L_d; the others are of this command.
    let own = [
        "lambda",
        "function",
        "target",
        "precision",
        "emit-program",
        "json",
        "timing",
    ];
    let lost = given
        .iter()
        .filter(|name| !shaping.contains_key(name.as_str()) && !own.contains(&name.as_str()));
    let lost: Vec<String> = lost.map(|name| format!("--{name}")).collect();
    (!lost.is_empty()).then(|| {
        format!(
            "note: the program keeps what shapes its graphs, not {}: say that to hla-run train",
            lost.join(", ")
        )
    })
}

/// Compiles the training into a file.
fn emit(
    args: &Args,
    given: &[String],
    path: &Path,
    target: CudaTarget,
    sources: &mut Sources,
) -> Result<(), Failure> {
    let process = &args.options.process;
    let outputs = |bytes: Vec<u8>| {
        let mut outputs = Outputs::sparing([args.model.as_path()]);
        outputs.add("--emit-program", path, bytes);
        outputs
    };
    outputs(Vec::new()).check()?;
    if !process.quiet
        && let Some(note) = not_kept(args, given)
    {
        report::say(&visible(&note));
    }
    let mut timing = Timing::new(process.timing);
    let model = timing.phase("read the model", || read(args, sources))?;
    let (graphs, blueprint) = build(args, &model, Some(target), sources, &mut timing)?;
    let mut made = timing.phase("compile for the GPU", || program(&graphs, target))?;
    made.program.driver = Some(blueprint.to_json());
    timing.phase("write", || outputs(made.bytes()).commit())?;
    if process.json {
        let json = serde_json::to_string_pretty(&made.program.summary()).unwrap_or_default();
        tell(format!("{json}\n"))?;
    } else if !process.quiet {
        let text = format!("{}wrote {}\n", made.program.summary(), path.display());
        tell(&*visible(&text))?;
    }
    timing.finish();
    Ok(())
}

fn build(
    args: &Args,
    model: &Model,
    gpu: Option<CudaTarget>,
    sources: &Sources,
    timing: &mut Timing,
) -> Result<(TrainingGraphs, Blueprint), Failure> {
    let options = &args.options;
    let graphs = timing.phase("build the graphs", || -> Result<_, Failure> {
        let graphs = training::build(model.function(), &options::graphs(options))?;
        let precision: Precision = match (gpu, args.precision) {
            (Some(gpu), _) => gpu.precision(),
            (None, named) => named.unwrap_or(PrecisionName::F32).into(),
        };
        Ok(training::with_precision(graphs, precision.half())?)
    })?;
    if !options.process.quiet {
        report::print(&graphs.remarks, sources);
    }
    let blueprint = Blueprint::of(&graphs, options::of_graphs(options));
    Ok((graphs, blueprint))
}

/// All parts of a training as one program.
fn program(graphs: &TrainingGraphs, target: CudaTarget) -> Result<CudaProgram, Failure> {
    let parts: Vec<Function> = Part::ALL
        .iter()
        .filter_map(|part| {
            let mut function = part.graph(graphs)?.clone();
            part.name().clone_into(&mut function.name);
            Some(function)
        })
        .collect();
    Ok(CudaProgram::compile(parts, target)?)
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

/// What to do where there is no GPU.
fn without_gpu(error: Diagnostic) -> Diagnostic {
    let other = "train with --target cpu; or write the training with --emit-program, and run it with \
                 hla-run on a machine with a GPU";
    let help = match &error.help {
        Some(help) => format!("{help}; or {other}"),
        None => other.to_owned(),
    };
    error.help(help)
}

/// Compiles a function of a training for this processor.
fn for_processor(function: &Function) -> Result<Box<dyn StepProgram>, Diagnostic> {
    let program = hla_cranelift::jit_step(function, &CodegenOptions::default())?;
    Ok(Box::new(program))
}
