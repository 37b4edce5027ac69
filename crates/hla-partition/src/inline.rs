//! Which elementwise values are not stored, but computed in the kernels that use them.
//!
//! A value with one user is; one with several is computed again in each of them where that reads
//! less memory than storing it and loading it would: the ops are cheap, and its operands are
//! one or two large tensors and what broadcasts. A kernel computes the values that one stored value
//! is made of: an elementwise one or a reduction.

use std::collections::BTreeSet;

use hla_ir::{Function, Layout, Node, NodeId, Op, ValueId};

use crate::schedule::is_alias;
use crate::{Backend, Domain, combines};

/// More nodes than this would only spill registers.
const MAX_KERNEL: usize = 20;

/// A value of one large operand is computed again in at most so many kernels, one of two in less.
const MAX_REPEATS: [usize; 3] = [6, 6, 3];

/// For each node, the nodes in whose kernels it is computed: itself, or those that use it.
pub(crate) struct Inlining {
    pub kernels: Vec<BTreeSet<usize>>,
}

impl Inlining {
    /// Decides for every node.
    pub fn of(backend: &dyn Backend, function: &Function) -> Inlining {
        let users = function.users();
        let n = function.nodes.len();
        let mut kernels: Vec<BTreeSet<usize>> = (0..n).map(|i| BTreeSet::from([i])).collect();
        let mut size = vec![1; n];
        for (id, node) in function.iter_nodes().rev() {
            if !joins(node) {
                continue;
            }
            let Some(uses) = uses(backend, function, &users, node.result()) else {
                continue;
            };
            let fits = |(user, reshaped): &(NodeId, bool)| {
                let user = function.node(*user);
                match joins(user) {
                    true => !reshaped && follows(backend, function, node, user),
                    false => absorbs(backend, function, node, user),
                }
            };
            if uses.is_empty() || !uses.iter().all(fits) {
                continue;
            }
            let into: BTreeSet<usize> = uses
                .iter()
                .flat_map(|(user, _)| kernels[user.index()].iter().copied())
                .collect();
            // Also what is computed there only on the way to another elementwise value.
            let readable = into.iter().all(|&kernel| {
                let kernel = &function.nodes[kernel];
                !combines(kernel.op)
                    || Domain::of(function, kernel).is_some_and(|d| reads(function, node, &d))
            });
            let wanted = into.len() == 1 || may_repeat(backend, function, &users, node, into.len());
            if !readable || !wanted || into.iter().any(|&k| size[k] >= MAX_KERNEL) {
                continue;
            }
            for &kernel in &into {
                size[kernel] += 1;
            }
            kernels[id.index()] = into;
        }
        Inlining { kernels }
    }

    /// Whether a node's result is not stored.
    pub fn is_inlined(&self, id: NodeId) -> bool {
        !self.kernels[id.index()].contains(&id.index())
    }
}

/// Whether a node can be part of an elementwise kernel with others.
pub fn joins(node: &Node) -> bool {
    node.op.def().elementwise && node.op != Op::Identity
}

/// The nodes that use a value, and whether under another name; `None` if a result of the function
/// is among its uses.
fn uses(
    backend: &dyn Backend,
    function: &Function,
    users: &[Vec<NodeId>],
    value: ValueId,
) -> Option<Vec<(NodeId, bool)>> {
    let mut found = Vec::new();
    let mut stack = vec![(value, false)];
    while let Some((value, reshaped)) = stack.pop() {
        if function.results.contains(&value) {
            return None;
        }
        for &user in &users[value.index()] {
            let node = function.node(user);
            match is_alias(backend, node) {
                true => stack.push((node.result(), true)),
                false => found.push((user, reshaped)),
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn is_planar(backend: &dyn Backend, node: &Node) -> Option<bool> {
    backend.layout(node).map(|l| l != Layout::RowMajor)
}

/// Whether an elementwise node can be computed in the kernel of an elementwise user.
fn follows(backend: &dyn Backend, function: &Function, node: &Node, user: &Node) -> bool {
    function.ty(user.result()).tensor().map(|t| &t.shape)
        == function.ty(node.result()).tensor().map(|t| &t.shape)
        && is_planar(backend, user) == is_planar(backend, node)
}

/// Whether an elementwise node can be computed in the kernel of a reduction of its result.
fn absorbs(backend: &dyn Backend, function: &Function, node: &Node, user: &Node) -> bool {
    let planar = is_planar(backend, node) != Some(false) || is_planar(backend, user) != Some(false);
    if planar || !combines(user.op) {
        return false;
    }
    let Some(domain) = Domain::of(function, user) else {
        return false;
    };
    domain.fits(&function.tensor_ty(node.result()).shape) && reads(function, node, &domain)
}

/// Whether what an elementwise node reads has strides in the domain of a reduction.
fn reads(function: &Function, node: &Node, domain: &Domain) -> bool {
    let shape = &function.tensor_ty(node.result()).shape;
    node.operands.iter().all(|&operand| {
        function
            .constant_value(operand)
            .is_some_and(|c| c.splat_value().is_some())
            || domain.strides(shape, function.tensor_ty(operand)).is_some()
    })
}

/// Whether computing a value in so many kernels costs less than storing it.
fn may_repeat(
    backend: &dyn Backend,
    function: &Function,
    users: &[Vec<NodeId>],
    node: &Node,
    kernels: usize,
) -> bool {
    // What only this node uses could be stored with it done already.
    let sums = |&v: &ValueId| {
        let from = function.defining_node(v);
        from.is_some_and(|n| backend.is_contraction(n.op)) && users[v.index()].len() == 1
    };
    if node.operands.iter().any(sums) {
        return false;
    }
    let elements = function.tensor_ty(node.result()).elements();
    let mut large: Vec<ValueId> = node.operands.clone();
    large.retain(|&v| {
        function.tensor_ty(v).elements() == elements && function.constant_value(v).is_none()
    });
    large.sort_unstable();
    large.dedup();
    is_cheap(node.op)
        && MAX_REPEATS
            .get(large.len())
            .is_some_and(|&most| kernels <= most)
}

/// Whether an op takes an instruction or two.
fn is_cheap(op: Op) -> bool {
    matches!(
        op,
        Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Negate
            | Op::Abs
            | Op::Maximum
            | Op::Minimum
            | Op::Clamp
            | Op::Equal
            | Op::Greater
            | Op::GreaterEqual
            | Op::LogicalAnd
            | Op::LogicalOr
            | Op::LogicalNot
            | Op::Select
            | Op::Cast
    )
}
