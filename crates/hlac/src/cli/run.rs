//! `hlac run`.

use std::io::IsTerminal;

use hla_cli::files::TensorArgs;
use hla_cli::tensors::{Named, file, inputs};
use hla_ir::{Diagnostic, Function, Location, Tensor};
use hla_runtime::{Executable, Signature, ThreadPool, npy};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::model::{ModelArgs, TernaryArgs};
use super::output::Outputs;
use super::report::Sources;
use super::timing::Timing;
use super::{Failure, tell};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    tensors: TensorArgs,
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
  hlac run sum.mlir --input @a.npy @b.npy --expect @sum.npy

An input whose leading extent is a multiple of the model's runs batch by batch. Without --output
and --expect the outputs are printed.";

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
        inputs(&signature, &args.tensors.input, &args.model.model)
    })?;
    args.tensors.check(&signature, "model")?;
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

    let labels = args.labels.iter().map(|named| named.path.as_path());
    let model = args.model.files().chain(args.how.files());
    let files = Outputs::sparing(args.tensors.read().chain(labels).chain(model));
    args.tensors.write(&outputs, files)?;
    let wrong = args.tensors.compare(&outputs, args.reference)?;
    args.tensors.note_others(&outputs);
    if let Some(labels) = &args.labels {
        let labels = npy::read(&labels.path)?;
        tell(accuracy(&outputs, &labels)?)?;
    } else if !args.tensors.wants_outputs() {
        let lines: String = outputs.iter().map(|t| format!("{t:?}\n")).collect();
        tell(lines)?;
    }
    timing.finish();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into()),
    }
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
