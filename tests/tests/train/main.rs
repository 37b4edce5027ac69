//! `hlac train` from outside, on the digits.
//!
//! - `whole`: what training reports is what the compiled network does; resuming and threads change
//!   no bit;
//! - `kills`: SIGKILL at random moments loses nothing;
//! - `refusals`: bad input is told before anything is computed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kills;
mod refusals;
mod whole;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hla_ir::{Tensor, TensorType};
use hla_runtime::npy;
use hlac_tests::process::{Outcome, hlac, root, run_in};
use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own for one test, with few training samples in it.
struct Place(TempDir);

/// Training samples of a test.
const SAMPLES: usize = 160;

/// Two epochs in full precision, two of stage 1, three of stage 2.
const SHORT: &str = "--data train-images.npy --float-epochs 2 --t1 0.3 --t2 0.7 --t-step 0.2 \
                     --epochs-per-t 1 --ternary-epochs 3 --batch 32 --lr 0.05 --seed 7";

impl Place {
    fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        for name in ["train-images.npy", "train-labels.npy"] {
            let whole = npy::read(Path::new(&digits(name))).unwrap();
            place.write(name, &npy::to_bytes(&first(&whole, SAMPLES)).unwrap());
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn hlac(&self, args: &[&str]) -> Outcome {
        run_in(self.0.path(), &hlac(), args, b"")
    }

    /// `hlac train MODEL.mlir`, with options as one writes them.
    fn train(&self, model: &str, options: &str) -> Outcome {
        let model = digits(model);
        let mut args = vec!["train", &model];
        args.extend(options.split_whitespace());
        self.hlac(&args)
    }

    /// The same, in the background.
    fn start(&self, model: &str, options: &str) -> Child {
        Command::new(hlac())
            .current_dir(self.0.path())
            .args(["train", &digits(model)])
            .args(options.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The lines of a metrics file, without what depends on the clock.
    fn metrics(&self, name: &str) -> Vec<Value> {
        let text = String::from_utf8(self.read(name)).unwrap();
        let lines = text.lines().map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            let record = value.as_object_mut().unwrap();
            record.remove("seconds");
            record.remove("images_per_second");
            value
        });
        lines.collect()
    }
}

/// Fails at the first line of metrics that differs.
#[track_caller]
fn same_metrics(a: &[Value], b: &[Value]) {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let (a, b) = (a.to_string(), b.to_string());
        let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        let part = |text: &str| text[at.saturating_sub(60)..text.len().min(at + 60)].to_owned();
        assert!(a == b, "line {i}: {} is not {}", part(&a), part(&b));
    }
    assert_eq!(a.len(), b.len());
}

fn digits(name: &str) -> String {
    let path = root().join("examples/digits").join(name);
    path.display().to_string()
}

/// The first samples of a tensor.
fn first(tensor: &Tensor, count: usize) -> Tensor {
    let mut shape = tensor.shape().to_vec();
    shape[0] = count;
    let ty = TensorType::new(shape, tensor.dtype());
    let bytes = tensor.to_bytes()[..ty.bytes()].to_vec();
    Tensor::from_bytes(ty, bytes).unwrap()
}
