//! What the kernels of this crate can do, as the partition into kernels asks.

use hla_ir::{Function, Layout, Node, NodeId, Op, ValueId};
use hla_partition::Backend;

use crate::contraction;

/// The kernels of this crate.
pub(super) struct Gpu;

impl Backend for Gpu {
    /// Planar layouts serve the CPU's kernels; here every value is row-major.
    fn layout(&self, _: &Node) -> Option<Layout> {
        Some(Layout::RowMajor)
    }

    fn is_read_in_place(&self, function: &Function, node: &Node) -> bool {
        node.op == Op::Relayout || contraction::is_read_in_place(function, node)
    }

    fn is_contraction(&self, op: Op) -> bool {
        contraction::is_contraction(op)
    }

    fn can_follow(
        &self,
        function: &Function,
        users: &[Vec<NodeId>],
        contraction: &Node,
        group: &[NodeId],
    ) -> bool {
        contraction::can_follow(function, users, contraction, group)
    }
}

/// The value whose buffer is read in place of a value.
pub(crate) fn root(function: &Function, value: ValueId) -> ValueId {
    hla_partition::root(&Gpu, function, value)
}
