//! Programs for a GPU from outside, on the digits; the emulator of PTX is the GPU.
//!
//! - `compile`: what `hlac compile --target cuda` and `hlac inspect` write and tell, and that a program
//!   computes what the processor does;
//! - `train`: `hlac train --target cuda`, and what `--emit-program` writes, trained;
//! - `refusals`: bad input is told, and nothing is written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compile;
mod refusals;
mod train;

use std::path::{Path, PathBuf};

use hla_ir::{Tensor, TensorType};
use hla_runtime::DeviceSession;
use hla_runtime::plan::DeviceProgram;
use hla_runtime::{npy, program};
use hlac_tests::process::{Outcome, hlac, root, run_in};
use ptx_emulator::{Emulator, Options};
use tempfile::TempDir;

/// A folder of its own for one test.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn program(&self, name: &str) -> DeviceProgram {
        program::read(&self.path(name)).unwrap()
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `hlac`, with a command line as one writes it; `DIGITS/` is where the digits are.
    fn hlac(&self, line: &str) -> Outcome {
        let line = line.replace("DIGITS", &root().join("examples/digits").to_string_lossy());
        let args: Vec<&str> = line.split_whitespace().collect();
        run_in(self.0.path(), &hlac(), &args, b"")
    }
}

fn digits(name: &str) -> PathBuf {
    root().join("examples/digits").join(name)
}

/// The first samples of a file of tensors.
fn first(path: &Path, count: usize) -> Tensor {
    let tensor = npy::read(path).unwrap();
    let mut shape = tensor.shape().to_vec();
    shape[0] = count;
    let ty = TensorType::new(shape, tensor.dtype());
    let bytes = tensor.to_bytes()[..ty.bytes()].to_vec();
    Tensor::from_bytes(ty, bytes).unwrap()
}

/// A program on the emulator.
fn session(program: DeviceProgram) -> DeviceSession {
    let device = Box::new(Emulator::new(Options::default()));
    DeviceSession::new(device, program).unwrap()
}
