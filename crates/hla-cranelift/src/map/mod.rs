//! Fused elementwise ops.

use hla_ir::{Diagnostic, NodeId};

use crate::lower::Lowering;

/// Adds one kernel for a group of elementwise nodes.
pub(crate) fn lower(cx: &mut Lowering<'_>, group: &[NodeId]) -> Result<(), Diagnostic> {
    Err(cx.unsupported(cx.function.node(group[0])))
}
