//! `hlac run`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Function, Location, Tensor};
use hla_runtime::{Executable, Signature, ThreadPool, npy};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::compare::Tolerance;
use super::model::{ModelArgs, TernaryArgs, display};
use super::output::Outputs;
use super::report::Sources;
use super::timing::Timing;
use super::{Failure, tell};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// An input: in the order of the model's arguments, or NAME=@FILE for the argument whose
    /// `hla.name` or `hla.param` is NAME
    #[arg(long, value_name = "[NAME=]@FILE.npy", value_parser = file)]
    input: Vec<Named>,
    /// Where an output goes, in order
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    output: Vec<Named>,
    /// What an output must be, in order
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    expect: Vec<Named>,
    /// Relative tolerance of --expect, for floats
    #[arg(long, value_name = "R", default_value_t = 1e-5, value_parser = tolerance)]
    rtol: f64,
    /// Absolute tolerance of --expect, for floats
    #[arg(long, value_name = "A", default_value_t = 1e-8, value_parser = tolerance)]
    atol: f64,
    /// The class of each item of the batch: prints how often the first output is largest there
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    labels: Option<Named>,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Evaluate op by op with the slow reference evaluator instead of compiled code
    #[arg(long)]
    reference: bool,
    /// Run the ternary model that `hlac compile` would compile, instead of the model as it is
    #[arg(long)]
    ternary: bool,
    #[command(flatten)]
    how: TernaryArgs,
    /// Print the time each phase takes, and the peak of memory
    #[arg(long)]
    timing: bool,
}

const EXAMPLES: &str = "\
Examples:
  hlac run cnn.mlir --weights cnn.safetensors --input image=@images.npy --output @logits.npy
  hlac run cnn.mlir --weights cnn.safetensors --input @images.npy --expect @logits.npy --rtol 1e-4
  hlac run cnn.mlir --weights cnn.safetensors --ternary --sparsity 0.7 --input @images.npy

An input whose leading extent is a multiple of the model's runs batch by batch. Without --output
and --expect the outputs are printed.";

/// `[NAME=]@FILE`.
#[derive(Clone)]
struct Named {
    name: Option<String>,
    path: PathBuf,
}

fn file(text: &str) -> Result<Named, String> {
    let (name, path) = match text.split_once("=@") {
        Some((name, path)) => (Some(name.to_owned()), path),
        None => match text.strip_prefix('@') {
            Some(path) => (None, path),
            None => return Err(format!("a file is written with an @ before it: @{text}")),
        },
    };
    if path.is_empty() {
        return Err("there is no file name after the @".to_owned());
    }
    Ok(Named {
        name,
        path: path.into(),
    })
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if (0.0..f64::INFINITY).contains(&t) => Ok(t),
        _ => Err("it is a finite number of at least 0".to_owned()),
    }
}

/// The reference evaluator as a program.
struct Reference {
    function: Function,
    signature: Signature,
}

impl Executable for Reference {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[Tensor], _: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        self.signature.check(inputs)?;
        hla_reference::evaluate(&self.function, inputs)
    }
}

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    if let (false, Some(option)) = (args.ternary, args.how.given()) {
        return Err(Failure::Usage(format!(
            "{option} is of use only with --ternary: without it the model runs as it is"
        )));
    }
    let mut timing = Timing::new(args.timing);
    let model = timing.phase("read the model", || args.model.read(sources))?;
    let signature = Signature::of(model.function())?;
    let inputs = timing.phase("read inputs", || {
        inputs(&signature, &args.input, &args.model.model)
    })?;
    for (given, what) in [(&args.output, "--output"), (&args.expect, "--expect")] {
        if given.len() > signature.outputs.len() {
            let d = Diagnostic::error(
                Location::unknown(),
                format!(
                    "{} {what} files are given, but the model has {} outputs",
                    given.len(),
                    signature.outputs.len()
                ),
            );
            return Err(d.help(format!("the model is {signature}")).into());
        }
        if let Some(name) = given.iter().find_map(|n| n.name.as_deref()) {
            return Err(Failure::Usage(format!(
                "outputs have no names: {name}=@… cannot be matched"
            )));
        }
    }
    for (i, named) in args.output.iter().enumerate() {
        if args.output[..i]
            .iter()
            .any(|n| same_file(&n.path, &named.path))
        {
            return Err(Failure::Usage(format!(
                "--output @{} is given twice: each output needs a file of its own",
                named.path.display()
            )));
        }
    }
    // Whether the inputs fit is told before minutes of compiling.
    let batches = hlac::slices(&signature, &inputs)?;
    let options = args.how.options(&model)?;
    let function = match args.ternary {
        true => hlac::ternarize(&model, &options, &mut |p| timing.add(p.name, p.time))?,
        false => model.function().clone(),
    };
    let program: Box<dyn Executable> =
        timing.phase("code generation", || match args.reference {
            true => Ok(Box::new(Reference {
                signature: Signature::of(&function)?,
                function,
            }) as Box<dyn Executable>),
            false => hlac::prepare(&function, options.strategy),
        })?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(processors, usize::from);
    let pool = match threads {
        1 => None,
        n => Some(ThreadPool::new(n)?),
    };
    let bar = progress(batches);
    let outputs = timing.phase("run", || {
        hlac::run_batches(&*program, &inputs, pool.as_ref(), &mut |done| {
            bar.set_position(done as u64)
        })
    });
    bar.finish_and_clear();
    let outputs = outputs?;

    let read = [&args.input, &args.expect].into_iter().flatten();
    let read = read.chain(&args.labels).map(|named| named.path.as_path());
    let model = args.model.files().chain(args.how.files());
    let mut files = Outputs::sparing(read.chain(model));
    for (named, tensor) in args.output.iter().zip(&outputs) {
        files.add(&named.path, npy::to_bytes(tensor)?);
    }
    files.commit()?;
    let tolerance = Tolerance {
        rtol: args.rtol,
        atol: args.atol,
        reference: args.reference,
    };
    let mut wrong = Vec::new();
    for (i, (named, tensor)) in args.expect.iter().zip(&outputs).enumerate() {
        let expected = npy::read(&named.path)?;
        if let Err(d) = tolerance.check(i, tensor, &expected) {
            wrong.push(Diagnostic {
                location: Location::file(display(&named.path), 0, 0),
                ..d
            });
        }
    }
    let used = args.output.len().max(args.expect.len());
    if used > 0 {
        for (i, tensor) in outputs.iter().enumerate().skip(used) {
            let ty = tensor.ty();
            super::report::say(&format!(
                "note: output {i}, {ty}, is neither written nor compared"
            ));
        }
    }
    if let Some(labels) = &args.labels {
        let labels = npy::read(&labels.path)?;
        tell(accuracy(&outputs, &labels)?)?;
    } else if args.output.is_empty() && args.expect.is_empty() {
        let lines: String = outputs.iter().map(|t| format!("{t:?}\n")).collect();
        tell(lines)?;
    }
    timing.finish();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into()),
    }
}

