//! Another batch for a static model.
//!
//! Dimension 0 of the inputs changes from `old` to `new`, and each value that depends on them has
//! one dimension whose extent grows in the same proportion: the one that *carries* the batch. Ops
//! are pushed again in order, so types follow by shape inference; attributes that spell extents are
//! corrected, and an op that would mix samples is refused.

use hla_ir::graph::NodeId;
use hla_ir::rewrite::Rewriter;
use hla_ir::{Attrs, Diagnostic, Function, Node, Op, Type, ValueId};

use super::{ParseOptions, arguments::given_shape};

/// Gives a function the batch, or the input shapes, that the options ask for.
///
/// # Errors
/// If an op cannot work on a batch of another size.
pub(crate) fn rebatch(function: &Function, options: &ParseOptions) -> Result<Function, Diagnostic> {
    let mut change = None;
    let mut wanted = vec![None; function.args.len()];
    let mut position = 0;
    for (i, arg) in function.args.iter().enumerate() {
        if arg.param.is_some() {
            continue;
        }
        let given = given_shape(options, arg, position);
        position += 1;
        let Some(&old) = arg.ty.tensor().and_then(|ty| ty.shape.first()) else {
            continue;
        };
        let new = given.map_or(options.batch, |shape| shape.first().copied());
        let Some(new) = new.filter(|&new| new != old) else {
            continue;
        };
        if *change.get_or_insert((old, new)) != (old, new) || old == 0 {
            return Err(Diagnostic::error(
                arg.location.clone(),
                format!("dimension 0 of this input is {old}, which cannot become {new} while another input's changes differently"),
            )
            .help("export the model with a batch of 1, or with a dynamic batch"));
        }
        wanted[i] = Some(new);
    }
    let Some((old, new)) = change else {
        return Ok(function.clone());
    };
    let mut batcher = Batcher {
        rewriter: Rewriter::without_args(function),
        function,
        carried: vec![None; function.values.len()],
        old,
        new,
    };
    for (i, arg) in function.args.iter().enumerate() {
        match (wanted[i], arg.ty.tensor()) {
            (Some(new), Some(ty)) => {
                let mut shape = ty.shape.clone();
                shape[0] = new;
                let ty = hla_ir::TensorType::try_new(shape, ty.dtype)
                    .map_err(|message| Diagnostic::error(arg.location.clone(), message))?;
                batcher.rewriter.replace_arg(i, Type::Tensor(ty));
                batcher.carried[i] = Some(0);
            }
            _ => {
                batcher.rewriter.copy_arg(i);
            }
        }
    }
    for (id, node) in function.iter_nodes() {
        batcher.node(id, node).map_err(|error| {
            error.help("export the model with this batch, or compile it for the batch it has")
        })?;
    }
    Ok(batcher.rewriter.finish())
}

struct Batcher<'a> {
    rewriter: Rewriter<'a>,
    function: &'a Function,
    /// For each old value the dimension that carries the batch.
    carried: Vec<Option<usize>>,
    old: usize,
    new: usize,
}

