//! One binary for all tests of the evaluator.
#![allow(clippy::unwrap_used)]

#[path = "all/algebra.rs"]
mod algebra;
#[path = "all/common.rs"]
mod common;
#[path = "all/decompose.rs"]
mod decompose;
#[path = "all/errors.rs"]
mod errors;
#[path = "all/fixtures.rs"]
mod fixtures;
#[path = "all/suite.rs"]
mod suite;
#[path = "all/ternary.rs"]
mod ternary;
#[path = "all/training.rs"]
mod training;
#[path = "all/wide.rs"]
mod wide;