/// Whether two outputs would overwrite each other. Devices and pipes take any number.
fn same_file(a: &Path, b: &Path) -> bool {
    let device = std::fs::metadata(a).is_ok_and(|m| !m.is_file() && !m.is_dir());
    !device && (a == b || std::path::absolute(a).ok() == std::path::absolute(b).ok())
}

/// How often the largest element of a row of the first output is at its label.
fn accuracy(outputs: &[Tensor], labels: &Tensor) -> Result<String, Diagnostic> {
    let refuse = |message: String| {
        Diagnostic::error(Location::unknown(), message)
            .help("--labels holds one integer for each item of the batch")
    };
    let labels = labels.to_i64s().ok_or_else(|| {
        refuse(format!(
            "the labels are {}, which is no integer type",
            labels.ty()
        ))
    })?;
    let scores = outputs.first().map(Tensor::to_f32s).unwrap_or_default();
    let classes = scores.len().checked_div(labels.len()).unwrap_or(0);
    if classes == 0 || classes * labels.len() != scores.len() {
        return Err(refuse(format!(
            "{} labels do not divide {} scores",
            labels.len(),
            scores.len()
        )));
    }
    let right = scores
        .chunks_exact(classes)
        .zip(&labels)
        .filter(|(row, label)| {
            let first_largest = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
            (0..classes).reduce(first_largest).map(|i| i as i64) == Some(**label)
        })
        .count();
    let share = 100.0 * right as f64 / labels.len() as f64;
    Ok(format!(
        "accuracy {share:.2} % ({right} of {})\n",
        labels.len()
    ))
}

/// A bar on a terminal, for work that shows.
fn progress(batches: usize) -> ProgressBar {
    let shown = batches > 1 && std::io::stderr().is_terminal();
    let target = match shown {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(batches as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} batches, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The inputs in the order of the arguments.
fn inputs(signature: &Signature, given: &[Named], model: &Path) -> Result<Vec<Tensor>, Failure> {
    let refuse = |message: String| {
        Diagnostic::error(Location::file(display(model), 0, 0), message)
            .help(format!("the model is {signature}"))
    };
    let mut slots: Vec<Option<Tensor>> = vec![None; signature.inputs.len()];
    for named in given {
        let index = match &named.name {
            Some(name) => signature
                .inputs
                .iter()
                .position(|s| s.name.as_deref() == Some(name))
                .ok_or_else(|| refuse(format!("the model has no input '{name}'")))?,
            None => slots.iter().position(Option::is_none).ok_or_else(|| {
                refuse(format!(
                    "{} inputs are given, but the model takes {}",
                    given.len(),
                    slots.len()
                ))
            })?,
        };
        if slots[index].replace(npy::read(&named.path)?).is_some() {
            return Err(refuse(format!("input {index} is given twice")).into());
        }
    }
    let missing: Vec<String> = slots
        .iter()
        .zip(&signature.inputs)
        .enumerate()
        .filter(|(_, (tensor, _))| tensor.is_none())
        .map(|(i, (_, slot))| {
            slot.name
                .as_deref()
                .map_or_else(|| i.to_string(), str::to_owned)
        })
        .collect();
    if !missing.is_empty() {
        return Err(refuse(format!("--input gives no value for {}", missing.join(", "))).into());
    }
    Ok(slots.into_iter().flatten().collect())
}
