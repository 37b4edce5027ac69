//! Fused elementwise ops: one pass over the elements of a result, whatever the chain.
//!
//! [`nest`] turns shapes, broadcasting and layouts into loops, [`ops`] writes each op on lanes, and
//! [`kernel`] puts them together.

mod kernel;
mod nest;
mod ops;

use std::collections::HashMap;

use hla_ir::{DType, Diagnostic, NodeId, Op, ValueId};

use crate::kernel::View;
use crate::lower::Lowering;
use kernel::{Input, MapKernel, Source, Step};

/// Adds one kernel for a group of elementwise nodes; the last one's result is stored.
pub(crate) fn lower(cx: &mut Lowering<'_>, group: &[NodeId]) -> Result<(), Diagnostic> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut known: HashMap<ValueId, Source> = HashMap::new();
    let mut steps = Vec::new();
    let mut operand_views: Vec<View> = Vec::new();
    for &id in group {
        let node = cx.function.node(id);
        let mut args = Vec::new();
        for &operand in &node.operands {
            let source = match known.get(&operand) {
                Some(&source) => source,
                None => {
                    let ty = cx.function.tensor_ty(operand);
                    let splat = cx
                        .function
                        .constant_value(operand)
                        .filter(|t| t.ty().elements() > 0)
                        .and_then(exact_splat);
                    let source = match splat {
                        Some(value) => Source::Constant(ty.dtype, value),
                        None => {
                            let view = cx.view(operand)?;
                            operand_views.push(view.clone());
                            inputs.push(Input::new(view));
                            Source::Input(inputs.len() - 1)
                        }
                    };
                    known.insert(operand, source);
                    source
                }
            };
            args.push(source);
        }
        steps.push(Step {
            op: node.op,
            attrs: node.attrs.clone(),
            args,
            from: cx.function.tensor_ty(node.operands[0]).dtype,
            to: cx.function.tensor_ty(node.result()).dtype,
        });
        known.insert(node.result(), Source::Step(steps.len() - 1));
    }
    let Some(&last) = group.last() else {
        return Ok(());
    };
    let result = cx.result(cx.function.node(last), 0)?;
    for view in &operand_views {
        if view.ty.shape == result.ty.shape && view.layout == result.layout {
            cx.may_overwrite(&result, view);
        }
    }
    let computes = group
        .iter()
        .map(|&id| cx.function.node(id).name())
        .collect::<Vec<_>>()
        .join(" → ");
    cx.run(MapKernel::new(inputs, steps, result, computes));
    Ok(())
}

/// Adds a kernel that copies a value to another place, cast to the element type there.
pub(crate) fn copy(cx: &mut Lowering<'_>, from: View, to: View) {
    let (source, target) = (from.ty.dtype, to.ty.dtype);
    let (op, computes) = match source == target {
        true => (Op::Identity, "copy".to_owned()),
        false => (Op::Cast, format!("copy of {source} as {target}")),
    };
    let step = Step {
        op,
        attrs: hla_ir::Attrs::new(),
        args: vec![Source::Input(0)],
        from: source,
        to: target,
    };
    cx.run(MapKernel::new(
        vec![Input::new(from)],
        vec![step],
        to,
        computes,
    ));
}

/// Adds the kernel that quantizes with a scale in memory, a tensor of one element.
pub(crate) fn dynamic_quantize(cx: &mut Lowering<'_>, input: View, scale: View, codes: View) {
    let mut scale = scale;
    scale.ty.shape = vec![1; input.ty.rank()];
    let step = Step {
        op: Op::DynamicQuantize,
        attrs: hla_ir::Attrs::new(),
        args: vec![Source::Input(0), Source::Input(1)],
        from: DType::F32,
        to: DType::I8,
    };
    cx.run(MapKernel::new(
        vec![Input::new(input), Input::new(scale)],
        vec![step],
        codes,
        "codes of hla.dynamic_quantize".to_owned(),
    ));
}

/// The only value of a tensor, if f64 holds it exactly.
fn exact_splat(tensor: &hla_ir::Tensor) -> Option<f64> {
    let value = tensor.splat_value()?;
    let wide = matches!(tensor.dtype(), DType::I64 | DType::Index);
    (!value.is_nan() && (!wide || value.abs() < 9e15)).then_some(value)
}
