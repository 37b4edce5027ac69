//! What is in an object file that hlac made.

use std::fmt::Write as _;

use hla_cranelift::{CompileReport, metadata};
use hla_ir::{Diagnostic, Location};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SymbolKind};
use serde_json::json;

use super::Facts;
use super::multiplies::{self, Counts, Isa};
use crate::cli::Failure;

/// Whether the bytes are an object file of any format.
pub(super) fn is_object(bytes: &[u8]) -> bool {
    object::FileKind::parse(bytes).is_ok()
}

pub(super) fn inspect(name: &str, bytes: &[u8], count: bool) -> Result<Facts, Failure> {
    let refuse = |message: String, help: &str| {
        Diagnostic::error(Location::file(name, 0, 0), message).help(help)
    };
    let file = object::File::parse(bytes).map_err(|e| {
        refuse(
            format!("the object cannot be read: {e}"),
            "compile the model again",
        )
    })?;
    let data =
        metadata::read(&file).map_err(|e| refuse(e, "give an object that hlac compile wrote"))?;
    let counts = match count {
        true => {
            count_all(&file).map_err(|e| refuse(e, "give an object that hlac compile wrote"))?
        }
        false => Vec::new(),
    };
    let undefined: Vec<String> = file
        .symbols()
        .filter(|s| s.is_undefined() && s.name().is_ok_and(|n| !n.is_empty()))
        .filter_map(|s| Some(s.name().ok()?.to_owned()))
        .collect();
    let text = describe(&data, &counts, count, &undefined);
    let json = json!({ "kind": "object", "program": data, "undefined_symbols": undefined, "multiplies": count.then_some(&counts) });
    Ok(Facts { json, text })
}

/// Counts in every function of the object.
fn count_all(file: &object::File<'_>) -> Result<Vec<Counts>, String> {
    let isa = match file.architecture() {
        Architecture::X86_64 => Isa::X86_64,
        Architecture::Aarch64 => Isa::Aarch64,
        other => return Err(format!("instructions of {other:?} are not known")),
    };
    let mut all = Vec::new();
    for symbol in file
        .symbols()
        .filter(|s| s.kind() == SymbolKind::Text && s.is_definition())
    {
        let name = symbol.name().map_err(|e| e.to_string())?;
        let section = symbol
            .section_index()
            .ok_or_else(|| format!("{name} lies in no section"))?;
        let section = file.section_by_index(section).map_err(|e| e.to_string())?;
        let code = section
            .data_range(symbol.address(), symbol.size())
            .map_err(|e| e.to_string())?
            .ok_or_else(|| format!("{name} lies outside its section"))?;
        all.push(multiplies::count(isa, name, code, symbol.address())?);
    }
    Ok(all)
}

fn describe(
    data: &CompileReport,
    counts: &[Counts],
    counted: bool,
    undefined: &[String],
) -> String {
    let mut text = format!("{} for {}", data.name, data.triple);
    if !data.features.is_empty() {
        let _ = write!(text, " with {}", data.features.join(", "));
    }
    let _ = writeln!(
        text,
        "\nstate {} bytes, workspace {} bytes, constants {} bytes",
        data.state_bytes, data.workspace_bytes, data.rodata_bytes
    );
    for note in &data.notes {
        let _ = writeln!(text, "note: {note}");
    }
    match undefined {
        [] => text.push_str("no undefined symbols\n"),
        list => {
            let _ = writeln!(text, "undefined symbols: {}", list.join(", "));
        }
    }
    let of = |symbol: &str| counts.iter().find(|c| c.symbol == symbol);
    for (title, kernels) in [("run", &data.kernels), ("init", &data.init_kernels)] {
        if kernels.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}");
        for kernel in kernels {
            let _ = write!(text, "  {:<24} {}", kernel.symbol, kernel.computes);
            if !kernel.strategy.is_empty() {
                let _ = write!(text, ", by {}", kernel.strategy);
            }
            text.push('\n');
            for note in &kernel.notes {
                let _ = writeln!(text, "  {:<24} {note}", "");
            }
            if let Some(c) = of(&kernel.symbol) {
                let names: Vec<&str> = c.inner_names.iter().map(String::as_str).collect();
                let names = match names.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", names.join(", ")),
                };
                let _ = writeln!(
                    text,
                    "  {:<24} multiply instructions: {} in {} inner loops{names}, {} elsewhere",
                    "", c.inner, c.inner_loops, c.outer
                );
            }
        }
    }
    if counted {
        let claims: Vec<_> = data.kernels.iter().filter(|k| k.multiply_free).collect();
        let inner: usize = claims
            .iter()
            .filter_map(|k| of(&k.symbol))
            .map(|c| c.inner)
            .sum();
        let _ = writeln!(
            text,
            "\n{} kernels claim to be multiply-free: {inner} multiply instructions in their inner loops",
            claims.len()
        );
    }
    text
}
