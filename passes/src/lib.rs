//! The passes of hlac, one file each.
//!
//! A pass is `fn(&Function, &Options) -> Result<(Function, Report), Diagnostic>`: it reads one
//! function and builds a new one. Equal nodes are built once and dead ones fall away in the rebuild
//! ([`hla_ir::rewrite`]), so no pass cleans up after itself.
//!
//! - [`mod@registry`] has one row for each pass; `hlac passes`, `--pass-pipeline` and the manual are
//!   generated from it;
//! - [`options`] are a pass's typed options, [`report`] is what it tells besides its result;
//! - [`calibration`] measures ranges of values on samples;
//! - [`pipeline`] reads mlir-opt's textual pipelines and runs passes;
//! - [`compile`] holds the pipeline of `hlac compile`.

pub mod calibration;
pub mod compile;
pub mod options;
pub mod pipeline;
pub mod registry;
pub mod report;

mod layers;
mod limits;
mod selection;

pub mod autodiff;
pub mod canonicalize;
pub mod cse;
pub mod eliminate_multiplies;
pub mod fold_constants;
pub mod freeze;
pub mod fuse;
pub mod hyperspherical;
pub mod loss;
pub mod loss_aware;
pub mod mixed_precision;
pub mod pack;
pub mod plan_layout;
pub mod quantize_activations;
pub mod sgd;
pub mod ste;
pub mod ternarize;
pub mod train_mode;
pub mod training;

pub use calibration::{Calibration, calibrate};
pub use compile::{Activations, CompileOptions, inference_pipeline};
pub use options::{Calibrator, OptionInfo, OptionKind, Options, Value};
pub use pipeline::{PassRun, Pipeline, Step, run};
pub use registry::{PassInfo, find, registry};
pub use report::{Cell, Report, Table};
