//! Ops that only move data: boxes of elements copied or filled, gather and its gradient.

mod boxes;
mod gather;
mod scatter;

use hla_ir::types::row_major_strides;
use hla_ir::{Attr, Diagnostic, Node, Op, Tensor, TensorType};

use crate::kernel::{Buffer, View};
use crate::lower::Lowering;
use boxes::{BoxKernel, Dim, Source};

/// Adds the kernels of one op that moves data.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    match node.op {
        Op::Concat => concat(cx, node),
        Op::Pad => pad(cx, node),
        Op::Gather => gather::lower(cx, node),
        Op::ScatterAdd => scatter::lower(cx, node),
        _ => rearrange(cx, node),
    }
}

fn row_major(cx: &Lowering<'_>, node: &Node, view: &View) -> Result<(), Diagnostic> {
    if view.layout == hla_ir::Layout::RowMajor {
        Ok(())
    } else {
        Err(cx
            .unsupported(node)
            .help("a planar value needs hla.relayout before this op"))
    }
}

/// Byte strides of a dense tensor.
fn strides(ty: &TensorType) -> Vec<i64> {
    let bytes = ty.dtype.bytes();
    row_major_strides(&ty.shape)
        .into_iter()
        .map(|s| (s * bytes) as i64)
        .collect()
}

fn i64s(node: &Node, name: &str) -> Vec<i64> {
    node.attrs.i64s(name).unwrap_or_default().to_vec()
}

/// Ops whose every result element is one input element: transpose, slice, tile, reverse.
fn rearrange(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let input = cx.operand(node, 0)?;
    let result = cx.result(node, 0)?;
    row_major(cx, node, &input)?;
    row_major(cx, node, &result)?;
    let (from, to) = (strides(&input.ty), strides(&result.ty));
    let extent = |d: usize| result.ty.shape[d] as i64;
    let rank = result.ty.rank();
    let mut start = 0;
    let mut dims = Vec::new();
    match node.op {
        Op::Transpose => {
            for (d, &p) in i64s(node, "perms").iter().enumerate() {
                dims.push(Dim::new(extent(d), from[p as usize], to[d]));
            }
        }
        Op::Slice => {
            for (d, &s) in i64s(node, "start").iter().enumerate() {
                start += s * from[d];
                dims.push(Dim::new(extent(d), from[d], to[d]));
            }
        }
        Op::Tile => {
            for (d, &multiple) in i64s(node, "multiples").iter().enumerate() {
                let inner = input.ty.shape[d] as i64;
                dims.push(Dim::new(multiple, 0, inner * to[d]));
                dims.push(Dim::new(inner, from[d], to[d]));
            }
        }
        Op::Reverse => {
            let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
            for d in 0..rank {
                let step = if d == axis { -from[d] } else { from[d] };
                if d == axis {
                    start += (extent(d) - 1).max(0) * from[d];
                }
                dims.push(Dim::new(extent(d), step, to[d]));
            }
        }
        _ => return Err(cx.unsupported(node)),
    }
    let source = Source::Copy(input.buffer.at(start as u64));
    let bytes = result.ty.dtype.bytes() as i64;
    cx.run(BoxKernel::new(
        node.op.def().name,
        source,
        result.buffer,
        bytes,
        dims,
        &result.ty,
    ));
    Ok(())
}

fn concat(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let result = cx.result(node, 0)?;
    row_major(cx, node, &result)?;
    let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
    let to = strides(&result.ty);
    let mut at = 0;
    for i in 0..node.operands.len() {
        let input = cx.operand(node, i)?;
        row_major(cx, node, &input)?;
        let from = strides(&input.ty);
        let dims = (0..result.ty.rank())
            .map(|d| Dim::new(input.ty.shape[d] as i64, from[d], to[d]))
            .collect();
        cx.run(BoxKernel::new(
            node.op.def().name,
            Source::Copy(input.buffer),
            result.buffer.at(at),
            result.ty.dtype.bytes() as i64,
            dims,
            &input.ty,
        ));
        at += input.ty.shape[axis] as u64 * to[axis] as u64;
    }
    Ok(())
}

/// Each dimension's filling is a box: inside the input in the dimensions before, whole in those
/// after. Together with the input they cover the result once.
fn pad(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let input = cx.operand(node, 0)?;
    let result = cx.result(node, 0)?;
    row_major(cx, node, &input)?;
    row_major(cx, node, &result)?;
    let (from, to) = (strides(&input.ty), strides(&result.ty));
    let padding = i64s(node, "padding");
    let rank = result.ty.rank();
    let bytes = result.ty.dtype.bytes() as i64;
    let value = match node.attrs.get("pad_const") {
        Some(Attr::F32(v)) => f64::from(*v),
        Some(Attr::I64(v)) => *v as f64,
        _ => 0.0,
    };
    let element = Tensor::splat(
        TensorType {
            shape: vec![1],
            dtype: result.ty.dtype,
        },
        value,
    );
    let mut fill = [0; 8];
    for (to, from) in fill.iter_mut().zip(element.to_bytes().iter()) {
        *to = *from;
    }
    if let (Some(Attr::I64(v)), 8) = (node.attrs.get("pad_const"), bytes) {
        fill = v.to_le_bytes();
    }
    // Where the input begins, in the dimensions before the current one.
    let mut corner = 0;
    for d in 0..rank {
        let (before, after) = (padding[2 * d], padding[2 * d + 1]);
        let inner = input.ty.shape[d] as i64;
        for (start, extent) in [(0, before), (before + inner, after)] {
            let dims: Vec<Dim> = (0..rank)
                .map(|e| {
                    let extent = match e {
                        _ if e < d => input.ty.shape[e] as i64,
                        _ if e == d => extent,
                        _ => result.ty.shape[e] as i64,
                    };
                    Dim::new(extent, 0, to[e])
                })
                .collect();
            let at: Buffer = result.buffer.at((corner + start * to[d]) as u64);
            cx.run(BoxKernel::new(
                "tosa.pad",
                Source::Fill(fill),
                at,
                bytes,
                dims,
                &result.ty,
            ));
        }
        corner += before * to[d];
    }
    let dims = (0..rank)
        .map(|d| Dim::new(input.ty.shape[d] as i64, from[d], to[d]))
        .collect();
    cx.run(BoxKernel::new(
        "tosa.pad",
        Source::Copy(input.buffer),
        result.buffer.at(corner as u64),
        bytes,
        dims,
        &result.ty,
    ));
    Ok(())
}
