//! `hla-autodiff`, held against central differences in f64, against JAX, and by counting nodes.

mod contraction;
mod differences;
mod elementwise;
mod movement;
mod structure;
mod training;
