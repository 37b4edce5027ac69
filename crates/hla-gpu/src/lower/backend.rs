//! What the kernels of this crate can do, as the partition into kernels asks.

use hla_ir::{Function, Layout, Node, NodeId, Op, ValueId};
use hla_partition::Backend;

/// The kernels of this crate.
pub(super) struct Gpu;

impl Backend for Gpu {
    /// Planar layouts serve the CPU's kernels; here every value is row-major.
    fn layout(&self, _: &Node) -> Option<Layout> {
        Some(Layout::RowMajor)
    }

    fn is_read_in_place(&self, _: &Function, node: &Node) -> bool {
        node.op == Op::Relayout
    }

    fn is_contraction(&self, op: Op) -> bool {
        matches!(
            op,
            Op::Conv2d
                | Op::DepthwiseConv2d
                | Op::TransposeConv2d
                | Op::MatMul
                | Op::Conv2dInputGrad
                | Op::DepthwiseConv2dInputGrad
        )
    }

    fn can_follow(&self, _: &Function, _: &[Vec<NodeId>], _: &Node, _: &[NodeId]) -> bool {
        false
    }
}

/// The value whose buffer is read in place of a value.
pub(crate) fn root(function: &Function, value: ValueId) -> ValueId {
    hla_partition::root(&Gpu, function, value)
}
