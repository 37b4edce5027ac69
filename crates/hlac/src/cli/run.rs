//! `hlac run`.

use std::ffi::OsString;
use std::io::IsTerminal;

use hla_cli::tensors::{Named, file, inputs, same_file, tolerance};
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
    /// Inputs: in the order of the model's arguments, or NAME=@FILE for the argument whose
    /// `hla.name` or `hla.param` is NAME; several may follow one --input
    #[arg(long, value_name = "[NAME=]@FILE.npy", value_parser = file)]
    input: Vec<Named>,
    /// Where outputs go, in order
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    output: Vec<Named>,
    /// What outputs must be, in order
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
  hlac run sum.mlir --input @a.npy @b.npy --expect @sum.npy

An input whose leading extent is a multiple of the model's runs batch by batch. Without --output
and --expect the outputs are printed.";

/// The command line of `hlac run` with each file behind an option of its own: `--input @a @b` is
/// `--input @a --input @b`. The parser alone would take whatever follows for a file, the model too.
pub fn spread(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut spread: Vec<OsString> = Vec::new();
    // The option whose files are being listed, and whether its own value is still to come.
    let mut list: Option<(String, bool)> = None;
    for (i, arg) in args.into_iter().enumerate() {
        let runs = i < 2 || spread.get(1).is_some_and(|command| command == "run");
        let text = arg.to_string_lossy();
        let is_file = text.starts_with('@') || text.contains("=@");
        list = match (list, text.split('=').next()) {
            _ if !runs => None,
            (_, Some(option @ ("--input" | "--output" | "--expect"))) => {
                Some((option.to_owned(), !text.contains('=')))
            }
            (Some((option, true)), _) => Some((option, false)),
            (Some((option, false)), _) if is_file => {
                spread.push(option.clone().into());
                Some((option, false))
            }
            _ => None,
        };
        drop(text);
        spread.push(arg);
    }
    spread
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
        files.add("--output", &named.path, npy::to_bytes(tensor)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_may_follow_an_option() {
        let spread = |line: &str| {
            let args = line.split(' ').map(OsString::from);
            let args: Vec<String> = spread(args)
                .into_iter()
                .map(|a| a.into_string().unwrap())
                .collect();
            args.join(" ")
        };
        for (line, means) in [
            (
                "hlac run --input @a x=@b m.mlir --output @c @d",
                "hlac run --input @a --input x=@b m.mlir --output @c --output @d",
            ),
            (
                "hlac run m.mlir --expect=@a @b --rtol 1 @c",
                "hlac run m.mlir --expect=@a --expect @b --rtol 1 @c",
            ),
            // A missing value is for the parser to tell.
            (
                "hlac run --input --output @a",
                "hlac run --input --output @a",
            ),
            ("hlac opt --input @a @b", "hlac opt --input @a @b"),
            ("hlac run --labels @a @b", "hlac run --labels @a @b"),
        ] {
            assert_eq!(spread(line), means);
        }
    }
}
