//! The MLIR door of hlac: parse, print, the hla dialect, weights.
//!
//! - [`parse`] reads text and bytecode into the tensor IR; [`specialize`] makes dynamic shapes
//!   static;
//! - [`mod@print`] writes the IR as MLIR prints it, and as bytecode;
//! - [`weights`] binds parameters to safetensors files;
//! - [`pipeline`] runs upstream's passes;
//! - [`gpu`] makes PTX of kernels;
//! - [`IRDL`] is the public definition of the hla dialect.
//!
//! This is the only crate that links MLIR, and its private module `ffi` the only one that calls it.

mod ffi;
pub mod gpu;
mod import;
pub mod parse;
pub mod pipeline;
pub mod print;
mod source;
pub mod specialize;
mod suggest;
pub mod weights;

pub use parse::{parse_file, parse_file_with, parse_source, parse_source_with};
pub use pipeline::{PipelineOptions, run_pipeline};
pub use print::{PrintOptions, print_pretty, to_bytecode};
pub use specialize::{InputName, InputShape, ParseOptions};

/// The definition of the hla dialect, for any tool of MLIR's: `mlir-opt --irdl-file=hla.irdl.mlir`.
pub const IRDL: &str = include_str!("hla.irdl.mlir");
