//! The egg language over the inference graph: one expression a value, operands as children.
//!
//! Attributes, types and constants are numbers into tables that the analysis owns, so an
//! expression is small and two expressions are equal exactly when they mean the same.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use egg::{Analysis, DidMerge, EGraph, Id, Language};
use hla_ir::{Attrs, DType, Function, Op, TensorType, Type, ValueId};

use super::constants::{Constant, ConstantId, Constants, Interner};

/// The graph of equal expressions.
pub(crate) type Graph = EGraph<Expr, Context>;

/// What an expression is, its children apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Head {
    /// A value not looked into: an argument, a result of an opaque op, a large or integer constant.
    Leaf(ValueId),
    /// A small f32 constant.
    Constant(ConstantId),
    /// Ternary weights (child 0) with the rows multiplied by constants of −1, 0 or 1 (child 1).
    Flip,
    /// A result of an op.
    Apply(Apply),
}

/// An op with everything but its operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Apply {
    pub(crate) op: Op,
    /// Attributes other than those in `params`; a number in [`Context::attrs`].
    pub(crate) attrs: u32,
    /// The attributes named by [`params_of`], in that order.
    pub(crate) params: ConstantId,
    /// Type of the result; a number in [`Context::types`].
    pub(crate) ty: u32,
    /// Which result of the op.
    pub(crate) result: u32,
}

/// The attributes of an op that scale with its values, and so are held in double precision.
pub(crate) fn params_of(op: Op) -> &'static [&'static str] {
    match op {
        Op::Clamp => &["min_val", "max_val"],
        Op::TernaryConv2d | Op::TernaryMatMul => &["min_val", "max_val", "residual_scale"],
        Op::Quantize | Op::Dequantize => &["scale"],
        _ => &[],
    }
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) head: Head,
    pub(crate) children: Box<[Id]>,
    /// Index of the node it stems from: where its location is found. Not part of its identity.
    pub(crate) origin: u32,
    /// Whether it is that node itself. Not part of its identity.
    pub(crate) original: bool,
}

impl Expr {
    /// An expression that a rule makes from the node `origin`.
    pub(crate) fn new(head: Head, children: impl Into<Box<[Id]>>, origin: u32) -> Expr {
        Expr {
            head,
            children: children.into(),
            origin,
            original: false,
        }
    }

    /// The op, if it is one.
    pub(crate) fn apply(&self) -> Option<Apply> {
        match self.head {
            Head::Apply(apply) => Some(apply),
            _ => None,
        }
    }

    fn identity(&self) -> (&Head, &[Id]) {
        (&self.head, &self.children)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.identity() == other.identity()
    }
}
impl Eq for Expr {}
impl PartialOrd for Expr {
    fn partial_cmp(&self, other: &Expr) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Expr {
    fn cmp(&self, other: &Expr) -> std::cmp::Ordering {
        self.identity().cmp(&other.identity())
    }
}
impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Language for Expr {
    /// The op, or `None` for what is none.
    type Discriminant = Option<Op>;

    fn discriminant(&self) -> Option<Op> {
        self.apply().map(|a| a.op)
    }

    fn matches(&self, other: &Expr) -> bool {
        self.head == other.head && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

/// What is known of the constant a class is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Constness {
    /// No constant.
    No,
    /// A constant not looked into.
    Large,
    /// A small constant.
    Small(ConstantId),
}

/// Which scale the users of a value would take off it for nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Demand {
    /// None.
    Nothing,
    /// One positive number.
    Scalar,
    /// One positive number for each channel.
    Channel,
}

/// What is known of a class.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) ty: u32,
    pub(crate) constant: Constness,
    /// Whether a scale multiplied in vanishes: a contraction with constant weights, a scaled value,
    /// or a chain of ops that scales cross with one of these at its head.
    pub(crate) absorbs: bool,
    pub(crate) demand: Demand,
}

