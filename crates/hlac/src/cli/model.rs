//! Arguments that several commands share: which model, and how it is made ternary.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hla_cli::values::Scope;
pub use hla_cli::values::{display, value_name};
use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::Signature;
use hlac::{Activations, Model, ModelOptions, Options, Strategy};

use super::Failure;
use super::report::{self, Sources};

/// The name of standard input in diagnostics.
pub const STDIN: &str = "<stdin>";

/// Which model.
#[derive(Args)]
pub struct ModelArgs {
    /// The model: MLIR text or bytecode; `-` is standard input
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Values of the arguments that carry `hla.param`
    #[arg(long, value_name = "FILE.safetensors")]
    pub weights: Option<PathBuf>,
    /// Extent of the leading dimension of every input, be it open in the model (`?`) or static
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Shape of an input, such as image=1x224x224x3: chooses what is open (`?`), or where
    /// nothing is open changes the leading extent; other static extents stay as they are
    #[arg(long, value_name = "NAME=SHAPE", value_parser = input_shape)]
    pub input_shape: Vec<(String, Vec<usize>)>,
    /// The function that is the model [default: main, or the only one]
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
}

impl ModelArgs {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.model)
            .chain(&self.weights)
            .map(PathBuf::as_path)
    }

    /// Reads the model.
    pub fn read(&self, sources: &mut Sources) -> Result<Model, Failure> {
        let options = ModelOptions {
            weights: self.weights.clone(),
            batch: self.batch.map(|n| n as usize),
            input_shapes: self.input_shape.clone(),
            function: self.function.clone(),
        };
        let model = match self.model.as_os_str() == "-" {
            true => Model::parse(STDIN, &read_stdin(sources)?, &options)?,
            false => Model::read(&self.model, &options)?,
        };
        report::print(model.warnings(), sources);
        Ok(model)
    }
}

/// All of standard input, remembered for diagnostics if it is text.
pub fn read_stdin(sources: &mut Sources) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|e| {
            Diagnostic::error(Location::file(STDIN, 0, 0), format!("cannot be read: {e}"))
                .help("pipe a model into hlac, or name a file")
        })?;
    if let Ok(text) = std::str::from_utf8(&bytes) {
        sources.remember(STDIN, text);
    }
    Ok(bytes)
}

fn input_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, shape) = text
        .split_once('=')
        .ok_or("it is NAME=SHAPE, such as image=1x8x8x1")?;
    let extents = shape.split('x').map(|e| {
        e.parse::<usize>()
            .map_err(|_| format!("'{e}' is no extent; a shape is such as 1x8x8x1"))
    });
    Ok((name.to_owned(), extents.collect::<Result<_, _>>()?))
}

