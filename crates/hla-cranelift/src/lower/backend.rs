//! What the CPU's kernels can do, as the partition into kernels asks.

use hla_ir::{Function, Layout, Node, NodeId, Op, ValueId};
use hla_partition::Backend;

use crate::contraction;

/// The kernels of this crate.
pub(super) struct Cpu;

impl Backend for Cpu {
    fn layout(&self, node: &Node) -> Option<Layout> {
        Layout::of(&node.attrs).ok()
    }

    fn is_read_in_place(&self, function: &Function, node: &Node) -> bool {
        contraction::is_read_transposed(function, node)
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
    hla_partition::root(&Cpu, function, value)
}

/// Whether a kernel computes this value, and can write it to an output.
pub(super) fn is_computed(function: &Function, value: ValueId) -> bool {
    hla_partition::is_computed(&Cpu, function, value)
}
