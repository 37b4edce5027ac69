//! What the whole-program tests share.
//!
//! - [`upstream`] runs functions through upstream MLIR's own lowering of TOSA;
//! - [`tosa_form`] says the hla dialect in TOSA, so that upstream can run it too.

pub mod tosa_form;
pub mod upstream;
