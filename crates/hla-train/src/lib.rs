//! Training: Algorithm 1 of *Hyperspherical Loss-Aware Ternary Quantization* (arXiv 2212.12649) on
//! the programs of any backend. It links neither MLIR nor Cranelift.
//!
//! - [`trainer`] is the algorithm: stages, epochs, steps;
//! - [`config`] is what a user chooses, and the phases that follow from it; [`schedule`] is how
//!   learning rates and t go;
//! - [`data`] are data sets in files, mapped into memory; [`augment`] and [`shuffle`] change them
//!   from epoch to epoch, from the numbers of [`random`];
//! - [`init`] is where the state begins, [`checkpoint`] how a training that was killed goes on,
//!   `export` what comes out;
//! - [`blueprint`] is what the trainer knows of its programs without having their graphs;
//! - `program` and `layers` are programs and weights as the trainer sees them, `evaluate` counts
//!   right answers;
//! - [`metrics`] are the records of a training, [`observer`] who is told.

pub mod augment;
pub mod blueprint;
pub mod checkpoint;
pub mod config;
pub mod data;
mod evaluate;
mod export;
pub mod init;
mod layers;
pub mod metrics;
pub mod observer;
mod program;
pub mod random;
pub mod schedule;
pub mod shuffle;
pub mod trainer;

pub use blueprint::{Blueprint, Part};
pub use config::TrainConfig;
pub use program::{Compile, compiling};
pub use trainer::{Outcome, Setup, Summary, Trainer};
