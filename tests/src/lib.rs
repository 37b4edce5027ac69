//! What the whole-program tests share. They drive commands as processes, so none links LLVM.
//!
//! - [`process`] runs `hlac` and the tools of MLIR;
//! - [`upstream`] runs functions through upstream MLIR's own lowering of TOSA;
//! - [`memref_form`] runs programs for a GPU in their linalg form, on the CPU;
//! - [`launches`] says how these share their work;
//! - [`tosa_form`] says the hla dialect in TOSA, [`gradient_form`] its ops of training, so that
//!   upstream can run them too.

pub mod gradient_form;
pub mod launches;
pub mod memref_form;
pub mod process;
pub mod tosa_form;
pub mod upstream;
