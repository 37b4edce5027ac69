//! Grouping of nodes: a chain of elementwise ops is computed in one pass over its elements, or on the
//! sums of a contraction before they are stored.

use hla_ir::{Def, Function, Layout, Node, NodeId, Op};

use crate::contraction::can_follow;

/// More nodes than this would only spill registers.
const MAX_GROUP: usize = 16;

/// The nodes to lower together, in the order of execution. A group of several holds elementwise
/// nodes in their order; all but the last are used by nodes of the group alone. A contraction may
/// come first.
pub(super) fn groups(function: &Function) -> Vec<Vec<NodeId>> {
    let users = function.users();
    // leader[i]: the last node of the group that node i belongs to.
    let mut leader: Vec<usize> = (0..function.nodes.len()).collect();
    let mut size = vec![1; function.nodes.len()];
    for (id, node) in function.iter_nodes().rev() {
        let i = id.index();
        if !joins(node) || function.results.contains(&node.result()) {
            continue;
        }
        let mut leaders = users[node.result().index()]
            .iter()
            .map(|u| leader[u.index()]);
        let Some(target) = leaders.next().filter(|&t| leaders.all(|l| l == t)) else {
            continue;
        };
        let root = &function.nodes[target];
        let fits = joins(root)
            && function.ty(root.result()).tensor().map(|t| &t.shape)
                == function.ty(node.result()).tensor().map(|t| &t.shape)
            && Layout::of(&root.attrs).map(is_planar) == Layout::of(&node.attrs).map(is_planar)
            && size[target] < MAX_GROUP;
        if fits {
            leader[i] = target;
            size[target] += 1;
        }
    }
    let mut groups: Vec<Vec<NodeId>> = vec![Vec::new(); function.nodes.len()];
    for (i, &l) in leader.iter().enumerate() {
        groups[l].push(NodeId(i as u32));
    }
    for i in 0..groups.len() {
        if let Some(contraction) = leading_contraction(function, &users, &groups[i]) {
            groups[contraction.index()].clear();
            groups[i].insert(0, contraction);
        }
    }
    groups.retain(|g| !g.is_empty());
    groups
}

/// The last contraction whose sums a group can be computed on.
fn leading_contraction(
    function: &Function,
    users: &[Vec<NodeId>],
    group: &[NodeId],
) -> Option<NodeId> {
    if !group.iter().all(|&id| joins(function.node(id))) {
        return None;
    }
    let operands = group.iter().flat_map(|&id| &function.node(id).operands);
    let candidates = operands.filter_map(|&value| match function.values[value.index()].def {
        Def::Node(id, _) => Some(id),
        Def::Arg(_) => None,
    });
    candidates
        .filter(|&id| can_follow(function, users, function.node(id), group))
        .max_by_key(|id| id.index())
}

fn is_planar(layout: Layout) -> bool {
    layout != Layout::RowMajor
}

/// Whether a node can be part of a group.
fn joins(node: &Node) -> bool {
    node.op.def().elementwise && node.op != Op::Identity
}
