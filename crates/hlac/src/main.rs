//! The `hlac` command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        eprintln!("hlac: internal error: {info}");
        eprintln!(
            "This is a mistake in hlac, not in your model. Please report it with the model, the"
        );
        eprintln!("command line and this message; RUST_BACKTRACE=1 adds where it happened.");
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    match std::panic::catch_unwind(cli::main) {
        Ok(status) => ExitCode::from(status),
        Err(_) => ExitCode::from(70),
    }
}
