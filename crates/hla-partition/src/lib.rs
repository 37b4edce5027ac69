//! What backends share: how a function is divided into kernels, in what order they run, and where
//! their buffers lie.
//!
//! - [`groups`] decides which nodes are computed in one pass: elementwise ops together, before a
//!   reduction, or on the sums of a contraction; [`merge`] joins groups that read the same;
//! - [`schedule`] orders the groups so that a new value can be written over the one it replaces;
//! - [`plan`] packs buffers into one workspace by their lifetimes;
//! - [`Domain`] is what a reduction runs over; [`stored_constant`] what kernels read from memory.
//!
//! What a backend's kernels can do, a [`Backend`] says.

mod constant;
mod domain;
mod fuse;
mod inline;
mod memory;
mod schedule;
mod siblings;

use hla_ir::{Function, Layout, Node, NodeId, Op};

pub use constant::stored_constant;
pub use domain::Domain;
pub use fuse::{Group, Kind, groups};
pub use inline::joins;
pub use memory::{Buffer, plan};
pub use schedule::{Schedule, is_alias, is_computed, root, schedule};
pub use siblings::merge;

/// What the kernels of a backend can do.
pub trait Backend {
    /// How the first result of a node lies in memory; `None` if its attribute names no layout.
    fn layout(&self, node: &Node) -> Option<Layout>;

    /// Whether no kernel computes a node, because whoever uses its result reads its operand's
    /// buffer in another order.
    fn is_read_in_place(&self, function: &Function, node: &Node) -> bool;

    /// Whether an op is a contraction, so that elementwise ops may be computed on its sums.
    fn is_contraction(&self, op: Op) -> bool;

    /// Whether a group of elementwise nodes, the last of which gives the only result, can be
    /// computed on the sums of a contraction. `users` has the nodes that use each value.
    fn can_follow(
        &self,
        function: &Function,
        users: &[Vec<NodeId>],
        contraction: &Node,
        group: &[NodeId],
    ) -> bool;
}

/// Whether an op combines the elements along an axis, with elementwise ops before it in one kernel.
pub fn combines(op: Op) -> bool {
    matches!(
        op,
        Op::ReduceSum | Op::ReduceMax | Op::ReduceMin | Op::ReduceProduct
    )
}

fn is_row_major(backend: &dyn Backend, node: &Node) -> bool {
    backend.layout(node) == Some(Layout::RowMajor)
}
