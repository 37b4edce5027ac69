//! Contractions with ternary weights.

use hla_ir::{Diagnostic, Node};

use crate::lower::Lowering;

/// Adds the kernels of a ternary convolution or matrix product.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    Err(cx.unsupported(node))
}
