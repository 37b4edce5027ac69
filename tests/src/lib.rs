//! What the whole-program tests share. They drive commands as processes, so none links LLVM.
//!
//! - [`process`] runs `hlac` and the tools of MLIR;
//! - [`upstream`] runs functions through upstream MLIR's own lowering of TOSA;
//! - [`tosa_form`] says the hla dialect in TOSA, so that upstream can run it too.

pub mod process;
pub mod tosa_form;
pub mod upstream;
