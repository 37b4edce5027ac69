//! The `hlac` command.

mod cli;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        // A standard error that is closed or full must not make a panic of a panic.
        let mut stderr = std::io::stderr();
        let _ = writeln!(
            stderr,
            "hlac: internal error: {info}\n\
             This is a mistake in hlac, not in your model. Please report it with the model, the\n\
             command line and this message; RUST_BACKTRACE=1 adds where it happened."
        );
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
            let _ = writeln!(stderr, "{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    match std::panic::catch_unwind(cli::main) {
        Ok(status) => ExitCode::from(status),
        Err(_) => ExitCode::from(70),
    }
}
