//! Which of the equal expressions to keep: the cheapest set that gives all results, shared
//! expressions counted once.
//!
//! Cost = 16·(multiplications + taps of ternary contractions) + elements written: no contraction is
//! ever computed twice to save the multiplications after it, and among programs with equally many
//! multiplications the shorter one wins, the one as written on a tie.
//!
//! A greedy pass builds each class's cheapest expression from the bottom up, counting shared parts
//! once; then single choices are exchanged for as long as that makes the whole cheaper. The same is
//! done from the program as written, so the result is never worse than that.

use std::collections::HashMap;

use egg::Id;
use hla_ir::Op;
use hla_ir::cost::Applied;

use super::language::{Apply, Expr, Graph, Head, constant, tensor_type};

const MULTIPLICATION: u64 = 16;

/// Steps of work, roughly one a visited expression, after which either search ends with what it
/// has: a bound on time that is the same on every machine.
const STEPS: usize = 30_000_000;

/// An expression that a class may become.
pub(crate) struct Candidate {
    pub(crate) expr: Expr,
    /// Its operands' classes.
    pub(crate) children: Vec<usize>,
    cost: u64,
}

/// All classes and what each may become.
pub(crate) struct Space {
    pub(crate) ids: Vec<Id>,
    index: HashMap<Id, usize>,
    pub(crate) candidates: Vec<Vec<Candidate>>,
}

/// For each class, the number of the candidate chosen.
pub(crate) type Choice = Vec<usize>;

impl Space {
    /// All choices that a graph leaves.
    pub(crate) fn new(graph: &Graph) -> Space {
        let mut ids: Vec<Id> = graph.classes().map(|c| c.id).collect();
        ids.sort_unstable();
        let index: HashMap<Id, usize> = ids.iter().enumerate().map(|(i, &id)| (id, i)).collect();
        let candidates = ids
            .iter()
            .map(|&id| {
                let nodes = &graph[id].nodes;
                let candidate = |expr: &Expr| Candidate {
                    expr: expr.clone(),
                    children: expr
                        .children
                        .iter()
                        .map(|&c| index[&graph.find(c)])
                        .collect(),
                    cost: cost(graph, expr),
                };
                nodes.iter().map(candidate).collect()
            })
            .collect();
        Space {
            ids,
            index,
            candidates,
        }
    }

    /// The number of a class.
    pub(crate) fn class(&self, graph: &Graph, id: Id) -> usize {
        self.index[&graph.find(id)]
    }

    /// The cheapest choice found for these classes.
    pub(crate) fn cheapest(&self, roots: &[usize]) -> Choice {
        let greedy = self.greedy();
        let written = self.as_written(&greedy);
        let written = self.improved(written, roots);
        let greedy = self.improved(greedy, roots);
        match (self.total(&greedy, roots), self.total(&written, roots)) {
            (Some(new), Some(old)) if new < old => greedy,
            (Some(_), None) => greedy,
            _ => written,
        }
    }

    fn as_written(&self, fallback: &Choice) -> Choice {
        let first = |class: usize| {
            (0..self.candidates[class].len())
                .filter(|&i| self.candidates[class][i].expr.original)
                .min_by_key(|&i| self.candidates[class][i].expr.origin.wrapping_add(1))
        };
        (0..self.ids.len())
            .map(|class| first(class).unwrap_or(fallback[class]))
            .collect()
    }

    /// From the bottom up, the candidate of each class whose whole tree, each class in it counted
    /// once, is cheapest.
    fn greedy(&self) -> Choice {
        let words = self.ids.len().div_ceil(64);
        let mut choice = vec![0; self.ids.len()];
        let mut own = vec![0; self.ids.len()];
        let mut best: Vec<Option<(u64, Vec<u64>)>> = vec![None; self.ids.len()];
        let mut changed = true;
        let mut steps = 0;
        while std::mem::take(&mut changed) && steps < STEPS {
            for class in 0..self.ids.len() {
                for (number, candidate) in self.candidates[class].iter().enumerate() {
                    steps += words;
                    let mut set = vec![0_u64; words];
                    let mut complete = true;
                    for &child in &candidate.children {
                        match &best[child] {
                            Some((_, below)) => {
                                for (word, other) in set.iter_mut().zip(below) {
                                    *word |= other;
                                }
                            }
                            None => complete = false,
                        }
                    }
                    if !complete || set[class / 64] >> (class % 64) & 1 == 1 {
                        continue;
                    }
                    let mut total = candidate.cost;
                    for (i, &word) in set.iter().enumerate() {
                        let mut word = word;
                        while word != 0 {
                            let member = i * 64 + word.trailing_zeros() as usize;
                            steps += 1;
                            total = total.saturating_add(own[member]);
                            word &= word - 1;
                        }
                    }
                    if best[class].as_ref().is_none_or(|(cost, _)| total < *cost) {
                        set[class / 64] |= 1 << (class % 64);
                        best[class] = Some((total, set));
                        own[class] = candidate.cost;
                        choice[class] = number;
                        changed = true;
                    }
                }
            }
        }
        choice
    }

