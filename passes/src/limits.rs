//! How large a constant may be that a pass must write out element by element.

use hla_ir::{Diagnostic, Function};

/// The most elements of a constant that is stored as one repeated value. `dense<0.0>` is a few bytes
/// of source, whatever its shape: without a limit a pass could be made to ask for any amount of memory.
const MAX_SPLAT_ELEMENTS: usize = 1 << 28;

/// Refuses constants that would take too much memory once every element is written out.
pub(crate) fn check_constants(function: &Function) -> Result<(), Diagnostic> {
    for node in &function.nodes {
        if let Some(tensor) = node.constant()
            && tensor.splat_element().is_some()
            && tensor.ty().elements() > MAX_SPLAT_ELEMENTS
        {
            return Err(Diagnostic::error(
                node.location.clone(),
                format!(
                    "this constant of {} repeats one value {} times, which is beyond what hlac writes out",
                    tensor.ty(),
                    tensor.ty().elements()
                ),
            )
            .help("a repeated value broadcasts from an extent of 1"));
        }
    }
    Ok(())
}
