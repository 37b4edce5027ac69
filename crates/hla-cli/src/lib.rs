//! What the command lines of `hlac` and `hla-run` share. It links neither MLIR nor Cranelift.
//!
//! - [`report`] shows diagnostics to people, [`output`] writes files that appear whole or not at
//!   all, [`timing`] tells how long phases take;
//! - [`tensors`] are the `.npy` files that a program is run on, [`compare`] what comes out with what
//!   must, [`files`] the options that name both; [`values`] are values of options;
//! - [`train`] is a training as a command: options, progress, metrics, plots, summary.

pub mod compare;
mod failure;
pub mod files;
pub mod output;
pub mod report;
pub mod tensors;
pub mod timing;
pub mod train;
pub mod values;

pub use failure::Failure;

use hla_ir::Diagnostic;

/// Writes to standard output, for commands whose output goes nowhere else.
///
/// # Errors
/// As writing gives them; a reader that has gone away is none.
pub fn tell(bytes: impl AsRef<[u8]>) -> Result<(), Diagnostic> {
    output::print(bytes).map_err(|d| d.help("check where standard output goes"))
}