impl Batcher<'_> {
    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), Diagnostic> {
        let dims: Vec<Option<usize>> = node
            .operands
            .iter()
            .map(|v| self.carried[v.index()])
            .collect();
        let Some(dim) = dims.iter().flatten().next().copied() else {
            self.rewriter.copy(id)?;
            return Ok(());
        };
        if dims.iter().flatten().any(|&d| d != dim) {
            return refuse(node, "its operands have the batch in different dimensions");
        }
        let operands = self.rewriter.get_all(&node.operands);
        let shared = |i: usize| dims.get(i).is_some_and(Option::is_none);
        match node.op {
            Op::MatMul if dim == 0 && shared(1) => return self.folded(node, operands),
            Op::MatMul if dim == 0 && shared(0) => {
                return refuse(node, "only its second operand has the batch");
            }
            Op::Gather if shared(0) => return self.folded(node, operands),
            Op::Gather if shared(1) => return refuse(node, "its indices have no batch"),
            Op::Opaque => return refuse(node, "hlac does not know it"),
            _ => {}
        }
        let (attrs, result) = match self.carry(node, dim) {
            Ok(carried) => carried,
            Err(why) => return refuse(node, why),
        };
        let pushed = self
            .rewriter
            .push_node(node.op, &operands, attrs, node.location.clone())?;
        let results = self.rewriter.new_function().node(pushed).results.clone();
        for (i, (&old, new)) in node.results.iter().zip(results).enumerate() {
            self.rewriter.set(old, new);
            // Further results, such as a scale, belong to the whole batch.
            self.carried[old.index()] = Some(result).filter(|_| i == 0);
        }
        Ok(())
    }

    fn old_shape(&self, value: ValueId) -> &[usize] {
        self.function.ty(value).tensor().map_or(&[], |ty| &ty.shape)
    }

    /// Attributes for the new batch, and the dimension of the result that carries it.
    fn carry(&self, node: &Node, dim: usize) -> Result<(Attrs, usize), &'static str> {
        let mut attrs = node.attrs.clone();
        let input = self.old_shape(node.operands[0]);
        let extent = input.get(dim).copied().unwrap_or(1);
        let axis = attrs.i64("axis").and_then(|a| usize::try_from(a).ok());
        let dimension = match node.op {
            op if op.def().elementwise => dim,
            Op::Conv2d
            | Op::DepthwiseConv2d
            | Op::TransposeConv2d
            | Op::AvgPool2d
            | Op::MaxPool2d
            | Op::TernaryConv2d
                if dim == 0 =>
            {
                0
            }
            Op::MatMul | Op::TernaryMatMul if dim < 2 => dim,
            Op::Gather if dim == 0 => 0,
            Op::Relayout | Op::DynamicQuantize => dim,
            Op::ReduceSum | Op::ReduceMax | Op::ReduceMin | Op::ReduceProduct | Op::Reverse
                if axis != Some(dim) =>
            {
                dim
            }
            Op::ArgMax if axis != Some(dim) => dim - usize::from(axis.is_some_and(|a| a < dim)),
            Op::Concat if axis != Some(dim) => dim,
            Op::Transpose => {
                let perms = attrs.i64s("perms").unwrap_or_default();
                perms
                    .iter()
                    .position(|&p| usize::try_from(p) == Ok(dim))
                    .ok_or("its permutation has no batch")?
            }
            Op::Pad => {
                let padding = attrs.i64s("padding").unwrap_or_default();
                if padding.get(2 * dim..2 * dim + 2) != Some(&[0, 0]) {
                    return Err("it pads the batch");
                }
                dim
            }
            Op::Slice => {
                let start = attrs.i64s("start").and_then(|s| s.get(dim)).copied();
                let mut size = attrs.i64s("size").unwrap_or_default().to_vec();
                let size_here = size.get_mut(dim).ok_or("its size has no batch")?;
                if start != Some(0) || usize::try_from(*size_here) != Ok(extent) {
                    return Err("it takes a part of the batch");
                }
                *size_here = self.scaled(extent)?;
                attrs.set("size", size);
                dim
            }
            Op::Tile => {
                if attrs.i64s("multiples").and_then(|m| m.get(dim)) != Some(&1) {
                    return Err("it repeats the batch");
                }
                dim
            }
            Op::Reshape => {
                let mut shape = attrs.i64s("shape").unwrap_or_default().to_vec();
                let to = self.reshaped(input, dim, &shape)?;
                shape[to] = self.scaled(usize::try_from(shape[to]).unwrap_or(0))?;
                attrs.set("shape", shape);
                to
            }
            _ => return Err("it mixes the samples of a batch"),
        };
        Ok((attrs, dimension))
    }

    /// An extent that carries the batch, for the new one.
    fn scaled(&self, extent: usize) -> Result<i64, &'static str> {
        (extent / self.old)
            .checked_mul(self.new)
            .and_then(|e| i64::try_from(e).ok())
            .filter(|_| extent.is_multiple_of(self.old))
            .ok_or("the batch is no factor of its extent")
    }

    /// The dimension of `shape` that holds what `input[dim]` held: as many elements stand before it.
    fn reshaped(&self, input: &[usize], dim: usize, shape: &[i64]) -> Result<usize, &'static str> {
        let before: usize = input[..dim].iter().product();
        let candidate = |j: usize| {
            let prefix: i64 = shape[..j].iter().product();
            usize::try_from(prefix) == Ok(before)
                && usize::try_from(shape[j]).is_ok_and(|e| e > 0 && e.is_multiple_of(self.old))
        };
        let same = (dim < shape.len() && candidate(dim)).then_some(dim);
        same.or_else(|| (0..shape.len()).find(|&j| candidate(j)))
            .ok_or("it merges the batch into another dimension")
    }

    /// A product with weights, or a look-up in a table, that all samples share: samples become
    /// rows, [N, H, …] → [1, N·H, …], and are taken apart again.
    fn folded(&mut self, node: &Node, operands: Vec<ValueId>) -> Result<(), Diagnostic> {
        let sample = usize::from(node.op == Op::Gather);
        let wrong = |message| Diagnostic::error(node.location.clone(), message);
        let new = self.rewriter.new_function();
        let input = new.ty(operands[sample]).tensor().cloned();
        let shared = new
            .ty(operands[1 - sample])
            .tensor()
            .map(|ty| ty.shape.clone());
        let (Some(input), Some(shared)) = (input, shared) else {
            return refuse(node, "its operands are no static tensors");
        };
        if input.rank() < 2 || shared.first() != Some(&1) {
            return refuse(node, "what all samples share has a batch of its own");
        }
        let mut rows = input.shape.clone();
        rows[1] = input.shape[0].saturating_mul(input.shape[1]);
        rows[0] = 1;
        let mut folded = operands;
        folded[sample] = self.reshape(node, folded[sample], &rows).map_err(wrong)??;
        let product =
            self.rewriter
                .push(node.op, &folded, node.attrs.clone(), node.location.clone())?;
        let mut shape = match self.rewriter.new_function().ty(product) {
            Type::Tensor(ty) => ty.shape.clone(),
            Type::Opaque(_) => return refuse(node, "its result is no static tensor"),
        };
        shape[0] = input.shape[0];
        shape[1] = input.shape[1];
        let result = self.reshape(node, product, &shape).map_err(wrong)??;
        self.rewriter.set(node.result(), result);
        self.carried[node.result().index()] = Some(0);
        Ok(())
    }

    fn reshape(
        &mut self,
        node: &Node,
        value: ValueId,
        shape: &[usize],
    ) -> Result<Result<ValueId, Diagnostic>, String> {
        let shape: Vec<i64> = shape
            .iter()
            .map(|&e| i64::try_from(e).map_err(|_| format!("the extent {e} is too large")))
            .collect::<Result<_, _>>()?;
        let attrs = Attrs::new().with("shape", shape);
        Ok(self
            .rewriter
            .push(Op::Reshape, &[value], attrs, node.location.clone()))
    }
}

fn refuse<T>(node: &Node, why: &str) -> Result<T, Diagnostic> {
    Err(Diagnostic::error(
        node.location.clone(),
        format!("'{}' cannot have another batch: {why}", node.name()),
    ))
}
