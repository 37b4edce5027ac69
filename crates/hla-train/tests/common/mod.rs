//! A small model, small data, and the evaluator as a step program.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod device;

use std::collections::BTreeMap;
use std::path::Path;

use hla_ir::{Arg, Attrs, Diagnostic, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_passes::training::{TrainingGraphs, TrainingOptions, build};
use hla_runtime::{Executable, Rebind, Signature, StepProgram, ThreadPool};
use hla_train::data::{Dataset, Names};
use hla_train::random::Random;
use hla_train::{Blueprint, Setup, TrainConfig, Trainer, compiling};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

/// The evaluator of hla-reference as a program.
struct Reference {
    function: Function,
    signature: Signature,
}

impl Executable for Reference {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[Tensor], _: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        hla_reference::evaluate(&self.function, inputs)
    }
}

pub fn compile(function: &Function) -> Result<Box<dyn StepProgram>, Diagnostic> {
    let program = Reference {
        function: function.clone(),
        signature: Signature::of(function)?,
    };
    Ok(Box::new(Rebind::new(program)?))
}

/// Builds a function.
pub struct Builder(pub Function);

impl Builder {
    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        self.0
            .push(op, operands, attrs, Location::unknown())
            .unwrap()
    }

    fn reshape(&mut self, x: ValueId, shape: &[usize]) -> ValueId {
        let shape: Vec<i64> = shape.iter().map(|&e| e as i64).collect();
        self.op(Op::Reshape, &[x], Attrs::new().with("shape", shape))
    }

    fn batch_norm(&mut self, x: ValueId, [gamma, beta, mean, variance]: [ValueId; 4]) -> ValueId {
        let epsilon = Tensor::splat(TensorType::f32([1, 1, 1]), 1e-5);
        let epsilon = self.0.constant(epsilon, Location::unknown());
        let centred = self.op(Op::Sub, &[x, mean], Attrs::new());
        let shifted = self.op(Op::Add, &[variance, epsilon], Attrs::new());
        let inverse = self.op(Op::Rsqrt, &[shifted], Attrs::new());
        let unit = self.op(Op::Mul, &[centred, inverse], Attrs::new());
        let scaled = self.op(Op::Mul, &[unit, gamma], Attrs::new());
        self.op(Op::Add, &[scaled, beta], Attrs::new())
    }
}

/// Features → 12 → 12 → classes, with batch norm and relu between; fc1 and fc2 become ternary.
pub fn mlp(batch: usize, features: usize, classes: usize) -> Function {
    const WIDTH: usize = 12;
    let mut b = Builder(Function::new("main"));
    let x =
        b.0.add_arg(Arg::new(TensorType::f32([batch, features])).named("features"));
    let mut param =
        |name: &str, shape: [usize; 3]| b.0.add_arg(Arg::new(TensorType::f32(shape)).param(name));
    let mut layers = Vec::new();
    for (layer, depth) in [(1, features), (2, WIDTH)] {
        let weight = param(&format!("fc{layer}.weight"), [1, depth, WIDTH]);
        let norm = ["weight", "bias", "running_mean", "running_var"]
            .map(|what| param(&format!("bn{layer}.{what}"), [1, 1, WIDTH]));
        layers.push((weight, norm));
    }
    let last = param("fc3.weight", [1, WIDTH, classes]);
    let bias = param("fc3.bias", [1, 1, classes]);
    let mut y = b.reshape(x, &[1, batch, features]);
    for (weight, norm) in layers {
        y = b.op(Op::MatMul, &[y, weight], Attrs::new());
        y = b.batch_norm(y, norm);
        let relu = Attrs::new()
            .with("min_val", 0.0_f32)
            .with("max_val", f32::MAX);
        y = b.op(Op::Clamp, &[y], relu);
    }
    y = b.op(Op::MatMul, &[y, last], Attrs::new());
    y = b.op(Op::Add, &[y, bias], Attrs::new());
    y = b.reshape(y, &[batch, classes]);
    b.0.results.push(y);
    b.0
}

pub const FEATURES: usize = 6;
pub const CLASSES: usize = 3;

/// Normal blobs about random centres, one for each class.
pub fn blobs(path: &Path, count: usize, seed: u64, spread: f32) -> Dataset {
    let mut centres = Random::of(0, "centres", 0, 0);
    let centres: Vec<f32> = (0..CLASSES * FEATURES).map(|_| centres.normal()).collect();
    let mut random = Random::of(seed, "blobs", 0, 0);
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let class = random.below(CLASSES as u64) as usize;
        labels.push(class as u8);
        for centre in &centres[class * FEATURES..][..FEATURES] {
            let value = centre + spread * random.normal();
            images.extend_from_slice(&value.to_le_bytes());
        }
    }
    let images = TensorView::new(Dtype::F32, vec![count, FEATURES], &images).unwrap();
    let labels = TensorView::new(Dtype::U8, vec![count], &labels).unwrap();
    serialize_to_file([("images", images), ("labels", labels)], None, path).unwrap();
    Dataset::open(path, &Names::default()).unwrap()
}

/// The graphs of a training and what the trainer is told of them.
pub struct Made {
    pub graphs: TrainingGraphs,
    pub blueprint: Blueprint,
}

/// The graphs of the small model for batches of 16.
pub fn graphs(options: &TrainingOptions) -> Made {
    let options = TrainingOptions {
        keep_logits: true,
        ..options.clone()
    };
    made(build(&mlp(16, FEATURES, CLASSES), &options).unwrap())
}

pub fn made(graphs: TrainingGraphs) -> Made {
    Made {
        blueprint: Blueprint::of(&graphs, BTreeMap::new()),
        graphs,
    }
}

/// A training of a few epochs.
pub fn short() -> TrainConfig {
    TrainConfig {
        seed: 3,
        learning_rate: 0.05,
        float_epochs: 2,
        t1: 0.3,
        t2: 0.5,
        t_step: 0.1,
        epochs_per_t: 2,
        ternary_epochs: 3,
        augment: "noise=0.1".parse().unwrap(),
        ..TrainConfig::default()
    }
}

/// A training on blobs that overlap a little.
pub fn setup<'a>(made: &'a Made, folder: &Path, config: TrainConfig) -> Setup<'a> {
    Setup {
        blueprint: &made.blueprint,
        data: blobs(&folder.join("train.safetensors"), 100, 1, 0.6),
        eval: Some(blobs(&folder.join("eval.safetensors"), 50, 2, 0.6)),
        config,
        weights: BTreeMap::new(),
        pool: None,
        checkpoints: None,
        resume: false,
    }
}

/// The trainer with programs compiled from these graphs.
pub fn try_trainer<'a>(made: &Made, setup: Setup<'a>) -> Result<Trainer<'a>, Vec<Diagnostic>> {
    Trainer::new(setup, &mut compiling(&made.graphs, compile))
}

pub fn trainer<'a>(made: &Made, setup: Setup<'a>) -> Trainer<'a> {
    try_trainer(made, setup).unwrap()
}
