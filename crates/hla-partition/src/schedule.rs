//! The order in which the groups of a step run, and which results are written straight over the
//! arguments they update.
//!
//! An update may overwrite its argument once nobody reads the old value any more: whoever reads it
//! must run before, which is one more dependency in the graph of groups. Where that would make a
//! cycle, the result is computed beside the old value and copied at the end. Among the groups that
//! may run next, one that frees at least as much memory as it takes goes first, so activations and
//! gradients do not outlive their use; else the function's own order holds.

use std::collections::{BTreeSet, HashMap};

use hla_ir::{Def, Diagnostic, Function, Node, NodeId, Op, ValueId};

use crate::fuse::{Group, Kind};
use crate::{Backend, is_row_major};

/// Groups in the order of execution, and where results go.
pub struct Schedule {
    /// The groups.
    pub groups: Vec<Group>,
    /// The results that are written where they belong by whoever computes them.
    pub outputs: HashMap<ValueId, u32>,
    /// Results that update an argument, but are computed beside it and copied.
    pub copied: Vec<usize>,
}

/// Whether a node only gives another name to its operand.
pub fn is_alias(backend: &dyn Backend, node: &Node) -> bool {
    node.op == Op::Reshape || (node.op == Op::Identity && is_row_major(backend, node))
}

/// Whether no kernel computes a node's result: it names its operand's buffer, or whoever uses it reads
/// that buffer in another order.
fn is_nothing(backend: &dyn Backend, function: &Function, node: &Node) -> bool {
    is_alias(backend, node) || backend.is_read_in_place(function, node)
}

/// The value whose buffer is read in place of a value.
pub fn root(backend: &dyn Backend, function: &Function, mut value: ValueId) -> ValueId {
    while let Some(node) = function
        .defining_node(value)
        .filter(|n| is_nothing(backend, function, n))
    {
        value = node.operands[0];
    }
    value
}

/// Whether a kernel computes this value, and can write it to an output.
pub fn is_computed(backend: &dyn Backend, function: &Function, value: ValueId) -> bool {
    function
        .defining_node(value)
        .is_some_and(|n| n.op != Op::Const && is_row_major(backend, n))
}

/// Which groups wait for which.
pub(crate) struct Graph<'a> {
    backend: &'a dyn Backend,
    function: &'a Function,
    pub groups: &'a [Group],
    /// The group that stores each node's result.
    group_of: Vec<usize>,
    /// Groups that wait for each group.
    pub after: Vec<BTreeSet<usize>>,
    /// Buffers that each group reads, those of its own nodes excepted.
    pub reads: Vec<BTreeSet<ValueId>>,
}

impl Graph<'_> {
    fn is_alias(&self, group: usize) -> bool {
        matches!(&self.groups[group].nodes[..], [one] if is_nothing(self.backend, self.function, self.function.node(*one)))
    }

    /// Whether `to` runs after `from`.
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![false; self.groups.len()];
        let mut stack = vec![from];
        while let Some(group) = stack.pop() {
            if group == to {
                return true;
            }
            if !std::mem::replace(&mut seen[group], true) {
                stack.extend(&self.after[group]);
            }
        }
        false
    }

    /// Whether a group reads a buffer at most where it writes, element by element.
    fn reads_in_step(&self, group: usize, buffer: ValueId) -> bool {
        let nodes = &self.groups[group].nodes;
        if !self.reads[group].contains(&buffer) {
            return true;
        }
        let elements = |v: ValueId| self.function.tensor_ty(v).elements();
        nodes.iter().all(|&id| {
            let node = self.function.node(id);
            node.op.def().elementwise
                && node.operands.iter().all(|&operand| {
                    root(self.backend, self.function, operand) != buffer
                        || elements(operand) == elements(node.result())
                })
        })
    }

    /// Makes the groups that read argument `updated` run before the one that computes `value`;
    /// false if that cannot be.
    fn order_update(&mut self, value: ValueId, updated: ValueId) -> bool {
        let Def::Node(id, _) = self.function.values[value.index()].def else {
            return false;
        };
        let writer = self.group_of[id.index()];
        let readers: Vec<usize> = (0..self.groups.len())
            .filter(|&g| g != writer && !self.is_alias(g) && self.reads[g].contains(&updated))
            .collect();
        let possible = self.reads_in_step(writer, updated)
            && !readers.iter().any(|&reader| self.reaches(writer, reader));
        if possible {
            for reader in readers {
                self.after[reader].insert(writer);
            }
        }
        possible
    }

    /// All groups, each after those it waits for.
    fn order(&self) -> Vec<usize> {
        let n = self.groups.len();
        let mut waits = vec![0; n];
        for &group in self.after.iter().flatten() {
            waits[group] += 1;
        }
        let mut readers: HashMap<ValueId, usize> = HashMap::new();
        for (group, reads) in self.reads.iter().enumerate() {
            if !self.is_alias(group) {
                for &value in reads {
                    *readers.entry(value).or_default() += 1;
                }
            }
        }
        let results: BTreeSet<ValueId> = self
            .function
            .results
            .iter()
            .map(|&r| root(self.backend, self.function, r))
            .collect();
        // What a buffer of the workspace takes.
        let bytes = |value: ValueId| {
            let stays =
                results.contains(&value) || !is_computed(self.backend, self.function, value);
            if stays {
                0
            } else {
                self.function.tensor_ty(value).bytes()
            }
        };
        let takes: Vec<usize> = (0..n)
            .map(|g| {
                let roots = self.groups[g].roots.iter().filter(|_| !self.is_alias(g));
                let results = roots.flat_map(|&root| &self.function.node(root).results);
                results.map(|&r| bytes(r)).sum()
            })
            .collect();
        let mut ready: BTreeSet<usize> = (0..n).filter(|&g| waits[g] == 0).collect();
        let mut order = Vec::with_capacity(n);
        while let Some(&first) = ready.first() {
            let frees = |g: usize| -> usize {
                if self.is_alias(g) {
                    return 0;
                }
                let last = self.reads[g].iter().filter(|v| readers[v] == 1);
                last.map(|&v| bytes(v)).sum()
            };
            let next = ready
                .iter()
                .copied()
                .find(|&g| frees(g) >= takes[g])
                .unwrap_or(first);
            ready.remove(&next);
            order.push(next);
            if !self.is_alias(next) {
                for value in &self.reads[next] {
                    if let Some(count) = readers.get_mut(value) {
                        *count -= 1;
                    }
                }
            }
            for &group in &self.after[next] {
                waits[group] -= 1;
                if waits[group] == 0 {
                    ready.insert(group);
                }
            }
        }
        order
    }
}

