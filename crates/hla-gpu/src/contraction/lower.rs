//! Contractions of a function and the elementwise ops that follow them.

use hla_ir::{Diagnostic, Function, Node, NodeId, Op, ValueId};

use super::epilogue::Extra;
use super::op::{Contraction, Kernels};
use crate::lower::chain::{Chain, Strided, short_name};
use crate::lower::{Lowering, Place};

/// Whether an op is a contraction.
pub(crate) fn is_contraction(op: Op) -> bool {
    matches!(
        op,
        Op::Conv2d
            | Op::DepthwiseConv2d
            | Op::TransposeConv2d
            | Op::MatMul
            | Op::TernaryConv2d
            | Op::TernaryMatMul
            | Op::Conv2dInputGrad
            | Op::Conv2dWeightGrad
            | Op::DepthwiseConv2dInputGrad
            | Op::DepthwiseConv2dWeightGrad
    )
}

/// How many axes of the result are batch, m and n.
fn axes(op: Op) -> [usize; 3] {
    match op {
        Op::MatMul => [1, 1, 1],
        Op::TernaryMatMul => [0, 2, 1],
        Op::Conv2dWeightGrad => [0, 1, 3],
        Op::DepthwiseConv2dWeightGrad => [0, 2, 2],
        _ => [0, 3, 1],
    }
}

/// Whether a group of elementwise nodes, the last of which gives the only result, can be computed
/// on the sums of a contraction: what else they read has an element for each of the result's, for
/// each of its last axis, or one.
pub(crate) fn can_follow(
    function: &Function,
    users: &[Vec<NodeId>],
    contraction: &Node,
    group: &[NodeId],
) -> bool {
    let Some(last) = group.last().map(|&id| function.node(id)) else {
        return false;
    };
    if !is_contraction(contraction.op) {
        return false;
    }
    let sums = contraction.result();
    let shape = &function.tensor_ty(sums).shape;
    let channel = axes(contraction.op)[2] == 1;
    let reaches = |&value: &ValueId| {
        let inside = group.iter().any(|&id| function.node(id).result() == value);
        let other = &function.tensor_ty(value).shape;
        let ones = |extents: &[usize]| extents.iter().all(|&e| e == 1);
        let along_channel = || match other.split_last() {
            Some((last, rest)) => channel && ones(rest) && Some(last) == shape.last(),
            None => false,
        };
        value == sums || inside || other == shape || ones(other) || along_channel()
    };
    let operands = || group.iter().flat_map(|&id| &function.node(id).operands);
    let elementwise = |&id: &NodeId| function.node(id).op.def().elementwise;
    group.iter().all(elementwise)
        && !shape.contains(&0)
        && function.tensor_ty(last.result()).shape == *shape
        && !function.results.contains(&sums)
        && users[sums.index()].iter().all(|user| group.contains(user))
        && operands().any(|&value| value == sums)
        && operands().all(reaches)
}

/// Whether a node's result is never made, because the contractions that alone use it read its
/// operand: a transpose before a matrix product, packed weights, an image without rows and columns at its end
/// that no window touches.
pub(crate) fn is_read_in_place(function: &Function, node: &Node) -> bool {
    let used_by = |ops: &[Op], as_operand: &[usize]| {
        let value = node.result();
        let uses = |user: &&Node| user.operands.contains(&value);
        let mut users = function.nodes.iter().filter(uses).peekable();
        let fits = |user: &Node| {
            let mut places = user
                .operands
                .iter()
                .enumerate()
                .filter(|(_, v)| **v == value);
            ops.contains(&user.op) && places.all(|(i, _)| as_operand.contains(&i))
        };
        !function.results.contains(&value) && users.peek().is_some() && users.all(fits)
    };
    match node.op {
        Op::Transpose => {
            node.attrs.i64s("perms") == Some(&[0, 2, 1]) && used_by(&[Op::MatMul], &[0, 1])
        }
        Op::Unpack => used_by(&[Op::TernaryConv2d, Op::TernaryMatMul], &[1]),
        Op::Slice => {
            let ops = [Op::Conv2d, Op::TernaryConv2d, Op::Conv2dWeightGrad];
            cuts_the_end(function, node)
                && used_by(&ops, &[0])
                && function
                    .nodes
                    .iter()
                    .filter(|user| user.operands.contains(&node.result()))
                    .all(|user| stays_inside(function, user))
        }
        _ => false,
    }
}

/// Whether a slice leaves out nothing of an NHWC image but rows and columns at its end.
fn cuts_the_end(function: &Function, slice: &Node) -> bool {
    let start = slice.attrs.i64s("start").unwrap_or_default();
    let [from, to] = [slice.operands[0], slice.result()].map(|v| &function.tensor_ty(v).shape);
    start.iter().all(|&s| s == 0) && to.len() == 4 && from[0] == to[0] && from[3] == to[3]
}

