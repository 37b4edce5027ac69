//! Training: Algorithm 1 of *Hyperspherical Loss-Aware Ternary Quantization* (arXiv 2212.12649) on
//! the programs of any backend. It links neither MLIR nor Cranelift.
//!
//! - [`data`] are data sets in files, mapped into memory; [`augment`] and [`shuffle`] change them
//!   from epoch to epoch, from the numbers of [`random`];
//! - [`config`] is what a user chooses, and the phases that follow from it; [`schedule`] is how
//!   learning rates and t go;
//! - [`checkpoint`] is how a training that was killed goes on;
//! - [`metrics`] are the records of a training, [`observer`] who is told.

pub mod augment;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod metrics;
pub mod observer;
pub mod random;
pub mod schedule;
pub mod shuffle;
