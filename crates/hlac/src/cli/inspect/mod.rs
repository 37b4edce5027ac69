//! `hlac inspect`: one file for each kind of thing that is inspected.

mod loops;
mod model;
mod multiplies;
mod object;
mod weights;

use std::fmt::Write as _;
use std::path::PathBuf;

use hla_ir::{Diagnostic, Location};
use serde_json::json;

use super::model::{STDIN, display, read_stdin};
use super::report::{Sources, visible};
use super::{Failure, tell};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model (.mlir, .mlirbc), an object of hlac (.o), a program for a GPU (.hlaprog), weights
    /// (.safetensors) or a tensor (.npy); `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// For an object: disassemble it and count the multiply instructions of each function, inside
    /// and outside innermost loops
    #[arg(long)]
    count_multiplies: bool,
}

const EXAMPLES: &str = "\
Examples:
  hlac inspect cnn.mlir
  hlac inspect cnn.o --count-multiplies --json";

/// What is told: data for machines, text for people.
struct Facts {
    json: serde_json::Value,
    text: String,
}

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    let (name, bytes) = match args.file.as_os_str() == "-" {
        true => (STDIN.to_owned(), read_stdin(sources)?),
        false => {
            let name = display(&args.file);
            let bytes = std::fs::read(&args.file).map_err(|e| {
                Diagnostic::error(Location::file(&*name, 0, 0), format!("cannot be read: {e}"))
                    .help("check the path and its permissions")
            })?;
            (name, bytes)
        }
    };
    let is_object = object::is_object(&bytes);
    if args.count_multiplies && !is_object {
        return Err(Diagnostic::error(
            Location::file(&*name, 0, 0),
            "multiply instructions are counted in machine code, and this is no object file",
        )
        .help("compile the model first: hlac compile MODEL -o model.o")
        .into());
    }
    let facts = if is_object {
        object::inspect(&name, &bytes, args.count_multiplies)?
    } else if hla_runtime::program::begins_program(&bytes) {
        program(&name, &bytes)?
    } else if bytes.starts_with(b"\x93NUMPY") {
        tensor(&name, bytes)?
    } else if weights::is_safetensors(&name, &bytes) {
        weights::inspect(&name, &bytes)?
    } else {
        model::inspect(&name, &bytes)?
    };
    Ok(tell(match args.json {
        true => format!(
            "{}\n",
            serde_json::to_string_pretty(&facts.json).unwrap_or_default()
        ),
        false => visible(&facts.text).into_owned(),
    })?)
}

fn program(name: &str, bytes: &[u8]) -> Result<Facts, Failure> {
    let summary = hla_runtime::program::parse(name, bytes)?.summary();
    let mut json = serde_json::to_value(&summary).unwrap_or_default();
    json["kind"] = json!("program");
    Ok(Facts {
        json,
        text: summary.to_string(),
    })
}

fn tensor(name: &str, bytes: Vec<u8>) -> Result<Facts, Failure> {
    let tensor = hla_runtime::npy::parse(name, bytes)?;
    let (min, max) = tensor
        .iter_f64()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(v), b.max(v))
        });
    let mut text = format!("tensor {}\n", tensor.ty());
    if tensor.ty().elements() > 0 {
        let _ = writeln!(text, "values from {min} to {max}");
    }
    let json = json!({
        "kind": "tensor", "type": tensor.ty().to_string(), "shape": tensor.shape(),
        "min": min.is_finite().then_some(min), "max": max.is_finite().then_some(max),
    });
    Ok(Facts { json, text })
}
