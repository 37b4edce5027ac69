//! Training: Algorithm 1 of *Hyperspherical Loss-Aware Ternary Quantization* (arXiv 2212.12649) on
//! the programs of any backend. It links neither MLIR nor Cranelift.
//!
//! - [`data`] are data sets in files, mapped into memory; [`augment`] and [`shuffle`] change them
//!   from epoch to epoch, from the numbers of [`random`];
//! - [`schedule`] is how learning rates and t go.

pub mod augment;
pub mod data;
pub mod random;
pub mod schedule;
pub mod shuffle;
