//! `hla-autodiff`, held against central differences in f64, against JAX, and by counting nodes.

mod contraction;
mod differences;
mod elementwise;
mod jax;
mod kinks;
mod movement;
mod networks;
mod structure;
mod training;
