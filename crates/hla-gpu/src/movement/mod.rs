//! Ops that only move data: maps without arithmetic, whose sources are strided, in pieces, or found
//! by indices. A transpose that would read or write across memory goes through shared memory
//! ([`tile`]).

mod tile;

use hla_ir::{Attr, Diagnostic, Node, Op};

use crate::body::{Body, BodyValue};
use crate::lower::chain::Strided;
use crate::lower::{Lowering, Place};
use crate::map::Map;
use crate::map::nest::Nest;
use crate::map::source::{Bound, Indices, Number, Piece, Source};

/// Adds the kernel of one op that moves data.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let (extents, source) = match node.op {
        Op::Concat => concat(cx, node)?,
        Op::Pad => pad(cx, node)?,
        Op::Gather => gather(cx, node)?,
        _ => rearrange(cx, node)?,
    };
    let result = cx.result(node, 0)?;
    if result.ty.elements() == 0 {
        return Ok(());
    }
    let nest = Nest::new(extents.clone(), vec![source.clone()]);
    if let Some((code, args)) = tile::transpose(&nest, &result) {
        cx.launch(code, args);
        return Ok(());
    }
    let body = Body {
        inputs: vec![source.dtype()],
        ops: Vec::new(),
        results: vec![BodyValue::Input(0)],
    };
    let map = Map {
        extents,
        sources: vec![source],
        body,
        computes: crate::lower::chain::short_name(node.name()).to_owned(),
    };
    map.launch(cx, &[result]);
    Ok(())
}

fn strides(place: &Place) -> Vec<i64> {
    place.ty.strides().into_iter().map(|s| s as i64).collect()
}

fn usizes(node: &Node, name: &str) -> Vec<usize> {
    let values = node.attrs.i64s(name).unwrap_or_default();
    values.iter().map(|&v| v as usize).collect()
}

/// A place read in the whole domain.
fn whole(place: Place, strides: Vec<i64>, start: i64) -> Source {
    Source::from(Piece::whole(Strided {
        place,
        strides,
        start,
    }))
}

/// Ops whose every result element is one input element at a stride: transpose, slice, tile,
/// reverse. Gives the domain and how the input lies in it.
fn rearrange(cx: &mut Lowering<'_>, node: &Node) -> Result<(Vec<usize>, Source), Diagnostic> {
    let input = cx.operand(node, 0)?;
    let from = strides(&input);
    let shape = cx.function.tensor_ty(node.result()).shape.clone();
    let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
    Ok(match node.op {
        Op::Transpose => {
            let perms = usizes(node, "perms");
            let strides = perms.iter().map(|&p| from[p]).collect();
            (shape, whole(input, strides, 0))
        }
        Op::Slice => {
            let begin = usizes(node, "start");
            let start = begin.iter().zip(&from).map(|(&b, s)| b as i64 * s).sum();
            (shape, whole(input, from, start))
        }
        Op::Tile => {
            let multiples = usizes(node, "multiples");
            let pairs = multiples.iter().zip(&input.ty.shape);
            let extents = pairs.flat_map(|(&m, &extent)| [m, extent]).collect();
            let strides = from.iter().flat_map(|&s| [0, s]).collect();
            (extents, whole(input, strides, 0))
        }
        Op::Reverse => {
            let start = (shape[axis] as i64 - 1) * from[axis];
            let mut strides = from;
            strides[axis] = -strides[axis];
            (shape, whole(input, strides, start.max(0)))
        }
        _ => return Err(cx.unsupported(node)),
    })
}

/// Each operand is a piece along the axis.
fn concat(cx: &mut Lowering<'_>, node: &Node) -> Result<(Vec<usize>, Source), Diagnostic> {
    let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
    let mut pieces = Vec::with_capacity(node.operands.len());
    let mut low = 0;
    for i in 0..node.operands.len() {
        let place = cx.operand(node, i)?;
        let high = low + place.ty.shape[axis];
        let strides = strides(&place);
        // A place without elements is only kept for its type.
        if high > low || node.operands.len() == 1 {
            pieces.push(Piece {
                from: Strided {
                    start: -(low as i64 * strides[axis]),
                    strides,
                    place,
                },
                bounds: vec![Bound {
                    dim: axis,
                    low,
                    high,
                }],
                indices: None,
            });
        }
        low = high;
    }
    if pieces.is_empty() {
        let place = cx.operand(node, 0)?;
        let strides = strides(&place);
        return Ok((place.ty.shape.clone(), whole(place, strides, 0)));
    }
    let shape = cx.function.tensor_ty(node.result()).shape.clone();
    Ok((
        shape,
        Source {
            pieces,
            otherwise: None,
        },
    ))
}

/// The input is a piece, and around it is a number.
fn pad(cx: &mut Lowering<'_>, node: &Node) -> Result<(Vec<usize>, Source), Diagnostic> {
    let place = cx.operand(node, 0)?;
    let shape = cx.function.tensor_ty(node.result()).shape.clone();
    let padding = usizes(node, "padding");
    let strides = strides(&place);
    let mut start = 0;
    let mut bounds = Vec::new();
    for (dim, &extent) in place.ty.shape.iter().enumerate() {
        let low = padding[2 * dim];
        start -= low as i64 * strides[dim];
        if extent != shape[dim] {
            bounds.push(Bound {
                dim,
                low,
                high: low + extent,
            });
        }
    }
    let otherwise = (!bounds.is_empty()).then(|| match node.attrs.get("pad_const") {
        Some(Attr::F32(v)) => Number::Float(*v),
        Some(Attr::I64(v)) => Number::Int(*v),
        _ if place.ty.dtype.is_float() => Number::Float(0.0),
        _ => Number::Int(0),
    });
    let from = Strided {
        place,
        strides,
        start,
    };
    let pieces = vec![Piece {
        from,
        bounds,
        indices: None,
    }];
    Ok((shape, Source { pieces, otherwise }))
}

/// result\[n, w, c\] = values\[n, indices\[n, w\], c\].
fn gather(cx: &mut Lowering<'_>, node: &Node) -> Result<(Vec<usize>, Source), Diagnostic> {
    let values = cx.operand(node, 0)?;
    let indices = cx.operand(node, 1)?;
    let shape = cx.function.tensor_ty(node.result()).shape.clone();
    let [batch, row, element] = strides(&values)[..] else {
        return Err(cx.unsupported(node));
    };
    let rows = values.ty.shape[1];
    let piece = Piece {
        from: Strided {
            place: values,
            strides: vec![batch, 0, element],
            start: 0,
        },
        bounds: Vec::new(),
        indices: Some(Indices {
            from: Strided {
                strides: vec![indices.ty.shape[1] as i64, 1, 0],
                place: indices,
                start: 0,
            },
            rows,
            stride: row,
        }),
    };
    Ok((shape, piece.into()))
}
