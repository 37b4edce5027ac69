//! What a rule sees of the node it differentiates, and the small ops it builds gradients from.
//!
//! A cotangent may have unit extents where its value has larger ones: it then means the same number
//! along that axis. Elementwise ops broadcast it for nothing, so it is written out only where an op
//! needs it whole ([`Vjp::full`]).

use hla_ir::{Attrs, DType, Diagnostic, Location, Node, Op, Rewriter, Tensor, TensorType, ValueId};

/// What a rule gives: the cotangent of its operand, `None` for zero.
pub(super) type Built = Result<Option<ValueId>, Diagnostic>;

/// A new value, or why it cannot be.
pub(super) type New = Result<ValueId, Diagnostic>;

/// One node while it is differentiated by one of its operands.
pub(super) struct Vjp<'r, 'f> {
    /// The function in the making; it holds the forward nodes and the gradients built so far.
    pub rewriter: &'r mut Rewriter<'f>,
    /// The node of the old function.
    pub node: &'f Node,
    /// Number of the operand.
    pub by: usize,
    /// The cotangents of the node's results; `None` where the objective does not depend on one.
    pub cotangents: &'r [Option<ValueId>],
}

impl Vjp<'_, '_> {
    /// The cotangent of result `i`, if the objective depends on it.
    pub fn cotangent(&self, i: usize) -> Option<ValueId> {
        self.cotangents.get(i).copied().flatten()
    }

    /// g: the cotangent of the only result.
    pub fn g(&self) -> ValueId {
        self.cotangents
            .iter()
            .flatten()
            .next()
            .copied()
            .expect("a node on a path has a cotangent")
    }

    /// g with every element written out.
    pub fn full_g(&mut self) -> New {
        let shape = self
            .rewriter
            .old()
            .tensor_ty(self.node.result())
            .shape
            .clone();
        self.full(self.g(), &shape)
    }

    /// Operand `i`.
    pub fn operand(&self, i: usize) -> ValueId {
        self.rewriter.get(self.node.operands[i])
    }

    /// Result `i`.
    pub fn result(&self, i: usize) -> ValueId {
        self.rewriter.get(self.node.results[i])
    }

    /// Type of the operand by which the node is differentiated.
    pub fn by_ty(&self) -> TensorType {
        self.ty(self.operand(self.by)).clone()
    }

