//! The `hla-run` command: compiled programs on a GPU. It links neither MLIR nor Cranelift.
//!
//! One file for each command; `place` is which device, `program` how a program comes onto it. It is a
//! library so that tests can have the same command on a device of their own.

mod bench;
mod check;
mod devices;
mod infer;
mod inspect;
mod place;
mod program;
mod train;
mod values;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use hla_cli::Failure;
use hla_cli::files::spread;
use hla_cli::report::{self, Sources, visible};

use hla_ir::Diagnostic;
use hla_runtime::device::Device;
use place::{Place, Which};

/// Opens a device by its number; if the second is set, it waits for each kernel, so that the one that
/// fails can be named.
pub type Open = fn(usize, bool) -> Result<Box<dyn Device>, Diagnostic>;

/// Trains and runs programs that hlac compiled for a GPU.
#[derive(Parser)]
#[command(name = "hla-run", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hla-run devices
  hla-run train cnn.hlaprog --data train-images.npy --eval test-images.npy -o ternary.safetensors
  hla-run infer cnn.hlaprog --input @images.npy --output @logits.npy
  hla-run bench cnn.hlaprog --function ternary_step --steps 100
  hla-run check cnn.hlaprog --against reference.safetensors

It needs NVIDIA's driver and nothing else of CUDA.
Exit status: 0 done, 1 the input cannot be used or a check failed, 2 the command line is wrong, 70 a
mistake in hlac, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// Train a compiled model to be ternary
    Train(Box<train::Args>),
    /// Run a function on .npy files
    Infer(infer::Args),
    /// Tell how long functions take
    Bench(bench::Args),
    /// Compare functions with inputs and outputs that were computed elsewhere
    Check(check::Args),
    /// Tell what is in a program
    Inspect(inspect::Args),
    /// List the GPUs that the driver shows
    Devices(devices::Args),
}

fn run(cli: Cli, open: Open) -> Result<(), Failure> {
    let place = Place::new(cli.which, open);
    match cli.command {
        Command::Train(args) => train::run(&args, place),
        Command::Infer(args) => infer::run(&args, place),
        Command::Bench(args) => bench::run(&args, place),
        Command::Check(args) => check::run(&args, place),
        Command::Inspect(args) => inspect::run(&args),
        Command::Devices(args) => devices::run(&args),
    }
}

/// Runs the command that the process was started with; gives its exit status.
fn status(open: Open) -> u8 {
    match run(Cli::parse_from(spread(std::env::args_os(), "infer")), open) {
        Ok(()) => 0,
        Err(Failure::Input(diagnostics)) => {
            report::print(&diagnostics, &Sources::default());
            1
        }
        Err(Failure::Usage(message)) => {
            let error = Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message);
            // Nobody is left to tell if standard error is closed.
            let _ = error.print();
            2
        }
        Err(Failure::Stopped(message)) => {
            report::say(&visible(&message));
            130
        }
    }
}

/// The whole process, with devices that come from `open`: reads the command line, runs the command,
/// tells what went wrong, gives the status to exit with.
pub fn main(open: Open) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        // A standard error that is closed or full must not make a panic of a panic.
        let _ = writeln!(
            std::io::stderr(),
            "hla-run: internal error: {info}\n\
             This is a mistake in hlac, not in your program. Please report it with the program, the\n\
             command line and this message."
        );
    }));
    match std::panic::catch_unwind(|| status(open)) {
        Ok(status) => ExitCode::from(status),
        Err(_) => ExitCode::from(70),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
