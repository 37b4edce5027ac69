//! Options that name the tensors of a run in files: `--input`, `--output`, `--expect`.

use std::ffi::OsString;
use std::path::Path;

use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::{Signature, npy};

use crate::compare::Tolerance;
use crate::output::Outputs;
use crate::tensors::{Named, file, same_file, tolerance};
use crate::values::display;
use crate::{Failure, report};

/// Where inputs come from, where outputs go and what they must be.
#[derive(clap::Args)]
pub struct TensorArgs {
    /// Inputs: in the order of the arguments, or NAME=@FILE for the argument whose `hla.name` or
    /// `hla.param` is NAME; several may follow one --input
    #[arg(long, value_name = "[NAME=]@FILE.npy", value_parser = file)]
    pub input: Vec<Named>,
    /// Where outputs go, in order
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    pub output: Vec<Named>,
    /// What outputs must be, in order
    #[arg(long, value_name = "@FILE.npy", value_parser = file)]
    pub expect: Vec<Named>,
    /// Relative tolerance of --expect, for floats
    #[arg(long, value_name = "R", default_value_t = 1e-5, value_parser = tolerance)]
    pub rtol: f64,
    /// Absolute tolerance of --expect, for floats
    #[arg(long, value_name = "A", default_value_t = 1e-8, value_parser = tolerance)]
    pub atol: f64,
}

impl TensorArgs {
    /// Refuses more outputs than there are, outputs with names, or two in one place. `what` is what errors
    /// call the program: model, function.
    ///
    /// # Errors
    /// These.
    pub fn check(&self, signature: &Signature, what: &str) -> Result<(), Failure> {
        for (given, option) in [(&self.output, "--output"), (&self.expect, "--expect")] {
            if given.len() > signature.outputs.len() {
                let message = format!(
                    "{} {option} files are given, but the {what} has {} outputs",
                    given.len(),
                    signature.outputs.len()
                );
                return Err(Diagnostic::error(Location::unknown(), message)
                    .help(format!("the {what} is {signature}"))
                    .into());
            }
            if let Some(name) = given.iter().find_map(|n| n.name.as_deref()) {
                return Err(Failure::Usage(format!(
                    "outputs go by their order: {name}=@… cannot be matched"
                )));
            }
        }
        for (i, named) in self.output.iter().enumerate() {
            let mut before = self.output[..i].iter();
            if before.any(|n| same_file(&n.path, &named.path)) {
                return Err(Failure::Usage(format!(
                    "--output @{} is given twice: each output needs a file of its own",
                    named.path.display()
                )));
            }
        }
        Ok(())
    }

    /// Files that are read, which no output may replace.
    pub fn read(&self) -> impl Iterator<Item = &Path> {
        let named = self.input.iter().chain(&self.expect);
        named.map(|named| named.path.as_path())
    }

    /// Whether somebody wants outputs in files or compared.
    pub fn wants_outputs(&self) -> bool {
        !self.output.is_empty() || !self.expect.is_empty()
    }

    /// Writes outputs; `files` knows what must not be replaced.
    ///
    /// # Errors
    /// A file that cannot be written, or that is read.
    pub fn write(&self, outputs: &[Tensor], mut files: Outputs) -> Result<(), Diagnostic> {
        for (named, tensor) in self.output.iter().zip(outputs) {
            files.add("--output", &named.path, npy::to_bytes(tensor)?);
        }
        files.commit()
    }

    /// What is wrong with outputs. `reference` says that the reference evaluator computed them.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn compare(
        &self,
        outputs: &[Tensor],
        reference: bool,
    ) -> Result<Vec<Diagnostic>, Diagnostic> {
        let tolerance = Tolerance {
            rtol: self.rtol,
            atol: self.atol,
            reference,
        };
        let mut wrong = Vec::new();
        for (i, (named, tensor)) in self.expect.iter().zip(outputs).enumerate() {
            let expected = npy::read(&named.path)?;
            if let Err(d) = tolerance.check(i, tensor, &expected) {
                wrong.push(Diagnostic {
                    location: Location::file(display(&named.path), 0, 0),
                    ..d
                });
            }
        }
        Ok(wrong)
    }

    /// Notes outputs that nobody asked for, if some were asked for.
    pub fn note_others(&self, outputs: &[Tensor]) {
        let used = self.output.len().max(self.expect.len());
        let others = outputs.iter().enumerate().skip(used);
        for (i, tensor) in others.filter(|_| used > 0) {
            let ty = tensor.ty();
            report::say(&format!(
                "note: output {i}, {ty}, is neither written nor compared"
            ));
        }
    }
}

/// A command line with each file behind an option of its own: `--input @a @b` is
/// `--input @a --input @b`, after the word `command`. The parser alone would take whatever follows for a
/// file, the model too.
pub fn spread(args: impl IntoIterator<Item = OsString>, command: &str) -> Vec<OsString> {
    let mut spread: Vec<OsString> = Vec::new();
    // The option whose files are being listed, and whether its own value is still to come.
    let mut list: Option<(String, bool)> = None;
    let mut runs = false;
    for (i, arg) in args.into_iter().enumerate() {
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
        runs |= i > 0 && arg == command;
        spread.push(arg);
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_may_follow_an_option() {
        let spread = |line: &str| {
            let args = line.split(' ').map(OsString::from);
            let args: Vec<String> = spread(args, "run")
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
            (
                "hlac --first 1 run --input @a @b",
                "hlac --first 1 run --input @a --input @b",
            ),
            // A missing value is for the parser to tell.
            (
                "hlac run --input --output @a",
                "hlac run --input --output @a",
            ),
            ("hlac opt --input @a @b", "hlac opt --input @a @b"),
            ("run opt --input @a @b", "run opt --input @a @b"),
            ("hlac run --labels @a @b", "hlac run --labels @a @b"),
        ] {
            assert_eq!(spread(line), means);
        }
    }
}
