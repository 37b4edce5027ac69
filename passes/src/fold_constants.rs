//! `hla-fold-constants`: nodes whose operands are all constants are computed now, by
//! `hla-reference`, to the bits the program would compute.
//!
//! A result larger than `max-elements` is only kept if it takes no more bytes than the operands it
//! replaces: repeating a small constant stays an op, transposing a large weight does not. Constants of one
//! repeated value stay so. Ops of the hla dialect are never folded: they say how weights are stored.

use hla_ir::rewrite::rewrite;
use hla_ir::{Arg, Attrs, Diagnostic, Function, Node, Op, Rewriter, Tensor, TensorType, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-fold-constants",
    summary: "compute nodes whose operands are constants",
    options: &[OptionInfo {
        name: "max-elements",
        kind: OptionKind::Int(0, i64::MAX),
        default: "65536",
        help: "largest result that may take more bytes than its operands",
    }],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let limit = usize::try_from(options.int("max-elements")).unwrap_or(usize::MAX);
    let mut report = Report::default();
    let mut count = 0usize;
    let new = rewrite(function, |rewriter, _, node| {
        if node.op.def().name.starts_with("hla.") || matches!(node.op, Op::Const | Op::Opaque) {
            return Ok(None);
        }
        let operands: Option<Vec<Tensor>> = node
            .operands
            .iter()
            .map(|&v| rewriter.constant_value(rewriter.get(v)).cloned())
            .collect();
        let Some(operands) = operands else {
            return Ok(None);
        };
        match fold(rewriter, node, &operands, limit) {
            Ok(None) => Ok(None),
            Ok(Some(tensor)) => {
                count += 1;
                constant(rewriter, node, tensor).map(|v| Some(vec![v]))
            }
            Err(error) => {
                report.warn(
                    &node.location,
                    format!("this constant cannot be computed: {}", error.message),
                );
                Ok(None)
            }
        }
    })?;
    report.figure("folded nodes", count);
    Ok((new, report))
}

/// The folded node, under the parameter's name if it is one parameter in another form.
fn constant(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    tensor: Tensor,
) -> Result<ValueId, Diagnostic> {
    let mut attrs = Attrs::new().with("values", tensor);
    if let [operand] = node.operands[..]
        && let Some(source) = rewriter.defining_node(rewriter.get(operand))
        && let Some(name) = source.attrs.get("hla.param")
    {
        attrs.set("hla.param", name.clone());
    }
    rewriter.push(Op::Const, &[], attrs, node.location.clone())
}

/// The node's value; `None` where it would take too much room.
fn fold(
    rewriter: &Rewriter<'_>,
    node: &Node,
    operands: &[Tensor],
    limit: usize,
) -> Result<Option<Tensor>, Diagnostic> {
    let result = rewriter.old().tensor_ty(node.result());
    if let Some(tensor) = of_splats(node, operands, result)? {
        return Ok(Some(tensor));
    }
    let stored: usize = operands.iter().map(stored_bytes).sum();
    if result.elements() > limit && result.bytes() > stored {
        return Ok(None);
    }
    if node.op == Op::Reshape
        && let Ok(tensor) = operands[0].reshape(result.shape.clone())
    {
        return Ok(Some(tensor));
    }
    evaluate(node, operands).map(Some)
}

fn stored_bytes(tensor: &Tensor) -> usize {
    tensor
        .splat_element()
        .map_or(tensor.ty().bytes(), <[u8]>::len)
}

/// One value everywhere stays one value under elementwise ops and movements.
fn of_splats(
    node: &Node,
    operands: &[Tensor],
    result: &TensorType,
) -> Result<Option<Tensor>, Diagnostic> {
    let moves = matches!(
        node.op,
        Op::Reshape | Op::Transpose | Op::Slice | Op::Tile | Op::Reverse | Op::Identity
    );
    if !(moves || node.op.def().elementwise) || result.elements() == 0 {
        return Ok(None);
    }
    let mut ones = Vec::with_capacity(operands.len());
    for operand in operands {
        let Some(element) = operand.splat_element() else {
            return Ok(None);
        };
        let shape = vec![1; operand.ty().rank()];
        let ty = TensorType {
            shape,
            dtype: operand.dtype(),
        };
        match Tensor::splat_bytes(ty, element) {
            Ok(tensor) => ones.push(tensor),
            Err(_) => return Ok(None),
        }
    }
    let one = if moves {
        ones.swap_remove(0)
    } else {
        evaluate(node, &ones)?
    };
    let bytes = one.to_bytes();
    Ok(Tensor::splat_bytes(result.clone(), &bytes).ok())
}

/// Runs one node by the reference evaluator.
fn evaluate(node: &Node, operands: &[Tensor]) -> Result<Tensor, Diagnostic> {
    let mut f = Function::new("constant");
    let args: Vec<ValueId> = operands
        .iter()
        .map(|t| f.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let result = f.push(node.op, &args, node.attrs.clone(), node.location.clone())?;
    f.results.push(result);
    hla_reference::evaluate(&f, operands)?
        .pop()
        .ok_or_else(|| Diagnostic::error(node.location.clone(), "there is no result"))
}
