//! Reshapes, transposes, slices, pads, concatenations, tiles, reversals.

use hla_ir::{Attr, Attrs, DType, Diagnostic, Op, ValueId};

use super::{Cx, Rule};

type Found = Result<Option<ValueId>, Diagnostic>;

/// The rules of this file.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("reshape-same", reshape_same),
    ("reshape-reshape", reshape_reshape),
    ("transpose-identity", transpose_identity),
    ("transpose-to-reshape", transpose_to_reshape),
    ("transpose-transpose", transpose_transpose),
    ("slice-all", slice_all),
    ("slice-slice", slice_slice),
    ("slice-concat", slice_concat),
    ("pad-nothing", pad_nothing),
    ("pad-pad", pad_pad),
    ("pad-convolution", pad_convolution),
    ("concat-empty", concat_empty),
    ("concat-one", concat_one),
    ("tile-one", tile_one),
    ("reverse-one", reverse_one),
    ("reverse-reverse", reverse_reverse),
];

fn i64s<'a>(attrs: &'a Attrs, name: &str) -> &'a [i64] {
    attrs.i64s(name).unwrap_or_default()
}

fn as_i64s(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&d| d as i64).collect()
}

// reshape(x) to the shape of x = x
fn reshape_same(cx: &mut Cx<'_, '_>) -> Found {
    Ok(cx.is(Op::Reshape).then(|| cx.operands[0]))
}

// reshape(reshape(x)) = reshape(x)
fn reshape_reshape(cx: &mut Cx<'_, '_>) -> Found {
    let inner = cx.inner(0, Op::Reshape).filter(|_| cx.is(Op::Reshape));
    match inner.map(|n| n.operands[0]) {
        Some(x) => cx.push(Op::Reshape, &[x], cx.node.attrs.clone()),
        None => Ok(None),
    }
}

// transpose(x) by the identity = x
fn transpose_identity(cx: &mut Cx<'_, '_>) -> Found {
    let in_order = |perms: &[i64]| perms.iter().enumerate().all(|(i, &p)| i as i64 == p);
    Ok((cx.is(Op::Transpose) && in_order(i64s(&cx.node.attrs, "perms"))).then(|| cx.operands[0]))
}

// transpose(x) that moves only dimensions of extent 1 = reshape(x)
fn transpose_to_reshape(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Transpose) {
        return Ok(None);
    }
    let shape = &cx.operand_ty(0).shape;
    let moved = i64s(&cx.node.attrs, "perms").iter();
    let moved: Vec<i64> = moved.copied().filter(|&p| shape[p as usize] != 1).collect();
    if !moved.is_sorted() {
        return Ok(None);
    }
    let attrs = Attrs::new().with("shape", as_i64s(&cx.ty.shape));
    let x = cx.operands[0];
    cx.push(Op::Reshape, &[x], attrs)
}

// transpose(transpose(x, p), q) = transpose(x, p∘q)
fn transpose_transpose(cx: &mut Cx<'_, '_>) -> Found {
    let Some(inner) = cx.inner(0, Op::Transpose).filter(|_| cx.is(Op::Transpose)) else {
        return Ok(None);
    };
    let (x, p) = (inner.operands[0], i64s(&inner.attrs, "perms"));
    let q = i64s(&cx.node.attrs, "perms");
    let perms: Vec<i64> = q.iter().map(|&i| p[i as usize]).collect();
    cx.push(Op::Transpose, &[x], Attrs::new().with("perms", perms))
}

// slice(x) from 0 of the whole extent = x
fn slice_all(cx: &mut Cx<'_, '_>) -> Found {
    Ok(cx.is(Op::Slice).then(|| cx.operands[0]))
}

// slice(slice(x, s), t) = slice(x, s + t)
fn slice_slice(cx: &mut Cx<'_, '_>) -> Found {
    let Some(inner) = cx.inner(0, Op::Slice).filter(|_| cx.is(Op::Slice)) else {
        return Ok(None);
    };
    let x = inner.operands[0];
    let starts = i64s(&inner.attrs, "start")
        .iter()
        .zip(i64s(&cx.node.attrs, "start"));
    let start: Vec<i64> = starts.map(|(a, b)| a + b).collect();
    let mut attrs = cx.node.attrs.clone();
    attrs.set("start", start);
    cx.push(Op::Slice, &[x], attrs)
}

