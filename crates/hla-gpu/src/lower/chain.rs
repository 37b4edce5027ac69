//! Elementwise ops over a domain: what a map kernel stores, a reduction sums up, or a contraction
//! does with its sums.

use std::collections::HashMap;

use hla_ir::{DType, Diagnostic, Node, NodeId, Tensor, ValueId};
use hla_partition::Domain;

use super::{Lowering, Place, root};
use crate::body::{Body, BodyOp, BodyValue};

/// A place seen from a domain: element i₀, i₁, … of the domain reads the element at
/// start + Σ strides\[d\]·i_d of the place.
#[derive(Clone, PartialEq, Debug)]
pub struct Strided {
    /// Where the elements are.
    pub place: Place,
    /// Elements between neighbours along each dimension of the domain; 0 where it broadcasts.
    pub strides: Vec<i64>,
    /// The element that the first one of the domain reads.
    pub start: i64,
}

impl Strided {
    /// A row-major place whose shape broadcasts to a domain of as many dimensions.
    pub fn broadcast(place: Place) -> Strided {
        let strides = place.ty.strides().into_iter().zip(&place.ty.shape);
        Strided {
            strides: strides
                .map(|(s, &extent)| if extent == 1 { 0 } else { s as i64 })
                .collect(),
            place,
            start: 0,
        }
    }
}

/// Elementwise ops over the elements of a domain.
#[derive(Clone, PartialEq, Debug)]
pub struct Chain {
    /// Extents of the domain, outermost first.
    pub extents: Vec<usize>,
    /// What is read: the inputs of the body, in order, those that a kernel computes itself excepted.
    pub inputs: Vec<Strided>,
    /// The ops. If there is a value that the kernel computes itself, an accumulator, it is input 0,
    /// in the element type of the op's result.
    pub body: Body,
    /// How many of the body's inputs the kernel computes itself: they stand before `inputs`.
    pub given: usize,
    /// The ops' names, for people.
    pub computes: String,
}

impl Chain {
    /// The chain of elementwise nodes over the elements of their results, all of one shape; its
    /// results are those of `roots`, in order.
    pub fn stored(
        cx: &mut Lowering<'_>,
        nodes: &[NodeId],
        roots: &[NodeId],
    ) -> Result<Chain, Diagnostic> {
        let function = cx.function;
        let value = |id: NodeId| function.node(id).result();
        let extents = function.tensor_ty(value(roots[0])).shape.clone();
        let broadcast = |_: &Lowering<'_>, _: ValueId, place| Ok(Strided::broadcast(place));
        let mut builder = Chain::build(cx, nodes, None, extents, &broadcast)?;
        for &root in roots {
            let result = builder.read(cx, value(root), &broadcast)?;
            builder.result(result);
        }
        Ok(builder.chain)
    }

    /// The chain of elementwise nodes on the result of a contraction, over the dimensions of that
    /// result. Input 0 of the body is the contraction's own result; the only result of the body is
    /// that of the last node, and what is stored.
    pub fn epilogue(
        cx: &mut Lowering<'_>,
        contraction: &Node,
        nodes: &[NodeId],
    ) -> Result<Chain, Diagnostic> {
        let function = cx.function;
        let given = contraction.result();
        let extents = function.tensor_ty(given).shape.clone();
        let broadcast = |_: &Lowering<'_>, _: ValueId, place| Ok(Strided::broadcast(place));
        let mut builder = Chain::build(cx, nodes, Some(given), extents, &broadcast)?;
        let last = nodes.last().map_or(given, |&id| function.node(id).result());
        let result = builder.read(cx, last, &broadcast)?;
        builder.result(result);
        Ok(builder.chain)
    }

