//! `hla-run infer`.

use std::path::{Path, PathBuf};

use hla_cli::compare::Tolerance;
use hla_cli::output::Outputs;
use hla_cli::tensors::{Named, file, inputs, same_file, tolerance};
use hla_cli::values::display;
use hla_cli::{Failure, report, tell};
use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::{Executable, Signature, npy};

use crate::place::Place;
use crate::{program, values};

#[derive(clap::Args)]
pub struct Args {
    /// The program
    #[arg(value_name = "PROGRAM.hlaprog")]
    program: PathBuf,
    /// The function [default: main, or the only one]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Values of the function's parameters, by `hla.param`
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
    /// An input: in the order of the function's arguments, or NAME=@FILE for the argument whose
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
}

pub fn run(args: &Args, place: Place) -> Result<(), Failure> {
    let session = program::open(&args.program, place)?;
    let step = program::function(&session, args.function.as_deref())?;
    let signature = Executable::signature(&step).clone();
    for (given, what) in [(&args.output, "--output"), (&args.expect, "--expect")] {
        check_outputs(given, what, &signature)?;
    }
    let values = gather(args, &signature)?;
    let outputs = step.run(&values, None)?;

    let read = [&args.input, &args.expect].into_iter().flatten();
    let read = read.map(|named| named.path.as_path());
    let read = read.chain(args.weights.as_deref()).chain([&*args.program]);
    let mut files = Outputs::sparing(read);
    for (named, tensor) in args.output.iter().zip(&outputs) {
        files.add("--output", &named.path, npy::to_bytes(tensor)?);
    }
    files.commit()?;
    let tolerance = Tolerance {
        rtol: args.rtol,
        atol: args.atol,
        // There is no evaluator here that could tell what is right.
        reference: true,
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
    if args.output.is_empty() && args.expect.is_empty() {
        let lines: String = outputs.iter().map(|t| format!("{t:?}\n")).collect();
        tell(lines)?;
    } else {
        let used = args.output.len().max(args.expect.len());
        for (i, tensor) in outputs.iter().enumerate().skip(used) {
            let ty = tensor.ty();
            report::say(&format!(
                "note: output {i}, {ty}, is neither written nor compared"
            ));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into()),
    }
}

/// Refuses more outputs than there are, with names, or two in one place.
fn check_outputs(given: &[Named], what: &str, signature: &Signature) -> Result<(), Failure> {
    if given.len() > signature.outputs.len() {
        let message = format!(
            "{} {what} files are given, but the function has {} outputs",
            given.len(),
            signature.outputs.len()
        );
        return Err(Diagnostic::error(Location::unknown(), message)
            .help(format!("the function is {signature}"))
            .into());
    }
    if let Some(name) = given.iter().find_map(|n| n.name.as_deref()) {
        return Err(Failure::Usage(format!(
            "outputs go by their order: {name}=@… cannot be matched"
        )));
    }
    for (i, named) in given.iter().enumerate() {
        let taken = |n: &Named| what == "--output" && same_file(&n.path, &named.path);
        if given[..i].iter().any(taken) {
            return Err(Failure::Usage(format!(
                "{what} @{} is given twice: each output needs a file of its own",
                named.path.display()
            )));
        }
    }
    Ok(())
}

/// A value for each argument: from `--weights` if it is there, else from `--input`.
fn gather(args: &Args, signature: &Signature) -> Result<Vec<Tensor>, Failure> {
    let weights = match &args.weights {
        Some(path) => values::read(path)?,
        None => Default::default(),
    };
    let by_name = |name: &str| args.input.iter().any(|n| n.name.as_deref() == Some(name));
    let of_weights = |i: usize| {
        let param = signature.inputs[i].param.as_deref()?;
        weights.get(param).filter(|_| !by_name(param))
    };
    let open: Vec<usize> = (0..signature.inputs.len())
        .filter(|&i| of_weights(i).is_none())
        .collect();
    let asked = Signature {
        inputs: open.iter().map(|&i| signature.inputs[i].clone()).collect(),
        outputs: signature.outputs.clone(),
    };
    let model: &Path = &args.program;
    let mut given = inputs(&asked, &args.input, model)?.into_iter();
    let mut all = Vec::with_capacity(signature.inputs.len());
    for i in 0..signature.inputs.len() {
        all.extend(match of_weights(i) {
            Some(value) => Some(value.clone()),
            None => given.next(),
        });
    }
    Ok(all)
}