/// How a model is made ternary.
#[derive(Args)]
#[command(next_help_heading = "Ternary layers")]
pub struct TernaryArgs {
    /// Share of zeros among the weights of ternary layers [default: 0.7]
    #[arg(long, value_name = "T", value_parser = share)]
    sparsity: Option<f64>,
    /// Choose zeros by another rule than --sparsity: those of Ternary Weight Networks
    #[arg(long, value_name = "RULE", conflicts_with = "sparsity")]
    threshold: Option<Threshold>,
    /// Make the first convolution and the last classifier ternary too
    #[arg(long)]
    quantize_all: bool,
    /// Whether the share of zeros holds for each layer or over all of them
    #[arg(long, value_name = "SCOPE", conflicts_with = "threshold")]
    scope: Option<Scope>,
    /// The magnitude that stands for a channel's non-zero weights
    #[arg(long, value_name = "RULE")]
    scale: Option<Scale>,
    /// Layers that stay float, by name or number [default: the first convolution, the last layer]
    #[arg(long, value_name = "LAYER,…", conflicts_with = "quantize_all")]
    skip: Option<String>,
    /// What ternary layers read
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    activations: ActivationType,
    /// Sample inputs that tell the ranges of activations, one file for each input; without them
    /// --activations int8 measures each input as it comes
    #[arg(long, value_name = "FILE.npy")]
    calibrate: Vec<PathBuf>,
    /// Compute every ternary layer in this way [default: the best for its shape]
    #[arg(long, value_name = "HOW")]
    strategy: Option<StrategyName>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Threshold {
    /// 0.7 times the mean magnitude of a layer's weights
    Twn,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scale {
    /// That keeps a channel's norm
    Norm,
    /// The mean magnitude over the layer
    Mean,
    /// That is closest in the least-squares sense
    Optimal,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActivationType {
    /// 32-bit floats
    F32,
    /// 8-bit integers
    Int8,
}

#[derive(Clone, Copy, ValueEnum)]
enum StrategyName {
    /// Add and subtract inputs at the non-zero weights
    SparseAdd,
    /// Look up sums of groups of inputs
    LookUpTable,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if (0.0..=1.0).contains(&t) => Ok(t),
        _ => Err("it is a number from 0 to 1".to_owned()),
    }
}

impl TernaryArgs {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.calibrate.iter().map(PathBuf::as_path)
    }

    /// The name of an option that was given, if one was.
    pub fn given(&self) -> Option<&'static str> {
        [
            (self.sparsity.is_some(), "--sparsity"),
            (self.threshold.is_some(), "--threshold"),
            (self.quantize_all, "--quantize-all"),
            (self.scope.is_some(), "--scope"),
            (self.scale.is_some(), "--scale"),
            (self.skip.is_some(), "--skip"),
            (self.activations != ActivationType::F32, "--activations"),
            (!self.calibrate.is_empty(), "--calibrate"),
            (self.strategy.is_some(), "--strategy"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }

    /// Whether the way in which layers are computed was chosen.
    pub fn names_strategy(&self) -> bool {
        self.strategy.is_some()
    }

    /// Options of a compilation of this model for this machine.
    pub fn options(&self, model: &Model) -> Result<Options, Failure> {
        let default = Options::default();
        let mut ternarize = Vec::new();
        if self.threshold == Some(Threshold::Twn) {
            ternarize.push(("threshold".to_owned(), "twn".to_owned()));
        }
        if self.quantize_all {
            ternarize.push(("quantize-all".to_owned(), "true".to_owned()));
        }
        let mut word = |option: &str, value: Option<String>| {
            ternarize.extend(value.map(|v| (option.to_owned(), v)));
        };
        word("scope", self.scope.map(value_name));
        word("scale", self.scale.map(value_name));
        word("skip", self.skip.clone());
        let activations = match (self.activations, self.calibrate.is_empty()) {
            (ActivationType::F32, true) => Activations::F32,
            (ActivationType::F32, false) => {
                return Err(Failure::Usage(
                    "--calibrate is of use only with --activations int8".to_owned(),
                ));
            }
            (ActivationType::Int8, true) => Activations::DynamicInt8,
            (ActivationType::Int8, false) => Activations::Int8,
        };
        Ok(Options {
            sparsity: self.sparsity.unwrap_or(default.sparsity),
            ternarize,
            activations,
            calibration: samples(model, &self.calibrate)?,
            strategy: self.strategy.map(|s| match s {
                StrategyName::SparseAdd => Strategy::SparseAdd,
                StrategyName::LookUpTable => Strategy::LookUpTable,
            }),
            ..default
        })
    }
}

/// The samples in these files: one for each batch they hold.
fn samples(model: &Model, files: &[PathBuf]) -> Result<Vec<Vec<Tensor>>, Failure> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let inputs: Vec<Tensor> = files
        .iter()
        .map(|f| hla_runtime::npy::read(f))
        .collect::<Result<_, _>>()?;
    let signature = Signature::of(model.function())?;
    let place = |d: &Diagnostic| Diagnostic {
        location: Location::file(display(&files[0]), 0, 0),
        ..d.clone()
    };
    hlac::samples(&signature, &inputs)
        .map_err(|e| e.diagnostics().iter().map(place).collect::<Vec<_>>().into())
}