impl<'a> Graph<'a> {
    pub fn new(backend: &'a dyn Backend, function: &'a Function, groups: &'a [Group]) -> Graph<'a> {
        let mut group_of = vec![0; function.nodes.len()];
        for (g, group) in groups.iter().enumerate() {
            for id in &group.roots {
                group_of[id.index()] = g;
            }
            // The contraction before elementwise nodes is in no other group.
            if group.kind == Kind::Contraction {
                group_of[group.nodes[0].index()] = g;
            }
        }
        let mut graph = Graph {
            backend,
            function,
            groups,
            after: vec![BTreeSet::new(); groups.len()],
            reads: vec![BTreeSet::new(); groups.len()],
            group_of,
        };
        for (g, group) in groups.iter().enumerate() {
            let inside = |id: &NodeId| group.nodes.contains(id);
            let operands = group
                .nodes
                .iter()
                .flat_map(|&id| &function.node(id).operands);
            for &operand in operands {
                let named = root(backend, function, operand);
                let Def::Node(id, _) = function.values[named.index()].def else {
                    graph.reads[g].insert(named);
                    continue;
                };
                if inside(&id) {
                    continue;
                }
                graph.reads[g].insert(named);
                graph.after[graph.group_of[id.index()]].insert(g);
                // The names in between.
                if let Def::Node(alias, _) = function.values[operand.index()].def
                    && alias != id
                {
                    graph.after[graph.group_of[alias.index()]].insert(g);
                }
            }
        }
        graph
    }
}

/// Orders the groups of a step; an error if groups wait for each other. `updates` has the argument that each result updates.
pub fn schedule(
    backend: &dyn Backend,
    function: &Function,
    groups: Vec<Group>,
    updates: &[Option<usize>],
) -> Result<Schedule, Diagnostic> {
    let mut graph = Graph::new(backend, function, &groups);
    let mut outputs = HashMap::new();
    let mut copied = Vec::new();
    for (i, &update) in updates.iter().enumerate() {
        let Some(arg) = update else { continue };
        let (value, updated) = (
            root(backend, function, function.results[i]),
            ValueId(arg as u32),
        );
        if value == updated {
            continue;
        }
        let free = is_computed(backend, function, value) && !outputs.contains_key(&value);
        if free && graph.order_update(value, updated) {
            outputs.insert(value, i as u32);
        } else {
            copied.push(i);
        }
    }
    for (i, &result) in function.results.iter().enumerate() {
        let value = root(backend, function, result);
        if updates[i].is_none() && is_computed(backend, function, value) {
            outputs.entry(value).or_insert(i as u32);
        }
    }
    let order = graph.order();
    if order.len() < groups.len() {
        let stuck = groups.len() - order.len();
        let message = format!(
            "{stuck} of {} kernels wait for each other, so no order of them exists",
            groups.len()
        );
        return Err(Diagnostic::error(function.location.clone(), message)
            .help("this is a mistake in hlac: please report it with the model"));
    }
    let mut groups: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
    Ok(Schedule {
        groups: order.into_iter().filter_map(|g| groups[g].take()).collect(),
        outputs,
        copied,
    })
}
