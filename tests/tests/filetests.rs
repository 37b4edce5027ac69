//! The files of `filetests/`: MLIR in, MLIR out.
//!
//! A file says in comments what to run and what to expect:
//! - `// RUN: hlac opt %s --pass-pipeline='…'`: succeeds; what it prints is the snapshot of the
//!   same name in `filetests/snapshots/`, and stock mlir-opt with `hla.irdl.mlir` accepts it;
//! - `// RUN: not hlac …`: fails with status 1; what it says is the snapshot;
//! - with `--verify-diagnostics` the expected diagnostics stand in the file, and there is no
//!   snapshot.
//!
//! `%s` is the file. `./x bless` rewrites the snapshots.

use std::path::{Path, PathBuf};

use hlac_tests::process::{hlac, mlir_opt, root, run_in};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let args = Arguments::from_args();
    let folder = root().join("tests/filetests");
    let mut trials = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder of filetests is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|e| e == "mlir") {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            trials.push(Trial::test(name.clone(), move || test(&path, &name)));
        }
    }
    trials.push(Trial::test("every_pass_has_a_file", every_pass_has_a_file));
    libtest_mimic::run(&args, trials).exit();
}

/// Each pass that `hlac passes` lists has a file of its name, which runs it.
fn every_pass_has_a_file() -> Result<(), Failed> {
    let folder = root().join("tests/filetests");
    let outcome = run_in(&folder, &hlac(), &["passes", "--json"], b"");
    let passes: serde_json::Value = serde_json::from_slice(&outcome.stdout)?;
    let names: Vec<&str> = passes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pass| pass["name"].as_str())
        .collect();
    if names.len() < 10 {
        return Err(format!("only {names:?} are listed").into());
    }
    for name in names {
        let file = format!("{}.mlir", name.trim_start_matches("hla-"));
        let text = std::fs::read_to_string(folder.join(&file))
            .map_err(|e| format!("{name} has no filetest {file}: {e}"))?;
        if !text
            .lines()
            .any(|l| l.starts_with("// RUN: hlac opt") && l.contains(name))
        {
            return Err(format!("{file} does not run {name}").into());
        }
    }
    Ok(())
}

fn test(path: &PathBuf, name: &str) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let runs: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("// RUN: "))
        .collect();
    if runs.is_empty() {
        return Err("there is no RUN line".into());
    }
    for (i, run) in runs.iter().enumerate() {
        let number = if runs.len() > 1 {
            format!("-{}", i + 1)
        } else {
            String::new()
        };
        one(path, run, &format!("{name}{number}"))?;
    }
    Ok(())
}

fn one(path: &Path, line: &str, snapshot: &str) -> Result<(), Failed> {
    let mut words = split(line)?;
    let fails = words.first().is_some_and(|w| w == "not");
    if fails {
        words.remove(0);
    }
    if words.first().is_none_or(|w| w != "hlac") {
        return Err(format!("'{line}' does not run hlac").into());
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let args: Vec<String> = words[1..].iter().map(|w| w.replace("%s", &file)).collect();
    let folder = path.parent().unwrap_or(Path::new("."));
    let outcome = run_in(folder, &hlac(), &args, b"");
    if outcome.status != i32::from(fails) {
        return Err(format!("exit status {}\n{}", outcome.status, outcome.stderr).into());
    }
    let has = |flag: &str| args.iter().any(|a| a == flag);
    if has("--verify-diagnostics") {
        return match std::fs::read_to_string(path)?.contains("expected-") {
            true => Ok(()),
            false => Err("it promises no diagnostic".into()),
        };
    }
    let shown = if fails {
        outcome.stderr.clone()
    } else {
        outcome.text()
    };
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder.join("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_input_file(path);
        settings
    };
    settings.bind(|| insta::assert_snapshot!(snapshot, shown));
    if !fails && args.first().is_some_and(|a| a == "opt") && !has("--emit-bytecode") {
        let judged = mlir_opt(
            &outcome.stdout,
            &[
                "--allow-unregistered-dialect",
                "--split-input-file",
                "-o",
                "/dev/null",
            ],
        );
        if judged.status != 0 {
            return Err(format!("mlir-opt refuses it:\n{}", judged.stderr).into());
        }
    }
    Ok(())
}

/// Words of a command line; quotes hold a word together.
fn split(line: &str) -> Result<Vec<String>, Failed> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote has no end: {line}").into());
    }
    words.extend(word);
    Ok(words)
}
