//! Groups of a step that become one pass over memory: reductions that read the same large tensor,
//! an elementwise kernel with one that reads its result, and small elementwise kernels that read the same,
//! such as what is made of the sums of a batch norm.
//!
//! Two groups can be one if neither waits for the other by way of a third.

use std::collections::BTreeSet;

use hla_ir::{DType, Function, NodeId, Op, ValueId};

use crate::fuse::{Group, Kind};
use crate::schedule::{Graph, is_computed, root};
use crate::{Backend, Domain};

/// More nodes than this would only spill registers.
const MAX_NODES: usize = 24;

/// Results of one kernel.
const MAX_ROOTS: usize = 3;

/// Elements of kernels that take longer to start than to run.
const SMALL: usize = 1 << 14;

/// Merges what can be one pass.
pub fn merge(backend: &dyn Backend, function: &Function, mut groups: Vec<Group>) -> Vec<Group> {
    let mut from = 1;
    while let Some((a, b)) = find(backend, function, &groups, from) {
        let group = groups.remove(b);
        let into = &mut groups[a];
        let nodes: BTreeSet<NodeId> = into.nodes.iter().chain(&group.nodes).copied().collect();
        into.nodes = nodes.into_iter().collect();
        into.roots.extend(group.roots);
        into.roots.sort_unstable();
        from = b;
    }
    groups
}

/// The first two groups, the second at `from` or later, that can be one.
fn find(
    backend: &dyn Backend,
    function: &Function,
    groups: &[Group],
    from: usize,
) -> Option<(usize, usize)> {
    let graph = Graph::new(backend, function, groups);
    (from..groups.len()).find_map(|b| {
        let fits = |a: usize| {
            groups[a].kind == groups[b].kind
                && groups[a].roots.len() + groups[b].roots.len() <= MAX_ROOTS
                && groups[a].nodes.len() + groups[b].nodes.len() <= MAX_NODES
                && match groups[b].kind {
                    Kind::Reduce => are_siblings(function, &graph, a, b),
                    Kind::Map => {
                        follows(backend, function, &graph, a, b)
                            || are_twins(backend, function, &graph, a, b)
                    }
                    Kind::Node | Kind::Contraction => false,
                }
        };
        (0..b).find(|&a| fits(a)).map(|a| (a, b))
    })
}

/// The shape of the elementwise nodes of a group of reductions, if it has any.
fn chain_shape<'a>(function: &'a Function, group: &Group) -> Option<&'a [usize]> {
    let first = group.nodes.iter().find(|id| !group.roots.contains(id))?;
    Some(&function.tensor_ty(function.node(*first).result()).shape)
}

/// Whether two groups of reductions run over the same large tensor.
fn are_siblings(function: &Function, graph: &Graph<'_>, a: usize, b: usize) -> bool {
    let groups = graph.groups;
    let domain = |g: usize| Domain::of(function, function.node(groups[g].roots[0]));
    let (Some(first), Some(second)) = (domain(a), domain(b)) else {
        return false;
    };
    let shapes = [a, b].map(|g| chain_shape(function, &groups[g]));
    let float = |g: usize| {
        let mut roots = groups[g].roots.iter();
        roots.all(|&id| function.tensor_ty(function.node(id).result()).dtype == DType::F32)
    };
    let large = |v: &&ValueId| function.tensor_ty(**v).elements() as i64 == first.elements();
    first == second
        && (shapes[0].is_none() || shapes[1].is_none() || shapes[0] == shapes[1])
        && float(a)
        && float(b)
        && graph.reads[a]
            .intersection(&graph.reads[b])
            .any(|v| large(&v))
        && !graph.reaches(a, b)
        && !graph.reaches(b, a)
}

/// Whether the elementwise group `b` reads a result of `a` element by element, and nothing that
/// waits for `a` otherwise.
fn follows(
    backend: &dyn Backend,
    function: &Function,
    graph: &Graph<'_>,
    a: usize,
    b: usize,
) -> bool {
    let groups = graph.groups;
    let results: Vec<ValueId> = groups[a]
        .roots
        .iter()
        .map(|&id| function.node(id).result())
        .collect();
    let ty = |g: usize| function.tensor_ty(function.node(groups[g].roots[0]).result());
    let operands = groups[b]
        .nodes
        .iter()
        .flat_map(|&id| &function.node(id).operands);
    let (mut any, mut renamed) = (false, false);
    for &operand in operands {
        if results.contains(&operand) {
            any = true;
        } else {
            renamed |= results.contains(&root(backend, function, operand));
        }
    }
    let row_major = |g: usize| {
        let mut roots = groups[g].roots.iter();
        roots.all(|&id| is_computed(backend, function, function.node(id).result()))
    };
    any && !renamed
        && ty(a).shape == ty(b).shape
        && row_major(a)
        && row_major(b)
        && !graph.reaches(b, a)
        && !graph.after[a]
            .iter()
            .any(|&next| next != b && graph.reaches(next, b))
}

/// Whether two elementwise groups are small, of one shape, and read a value of that shape that is computed
/// here. Those that give results of the function are left alone: they may be written over what others read.
fn are_twins(
    backend: &dyn Backend,
    function: &Function,
    graph: &Graph<'_>,
    a: usize,
    b: usize,
) -> bool {
    let groups = graph.groups;
    let ty = |g: usize| function.tensor_ty(function.node(groups[g].roots[0]).result());
    let inner = |g: usize| {
        let mut values = groups[g].roots.iter().map(|&id| function.node(id).result());
        values.all(|v| is_computed(backend, function, v) && !function.results.contains(&v))
    };
    let elements = ty(a).elements();
    let common = |v: &ValueId| {
        function
            .defining_node(*v)
            .is_some_and(|n| n.op != Op::Const)
            && function.tensor_ty(*v).elements() == elements
    };
    elements <= SMALL
        && ty(a).shape == ty(b).shape
        && inner(a)
        && inner(b)
        && graph.reads[a].intersection(&graph.reads[b]).any(common)
        && !graph.reaches(a, b)
        && !graph.reaches(b, a)
}
