//! A compiler from neural networks to multiply-free ternary code, as a library.
//!
//! This crate is the stable interface of hlac; the crates below it change as they need to.
//!
//! ```no_run
//! # fn main() -> Result<(), hlac::Error> {
//! let model = hlac::Model::read(
//!     "examples/digits/cnn.mlir".as_ref(),
//!     &hlac::ModelOptions {
//!         weights: Some("examples/digits/cnn.safetensors".into()),
//!         ..Default::default()
//!     },
//! )?;
//! let compiled = hlac::compile(&model, &hlac::Options {
//!     target: "aarch64".into(),
//!     sparsity: 0.7,
//!     ..Default::default()
//! })?;
//! println!("{} bytes of object code", compiled.object.len());
//! println!("{}", compiled.header);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Model`] is a model read from MLIR, with its weights;
//! - [`compile()`] makes it ternary and gives an object file and a C header;
//! - [`compile_cuda()`] does the same for an NVIDIA GPU: PTX with a launch plan, in a file that
//!   `hla-run` and [`hla_runtime`] run;
//! - [`prepare`] makes a program that runs in this process;
//! - every function gives [`Error`]: at least one [`Diagnostic`], each with a location and a next step.

mod compile;
mod cuda;
mod error;
mod model;
mod run;
mod summary;

pub use compile::{
    Compiled, Options, Phase, Strategy, calibrator, compile, compile_observed, ternarize,
};
pub use cuda::{CompiledCuda, CudaProgram, CudaTarget, Precision, compile_cuda};
pub use error::Error;
pub use hla_ir::{DType, Diagnostic, Location, Severity, Tensor, TensorType};
pub use hla_passes::Activations;
pub use hla_runtime::{Executable, Signature, Slot, ThreadPool};
pub use model::{Model, ModelOptions};
pub use run::{prepare, run_batches, samples, slice, slices};
pub use summary::{CudaSummary, Kernel, Summary, Table};

/// Result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;
