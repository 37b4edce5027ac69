//! `hla-run inspect`.

use std::path::PathBuf;

use hla_cli::report::visible;
use hla_cli::{Failure, tell};
use hla_runtime::program;

#[derive(clap::Args)]
pub struct Args {
    /// The program
    #[arg(value_name = "PROGRAM.hlaprog")]
    program: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let summary = program::read(&args.program)?.summary();
    let text = match args.json {
        true => serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n",
        false => summary.to_string(),
    };
    Ok(tell(&*visible(&text))?)
}