/// Whether no window of a convolution, or of its gradient by the weight, goes beyond the end of the image: so
/// that what lies behind it is never read, nor taken for padding.
fn stays_inside(function: &Function, node: &Node) -> bool {
    let shape = |i: usize| &function.tensor_ty(node.operands[i]).shape;
    let list = |name: &str| node.attrs.i64s(name).unwrap_or_default();
    let (image, gradient) = (shape(0), node.op == Op::Conv2dWeightGrad);
    (0..2).all(|axis| {
        let (windows, kernel) = match gradient {
            true => (shape(1)[1 + axis], list("kernel").get(axis).copied()),
            false => (
                function.tensor_ty(node.result()).shape[1 + axis],
                Some(shape(1)[1 + axis] as i64),
            ),
        };
        let (Some(kernel), Some(pad)) = (kernel, list("pad").get(2 * axis)) else {
            return false;
        };
        let step = |name: &str| list(name).get(axis).copied().unwrap_or(1);
        let last = (windows as i64 - 1) * step("stride") - pad + (kernel - 1) * step("dilation");
        last < image[1 + axis] as i64
    })
}

/// Adds the kernels of a contraction and of the nodes that follow it.
pub(crate) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
) -> Result<(), Diagnostic> {
    let function = cx.function;
    let root = group.last().map_or(node, |&id| function.node(id));
    let result = cx.result(root, 0)?;
    let Some((mut contraction, mut values)) = Contraction::of(function, node, cx.options.precision)
    else {
        return Err(cx.unsupported(node));
    };
    if result.ty.elements() == 0 {
        return Ok(());
    }
    for i in 0..2 {
        let defining = function.defining_node(values.operands[i]);
        let Some(moved) = defining.filter(|d| is_read_in_place(function, d)) else {
            continue;
        };
        if matches!(moved.op, Op::Transpose | Op::Slice) {
            values.operands[i] = moved.operands[0];
            contraction.transposed[i] = moved.op == Op::Transpose;
            contraction.operands[i] = function.tensor_ty(moved.operands[0]).clone();
        }
    }
    let operands = [cx.place(values.operands[0])?, cx.place(values.operands[1])?];
    let mut extras = Vec::new();
    for &extra in &values.extras {
        extras.push(cx.place(extra)?);
    }
    contraction.computes = short_name(node.name()).to_owned();
    if !group.is_empty() {
        follow(cx, node, group, &mut contraction, &mut extras)?;
    }
    let Some(kernels) = contraction.kernels() else {
        return Err(cx.unsupported(node));
    };
    // An element of the result may lie where an extra had its, but no operand may be written.
    for (place, extra) in extras.iter().zip(&contraction.epilogue.extras) {
        let same = extra.ty.elements() == result.ty.elements() && extra.strides[2] == 1;
        let apart = operands.iter().all(|operand| operand.slot != place.slot);
        if same && apart && extra.start == 0 {
            cx.may_overwrite(&result, place);
        }
    }
    let first = contraction.order().map(|i| operands[i].read());
    let rest = extras.iter().map(Place::read).chain([result.write()]);
    match kernels {
        Kernels::One(kernel) => {
            let args = first.into_iter().chain(rest).collect();
            cx.launch(kernel, args);
        }
        Kernels::Two { parts, buffer, sum } => {
            let buffer = cx.temp(buffer);
            let args = first.into_iter().chain([buffer.write()]).collect();
            cx.launch(parts, args);
            let args = [buffer.read()].into_iter().chain(rest).collect();
            cx.launch(sum, args);
        }
    }
    Ok(())
}

/// Makes elementwise nodes part of the epilogue.
fn follow(
    cx: &mut Lowering<'_>,
    node: &Node,
    group: &[NodeId],
    contraction: &mut Contraction<'_>,
    extras: &mut Vec<Place>,
) -> Result<(), Diagnostic> {
    let function = cx.function;
    let extents = contraction.result.shape.clone();
    let strided = |_: &Lowering<'_>, _: ValueId, place: Place| Ok(Strided::broadcast(place));
    let mut builder = Chain::build(cx, group, Some(node.result()), extents, &strided)?;
    let last = group.last().map_or(node, |&id| function.node(id));
    let value = builder.read(cx, last.result(), &strided)?;
    builder.result(value);
    let Some(chain) = builder.chain.grouped(&axes(node.op)) else {
        return Err(cx.unsupported(node));
    };
    for input in chain.inputs {
        let [batch, m, n] = input.strides[..] else {
            return Err(cx.unsupported(node));
        };
        contraction.epilogue.extras.push(Extra {
            ty: input.place.ty.clone(),
            strides: [batch, m, n].map(|stride| stride as usize),
            start: input.start as usize,
        });
        extras.push(input.place);
    }
    contraction.epilogue.body = chain.body;
    contraction.computes = format!("{}, then {}", contraction.computes, chain.computes);
    Ok(())
}