/// The tables behind the expressions.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) constants: Constants,
    pub(crate) attrs: Interner<Attrs>,
    pub(crate) types: Interner<Type>,
    /// Type, and whether it is a constant, of each value of the old function.
    leaves: Vec<(u32, bool)>,
    /// Rule and expression tried, with the sizes of the child classes then.
    pub(crate) tried: HashMap<(usize, Expr), usize>,
    /// Expressions after which rules add no more. egg looks only after each rule; a rule looks here
    /// before each match.
    pub(crate) node_limit: usize,
    no_params: Option<ConstantId>,
}

impl Context {
    /// Tables for a function.
    pub(crate) fn new(function: &Function, node_limit: usize) -> Context {
        let mut types = Interner::new();
        let leaves = function
            .values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let constant = function.constant_value(ValueId(i as u32)).is_some();
                (types.intern(value.ty.clone()), constant)
            })
            .collect();
        Context {
            constants: Constants::default(),
            attrs: Interner::new(),
            types,
            leaves,
            tried: HashMap::new(),
            node_limit,
            no_params: None,
        }
    }

    /// The number that an op without [`params_of`] has for them.
    pub(crate) fn no_params(&mut self) -> ConstantId {
        *self
            .no_params
            .get_or_insert_with(|| self.constants.intern(Constant::new([0], Vec::new())))
    }
}

impl Analysis<Expr> for Context {
    type Data = Facts;

    fn make(egraph: &mut Graph, expr: &Expr, _: Id) -> Facts {
        let facts = |ty, constant, absorbs| Facts {
            ty,
            constant,
            absorbs,
            demand: Demand::Nothing,
        };
        match expr.head {
            Head::Leaf(value) => {
                let (ty, constant) = egraph.analysis.leaves[value.index()];
                let constness = if constant {
                    Constness::Large
                } else {
                    Constness::No
                };
                facts(ty, constness, constant)
            }
            Head::Constant(id) => {
                let shape = egraph.analysis.constants.get(id).shape.clone();
                let ty = TensorType {
                    shape,
                    dtype: DType::F32,
                };
                let ty = egraph.analysis.types.intern(ty.into());
                facts(ty, Constness::Small(id), true)
            }
            Head::Flip => facts(egraph[expr.children[0]].data.ty, Constness::Large, false),
            Head::Apply(apply) => {
                let child = |i: usize| &egraph[expr.children[i]].data;
                let is_constant = |i: usize| child(i).constant != Constness::No;
                let (constant, absorbs) = match apply.op {
                    Op::Mul if is_constant(0) && is_constant(1) => (Constness::Large, true),
                    Op::Mul => (Constness::No, is_constant(0) || is_constant(1)),
                    Op::TernaryConv2d | Op::TernaryMatMul => (Constness::No, true),
                    Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d => {
                        (Constness::No, is_constant(1) && is_constant(2))
                    }
                    Op::MatMul => (Constness::No, is_constant(1)),
                    Op::Clamp
                    | Op::MaxPool2d
                    | Op::AvgPool2d
                    | Op::ReduceSum
                    | Op::Reshape
                    | Op::Transpose => (Constness::No, child(0).absorbs),
                    _ => (Constness::No, false),
                };
                facts(apply.ty, constant, absorbs)
            }
        }
    }

    fn merge(&mut self, a: &mut Facts, b: Facts) -> DidMerge {
        let before = (a.constant, a.absorbs, a.demand);
        let other = (b.constant, b.absorbs, b.demand);
        a.constant = match (a.constant, b.constant) {
            (Constness::Small(id), _) | (_, Constness::Small(id)) => Constness::Small(id),
            (Constness::Large, _) | (_, Constness::Large) => Constness::Large,
            _ => Constness::No,
        };
        a.absorbs |= b.absorbs;
        a.demand = a.demand.max(b.demand);
        let after = (a.constant, a.absorbs, a.demand);
        DidMerge(before != after, other != after)
    }
}

/// The tensor type of a class.
pub(crate) fn tensor_type(graph: &Graph, id: Id) -> Option<&TensorType> {
    graph.analysis.types.get(graph[id].data.ty).tensor()
}

/// The small constant a class is.
pub(crate) fn constant(graph: &Graph, id: Id) -> Option<Arc<Constant>> {
    match graph[id].data.constant {
        Constness::Small(constant) => Some(graph.analysis.constants.get(constant)),
        _ => None,
    }
}
