//! Nodes of one decomposition.

use crate::attr::Attrs;
use crate::diagnostic::Diagnostic;
use crate::graph::{Node, ValueId};
use crate::ops::Op;
use crate::rewrite::Rewriter;
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

/// Appends TOSA nodes that stand for one node, at its location.
pub(super) struct Builder<'r, 'a> {
    rewriter: &'r mut Rewriter<'a>,
    node: &'r Node,
}

pub(super) type Built = Result<ValueId, Diagnostic>;

impl<'r, 'a> Builder<'r, 'a> {
    pub(super) fn new(rewriter: &'r mut Rewriter<'a>, node: &'r Node) -> Builder<'r, 'a> {
        Builder { rewriter, node }
    }

    /// Attributes of the node that is decomposed.
    pub(super) fn attrs(&self) -> &Attrs {
        &self.node.attrs
    }

    /// A float attribute; the verifier has seen it.
    pub(super) fn float(&self, name: &str) -> f32 {
        self.node.attrs.f32(name).unwrap_or_default()
    }

    /// Type of a value that an operand or a node here has.
    pub(super) fn ty(&self, value: ValueId) -> TensorType {
        self.rewriter.new_function().tensor_ty(value).clone()
    }

    pub(super) fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> Built {
        let location = self.node.location.clone();
        self.rewriter.push(op, operands, attrs, location)
    }

    /// A node without attributes.
    pub(super) fn plain(&mut self, op: Op, operands: &[ValueId]) -> Built {
        self.op(op, operands, Attrs::new())
    }

    pub(super) fn add(&mut self, a: ValueId, b: ValueId) -> Built {
        self.plain(Op::Add, &[a, b])
    }

    pub(super) fn sub(&mut self, a: ValueId, b: ValueId) -> Built {
        self.plain(Op::Sub, &[a, b])
    }

    pub(super) fn mul(&mut self, a: ValueId, b: ValueId) -> Built {
        self.plain(Op::Mul, &[a, b])
    }

    pub(super) fn select(&mut self, condition: ValueId, yes: ValueId, no: ValueId) -> Built {
        self.plain(Op::Select, &[condition, yes, no])
    }

    /// A reduction along one axis.
    pub(super) fn reduce(&mut self, op: Op, input: ValueId, axis: usize) -> Built {
        self.op(op, &[input], Attrs::new().with("axis", axis as i64))
    }

    pub(super) fn reduce_sum(&mut self, input: ValueId, axis: usize) -> Built {
        self.reduce(Op::ReduceSum, input, axis)
    }

    /// The input under another shape; the input itself if it has that shape.
    pub(super) fn reshape(&mut self, input: ValueId, shape: &[usize]) -> Built {
        if self.ty(input).shape == shape {
            return Ok(input);
        }
        let shape: Vec<i64> = shape.iter().map(|&e| e as i64).collect();
        self.op(Op::Reshape, &[input], Attrs::new().with("shape", shape))
    }

    /// A tensor of one element under the shape of that many unit extents.
    pub(super) fn broadcastable(&mut self, scalar: ValueId, rank: usize) -> Built {
        self.reshape(scalar, &vec![1; rank])
    }

    /// An f32 constant that broadcasts against tensors of a rank.
    pub(super) fn scalar(&mut self, value: f32, rank: usize) -> Built {
        self.constant(Tensor::splat(TensorType::f32(vec![1; rank]), value.into()))
    }

    /// 0, 1, 2, … (i32) along one axis of a matrix; the other axis is 1.
    pub(super) fn iota(&mut self, axis: usize, extent: usize) -> Built {
        let mut shape = [1, 1];
        shape[axis] = extent;
        let ty = TensorType::try_new(shape, DType::I32);
        let values = ty.and_then(|ty| Tensor::from_f64s(ty, (0..extent).map(|i| i as f64)));
        match values {
            Ok(values) => self.constant(values),
            Err(message) => Err(Diagnostic::error(self.node.location.clone(), message)),
        }
    }

    fn constant(&mut self, values: Tensor) -> Built {
        let location = self.node.location.clone();
        self.rewriter.constant(values, location)
    }
}
