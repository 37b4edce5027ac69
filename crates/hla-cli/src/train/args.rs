//! What a training is told: every option, in groups, with its default.

use std::path::PathBuf;

use clap::ValueEnum;
use hla_train::augment::Augment;
use hla_train::schedule::Schedule;

use super::numbers::{fraction, open_share, positive, share, weight};
use crate::values::Scope;

/// All of them but which model, and where.
#[derive(clap::Args)]
pub struct Options {
    /// Values that training begins with, by `hla.param` [default: random ones, by He's rule]
    #[arg(long, value_name = "FILE.safetensors")]
    pub weights: Option<PathBuf>,
    /// Where the trained model goes: the same parameters, those of ternary layers as -a, 0 and +a
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// What is learned from.
    #[command(flatten)]
    pub data: Data,
    /// How weights become ternary.
    #[command(flatten)]
    pub method: Method,
    /// Stochastic gradient descent.
    #[command(flatten)]
    pub descent: Descent,
    /// What the paper leaves open.
    #[command(flatten)]
    pub open: Open,
    /// The process.
    #[command(flatten)]
    pub process: Process,
}

/// What is learned from.
#[derive(clap::Args)]
#[command(next_help_heading = "Data")]
pub struct Data {
    /// Training samples: a safetensors file, a folder with images.npy and labels.npy, or
    /// SOMETHINGimages.npy with SOMETHINGlabels.npy beside it
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Samples that accuracy is told on after each epoch; never trained on
    #[arg(long, value_name = "FILE")]
    pub eval: Option<PathBuf>,
    /// Names of the two tensors in safetensors files
    #[arg(long, value_name = "IMAGES,LABELS", default_value = "images,labels", value_parser = names)]
    pub tensors: (String, String),
    /// Random changes of training images: shift=PIXELS, rotate=DEGREES, scale=PART, noise=DEVIATION
    #[arg(
        long,
        value_name = "CHANGE,…",
        default_value = "",
        hide_default_value = true
    )]
    pub augment: Augment,
}

/// Algorithm 1, and what it is compared with.
#[derive(clap::Args)]
#[command(next_help_heading = "Method")]
pub struct Method {
    /// How weights become ternary
    #[arg(long, value_name = "HOW", default_value = "hla")]
    pub quantizer: QuantizerName,
    /// Epochs of plain training first, in full precision [default: 0 with --weights, else 20]
    #[arg(long, value_name = "N")]
    pub float_epochs: Option<u32>,
    /// Stage 1: share of zeros that t begins with [default: 0.3]
    #[arg(long, value_name = "T", value_parser = open_share)]
    pub t1: Option<f64>,
    /// Stage 1: share of zeros that t ends with [default: 0.7]
    #[arg(long, value_name = "T", value_parser = open_share)]
    pub t2: Option<f64>,
    /// Stage 1: what t grows by, each time training at one t is over [default: 0.04]
    #[arg(long, value_name = "STEP", value_parser = open_share)]
    pub t_step: Option<f64>,
    /// Stage 1: epochs at each t [default: 10]
    #[arg(long, value_name = "N")]
    pub epochs_per_t: Option<u32>,
    /// Stage 1: more epochs at t2 after the last t, with --settle-lambda, so that weights settle
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub settle_epochs: u32,
    /// Weight of L_d in these epochs
    #[arg(long, value_name = "λ", default_value = "10", value_parser = weight)]
    pub settle_lambda: f64,
    /// Stage 2: epochs with ternary weights [default: 200]
    #[arg(long, value_name = "N")]
    pub ternary_epochs: Option<u32>,
    /// Weight of L_d, which draws weights to their ternary form, in the objective [default: 0.1 for
    /// hla, 0 for ste]
    #[arg(long, value_name = "λ", value_parser = weight)]
    pub lambda: Option<f64>,
    /// The same at the end of stage 1, if it is to grow or fall from epoch to epoch
    #[arg(long, value_name = "λ", value_parser = positive)]
    pub lambda_last: Option<f64>,
    /// The same in stage 2 [default: that of --lambda]
    #[arg(long, value_name = "λ", value_parser = weight)]
    pub ternary_lambda: Option<f64>,
    /// Stage 2: share of zeros that its thresholds begin with [default: t2 + 0.1]
    #[arg(long, value_name = "T", value_parser = open_share)]
    pub threshold_start: Option<f64>,
    /// Share of zeros in each step, where steps compute their thresholds anew: with ste, or
    /// --threshold sparsity [default: t2]
    #[arg(long, value_name = "T", value_parser = open_share)]
    pub sparsity: Option<f64>,
    /// Make the first convolution and the last layer ternary too
    #[arg(long)]
    pub quantize_all: bool,
    /// Layers that stay float, by name or number [default: the first convolution, the last layer]
    #[arg(long, value_name = "LAYER,…", conflicts_with = "quantize_all")]
    pub skip: Option<String>,
}

