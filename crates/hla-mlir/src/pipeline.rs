//! Upstream's passes on a module: print, run, import again.

use hla_ir::{Diagnostic, Location, Module};

use crate::ffi::{Dialects, in_use};
use crate::import::{self, ControlFlow};
use crate::parse::on_large_stack;
use crate::print::to_ir;
use crate::specialize::ParseOptions;

/// How passes run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PipelineOptions {
    /// MLIR verifies after each pass.
    pub verify_each: bool,
    /// MLIR prints the module to standard error after each pass.
    pub print_ir_after_all: bool,
}

impl Default for PipelineOptions {
    fn default() -> PipelineOptions {
        PipelineOptions {
            verify_each: true,
            print_ir_after_all: false,
        }
    }
}

/// Runs a textual pipeline of upstream passes, such as `builtin.module(canonicalize,cse)`, on a
/// module. Ops that come out and that hlac does not know are opaque; functions with control flow
/// are kept as text.
///
/// # Errors
/// What MLIR says of the pipeline or of a pass that fails.
pub fn run_pipeline(
    module: &Module,
    pipeline: &str,
    options: PipelineOptions,
) -> Result<Module, Vec<Diagnostic>> {
    if pipeline.contains('\0') {
        let message = "there is a NUL character in the pipeline";
        return Err(vec![Diagnostic::error(Location::unknown(), message)]);
    }
    on_large_stack(|| {
        let _guard = in_use();
        let mut ir = to_ir(module, true, Dialects::All)?;
        ir.run_passes(pipeline, options)?;
        import::import(&ir, None, &ParseOptions::default(), ControlFlow::Keep)
    })
}