    /// The chain of elementwise nodes before reductions, over their [`Domain`]: outer, axis, inner.
    /// Result i of the body is what reduction i combines. A reduction by itself has a chain
    /// without ops.
    pub fn reduced(
        cx: &mut Lowering<'_>,
        nodes: &[NodeId],
        reductions: &[NodeId],
        domain: &Domain,
    ) -> Result<Chain, Diagnostic> {
        let function = cx.function;
        let nodes: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|id| !reductions.contains(id))
            .collect();
        // All nodes of the chain have one shape.
        let shape = nodes
            .first()
            .map(|&id| function.tensor_ty(function.node(id).result()).shape.clone());
        let strided = |cx: &Lowering<'_>, value: ValueId, place: Place| {
            let ty = cx.function.tensor_ty(value);
            let shape = shape.as_ref().unwrap_or(&ty.shape);
            let Some(strides) = domain.strides(shape, ty) else {
                let message = format!("{ty} has no strides over {domain:?}");
                return Err(Diagnostic::error(cx.function.location.clone(), message)
                    .help("this is a mistake in hlac: please report it with the model"));
            };
            let bytes = ty.dtype.bytes() as i64;
            Ok(Strided {
                place,
                strides: strides.map(|s| s / bytes).to_vec(),
                start: 0,
            })
        };
        let extents = [domain.outer, domain.axis, domain.inner].map(|e| e as usize);
        let mut builder = Chain::build(cx, &nodes, None, extents.to_vec(), &strided)?;
        for &reduction in reductions {
            let operand = function.node(reduction).operands[0];
            // A reshape in between is another name.
            let named = match builder.known.contains_key(&operand) {
                true => operand,
                false => root(function, operand),
            };
            let value = match builder.known.get(&named) {
                Some(&known) => known,
                None => builder.read(cx, operand, &strided)?,
            };
            builder.result(value);
        }
        Ok(builder.chain)
    }

    /// The chain of a group of nodes over a domain.
    ///
    /// `given` is the value that the kernel computes itself. `strided` says how an operand of a
    /// node of the chain is seen from the domain.
    pub fn build(
        cx: &mut Lowering<'_>,
        nodes: &[NodeId],
        given: Option<ValueId>,
        extents: Vec<usize>,
        strided: &dyn Fn(&Lowering<'_>, ValueId, Place) -> Result<Strided, Diagnostic>,
    ) -> Result<ChainBuilder, Diagnostic> {
        let mut builder = ChainBuilder {
            known: HashMap::new(),
            chain: Chain {
                extents,
                inputs: Vec::new(),
                body: Body::default(),
                given: usize::from(given.is_some()),
                computes: String::new(),
            },
        };
        if let Some(value) = given {
            let dtype = cx.function.tensor_ty(value).dtype;
            builder.chain.body.inputs.push(dtype);
            builder.known.insert(value, BodyValue::Input(0));
        }
        let mut names = Vec::new();
        for &id in nodes {
            let node = cx.function.node(id);
            let mut operands = Vec::with_capacity(node.operands.len());
            for &operand in &node.operands {
                operands.push(builder.read(cx, operand, strided)?);
            }
            let body = &mut builder.chain.body;
            body.ops.push(BodyOp {
                op: node.op,
                operands,
                attrs: node.attrs.clone(),
                dtype: cx.function.tensor_ty(node.result()).dtype,
            });
            let value = BodyValue::Op(body.ops.len() - 1);
            builder.known.insert(node.result(), value);
            names.push(short_name(node.name()));
        }
        builder.chain.computes = names.join(", ");
        Ok(builder)
    }

    /// The inputs' strides over a domain whose neighbouring dimensions are merged: `groups` counts
    /// how many dimensions become one, outermost first. `None` if an input has no single stride
    /// along one of the merged dimensions.
    pub fn grouped(&self, groups: &[usize]) -> Option<Chain> {
        let mut chain = self.clone();
        chain.extents.clear();
        for input in &mut chain.inputs {
            input.strides.clear();
        }
        let mut first = 0;
        for &count in groups {
            let dims = first..first + count;
            first += count;
            chain
                .extents
                .push(self.extents.get(dims.clone())?.iter().product());
            for (to, from) in chain.inputs.iter_mut().zip(&self.inputs) {
                // Dimensions of one element have any stride.
                let mut stride = None;
                let mut inner = 1;
                for d in dims.clone().rev().filter(|&d| self.extents[d] != 1) {
                    let base = *stride.get_or_insert(from.strides[d]);
                    if from.strides[d] != base * inner {
                        return None;
                    }
                    inner *= self.extents[d] as i64;
                }
                to.strides.push(stride.unwrap_or(0));
            }
        }
        (first == self.extents.len()).then_some(chain)
    }
}

/// A chain whose results are not chosen yet.
pub struct ChainBuilder {
    /// The chain so far.
    pub chain: Chain,
    known: HashMap<ValueId, BodyValue>,
}

impl ChainBuilder {
    /// The value of the body that stands for a value of the function; read from memory, if no op
    /// of the chain gives it.
    pub fn read(
        &mut self,
        cx: &mut Lowering<'_>,
        value: ValueId,
        strided: &dyn Fn(&Lowering<'_>, ValueId, Place) -> Result<Strided, Diagnostic>,
    ) -> Result<BodyValue, Diagnostic> {
        if let Some(&known) = self.known.get(&value) {
            return Ok(known);
        }
        let constant = cx.function.constant_value(value);
        let found = match constant.and_then(exact_splat) {
            Some(number) => BodyValue::Constant(number, cx.function.tensor_ty(value).dtype),
            None => {
                let place = cx.place(value)?;
                let input = strided(cx, value, place)?;
                // The same elements are read once, whatever they are called.
                let same = self.chain.inputs.iter().position(|i| {
                    i.place.slot == input.place.slot
                        && i.place.offset == input.place.offset
                        && i.place.ty.dtype == input.place.ty.dtype
                        && i.strides == input.strides
                        && i.start == input.start
                });
                let at = same.unwrap_or_else(|| {
                    self.chain.body.inputs.push(input.place.ty.dtype);
                    self.chain.inputs.push(input);
                    self.chain.inputs.len() - 1
                });
                BodyValue::Input(self.chain.given + at)
            }
        };
        self.known.insert(value, found);
        Ok(found)
    }

    /// Adds a result.
    pub fn result(&mut self, value: BodyValue) {
        self.chain.body.results.push(value);
    }
}

/// A name without its dialect.
pub fn short_name(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// The only value of a tensor, if there is one and f64 holds it exactly.
fn exact_splat(tensor: &Tensor) -> Option<f64> {
    let value = tensor
        .splat_value()
        .filter(|_| tensor.ty().elements() > 0)?;
    let wide = matches!(tensor.dtype(), DType::I64 | DType::Index);
    (!wide || value.abs() < 9e15).then_some(value)
}