/// Stochastic gradient descent.
#[derive(clap::Args)]
#[command(next_help_heading = "Descent")]
pub struct Descent {
    /// Learning rate at the start of each cycle [default: 0.01]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub lr: Option<f64>,
    /// The same in full precision [default: that of --lr]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub float_lr: Option<f64>,
    /// The same in stage 2 [default: that of --lr]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub ternary_lr: Option<f64>,
    /// Learning rate of thresholds, as a multiple of that of weights; 0 leaves them where they start
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = weight)]
    pub threshold_rate: f64,
    /// Learning rate at the end of each cycle
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = weight)]
    pub lr_end: f64,
    /// How the learning rate falls: constant, cosine (once a stage), restarts (once for each t, once in
    /// stage 2), or restarts=EPOCHSxFACTOR
    #[arg(long, value_name = "HOW", default_value_t = Schedule::default())]
    pub schedule: Schedule,
    /// Share of the last step that the next one keeps
    #[arg(long, value_name = "μ", default_value = "0.9", value_parser = fraction)]
    pub momentum: f64,
    /// Look ahead along the momentum, as Nesterov does
    #[arg(long)]
    pub nesterov: bool,
    /// Decay of weights; batch norm, biases and thresholds have none
    #[arg(long, value_name = "D", default_value = "1e-4", value_parser = weight)]
    pub weight_decay: f64,
    /// Samples in a step
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// What is minimised
    #[arg(long, value_name = "LOSS", default_value = "cross-entropy")]
    pub loss: LossName,
    /// Share of the target that all classes get alike, with cross-entropy
    #[arg(long, value_name = "S", default_value = "0", value_parser = fraction)]
    pub label_smoothing: f64,
    /// Part of a batch's statistics in the running averages of batch norm
    #[arg(long, value_name = "M", default_value = "0.1", value_parser = share)]
    pub batch_norm_momentum: f64,
    /// Batches over which these averages are taken anew after stage 2, with the final weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub reestimate: u32,
    /// End a stage, or a t of stage 1, after this many epochs in which the training loss did not fall
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    pub early_stop: Option<u32>,
}

