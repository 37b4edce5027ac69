//! Convolutions and matrix products.

use hla_ir::{Diagnostic, Node};

use crate::lower::Lowering;

/// Adds the kernels of a contraction.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    Err(cx.unsupported(node))
}
