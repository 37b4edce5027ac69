//! Driving the `hlac` command and the tools of MLIR as processes.
//!
//! The command is the one that `HLAC_BIN` names, else `hlac` in the directory cargo builds into.
//! `./x test` builds it first; by hand, run `cargo build -p hlac`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The `hlac` command.
///
/// # Panics
/// If it has not been built.
pub fn hlac() -> PathBuf {
    if let Some(path) = std::env::var_os("HLAC_BIN") {
        return path.into();
    }
    // A test is target/debug/deps/NAME-HASH.
    let exe = std::env::current_exe().unwrap_or_default();
    let path = exe.ancestors().nth(2).unwrap_or(&exe).join("hlac");
    assert!(
        path.exists(),
        "{} is not there: run `cargo build -p hlac`, or set HLAC_BIN",
        path.display()
    );
    path
}

/// What a process did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Exit status; -1 if a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails the test unless the process succeeded.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn success(self) -> Outcome {
        assert_eq!(self.status, 0, "{}\n{}", self.text(), self.stderr);
        self
    }
}

/// Runs a program in a folder, with something on its standard input.
///
/// # Panics
/// If it cannot be started.
pub fn run_in<S: AsRef<OsStr>>(folder: &Path, program: &Path, args: &[S], input: &[u8]) -> Outcome {
    let child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => panic!("{} cannot be started: {error}", program.display()),
    };
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read its input closes the pipe: no error.
            let _ = stdin.map(|mut s| s.write_all(input));
        });
        child.wait_with_output()
    });
    match output {
        Ok(output) => Outcome {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => panic!("{} was lost: {error}", program.display()),
    }
}

/// Runs `hlac` in the root of the repository.
pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Outcome {
    run_in(&root(), &hlac(), args, b"")
}

/// Whether stock mlir-opt accepts a text, with the hla dialect loaded from its public definition.
pub fn mlir_opt(text: &[u8], args: &[&str]) -> Outcome {
    let irdl = root().join("crates/hla-mlir/src/hla.irdl.mlir");
    let irdl = format!("--irdl-file={}", irdl.display());
    let mut all = vec![irdl.as_str()];
    all.extend(args);
    run_in(&root(), Path::new("mlir-opt-22"), &all, text)
}
