//! `hlac passes`.

use std::fmt::Write as _;

use serde_json::json;

use super::{Failure, tell};

#[derive(clap::Args)]
#[command(
    after_help = "Passes run in `hlac opt --pass-pipeline='builtin.module(NAME{option=value},…)'`, \
mixed with those of MLIR."
)]
pub struct Args {
    /// List the ops that hlac knows instead
    #[arg(long)]
    ops: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.ops {
        return ops(args.json);
    }
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
        return Ok(tell(format!("{text}\n"))?);
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
    Ok(tell(text)?)
}

/// Lists the ops.
fn ops(json: bool) -> Result<(), Failure> {
    let known = hla_ir::ops::OPS
        .iter()
        .filter(|def| def.op != hla_ir::Op::Opaque);
    let text = match json {
        true => {
            let list: Vec<_> = known
                .map(|def| json!({"name": def.name, "summary": def.summary.trim()}))
                .collect();
            serde_json::to_string_pretty(&list).unwrap_or_default() + "\n"
        }
        false => known
            .map(|def| format!("{}\n    {}\n", def.name, def.summary.trim()))
            .collect(),
    };
    Ok(tell(text)?)
}