    /// Exchanges single choices while that makes the whole cheaper.
    fn improved(&self, mut choice: Choice, roots: &[usize]) -> Choice {
        let Some(mut total) = self.total(&choice, roots) else {
            return choice;
        };
        let mut steps = 0;
        while let Some(order) = self.order(&choice, roots) {
            let before = total;
            for &class in &order {
                if self.candidates[class].len() > 1 {
                    steps += (order.len() + self.ids.len() / 16) * self.candidates[class].len();
                }
                if steps > STEPS {
                    return choice;
                }
                for number in 0..self.candidates[class].len() {
                    let old = std::mem::replace(&mut choice[class], number);
                    match self.total(&choice, roots) {
                        Some(new) if new < total => total = new,
                        _ => choice[class] = old,
                    }
                }
            }
            if total == before {
                break;
            }
        }
        choice
    }

    /// Cost of all that the roots need; `None` if a value would need itself.
    fn total(&self, choice: &Choice, roots: &[usize]) -> Option<u64> {
        let order = self.order(choice, roots)?;
        let costs = order
            .iter()
            .map(|&class| self.candidates[class][choice[class]].cost);
        Some(costs.fold(0, u64::saturating_add))
    }

    /// The classes that the roots need, operands first; `None` if a value would need itself.
    pub(crate) fn order(&self, choice: &Choice, roots: &[usize]) -> Option<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            Unseen,
            Open,
            Done,
        }
        let mut state = vec![State::Unseen; self.ids.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        for &root in roots {
            if state[root] == State::Unseen {
                state[root] = State::Open;
                stack.push((root, 0));
            }
            while let Some((class, next)) = stack.last_mut() {
                let children = &self.candidates[*class][choice[*class]].children;
                match children.get(*next) {
                    Some(&child) => {
                        *next += 1;
                        match state[child] {
                            State::Unseen => {
                                state[child] = State::Open;
                                stack.push((child, 0));
                            }
                            State::Open => return None,
                            State::Done => {}
                        }
                    }
                    None => {
                        state[*class] = State::Done;
                        order.push(*class);
                        stack.pop();
                    }
                }
            }
        }
        Some(order)
    }
}

fn cost(graph: &Graph, expr: &Expr) -> u64 {
    let made = u64::from(!expr.original);
    match expr.head {
        Head::Apply(apply) => {
            let is_constant =
                |id: &Id| !matches!(graph[*id].data.constant, super::language::Constness::No);
            if expr.children.iter().all(is_constant) && !expr.original {
                return 1;
            }
            let out = elements(&result_shape(graph, apply));
            let heavy =
                multiplications(graph, expr, apply).saturating_add(taps(graph, expr, apply));
            heavy
                .saturating_mul(MULTIPLICATION)
                .saturating_add(out)
                .saturating_add(made)
        }
        _ => made,
    }
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

fn result_shape(graph: &Graph, apply: Apply) -> Vec<usize> {
    match graph.analysis.types.get(apply.ty).tensor() {
        Some(ty) => ty.shape.clone(),
        None => vec![0],
    }
}

fn shape(graph: &Graph, expr: &Expr, i: usize) -> Vec<usize> {
    match tensor_type(graph, expr.children[i]) {
        Some(ty) => ty.shape.clone(),
        None => vec![0],
    }
}

/// Additions that a ternary contraction takes if no weight is zero.
fn taps(graph: &Graph, expr: &Expr, apply: Apply) -> u64 {
    match apply.op {
        Op::TernaryConv2d | Op::TernaryMatMul => {
            let weight = shape(graph, expr, 1);
            elements(&result_shape(graph, apply)).saturating_mul(elements(&weight[1..]))
        }
        _ => 0,
    }
}

/// What [`hla_ir::cost::multiplications`] says of a node, for an expression.
fn multiplications(graph: &Graph, expr: &Expr, apply: Apply) -> u64 {
    let varying = match apply.op {
        Op::TernaryConv2d | Op::TernaryMatMul => {
            let unit = constant(graph, expr.children[2]).is_some_and(|s| s.all(|v| v == 1.0));
            let params = graph.analysis.constants.get(apply.params);
            let scaled = expr.children.len() == 5 && params.values.get(2) != Some(&1.0);
            u64::from(!unit) + u64::from(scaled)
        }
        _ => 0,
    };
    let operands: Vec<Vec<usize>> = (0..expr.children.len())
        .map(|i| shape(graph, expr, i))
        .collect();
    let operands: Vec<&[usize]> = operands.iter().map(Vec::as_slice).collect();
    Applied {
        op: apply.op,
        operands: &operands,
        result: &result_shape(graph, apply),
        varying,
    }
    .multiplications()
}
