//! Constants that kernels read from memory.

use hla_ir::{Diagnostic, Function, Tensor, ValueId};

/// Bytes that a repeated value may be written out to: a short text can name any number of them.
const MAX_SPLAT: usize = 1 << 30;

/// The constant that a value without a place is.
///
/// # Errors
/// It is no constant, so its node has not been lowered; or one of a repeated value that would take too
/// much memory.
pub fn stored_constant(function: &Function, value: ValueId) -> Result<&Tensor, Diagnostic> {
    let Some(tensor) = function.constant_value(value) else {
        return Err(Diagnostic::error(
            function.location.clone(),
            "a value is used before it is computed",
        ));
    };
    let bytes = tensor.ty().bytes();
    if tensor.dense_bytes().is_none() && bytes > MAX_SPLAT {
        let node = function.defining_node(value);
        let location = node.map_or(&function.location, |n| &n.location);
        return Err(Diagnostic::error(
            location.clone(),
            format!("a constant of one repeated value would take {bytes} bytes"),
        )
        .help("use it in elementwise ops only, or give it extents of 1, which broadcast"));
    }
    Ok(tensor)
}
