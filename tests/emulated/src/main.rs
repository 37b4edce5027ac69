//! The command `hla-run` on a device that runs PTX on the CPU: what `gpu/check` is tried with where there
//! is no GPU. The emulator checks bounds, alignment and divergence throughout; accesses are not checked
//! against each other unless HLAC_RACES is set, which is slower.

use std::process::ExitCode;

use ptx_emulator::{Emulator, Options};

fn main() -> ExitCode {
    hla_run::main(|_, _| {
        let options = Options {
            races: std::env::var_os("HLAC_RACES").is_some(),
            ..Options::default()
        };
        Ok(Box::new(Emulator::new(options)))
    })
}
