//! The command with a driver that needs no GPU, and a program for it.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser;
use hla_cli::train::{Options, options};
use hla_ir::{DType, Tensor, TensorType};
use hla_passes::training::{Role, StateSpec};
use hla_runtime::plan::{
    Access, Command as Step, DeviceProgram, Kernel, KernelArg, Place, PlanFunction, Span,
};
use hla_runtime::{Signature, Slot, npy, program as files};
use hla_train::{Blueprint, Part};
use tempfile::TempDir;

/// A folder with the fake driver and the program in it.
pub struct Bench {
    pub folder: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_cuda.c");
        let status = Command::new("gcc")
            .args([
                "-std=gnu11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
                "-o",
            ])
            .arg(folder.path().join("libcuda.so"))
            .arg(source)
            .status()
            .unwrap();
        assert!(status.success());
        let bench = Bench { folder };
        files::write(&bench.path("p.hlaprog"), &example()).unwrap();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn save(&self, name: &str, tensor: &Tensor) {
        std::fs::write(self.path(name), npy::to_bytes(tensor).unwrap()).unwrap();
    }

    /// Runs in the folder, with the fake driver and these variables.
    pub fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        command()
            .args(args)
            .current_dir(self.folder.path())
            .env("LD_LIBRARY_PATH", self.folder.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }
}

pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hla-run"))
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// 64 elements: first, first + 1, …
pub fn rising(first: f32) -> Tensor {
    let values: Vec<f32> = (0..64).map(|i| first + i as f32).collect();
    Tensor::from_f32s([64], &values).unwrap()
}

/// 64 elements of one value.
pub fn all(value: f32) -> Tensor {
    Tensor::splat(TensorType::f32([64]), value.into())
}

fn span(place: Place, bytes: u64, value: u32) -> Span {
    Span {
        place,
        offset: 0,
        bytes,
        value,
    }
}

fn launch(kernel: u32, args: &[(Access, Span)]) -> Step {
    let args = args
        .iter()
        .map(|&(access, span)| KernelArg { span, access });
    Step::Launch {
        kernel,
        grid: [1; 3],
        args: args.collect(),
    }
}

fn slot(name: &str, ty: TensorType) -> Slot {
    Slot {
        name: Some(name.into()),
        ty,
        param: None,
        updates: None,
    }
}

fn entry(name: &str, parameters: usize) -> String {
    let parameters: Vec<String> = (0..parameters)
        .map(|i| format!("\t.param .u64 {name}_{i}"))
        .collect();
    format!(
        ".visible .entry {name}(\n{}\n)\n{{ ret; }}\n",
        parameters.join(",\n")
    )
}

/// Two functions, with 3 as a constant:
/// `step(x, w) = (loss = Σ w', w' = w + 3·x)` and `main(x) = (3·x, x, all zero)`.
pub fn example() -> DeviceProgram {
    let ty = TensorType::f32([64]);
    let (read, write) = (Access::Read, Access::Write);
    let three = span(Place::Constants, 4, 2);
    let x = span(Place::Input(0), 256, 0);
    let (w, new_w) = (span(Place::Input(1), 256, 1), span(Place::Input(1), 256, 4));
    let scaled = span(Place::Arena, 256, 3);
    let step = PlanFunction {
        name: "step".to_owned(),
        signature: Signature {
            inputs: vec![
                slot("x", ty.clone()),
                Slot {
                    param: Some("w".into()),
                    ..slot("w", ty.clone())
                },
            ],
            outputs: vec![
                slot("loss", TensorType::new([], DType::F32)),
                Slot {
                    name: None,
                    updates: Some("w".into()),
                    ..slot("w", ty.clone())
                },
            ],
        },
        arena_bytes: 256,
        // What its three launches would be if they were contractions.
        macs: 192,
        commands: vec![
            launch(0, &[(read, x), (read, three), (write, scaled)]),
            launch(1, &[(read, w), (read, scaled), (write, new_w)]),
            launch(2, &[(read, new_w), (write, span(Place::Output(0), 4, 5))]),
        ],
    };
    let main = PlanFunction {
        name: "main".to_owned(),
        signature: Signature {
            inputs: vec![slot("x", ty.clone())],
            outputs: ["y", "same", "zero"]
                .map(|name| slot(name, ty.clone()))
                .to_vec(),
        },
        arena_bytes: 0,
        macs: 0,
        commands: vec![
            launch(
                0,
                &[
                    (read, x),
                    (read, three),
                    (write, span(Place::Output(0), 256, 10)),
                ],
            ),
            Step::Copy {
                source: x,
                target: Span {
                    value: 11,
                    ..span(Place::Output(1), 256, 0)
                },
            },
            Step::Fill {
                target: span(Place::Output(2), 256, 12),
                byte: 0,
            },
        ],
    };
    program(vec![step, main])
}

