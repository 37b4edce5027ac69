//! The rules: directed, named, each with its algebra in one line.
//!
//! x, y are tensors; a, b, c, s constants; s·x is a product with a scale that is the same for all
//! elements of a channel (`tosa.mul` by a constant of unit extents elsewhere) or of the tensor.
//! All hold for real numbers; in f32 they re-associate, so results move by some units in the last
//! place. A rule fires only where every constant it makes is zero or a normal f32.

use std::sync::Arc;

use egg::{Applier, Id, Rewrite, SearchMatches, Searcher, Subst, Symbol, Var};
use hla_ir::{Attrs, DType, Op, TensorType};

use super::constants::Constant;
use super::language::{self, Apply, Constness, Expr, Graph, Head};

mod affine;
mod contraction;
mod crossing;
mod ternary;

/// A rule: what equals an expression whose op is one of `roots`.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The equation it rests on, with its condition.
    pub(crate) algebra: &'static str,
    pub(crate) roots: &'static [Op],
    /// Adds classes that equal the site's to the list.
    pub(crate) apply: fn(&mut Site<'_>, &mut Vec<Id>) -> Option<()>,
}

/// All rules, in the order in which they are tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        affine::RULES,
        contraction::RULES,
        ternary::RULES,
        crossing::RULES,
    ]
    .into_iter()
    .flatten()
}

/// All rules in egg's form.
pub(crate) fn rewrites() -> Vec<Rewrite<Expr, language::Context>> {
    all()
        .enumerate()
        .filter_map(|(number, rule)| {
            let side = || Side { number, rule };
            Rewrite::new(rule.name, side(), side()).ok()
        })
        .collect()
}

/// Both sides of a rule for egg: the classes with such an op, and what to do there.
struct Side {
    number: usize,
    rule: &'static Rule,
}

impl Searcher<Expr, language::Context> for Side {
    fn search_eclass_with_limit(
        &self,
        _: &Graph,
        eclass: Id,
        _: usize,
    ) -> Option<SearchMatches<'_, Expr>> {
        Some(SearchMatches {
            eclass,
            substs: vec![Subst::with_capacity(0)],
            ast: None,
        })
    }

    fn search_with_limit(&self, graph: &Graph, limit: usize) -> Vec<SearchMatches<'_, Expr>> {
        let mut classes: Vec<Id> = self
            .rule
            .roots
            .iter()
            .filter_map(|&op| graph.classes_for_op(&Some(op)))
            .flatten()
            .collect();
        classes.sort_unstable();
        classes.dedup();
        classes
            .into_iter()
            .filter_map(|class| self.search_eclass_with_limit(graph, class, limit))
            .collect()
    }

    fn vars(&self) -> Vec<Var> {
        Vec::new()
    }
}

impl Applier<Expr, language::Context> for Side {
    fn apply_one(
        &self,
        graph: &mut Graph,
        class: Id,
        _: &Subst,
        _: Option<&egg::PatternAst<Expr>>,
        name: Symbol,
    ) -> Vec<Id> {
        let class = graph.find(class);
        let nodes: Vec<Expr> = graph[class]
            .nodes
            .iter()
            .filter(|n| n.apply().is_some_and(|a| self.rule.roots.contains(&a.op)))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for node in nodes {
            if graph.total_size() > graph.analysis.node_limit {
                break;
            }
            let Some(apply) = node.apply() else { continue };
            let known: usize = node.children.iter().map(|&c| graph[c].nodes.len()).sum();
            let tried = &mut graph.analysis.tried;
            if tried.insert((self.number, node.clone()), known) == Some(known) {
                continue;
            }
            let mut site = Site {
                graph,
                class,
                node,
                apply,
            };
            let mut equals = Vec::new();
            // A rule that does not apply stops early with `None`; what it found before holds.
            let _ = (self.rule.apply)(&mut site, &mut equals);
            for equal in equals {
                if graph.union_trusted(class, equal, name) {
                    changed.push(class);
                }
            }
        }
        changed
    }
}

