//! `hla-run train`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use hla_cli::report::Sources;
use hla_cli::timing::Timing;
use hla_cli::train::{self, Options, options};
use hla_cli::{Failure, values::display};
use hla_ir::{Diagnostic, Location};
use hla_runtime::device::DeviceSession;
use hla_runtime::{StepProgram, program as files};
use hla_train::{Blueprint, Part};

use crate::place::Place;
use crate::{Cli, Command, program};

#[derive(clap::Args)]
#[command(args_override_self = true, after_help = format!("{}\n\n{EXAMPLES}", train::ABOUT))]
pub struct Args {
    /// The program, compiled by hlac train --target cuda --emit-program
    #[arg(value_name = "PROGRAM.hlaprog")]
    program: PathBuf,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
The options are those of `hlac train`. Some shape the program, such as --batch, --momentum and
--quantizer: these are the program's own, and another value than it was compiled with is refused.

Examples:
  hla-run train cnn.hlaprog --weights cnn.safetensors --data train-images.npy \\
      --eval test-images.npy --epochs-per-t 2 --ternary-epochs 20 -o ternary.safetensors
  hla-run train … --checkpoint state/ --resume --metrics run.jsonl --plots plots/ -o out.safetensors
      can be killed at any time and started again with the same command";

pub fn run(args: &Args, place: Place) -> Result<(), Failure> {
    let program = files::read(&args.program)?;
    let blueprint = program::blueprint(&program)?.ok_or_else(|| {
        Diagnostic::error(
            Location::file(display(&args.program), 0, 0),
            "the program is no training",
        )
        .help("compile one with hlac train --target cuda --emit-program")
    })?;
    let own = own(args, &blueprint)?;
    let adopted = adopt(&own);
    let options = &adopted.as_ref().unwrap_or(args).options;
    options::check_program(options, &blueprint.options)?;
    let prepared = train::prepare(options, &args.program)?;
    let mut timing = Timing::new(options.process.timing);
    let data = train::open(options)?;
    let session = timing.phase("load the program", || {
        DeviceSession::new(place.open()?, program)
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
        &Sources::default(),
        timing,
    )
}

/// The program's own options as a command line.
fn own(args: &Args, blueprint: &Blueprint) -> Result<Vec<String>, Diagnostic> {
    let refuse = |message: String| {
        Diagnostic::error(
            Location::file(display(&args.program), 0, 0),
            format!("the options that the program was compiled with make no sense: {message}"),
        )
        .help("compile the model again, with the hlac of this version")
    };
    let known = options::of_graphs(&args.options);
    if let Some(name) = blueprint.options.keys().find(|n| !known.contains_key(*n)) {
        return Err(refuse(format!("'{name}' is unknown")));
    }
    let own = options::command_line(&blueprint.options);
    let line = ["hla-run", "train", "-", "--data=-", "--output=-"].map(str::to_owned);
    match Cli::try_parse_from(line.iter().chain(&own)) {
        Ok(_) => Ok(own),
        Err(error) => Err(refuse(
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        )),
    }
}

/// The command line again, with the program's own options before those that the user gave.
fn adopt(own: &[String]) -> Option<Args> {
    let mut line: Vec<OsString> = std::env::args_os().collect();
    let command = line.iter().position(|word| word == "train")?;
    line.splice(command + 1..=command, own.iter().map(OsString::from));
    match Cli::try_parse_from(line) {
        Ok(cli) => match cli.command {
            Command::Train(args) => Some(*args),
            _ => None,
        },
        // Options that contradict the program's, as clap tells it: status 2.
        Err(error) => error.exit(),
    }
}