/// A training whose one step is `float_step(image, labels, w) = (loss = Σ w', correct = 0,
/// w' = w + 3·image)`, images of two samples at a time.
pub fn training() -> DeviceProgram {
    let weights = TensorType::f32([64]);
    let images = TensorType::f32([2, 32]);
    let scalar = |dtype| TensorType::new([], dtype);
    let (read, write) = (Access::Read, Access::Write);
    let three = span(Place::Constants, 4, 3);
    let (x, scaled) = (span(Place::Input(0), 256, 0), span(Place::Arena, 256, 4));
    let (w, new_w) = (span(Place::Input(2), 256, 2), span(Place::Input(2), 256, 5));
    let parameter = Slot {
        param: Some("w".into()),
        ..slot("w", weights.clone())
    };
    let float_step = PlanFunction {
        name: Part::FloatStep.name().to_owned(),
        signature: Signature {
            inputs: vec![
                slot("image", images.clone()),
                slot("labels", TensorType::new([2], DType::I32)),
                parameter.clone(),
            ],
            outputs: vec![
                slot("loss", scalar(DType::F32)),
                slot("correct", scalar(DType::I32)),
                Slot {
                    name: None,
                    updates: Some("w".into()),
                    ..slot("w", weights.clone())
                },
            ],
        },
        arena_bytes: 256,
        macs: 0,
        commands: vec![
            launch(0, &[(read, x), (read, three), (write, scaled)]),
            launch(1, &[(read, w), (read, scaled), (write, new_w)]),
            launch(2, &[(read, new_w), (write, span(Place::Output(0), 4, 6))]),
            Step::Fill {
                target: span(Place::Output(1), 4, 7),
                byte: 0,
            },
        ],
    };
    let ternarize = PlanFunction {
        name: Part::Ternarize.name().to_owned(),
        signature: Signature {
            inputs: vec![parameter],
            outputs: Vec::new(),
        },
        arena_bytes: 0,
        macs: 0,
        commands: Vec::new(),
    };
    let blueprint = Blueprint {
        state: vec![StateSpec {
            name: "w".to_owned(),
            ty: weights,
            role: Role::Bias,
            layer: None,
        }],
        layers: Vec::new(),
        input: ("image".to_owned(), images),
        classes: 2,
        has_sphere: false,
        projects: false,
        fingerprint: 1,
        options: options::of_graphs(&Line::parse_from(FLOAT).options),
    };
    DeviceProgram {
        driver: Some(blueprint.to_json()),
        ..program(vec![float_step, ternarize])
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// What the training was compiled with.
const FLOAT: [&str; 9] = [
    "train",
    "--quantizer",
    "float",
    "--batch",
    "2",
    "--data",
    "-",
    "-o",
    "-",
];

/// These functions over the three kernels that the fake driver knows.
fn program(functions: Vec<PlanFunction>) -> DeviceProgram {
    let kernel = |name: &str, module| Kernel {
        entry: name.to_owned(),
        module,
        block: [64, 1, 1],
        shared_bytes: 50_000,
        computes: format!("{name} of all"),
    };
    let head = ".version 7.8\n.target sm_80\n.address_size 64\n";
    DeviceProgram {
        chip: "sm_80".to_owned(),
        precision: "f32".to_owned(),
        producer: "tests".to_owned(),
        modules: vec![
            format!("{head}{}{}", entry("scale", 3), entry("add", 3)),
            format!("{head}{}", entry("sum", 2)),
        ],
        kernels: vec![kernel("scale", 0), kernel("add", 0), kernel("sum", 1)],
        constants: 3.0_f32.to_le_bytes().to_vec(),
        functions,
        driver: None,
    }
}
