//! The command line: arguments, and one file for each command.

mod compile;
mod inspect;
mod model;
mod opt;
mod passes;
mod resident;
mod run;
mod train;
mod verify;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use hla_cli::files::spread;
use hla_cli::{output, report, tell, timing};
use hla_ir::{Diagnostic, Severity};

use report::Sources;

/// A compiler from neural networks to multiply-free ternary code.
#[derive(Parser)]
#[command(name = "hlac", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hlac compile cnn.mlir --weights cnn.safetensors --target aarch64 -o cnn.o
  hlac train cnn.mlir --weights cnn.safetensors --data train-images.npy -o ternary.safetensors
  hlac run cnn.mlir --weights cnn.safetensors --input @images.npy --output @logits.npy
  hlac opt cnn.mlir --weights cnn.safetensors \\
      --pass-pipeline='builtin.module(hla-freeze,canonicalize)'
  hlac compile cnn.mlir --weights cnn.safetensors --target cuda --precision bf16 -o cnn.hlaprog
  hlac inspect cnn.o --count-multiplies

A model is MLIR text or bytecode in the TOSA dialect; `-` reads it from standard input.
Exit status: 0 done, 1 the input cannot be used, 2 the command line is wrong, 70 a mistake in hlac,
130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// Make a model ternary and write an object file and a C header, or a program for a GPU
    Compile(compile::Args),
    /// Train a model to be ternary
    Train(Box<train::Args>),
    /// Run a model in this process on .npy files
    Run(run::Args),
    /// Run a pass pipeline on a model and print the result, like mlir-opt
    Opt(opt::Args),
    /// List the passes of hlac and their options
    Passes(passes::Args),
    /// Tell what is in a model, an object, a GPU program, a weight file or a .npy file
    Inspect(inspect::Args),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What a command fails with.
pub enum Failure {
    /// The input cannot be used.
    Input(hlac::Error),
    /// The options contradict each other: told as clap tells it.
    Usage(String),
    /// The user interrupted it; this is what they should know.
    Stopped(String),
}

impl From<hlac::Error> for Failure {
    fn from(error: hlac::Error) -> Failure {
        Failure::Input(error)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::Input(diagnostic.into())
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Failure {
        Failure::Input(diagnostics.into())
    }
}

impl From<hla_cli::Failure> for Failure {
    fn from(failure: hla_cli::Failure) -> Failure {
        match failure {
            hla_cli::Failure::Input(diagnostics) => diagnostics.into(),
            hla_cli::Failure::Usage(message) => Failure::Usage(message),
            hla_cli::Failure::Stopped(message) => Failure::Stopped(message),
        }
    }
}

/// The command line as it is declared.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("train", train::declare)
}

/// The long names of the subcommand's options that stand on the command line.
fn given(matches: &clap::ArgMatches) -> Vec<String> {
    let Some((name, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let command = command();
    let declared = command.find_subcommand(name).into_iter();
    let declared = declared.flat_map(clap::Command::get_arguments);
    let said = declared.filter(|arg| {
        let source = matches.value_source(arg.get_id().as_str());
        source == Some(clap::parser::ValueSource::CommandLine)
    });
    said.filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect()
}

/// Runs the command that the process was started with; gives its exit status.
pub fn main() -> u8 {
    let matches = command().get_matches_from(spread(std::env::args_os(), "run"));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    resident::release_code();
    let mut sources = Sources::default();
    let result = match cli.command {
        Command::Compile(args) => compile::run(&args, &mut sources),
        Command::Train(args) => train::run(&args, &given(&matches), &mut sources),
        Command::Run(args) => run::run(&args, &mut sources),
        Command::Opt(args) => opt::run(&args, &mut sources),
        Command::Passes(args) => passes::run(&args),
        Command::Inspect(args) => inspect::run(&args, &mut sources),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "hlac", &mut script);
            tell(script).map_err(Failure::from)
        }
    };
    match result {
        Ok(()) => 0,
        Err(Failure::Input(error)) => {
            report::print(&with_next_step(error.diagnostics()), &sources);
            1
        }
        Err(Failure::Usage(message)) => {
            let error = Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message);
            // Nobody is left to tell if standard error is closed.
            let _ = error.print();
            2
        }
        Err(Failure::Stopped(message)) => {
            report::say(&report::visible(&message));
            130
        }
    }
}

/// Errors with what to do next: what only says where a model is wrong, as MLIR's parser does, is
/// followed by the one thing that can be done about it.
fn with_next_step(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut all = diagnostics.to_vec();
    let last = all.iter_mut().rev().find(|d| d.severity == Severity::Error);
    if let Some(last) = last.filter(|d| d.help.is_none() && !d.location.is_unknown()) {
        last.help =
            Some("correct the file there, or write it again with the tool it came from".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use hla_ir::Location;

    use super::*;

    #[test]
    fn the_declaration_of_the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn an_error_in_a_file_has_a_next_step() {
        let place = Location::file("m.mlir", 2, 3);
        let wrong = Diagnostic::error(place.clone(), "no");
        let helped = Diagnostic::error(place, "no").help("do this");
        let elsewhere = Diagnostic::error(Location::unknown(), "no");
        let help = |all: &[Diagnostic]| -> Vec<bool> {
            with_next_step(all)
                .iter()
                .map(|d| d.help.is_some())
                .collect()
        };
        assert_eq!(help(&[wrong.clone(), wrong.clone()]), [false, true]);
        assert_eq!(with_next_step(std::slice::from_ref(&helped)), [helped]);
        assert_eq!(help(&[elsewhere]), [false]);
    }
}
