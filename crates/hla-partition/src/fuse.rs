//! Grouping of nodes into kernels: elementwise ops are computed in one pass over their elements,
//! inside the reduction that sums them up, or on the sums of a contraction before they are stored.

use hla_ir::{Def, Function, NodeId};

use crate::inline::{Inlining, joins};
use crate::schedule::{is_alias, root};
use crate::{Backend, combines};

/// How a group is lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A node by itself.
    Node,
    /// A contraction, then elementwise nodes on its sums.
    Contraction,
    /// Elementwise nodes.
    Map,
    /// Elementwise nodes, then reductions of them.
    Reduce,
}

/// Nodes that are lowered together, in the order of the function.
#[derive(Clone, Debug)]
pub struct Group {
    /// How they are lowered.
    pub kind: Kind,
    /// The nodes, in the order of the function; of a contraction, itself first.
    pub nodes: Vec<NodeId>,
    /// Those whose results are stored; the others may be part of further groups.
    pub roots: Vec<NodeId>,
}

/// The groups, each at the place of its last node.
pub fn groups(backend: &dyn Backend, function: &Function) -> Vec<Group> {
    let inlining = Inlining::of(backend, function);
    let mut members: Vec<Vec<NodeId>> = vec![Vec::new(); function.nodes.len()];
    for (id, _) in function.iter_nodes() {
        for &kernel in &inlining.kernels[id.index()] {
            members[kernel].push(id);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    // Where the group of each node's result is.
    let mut place = vec![None; function.nodes.len()];
    for (id, node) in function.iter_nodes() {
        // Another name of what is never stored is read by nobody.
        let nameless = is_alias(backend, node)
            && match function.values[root(backend, function, node.result()).index()].def {
                Def::Node(of, _) => inlining.is_inlined(of),
                Def::Arg(_) => false,
            };
        if nameless || inlining.is_inlined(id) {
            continue;
        }
        let kind = match joins(node) {
            true => Kind::Map,
            false if combines(node.op) => Kind::Reduce,
            false => Kind::Node,
        };
        place[id.index()] = Some(groups.len());
        groups.push(Group {
            kind,
            nodes: std::mem::take(&mut members[id.index()]),
            roots: vec![id],
        });
    }
    let users = function.users();
    for i in 0..groups.len() {
        if groups[i].kind == Kind::Map
            && let Some(contraction) =
                leading_contraction(backend, function, &users, &inlining, &groups[i])
            && let Some(before) = place[contraction.index()]
        {
            groups[before].nodes.clear();
            groups[i].nodes.insert(0, contraction);
            groups[i].kind = Kind::Contraction;
        }
    }
    groups.retain(|g| !g.nodes.is_empty());
    groups
}

/// The last contraction whose sums a group can be computed on.
fn leading_contraction(
    backend: &dyn Backend,
    function: &Function,
    users: &[Vec<NodeId>],
    inlining: &Inlining,
    group: &Group,
) -> Option<NodeId> {
    // The sums exist nowhere else.
    let alone = |id: NodeId| {
        let mut users = users[function.node(id).result().index()].iter();
        users.all(|user| {
            inlining.kernels[user.index()]
                .iter()
                .eq([&group.roots[0].index()])
        })
    };
    let operands = group
        .nodes
        .iter()
        .flat_map(|&id| &function.node(id).operands);
    let candidates = operands.filter_map(|&value| match function.values[value.index()].def {
        Def::Node(id, _) => Some(id),
        Def::Arg(_) => None,
    });
    candidates
        .filter(|&id| {
            alone(id) && backend.can_follow(function, users, function.node(id), &group.nodes)
        })
        .max_by_key(|id| id.index())
}
