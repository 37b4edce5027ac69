//! Tensors in files, as `--input`, `--output` and `--expect` name them.

use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::{Signature, npy};

use crate::values::display;

/// `[NAME=]@FILE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// NAME.
    pub name: Option<String>,
    /// FILE.
    pub path: PathBuf,
}

/// Reads `[NAME=]@FILE`.
///
/// # Errors
/// What is wrong with the text, as clap tells it.
pub fn file(text: &str) -> Result<Named, String> {
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

/// Reads a tolerance: a finite number of at least 0.
///
/// # Errors
/// What is wrong with the text, as clap tells it.
pub fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if (0.0..f64::INFINITY).contains(&t) => Ok(t),
        _ => Err("it is a finite number of at least 0".to_owned()),
    }
}

/// The inputs in the order of the arguments; `model` is what errors call the program.
///
/// # Errors
/// A file that cannot be read, a name that the program has not, an input that is missing or given
/// twice.
pub fn inputs(
    signature: &Signature,
    given: &[Named],
    model: &Path,
) -> Result<Vec<Tensor>, Diagnostic> {
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
            return Err(refuse(format!("input {index} is given twice")));
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
        return Err(refuse(format!(
            "--input gives no value for {}",
            missing.join(", ")
        )));
    }
    Ok(slots.into_iter().flatten().collect())
}

/// Whether two outputs would overwrite each other. Devices and pipes take any number.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let device = std::fs::metadata(a).is_ok_and(|m| !m.is_file() && !m.is_dir());
    !device && (a == b || std::path::absolute(a).ok() == std::path::absolute(b).ok())
}
