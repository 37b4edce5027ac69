//! Small steps that the passes of training share.

use std::sync::Arc;

use hla_ir::graph::{BUFFER, NO_DECAY};
use hla_ir::{Arg, Attrs, Diagnostic, Function, Location, Op, Rewriter, Tensor, TensorType};
use hla_ir::{Type, ValueId};

/// Attribute of an argument: the ε of its projection, beside `hla.sphere_axis`.
pub const SPHERE_EPSILON: &str = "hla.sphere_epsilon";

/// Attribute of an argument: gradient descent keeps it at or above this number.
pub const LOWER_BOUND: &str = "hla.lower_bound";

/// Adds an input that the steps are given, such as `labels`. `pass` is who needs it.
pub(crate) fn add_input(
    rewriter: &mut Rewriter<'_>,
    pass: &str,
    name: &str,
    ty: TensorType,
) -> Result<ValueId, Diagnostic> {
    let old = rewriter.old();
    if let Some(arg) = old.args.iter().find(|a| a.name.as_deref() == Some(name)) {
        return Err(Diagnostic::error(
            arg.location.clone(),
            format!("{pass} adds an input '{name}', but there is one of this name already"),
        )
        .help("rename the input, or run the pass once"));
    }
    Ok(rewriter.add_arg(Arg::new(ty).named(name)))
}

/// An input of one number, the one that is there already if there is one.
pub(crate) fn scalar_input(rewriter: &mut Rewriter<'_>, name: &str) -> ValueId {
    let args = &rewriter.new_function().args;
    match args.iter().position(|a| a.name.as_deref() == Some(name)) {
        Some(i) => ValueId(i as u32),
        None => rewriter.add_arg(Arg::new(TensorType::f32([1])).named(name)),
    }
}

/// Adds state that weight decay spares, or finds it.
pub(crate) fn state(
    rewriter: &mut Rewriter<'_>,
    name: &str,
    ty: &Type,
    attrs: &[(&str, hla_ir::Attr)],
) -> Result<ValueId, Diagnostic> {
    if let Some((i, arg)) = argument(rewriter.new_function(), name) {
        if arg.ty == *ty {
            return Ok(ValueId(i as u32));
        }
        return Err(Diagnostic::error(
            arg.location.clone(),
            format!(
                "parameter '{name}' is {}, but training keeps {ty} under this name",
                arg.ty
            ),
        )
        .help("rename the parameter"));
    }
    let mut arg = Arg::new(ty.clone()).param(name);
    arg.attrs.set(NO_DECAY, true);
    for (key, value) in attrs {
        arg.attrs.set(key, value.clone());
    }
    Ok(rewriter.add_arg(arg))
}

/// The threshold of a weight, learned or a buffer.
pub(crate) fn threshold_state(
    rewriter: &mut Rewriter<'_>,
    name: &str,
    learned: bool,
) -> Result<ValueId, Diagnostic> {
    let mut attrs = vec![(LOWER_BOUND, hla_ir::Attr::F32(0.0))];
    if !learned {
        attrs.push((BUFFER, hla_ir::Attr::Bool(true)));
    }
    state(rewriter, name, &TensorType::f32([1]).into(), &attrs)
}

/// The parameter of this name.
pub(crate) fn argument<'f>(function: &'f Function, name: &str) -> Option<(usize, &'f Arg)> {
    let mut args = function.args.iter().enumerate();
    args.find(|(_, a)| a.param.as_deref() == Some(name))
}

/// A constant with one value everywhere.
pub(crate) fn splat(
    rewriter: &mut Rewriter<'_>,
    shape: impl Into<Vec<usize>>,
    value: f64,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    rewriter.constant(Tensor::splat(TensorType::f32(shape), value), at.clone())
}

/// A node without attributes.
pub(crate) fn plain(
    rewriter: &mut Rewriter<'_>,
    op: Op,
    operands: &[ValueId],
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    rewriter.push(op, operands, Attrs::new(), at.clone())
}

/// The same elements in another shape; the value itself if it has it, and what it was made of by a
/// reshape if that has it.
pub(crate) fn reshape(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    shape: &[usize],
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let new = rewriter.new_function();
    if new.tensor_ty(value).shape == shape {
        return Ok(value);
    }
    if let Some(node) = new.defining_node(value)
        && node.op == Op::Reshape
        && new.tensor_ty(node.operands[0]).shape == shape
    {
        return Ok(node.operands[0]);
    }
    let extents: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
    let attrs = Attrs::new().with("shape", extents);
    rewriter.push(Op::Reshape, &[value], attrs, at.clone())
}

/// The sum of everything, a tensor with an extent of 1 in each of its dimensions.
pub(crate) fn sum_over(
    rewriter: &mut Rewriter<'_>,
    mut value: ValueId,
    axes: impl IntoIterator<Item = usize>,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    for axis in axes {
        if rewriter.new_function().tensor_ty(value).shape[axis] > 1 {
            let attrs = Attrs::new().with("axis", axis as i64);
            value = rewriter.push(Op::ReduceSum, &[value], attrs, at.clone())?;
        }
    }
    Ok(value)
}

/// A place in the source under a name of its own, such as `conv2.weight: Eq. 5`.
pub(crate) fn named(at: &Location, name: impl Into<Arc<str>>) -> Location {
    Location {
        name: Some(name.into()),
        ..at.clone()
    }
}
