//! One binary for all tests of the IR.
#![allow(clippy::unwrap_used)]

#[path = "all/common.rs"]
mod common;
#[path = "all/contractions.rs"]
mod contractions;
#[path = "all/cost.rs"]
mod cost;
#[path = "all/declarations.rs"]
mod declarations;
#[path = "all/inference.rs"]
mod inference;
#[path = "all/printing.rs"]
mod printing;
#[path = "all/rewriting.rs"]
mod rewriting;
#[path = "all/tensors.rs"]
mod tensors;
#[path = "all/training.rs"]
mod training;
#[path = "all/verifying.rs"]
mod verifying;
#[path = "all/windows.rs"]
mod windows;
