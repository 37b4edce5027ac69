//! `hlac passes`.

use std::fmt::Write as _;

use serde_json::json;

use super::{Failure, output};

#[derive(clap::Args)]
#[command(
    after_help = "Passes run in `hlac opt --pass-pipeline='builtin.module(NAME{option=value},…)'`, \
mixed with those of MLIR."
)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let registry = hla_passes::registry();
    if args.json {
        let list: Vec<_> = registry
            .iter()
            .map(|pass| {
                let options: Vec<_> = pass
                    .options
                    .iter()
                    .map(|o| json!({"name": o.name, "kind": o.kind.to_string(), "default": o.default, "help": o.help}))
                    .collect();
                json!({"name": pass.name, "summary": pass.summary, "options": options})
            })
            .collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        return Ok(output::print(format!("{text}\n"))?);
    }
    let mut text = String::new();
    for pass in registry {
        let _ = writeln!(text, "{}\n    {}", pass.name, pass.summary);
        for o in pass.options {
            let default = match o.default.is_empty() {
                true => "none",
                false => o.default,
            };
            let _ = writeln!(
                text,
                "    {:<16} {} ({}; default {default})",
                o.name, o.help, o.kind
            );
        }
    }
    Ok(output::print(text)?)
}