/// What the paper leaves open.
#[derive(clap::Args)]
#[command(next_help_heading = "What the paper leaves open (docs/training.md)")]
pub struct Open {
    /// How the columns of weights keep length 1
    #[arg(long, value_name = "HOW", default_value = "reparametrize")]
    pub sphere: SphereName,
    /// What is added to a squared length before its root is taken
    #[arg(long, value_name = "ε", default_value = "1e-4", value_parser = weight)]
    pub epsilon: f64,
    /// Do not bring columns to length 1 before they are trained on the sphere: their lengths in
    /// full precision then divide the learning rate
    #[arg(long)]
    pub no_unit_start: bool,
    /// Whether inputs of hyperspherical layers are brought to length 1
    #[arg(long, value_name = "HOW", default_value = "off")]
    pub input_norm: InputNormName,
    /// Train at t2 too; Algorithm 1 stops before it
    #[arg(long)]
    pub t2_inclusive: bool,
    /// Whether the share of zeros holds in each layer or over all of them [default: global; ste,
    /// twn and ttq: layer]
    #[arg(long, value_name = "SCOPE")]
    pub threshold_scope: Option<Scope>,
    /// Where the thresholds of stage 2 come from [default: learned; ste: sparsity; twn and ttq: rule]
    #[arg(long, value_name = "SOURCE")]
    pub threshold: Option<ThresholdName>,
    /// Gradient of a learned threshold [default: signed]
    #[arg(long, value_name = "RULE")]
    pub threshold_gradient: Option<ThresholdGradientName>,
    /// S, by which gradients of ternary weights are multiplied [default: weight; ste, twn and ttq: none]
    #[arg(long, value_name = "S")]
    pub rescale: Option<RescaleName>,
    /// Over what the magnitude of Ternary Weight Networks is a mean
    #[arg(long, value_name = "SCOPE", default_value = "layer")]
    pub twn_scale: TwnScaleName,
}

/// The process.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
pub struct Process {
    /// What random numbers come from; the same seed gives the same bits, for any number of threads
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Keep the state of training here after each epoch, so that it can be resumed
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, if there is one: to the same bits as without interruption
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
    /// Write a line of JSON for each epoch
    #[arg(long, value_name = "F.jsonl")]
    pub metrics: Option<PathBuf>,
    /// Draw loss, accuracy, zeros, cosines and weights, as SVG and PNG
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Print no progress and no summary
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print the time each phase takes, and the peak of memory
    #[arg(long)]
    pub timing: bool,
}

/// How weights become ternary.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum QuantizerName {
    /// Hyperspherical loss-aware: Algorithm 1, with learned thresholds
    Hla,
    /// Plain straight-through on the sphere: stage 2 alone, a fixed share of zeros
    Ste,
    /// Ternary Weight Networks: zeros below 0.7 of the mean magnitude
    Twn,
    /// Trained Ternary Quantization: learned magnitudes for + and -
    Ttq,
    /// None: weights stay in full precision
    Float,
}

/// What is minimised.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// Softmax cross-entropy
    CrossEntropy,
    /// Mean squared error from one-hot targets
    Mse,
}

/// How columns of weights keep length 1.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SphereName {
    /// w = v / √(|v|² + ε) in the graph, differentiated
    Reparametrize,
    /// Bring weights back to length 1 after each step
    Project,
    /// They do not
    Off,
}

/// Whether inputs are brought to length 1.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputNormName {
    /// No
    Off,
    /// Each patch that a convolution sees, each row of a matrix product
    Patch,
}

/// Where thresholds come from.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThresholdName {
    /// Gradient descent moves them
    Learned,
    /// They stay where they start
    Fixed,
    /// Each step computes T(t) of its weights
    Sparsity,
    /// The quantizer's own rule
    Rule,
}

/// Over what the magnitude of Ternary Weight Networks is a mean.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TwnScaleName {
    /// One a layer, as in the paper
    Layer,
    /// One a column
    Column,
}

/// The gradient of a learned threshold.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThresholdGradientName {
    /// Eq. 13 as printed
    Signed,
    /// The derivative of a threshold for both signs
    Symmetric,
    /// Thresholds stay where they start
    None,
}

/// S.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RescaleName {
    /// 1 - w², as printed
    Weight,
    /// 1 - (w/α)², at least 0
    Alpha,
    /// 1
    None,
}

fn names(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((images, labels)) if !images.is_empty() && !labels.is_empty() && images != labels => {
            Ok((images.to_owned(), labels.to_owned()))
        }
        _ => Err("it is two names, such as images,labels".to_owned()),
    }
}

impl Options {
    /// The files that are read, besides the model: none is overwritten.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.weights.iter().cloned().collect();
        for data in [Some(&self.data.data), self.data.eval.as_ref()] {
            files.extend(data.into_iter().flat_map(|d| hla_train::data::paths(d)));
        }
        files
    }
}
