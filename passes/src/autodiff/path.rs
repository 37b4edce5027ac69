//! Which nodes lie on a path from a wanted argument to the objective.

use hla_ir::{Diagnostic, Function, Node, NodeId, Op, ValueId};

use super::rules;

/// The nodes and values on a path.
pub(super) struct Path {
    /// By node: whether the objective depends on a wanted argument through it.
    nodes: Vec<bool>,
    /// By value: whether it depends on a wanted argument.
    depends: Vec<bool>,
    /// By value: whether the objective depends on it.
    reaches: Vec<bool>,
}

/// How a node's results depend on one of its operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// By a rule of the table.
    Smooth,
    /// Not at all, as far as derivatives go.
    Cut,
    /// Nobody knows.
    Unknown,
}

impl Path {
    /// Finds the nodes on a path and refuses those without a derivative.
    pub fn find(
        function: &Function,
        objective: ValueId,
        wanted: &[usize],
    ) -> Result<Path, Diagnostic> {
        let mut depends = vec![false; function.values.len()];
        for &arg in wanted {
            depends[arg] = true;
        }
        for node in &function.nodes {
            let through = |i: usize| {
                depends[node.operands[i].index()] && edge(function, node, i) != Edge::Cut
            };
            if (0..node.operands.len()).any(through) {
                for result in &node.results {
                    depends[result.index()] = true;
                }
            }
        }
        let mut reaches = vec![false; function.values.len()];
        let mut nodes = vec![false; function.nodes.len()];
        reaches[objective.index()] = true;
        for (id, node) in function.iter_nodes().rev() {
            let needed = |r: &ValueId| reaches[r.index()] && depends[r.index()];
            if !node.results.iter().any(needed) {
                continue;
            }
            nodes[id.index()] = true;
            for i in 0..node.operands.len() {
                if edge(function, node, i) != Edge::Cut {
                    reaches[node.operands[i].index()] = true;
                }
            }
        }
        let path = Path {
            nodes,
            depends,
            reaches,
        };
        path.refuse_unknown(function)?;
        Ok(path)
    }

    /// Whether a node lies on a path.
    pub fn holds(&self, id: NodeId) -> bool {
        self.nodes[id.index()]
    }

    /// Whether a path enters a node on a path by this operand.
    pub fn leads_to(&self, node: &Node, operand: usize) -> bool {
        let value = node.operands[operand].index();
        self.depends[value] && self.reaches[value]
    }

    /// One report that names every op on a path that has no derivative.
    fn refuse_unknown(&self, function: &Function) -> Result<(), Diagnostic> {
        let refused = |(id, node): &(NodeId, &Node)| {
            self.holds(*id)
                && (0..node.operands.len()).any(|i| {
                    // An op of integers is reached through one that made them, which is named.
                    let ty = function.ty(node.operands[i]).tensor();
                    self.leads_to(node, i)
                        && edge(function, node, i) == Edge::Unknown
                        && ty.is_none_or(|ty| ty.dtype.is_float())
                })
        };
        let mut refused = function.iter_nodes().filter(refused).map(|(_, node)| node);
        let Some(first) = refused.next() else {
            return Ok(());
        };
        let rest: Vec<&Node> = refused.collect();
        let others = match rest.len() {
            0 => "has",
            1 => "and 1 other op have",
            _ => "and others have",
        };
        let mut error = Diagnostic::error(
            first.location.clone(),
            format!(
                "{} on the way from a parameter to the objective {others} no derivative",
                describe(function, first)
            ),
        )
        .help("keep gradients away from these ops with hla.stop_gradient, or lead them past with hla.straight_through");
        for node in rest {
            error = error.note(node.location.clone(), describe(function, node));
        }
        Err(error)
    }
}

fn describe(function: &Function, node: &Node) -> String {
    match node.op {
        Op::Cast => {
            let ty = function.ty(node.result());
            format!("'{}' to {ty}", node.name())
        }
        _ => format!("'{}'", node.name()),
    }
}

fn edge(function: &Function, node: &Node, operand: usize) -> Edge {
    let is_float = |value: ValueId| {
        let ty = function.ty(value).tensor();
        ty.is_some_and(|ty| ty.dtype.is_float())
    };
    match rules::find(node.op, operand).map(|rule| rule.build) {
        Some(None) => Edge::Cut,
        Some(Some(_)) if is_float(node.operands[operand]) && is_float(node.result()) => {
            Edge::Smooth
        }
        _ => Edge::Unknown,
    }
}