    /// Type of a new value.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        self.rewriter.new_function().tensor_ty(value)
    }

    /// An integer array of the node, whose presence the verifier has checked.
    pub fn i64s(&self, name: &str) -> Vec<i64> {
        self.node.attrs.i64s(name).unwrap_or_default().to_vec()
    }

    /// The node's axis.
    pub fn axis(&self) -> usize {
        self.node.attrs.i64("axis").unwrap_or(0) as usize
    }

    /// The node's attributes of these names.
    pub fn attrs(&self, names: &[&str]) -> Attrs {
        let mut attrs = Attrs::new();
        for name in names {
            if let Some(value) = self.node.attrs.get(name) {
                attrs.set(name, value.clone());
            }
        }
        attrs
    }

    fn location(&self) -> Location {
        self.node.location.clone()
    }

    /// A node in the place of the one differentiated.
    pub fn push(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> New {
        let location = self.location();
        self.rewriter.push(op, operands, attrs, location)
    }

    /// A node without attributes.
    pub fn op(&mut self, op: Op, operands: &[ValueId]) -> New {
        self.push(op, operands, Attrs::new())
    }

    /// A constant with one value everywhere.
    pub fn splat(&mut self, shape: &[usize], dtype: DType, value: f64) -> New {
        let location = self.location();
        let ty = TensorType::try_new(shape, dtype)
            .map_err(|message| Diagnostic::error(location.clone(), message))?;
        self.rewriter.constant(Tensor::splat(ty, value), location)
    }

    /// A constant of one element that broadcasts with `like`.
    pub fn number(&mut self, like: ValueId, value: f64) -> New {
        let ty = self.ty(like);
        let (rank, dtype) = (ty.rank(), ty.dtype);
        self.splat(&vec![1; rank], dtype, value)
    }

    /// The one value of a constant.
    pub fn splat_value(&self, value: ValueId) -> Option<f64> {
        self.rewriter.constant_value(value)?.splat_value()
    }

    /// a + b.
    pub fn add(&mut self, a: ValueId, b: ValueId) -> New {
        self.op(Op::Add, &[a, b])
    }

    /// a − b.
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> New {
        self.op(Op::Sub, &[a, b])
    }

    /// a·b; constants of one value are multiplied here, and a factor of 1 falls away.
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> New {
        for (one, other) in [(a, b), (b, a)] {
            let wider = |(x, y): (&usize, &usize)| *x > *y;
            let (x, y) = (self.ty(one), self.ty(other));
            if self.splat_value(one) == Some(1.0) && !x.shape.iter().zip(&y.shape).any(wider) {
                return Ok(other);
            }
            if let (Some(p), Some(q)) = (self.splat_value(one), self.splat_value(other))
                && x.elements() == 1
            {
                let ty = y.clone();
                return self.splat(&ty.shape, ty.dtype, p * q);
            }
        }
        self.op(Op::Mul, &[a, b])
    }

    /// The product of several factors, from the left.
    pub fn product(&mut self, factors: &[ValueId]) -> New {
        let mut product = factors[0];
        for &factor in &factors[1..] {
            product = self.mul(product, factor)?;
        }
        Ok(product)
    }

    /// v·factor.
    pub fn scale(&mut self, value: ValueId, factor: f64) -> New {
        let factor = self.number(value, factor)?;
        self.mul(value, factor)
    }

    /// −v.
    pub fn negate(&mut self, value: ValueId) -> New {
        match self.splat_value(value) {
            Some(v) => {
                let ty = self.ty(value).clone();
                self.splat(&ty.shape, ty.dtype, -v)
            }
            None => self.op(Op::Negate, &[value]),
        }
    }

    /// `value` where the condition holds, else 0.
    pub fn keep(&mut self, condition: ValueId, value: ValueId) -> New {
        let zero = self.number(value, 0.0)?;
        self.op(Op::Select, &[condition, value, zero])
    }

    /// `value` where the condition does not hold, else 0.
    pub fn drop(&mut self, condition: ValueId, value: ValueId) -> New {
        let zero = self.number(value, 0.0)?;
        self.op(Op::Select, &[condition, zero, value])
    }

    /// v·sign(x), with sign(0) = 0.
    pub fn with_sign(&mut self, value: ValueId, x: ValueId) -> New {
        let zero = self.number(x, 0.0)?;
        let positive = self.op(Op::Greater, &[x, zero])?;
        let negative = self.op(Op::Greater, &[zero, x])?;
        let minus = self.negate(value)?;
        let other = self.keep(negative, minus)?;
        self.op(Op::Select, &[positive, value, other])
    }

    /// The value as f32, in which the gradients of contractions and pools are computed.
    pub fn f32(&mut self, value: ValueId) -> New {
        self.cast(value, DType::F32)
    }

    /// The value with another element type.
    pub fn cast(&mut self, value: ValueId, dtype: DType) -> New {
        if self.ty(value).dtype == dtype {
            return Ok(value);
        }
        self.push(Op::Cast, &[value], Attrs::new().with("out_type", dtype))
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, value: ValueId, shape: &[usize]) -> New {
        let ty = self.ty(value).clone();
        if ty.shape == shape {
            return Ok(value);
        }
        if let Some(v) = self.splat_value(value) {
            return self.splat(shape, ty.dtype, v);
        }
        let shape: Vec<i64> = shape.iter().map(|&s| s as i64).collect();
        self.push(Op::Reshape, &[value], Attrs::new().with("shape", shape))
    }

    /// The value with dimension i taken from dimension perms\[i\].
    pub fn transpose(&mut self, value: ValueId, perms: &[usize]) -> New {
        let perms: Vec<i64> = perms.iter().map(|&p| p as i64).collect();
        self.push(Op::Transpose, &[value], Attrs::new().with("perms", perms))
    }

    /// A reduction, or another op that has an axis.
    pub fn along(&mut self, op: Op, value: ValueId, axis: usize) -> New {
        self.push(op, &[value], Attrs::new().with("axis", axis as i64))
    }

    /// The value with unit extents written out to `shape`.
    pub fn full(&mut self, value: ValueId, shape: &[usize]) -> New {
        let location = self.location();
        full(self.rewriter, value, shape, &location)
    }

    /// Undoes broadcasting: the sum of a value of shape `from` over the axes where `to` has a unit
    /// extent and `from` has none. Where the value itself has a unit extent for a larger one, its
    /// sum is a multiple.
    pub fn sum_to(&mut self, value: ValueId, from: &[usize], to: &[usize]) -> New {
        let shape = self.ty(value).shape.clone();
        let mut factor = 1.0;
        let mut summed = vec![false; shape.len()];
        for axis in 0..shape.len() {
            if to[axis] == 1 && from[axis] != 1 {
                match shape[axis] {
                    1 => factor *= from[axis] as f64,
                    _ => summed[axis] = true,
                }
            }
        }
        let sum = self.sum_axes(value, &summed)?;
        self.scale(sum, factor)
    }

    /// The sum over some axes, which become 1: neighbours are summed as one axis of a reshaped
    /// tensor, so that \[N, H, W, C\] is summed to channels as \[N·H·W, C\].
    fn sum_axes(&mut self, value: ValueId, summed: &[bool]) -> New {
        let shape = self.ty(value).shape.clone();
        let axes = (0..shape.len()).filter(|&axis| summed[axis]);
        match axes.collect::<Vec<usize>>()[..] {
            [] => return Ok(value),
            [axis] => return self.along(Op::ReduceSum, value, axis),
            _ => {}
        }
        let mut groups: Vec<(usize, bool)> = Vec::new();
        for (&extent, &summed) in shape.iter().zip(summed) {
            match groups.last_mut() {
                _ if extent == 1 => {}
                Some(last) if last.1 == summed => last.0 *= extent,
                _ => groups.push((extent, summed)),
            }
        }
        let merged: Vec<usize> = groups.iter().map(|g| g.0).collect();
        let mut sum = self.reshape(value, &merged)?;
        for (axis, _) in groups.iter().enumerate().filter(|(_, g)| g.1) {
            sum = self.along(Op::ReduceSum, sum, axis)?;
        }
        let unit = |(&extent, &summed): (&usize, &bool)| if summed { 1 } else { extent };
        let shape: Vec<usize> = shape.iter().zip(summed).map(unit).collect();
        self.reshape(sum, &shape)
    }

    /// The sum over all axes but one.
    pub fn sum_columns(&mut self, value: ValueId, axis: usize) -> New {
        let shape = self.ty(value).shape.clone();
        let mut columns = vec![1; shape.len()];
        columns[axis] = shape[axis];
        self.sum_to(value, &shape, &columns)
    }
}

/// The value with unit extents written out to `shape`.
pub(super) fn full(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    shape: &[usize],
    location: &Location,
) -> New {
    let ty = rewriter.new_function().tensor_ty(value).clone();
    if ty.shape == shape {
        return Ok(value);
    }
    if let Some(v) = rewriter.constant_value(value).and_then(Tensor::splat_value) {
        let ty = TensorType {
            shape: shape.to_vec(),
            dtype: ty.dtype,
        };
        return rewriter.constant(Tensor::splat(ty, v), location.clone());
    }
    let times = |(have, want): (&usize, &usize)| if have == want { 1 } else { *want as i64 };
    let multiples: Vec<i64> = ty.shape.iter().zip(shape).map(times).collect();
    let attrs = Attrs::new().with("multiples", multiples);
    rewriter.push(Op::Tile, &[value], attrs, location.clone())
}
