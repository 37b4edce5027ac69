//! `hla-run infer`.

use std::path::{Path, PathBuf};

use hla_cli::files::TensorArgs;
use hla_cli::output::Outputs;
use hla_cli::tensors::inputs;
use hla_cli::{Failure, tell};
use hla_ir::Tensor;
use hla_runtime::{Executable, Signature};

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
    #[command(flatten)]
    tensors: TensorArgs,
}

pub fn run(args: &Args, place: Place) -> Result<(), Failure> {
    let session = program::open(&args.program, place)?;
    let step = program::function(&session, args.function.as_deref())?;
    let signature = Executable::signature(&step).clone();
    args.tensors.check(&signature, "function")?;
    let values = gather(args, &signature)?;
    let outputs = step.run(&values, None)?;

    let weights = args.weights.as_deref().into_iter();
    let read = args.tensors.read().chain(weights).chain([&*args.program]);
    args.tensors.write(&outputs, Outputs::sparing(read))?;
    // There is no evaluator here that could tell what is right.
    let wrong = args.tensors.compare(&outputs, true)?;
    args.tensors.note_others(&outputs);
    if !args.tensors.wants_outputs() {
        let lines: String = outputs.iter().map(|t| format!("{t:?}\n")).collect();
        tell(lines)?;
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into()),
    }
}

/// A value for each argument: from `--weights` if it is there, else from `--input`.
fn gather(args: &Args, signature: &Signature) -> Result<Vec<Tensor>, Failure> {
    let weights = match &args.weights {
        Some(path) => values::read(path)?,
        None => Default::default(),
    };
    let by_name = |name: &str| {
        args.tensors
            .input
            .iter()
            .any(|n| n.name.as_deref() == Some(name))
    };
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
    let mut given = inputs(&asked, &args.tensors.input, model)?.into_iter();
    let mut all = Vec::with_capacity(signature.inputs.len());
    for i in 0..signature.inputs.len() {
        all.extend(match of_weights(i) {
            Some(value) => Some(value.clone()),
            None => given.next(),
        });
    }
    Ok(all)
}