// a slice of a concatenation that lies in one of its parts = a slice of that part
fn slice_concat(cx: &mut Cx<'_, '_>) -> Found {
    let Some(inner) = cx.inner(0, Op::Concat).filter(|_| cx.is(Op::Slice)) else {
        return Ok(None);
    };
    let axis = inner.attrs.i64("axis").unwrap_or(0) as usize;
    let (start, size) = (i64s(&cx.node.attrs, "start"), i64s(&cx.node.attrs, "size"));
    let (from, to) = (start[axis], start[axis] + size[axis]);
    let mut begin = 0;
    for &part in &inner.operands {
        let end = begin + cx.value_ty(part).shape[axis] as i64;
        if from >= begin && to <= end {
            let mut start = start.to_vec();
            start[axis] -= begin;
            let mut attrs = cx.node.attrs.clone();
            attrs.set("start", start);
            return cx.push(Op::Slice, &[part], attrs);
        }
        begin = end;
    }
    Ok(None)
}

// pad(x) by nothing = x
fn pad_nothing(cx: &mut Cx<'_, '_>) -> Found {
    Ok(cx.is(Op::Pad).then(|| cx.operands[0]))
}

// pad(pad(x, a, c), b, c) = pad(x, a + b, c)
fn pad_pad(cx: &mut Cx<'_, '_>) -> Found {
    let Some(inner) = cx.inner(0, Op::Pad).filter(|_| cx.is(Op::Pad)) else {
        return Ok(None);
    };
    if inner.attrs.get("pad_const") != cx.node.attrs.get("pad_const") {
        return Ok(None);
    }
    let x = inner.operands[0];
    let sums = i64s(&inner.attrs, "padding")
        .iter()
        .zip(i64s(&cx.node.attrs, "padding"));
    let padding: Vec<i64> = sums.map(|(a, b)| a + b).collect();
    let mut attrs = cx.node.attrs.clone();
    attrs.set("padding", padding);
    cx.push(Op::Pad, &[x], attrs)
}

// convolution(pad(x, p, zero), q) = convolution(x, p + q) for exact sums: integers, and ternary
// sums of floats, which begin with +0 and so never change by a zero
fn pad_convolution(cx: &mut Cx<'_, '_>) -> Found {
    let zero = match cx.node.op {
        Op::TernaryConv2d => 0.0,
        Op::Conv2d | Op::DepthwiseConv2d if cx.operand_ty(0).dtype == DType::I8 => {
            cx.node.attrs.f32("input_zp").unwrap_or(0.0)
        }
        _ => return Ok(None),
    };
    let Some(inner) = cx.inner(0, Op::Pad) else {
        return Ok(None);
    };
    let [0, 0, t, b, l, r, 0, 0] = *i64s(&inner.attrs, "padding") else {
        return Ok(None);
    };
    if inner.attrs.f32("pad_const") != Some(zero) {
        return Ok(None);
    }
    let mut operands = cx.operands.clone();
    operands[0] = inner.operands[0];
    let sums = i64s(&cx.node.attrs, "pad").iter().zip([t, b, l, r]);
    let pad: Vec<i64> = sums.map(|(a, b)| a + b).collect();
    let mut attrs = cx.node.attrs.clone();
    attrs.set("pad", Attr::I64s(pad));
    cx.push(cx.node.op, &operands, attrs)
}

// concat(x, nothing, y) = concat(x, y)
fn concat_empty(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Concat) {
        return Ok(None);
    }
    let axis = cx.node.attrs.i64("axis").unwrap_or(0) as usize;
    let mut full = cx.operands.clone();
    full.retain(|&v| cx.value_ty(v).shape[axis] > 0);
    if full.is_empty() || full.len() == cx.operands.len() {
        return Ok(None);
    }
    cx.push(Op::Concat, &full, cx.node.attrs.clone())
}

// concat(x) = x
fn concat_one(cx: &mut Cx<'_, '_>) -> Found {
    Ok((cx.is(Op::Concat) && cx.operands.len() == 1).then(|| cx.operands[0]))
}

// tile(x) by 1 = x
fn tile_one(cx: &mut Cx<'_, '_>) -> Found {
    let ones = i64s(&cx.node.attrs, "multiples").iter().all(|&m| m == 1);
    Ok((cx.is(Op::Tile) && ones).then(|| cx.operands[0]))
}

// reverse(x) along an extent of at most 1 = x
fn reverse_one(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Reverse) {
        return Ok(None);
    }
    let axis = cx.node.attrs.i64("axis").unwrap_or(0) as usize;
    Ok((cx.ty.shape[axis] <= 1).then(|| cx.operands[0]))
}

// reverse(reverse(x)) along one axis = x
fn reverse_reverse(cx: &mut Cx<'_, '_>) -> Found {
    let inner = cx.inner(0, Op::Reverse).filter(|_| cx.is(Op::Reverse));
    let same = inner.filter(|n| n.attrs.get("axis") == cx.node.attrs.get("axis"));
    Ok(same.map(|n| n.operands[0]))
}