/// Where a rule is tried: an op in a class.
pub(crate) struct Site<'g> {
    pub(crate) graph: &'g mut Graph,
    pub(crate) class: Id,
    pub(crate) node: Expr,
    pub(crate) apply: Apply,
}

impl Site<'_> {
    /// Operand `i`.
    pub(crate) fn operand(&self, i: usize) -> Option<Id> {
        self.node.children.get(i).map(|&id| self.graph.find(id))
    }

    /// Tensor type of a class.
    pub(crate) fn ty(&self, id: Id) -> Option<TensorType> {
        language::tensor_type(self.graph, id).cloned()
    }

    /// Tensor type of the site, if its elements are f32.
    pub(crate) fn f32_type(&self) -> Option<TensorType> {
        self.ty(self.class).filter(|ty| ty.dtype == DType::F32)
    }

    /// The small constant a class is.
    pub(crate) fn constant(&self, id: Id) -> Option<Arc<Constant>> {
        language::constant(self.graph, id)
    }

    /// Whether a class is a constant of any size.
    pub(crate) fn is_constant(&self, id: Id) -> bool {
        self.graph[id].data.constant != Constness::No
    }

    /// The attributes of an op.
    pub(crate) fn attrs(&self, apply: Apply) -> &Attrs {
        self.graph.analysis.attrs.get(apply.attrs)
    }

    /// The attributes in [`language::params_of`].
    pub(crate) fn params(&self, apply: Apply) -> Vec<f64> {
        self.graph
            .analysis
            .constants
            .get(apply.params)
            .values
            .clone()
    }

    /// The site's op applied to a constant, as x, constant: for `tosa.mul` and `tosa.add` with one
    /// constant operand and a result of x's type.
    pub(crate) fn with_constant(&self) -> Option<(Id, Arc<Constant>)> {
        self.split(&self.node)
    }

    fn split(&self, node: &Expr) -> Option<(Id, Arc<Constant>)> {
        let [a, b] = *node.children else { return None };
        let apply = node.apply()?;
        for (x, c) in [(a, b), (b, a)] {
            if let Some(constant) = self.constant(c)
                && !self.is_constant(x)
                && self.graph[x].data.ty == apply.ty
                && self.ty(x)?.dtype == DType::F32
            {
                return Some((self.graph.find(x), constant));
            }
        }
        None
    }

    /// All ways to see a class as x, constant joined by an op.
    fn splits(&self, id: Id, op: Op) -> Vec<(Id, Arc<Constant>)> {
        self.find(id, op)
            .iter()
            .filter_map(|node| self.split(node))
            .collect()
    }

    /// All ways to see a class as s·x, as (x, s).
    pub(crate) fn scaled(&self, id: Id) -> Vec<(Id, Arc<Constant>)> {
        self.splits(id, Op::Mul)
    }

    /// Those with one number for s.
    pub(crate) fn scaled_uniformly(&self, id: Id) -> Vec<(Id, f64)> {
        self.scaled(id)
            .into_iter()
            .filter_map(|(x, s)| Some((x, s.uniform()?)))
            .collect()
    }

    /// All ways to see a class as x + b, as (x, b).
    pub(crate) fn shifted(&self, id: Id) -> Vec<(Id, Arc<Constant>)> {
        self.splits(id, Op::Add)
    }

    /// The expressions of a class with an op.
    pub(crate) fn find(&self, id: Id, op: Op) -> Vec<Expr> {
        self.graph[id]
            .nodes
            .iter()
            .filter(|n| n.apply().is_some_and(|a| a.op == op))
            .cloned()
            .collect()
    }

    /// Says that what would be taken off the site for nothing would also be taken off this class,
    /// since nothing but ops that scales cross stands between.
    pub(crate) fn pass_demand_to(&mut self, id: Id) {
        let demand = self.graph[self.class].data.demand;
        let data = &mut self.graph[id].data;
        data.demand = data.demand.max(demand);
    }

    /// Adds a constant.
    pub(crate) fn add_constant(&mut self, constant: Constant) -> Option<Id> {
        if !constant.fits_f32() {
            return None;
        }
        let id = self.graph.analysis.constants.intern(constant);
        Some(self.add(Head::Constant(id), []))
    }

    /// Adds an expression that stems from the site's node.
    pub(crate) fn add(&mut self, head: Head, children: impl Into<Box<[Id]>>) -> Id {
        self.graph.add(Expr::new(head, children, self.node.origin))
    }

    /// Adds an op like another with other operands; the location is that op's.
    pub(crate) fn like(&mut self, node: &Expr, children: impl Into<Box<[Id]>>) -> Id {
        self.graph.add(Expr::new(node.head, children, node.origin))
    }

    /// The same with other parameters; `None` if they do not fit f32.
    pub(crate) fn like_with(
        &mut self,
        node: &Expr,
        children: impl Into<Box<[Id]>>,
        params: Vec<f64>,
    ) -> Option<Id> {
        let mut apply = node.apply()?;
        let params = Constant::new([params.len()], params);
        let finite = params.map(|v| if is_unbounded(v) { 0.0 } else { v });
        if !finite.fits_f32() {
            return None;
        }
        apply.params = self.graph.analysis.constants.intern(params);
        Some(
            self.graph
                .add(Expr::new(Head::Apply(apply), children, node.origin)),
        )
    }

    /// Adds an op without parameters of its own.
    pub(crate) fn op(&mut self, op: Op, attrs: Attrs, ty: TensorType, children: &[Id]) -> Id {
        let apply = Apply {
            op,
            attrs: self.graph.analysis.attrs.intern(attrs),
            params: self.graph.analysis.no_params(),
            ty: self.graph.analysis.types.intern(ty.into()),
            result: 0,
        };
        self.add(Head::Apply(apply), children)
    }

    /// s·x, which is x where s is one.
    pub(crate) fn scale(&mut self, x: Id, s: &Constant) -> Option<Id> {
        self.join(Op::Mul, Attrs::new().with("shift", 0_i64), x, s, 1.0)
    }

    /// x + b, which is x where b is zero.
    pub(crate) fn shift(&mut self, x: Id, b: &Constant) -> Option<Id> {
        self.join(Op::Add, Attrs::new(), x, b, 0.0)
    }

    fn join(&mut self, op: Op, attrs: Attrs, x: Id, c: &Constant, neutral: f64) -> Option<Id> {
        let ty = self.ty(x)?;
        if c.shape.len() != ty.rank() {
            return None;
        }
        if c.all(|v| v == neutral) {
            return Some(x);
        }
        let c = self.add_constant(c.squeezed())?;
        Some(self.op(op, attrs, ty, &[x, c]))
    }
}

/// Whether a clamp's bound bounds nothing. Front ends write the largest f32 for infinity.
pub(crate) fn is_unbounded(bound: f64) -> bool {
    bound.abs() >= f64::from(f32::MAX)
}

/// Clamp bounds with the scale s taken off (`inverse`) or put on; `None` unless s > 0 and the
/// bounds stay one pair: a scale that varies by channel needs bounds of zero or none at all.
pub(crate) fn scale_bounds(bounds: [f64; 2], s: &Constant, inverse: bool) -> Option<[f64; 2]> {
    if !s.is_positive() {
        return None;
    }
    if bounds.iter().all(|&b| b == 0.0 || is_unbounded(b)) {
        return Some(bounds);
    }
    let s = s.uniform()?;
    Some(bounds.map(|b| match (is_unbounded(b), inverse) {
        (true, _) => b,
        (false, true) => b / s,
        (false, false) => b * s,
    }))
}
