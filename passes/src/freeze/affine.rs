//! Chains of channel-wise affine ops, x·s + b, and constant expressions in f64.

use std::collections::HashMap;

use hla_ir::{DType, Function, Node, NodeId, Op, ValueId};

/// Constant expressions with more elements than this are not looked into.
const MAX_ELEMENTS: usize = 1 << 16;

/// A value as base·s + b, s and b along the last dimension (or one value for all of it).
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// x.
    pub base: ValueId,
    /// The node that computes x.
    pub base_node: Option<NodeId>,
    /// s.
    pub scale: Vec<f64>,
    /// b.
    pub bias: Vec<f64>,
    /// How many ops the chain has.
    pub length: usize,
}

impl Affine {
    /// Whether all of s and b are finite in f32.
    pub fn is_finite(&self) -> bool {
        self.scale
            .iter()
            .chain(&self.bias)
            .all(|&v| (v as f32).is_finite())
    }

    fn apply(&mut self, op: Op, constant: &[f64], constant_first: bool) {
        widen(&mut self.scale, constant.len());
        widen(&mut self.bias, constant.len());
        let width = self.scale.len().max(self.bias.len());
        widen(&mut self.scale, width);
        widen(&mut self.bias, width);
        let all = self.scale.iter_mut().zip(&mut self.bias).enumerate();
        for (i, (s, b)) in all {
            let c = constant[i % constant.len()];
            match (op, constant_first) {
                (Op::Add, _) => *b += c,
                (Op::Sub, false) => *b -= c,
                // c − (x·s + b)
                (Op::Sub, true) => (*s, *b) = (-*s, c - *b),
                // Negation is multiplication by −1.
                _ => (*s, *b) = (*s * c, *b * c),
            }
        }
        self.length += 1;
    }
}

/// Repeats a single value so that there is one for each of `channels`.
pub(super) fn widen(values: &mut Vec<f64>, channels: usize) {
    if values.len() == 1 && channels > 1 {
        *values = vec![values[0]; channels];
    }
}

/// All chains of a function.
pub(super) struct Chains {
    ends: Vec<(NodeId, Affine)>,
}

impl Chains {
    /// Finds chains that begin at a contraction or a sum of two computed values.
    pub fn find(function: &Function) -> Chains {
        let users = function.users();
        let mut constants = Constants {
            function,
            known: HashMap::new(),
        };
        let mut chains: HashMap<ValueId, (NodeId, Affine)> = HashMap::new();
        for (id, node) in function.iter_nodes() {
            let Some((value, op, constant, first)) = step(function, node, &mut constants) else {
                continue;
            };
            // A value that something else needs too must exist: the chain ends there.
            let private = users[value.index()].len() == 1 && !function.results.contains(&value);
            let chain = match chains.get(&value) {
                Some(_) if private => chains.remove(&value).map(|(_, chain)| chain),
                Some(_) => None,
                None => base(function, value),
            };
            if let Some(mut chain) = chain {
                if chain.length == 0 && !private {
                    // The base is needed as it is, its bias included.
                    chain.base_node = None;
                }
                chain.apply(op, &constant, first);
                chains.insert(node.result(), (id, chain));
            }
        }
        let mut ends: Vec<_> = chains.into_values().collect();
        ends.sort_by_key(|(id, _)| *id);
        Chains { ends }
    }

    /// The last node of each chain, in order, with the chain.
    pub fn ends(&self) -> impl Iterator<Item = (NodeId, &Affine)> {
        self.ends.iter().map(|(id, chain)| (*id, chain))
    }
}

/// The empty chain at a value that chains may begin with.
fn base(function: &Function, value: ValueId) -> Option<Affine> {
    let hla_ir::Def::Node(id, _) = function.values[value.index()].def else {
        return None;
    };
    matches!(
        function.node(id).op,
        Op::Conv2d
            | Op::DepthwiseConv2d
            | Op::TransposeConv2d
            | Op::MatMul
            | Op::TernaryConv2d
            | Op::TernaryMatMul
            | Op::Add
    )
    .then(|| Affine {
        base: value,
        base_node: Some(id),
        scale: vec![1.0],
        bias: vec![0.0],
        length: 0,
    })
}

/// A node as a step of a chain: the value it works on, the op, the constant per channel, and whether
/// the constant is the first operand.
fn step(
    function: &Function,
    node: &Node,
    constants: &mut Constants<'_>,
) -> Option<(ValueId, Op, Vec<f64>, bool)> {
    let result = function.ty(*node.results.first()?).tensor()?;
    if result.dtype != DType::F32 {
        return None;
    }
    if node.op == Op::Negate {
        return Some((node.operands[0], Op::Mul, vec![-1.0], false));
    }
    if !matches!(node.op, Op::Add | Op::Sub | Op::Mul) {
        return None;
    }
    for (value, other, first) in [
        (node.operands[0], node.operands[1], false),
        (node.operands[1], node.operands[0], true),
    ] {
        let ty = function.ty(other).tensor()?;
        let channels = ty.shape.last().copied().unwrap_or(1);
        let per_channel = ty.elements() == channels && channels > 0;
        if per_channel
            && function.ty(value).tensor() == Some(result)
            && constants.get(value).is_none()
            && let Some(constant) = constants.get(other)
        {
            return Some((value, node.op, constant, first));
        }
    }
    None
}

/// Values that do not depend on an argument, in f64.
struct Constants<'a> {
    function: &'a Function,
    known: HashMap<ValueId, Option<Vec<f64>>>,
}

impl Constants<'_> {
    fn get(&mut self, value: ValueId) -> Option<Vec<f64>> {
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        let computed = self.compute(value);
        self.known.insert(value, computed.clone());
        computed
    }

    fn compute(&mut self, value: ValueId) -> Option<Vec<f64>> {
        let node = self.function.defining_node(value)?;
        let ty = self.function.ty(value).tensor()?;
        if ty.elements() > MAX_ELEMENTS || !ty.dtype.is_float() {
            return None;
        }
        let unary = |this: &mut Self, f: fn(f64) -> f64| {
            Some(this.get(node.operands[0])?.into_iter().map(f).collect())
        };
        match node.op {
            Op::Const => Some(node.constant()?.iter_f64().collect()),
            Op::Reshape | Op::Identity => unary(self, |v| v),
            Op::Negate => unary(self, |v| -v),
            Op::Rsqrt => unary(self, |v| 1.0 / v.sqrt()),
            Op::Reciprocal => unary(self, |v| 1.0 / v),
            Op::Add => self.binary(node, |a, b| a + b),
            Op::Sub => self.binary(node, |a, b| a - b),
            Op::Mul => self.binary(node, |a, b| a * b),
            Op::Pow => self.binary(node, f64::powf),
            _ => None,
        }
    }

    /// Operands of equal size, or of which one is a single number.
    fn binary(&mut self, node: &Node, f: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
        let (a, b) = (self.get(node.operands[0])?, self.get(node.operands[1])?);
        let shapes = node.operands.iter().map(|&v| self.function.ty(v).tensor());
        let shapes: Vec<_> = shapes.collect::<Option<_>>()?;
        if shapes[0].shape != shapes[1].shape && a.len() != 1 && b.len() != 1 {
            return None;
        }
        let len = a.len().max(b.len());
        if a.is_empty() || b.is_empty() {
            return None;
        }
        Some(
            (0..len)
                .map(|i| f(a[i % a.len()], b[i % b.len()]))
                .collect(),
        )
    }
}
