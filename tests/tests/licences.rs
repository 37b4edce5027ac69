//! Every crate that hlac is built from has a licence that allows it.

use std::process::Command;

use hlac_tests::process::root;
use serde_json::Value;

/// Licences without conditions on the programs they go into, beyond naming authors.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Crates that name no licence but carry its text, which was read.
const READ: &[(&str, &str)] = &[("mlir-sys", "MIT")];

/// Whether an SPDX expression leaves a choice of allowed licences.
fn allowed(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some((left, right)) = split(expression, " OR ") {
        return allowed(left) || allowed(right);
    }
    // `A/B` is an old spelling of `A OR B`.
    if let Some((left, right)) = split(expression, "/") {
        return allowed(left) || allowed(right);
    }
    if let Some((left, right)) = split(expression, " AND ") {
        return allowed(left) && allowed(right);
    }
    match expression
        .strip_prefix('(')
        .and_then(|e| e.strip_suffix(')'))
    {
        Some(inner) => allowed(inner),
        None => ALLOWED.contains(&expression),
    }
}

/// Splits at the first separator outside parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0_i32;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[i..].starts_with(separator) => {
                return Some((&text[..i], &text[i + separator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn expressions_are_understood() {
    for fine in [
        "MIT",
        "MIT OR GPL-3.0",
        "(MIT OR GPL-3.0) AND ISC",
        "MIT/Apache-2.0",
        "(MIT)",
    ] {
        assert!(allowed(fine), "{fine}");
    }
    for foul in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND LGPL-2.1",
        "",
    ] {
        assert!(!allowed(foul), "{foul}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"]
        .as_array()
        .expect("packages are listed");
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let foul: Vec<String> = packages
        .iter()
        .filter(|p| {
            let read = READ.iter().find(|(name, _)| p["name"] == *name);
            let licence = p["license"].as_str().or(read.map(|r| r.1));
            !allowed(licence.unwrap_or_default())
        })
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(foul.is_empty(), "{}", foul.join("\n"));
}
