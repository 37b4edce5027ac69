//! Ops that move data: their gradients move it back.

use hla_ir::{Attrs, Op};

use super::vjp::{Built, Vjp};

fn extents(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&s| s as i64).collect()
}

/// The elements of g in the input's shape.
pub(super) fn reshape(cx: &mut Vjp<'_, '_>) -> Built {
    let g = cx.full_g()?;
    let shape = cx.by_ty().shape;
    cx.reshape(g, &shape).map(Some)
}

/// g with its dimensions permuted back.
pub(super) fn transpose(cx: &mut Vjp<'_, '_>) -> Built {
    let perms = cx.i64s("perms");
    let mut inverse = vec![0; perms.len()];
    for (i, &p) in perms.iter().enumerate() {
        inverse[p as usize] = i;
    }
    cx.transpose(cx.g(), &inverse).map(Some)
}

/// The part of g that came from this operand.
pub(super) fn concat(cx: &mut Vjp<'_, '_>) -> Built {
    let (axis, g) = (cx.axis(), cx.full_g()?);
    let size = extents(&cx.by_ty().shape);
    let before = (0..cx.by).map(|i| cx.ty(cx.operand(i)).shape[axis]);
    let mut start = vec![0; size.len()];
    start[axis] = before.sum::<usize>() as i64;
    let attrs = Attrs::new().with("start", start).with("size", size);
    cx.push(Op::Slice, &[g], attrs).map(Some)
}

/// g without the padding.
pub(super) fn pad(cx: &mut Vjp<'_, '_>) -> Built {
    let g = cx.full_g()?;
    let size = extents(&cx.by_ty().shape);
    let start: Vec<i64> = cx.i64s("padding").iter().copied().step_by(2).collect();
    let attrs = Attrs::new().with("start", start).with("size", size);
    cx.push(Op::Slice, &[g], attrs).map(Some)
}

/// g in its place, zeros around it.
pub(super) fn slice(cx: &mut Vjp<'_, '_>) -> Built {
    let g = cx.full_g()?;
    let (start, size) = (cx.i64s("start"), cx.i64s("size"));
    let shape = extents(&cx.by_ty().shape);
    let sides = (0..shape.len()).flat_map(|i| [start[i], shape[i] - start[i] - size[i]]);
    let padding: Vec<i64> = sides.collect();
    let attrs = Attrs::new().with("padding", padding);
    cx.push(Op::Pad, &[g], attrs).map(Some)
}

/// The sum of all copies, one axis after the other.
pub(super) fn tile(cx: &mut Vjp<'_, '_>) -> Built {
    let mut g = cx.full_g()?;
    let extents = cx.by_ty().shape;
    for (axis, times) in cx.i64s("multiples").into_iter().enumerate() {
        if times == 1 {
            continue;
        }
        let mut shape = cx.ty(g).shape.clone();
        let before = shape[..axis].iter().product();
        let after = shape[axis + 1..].iter().product::<usize>() * extents[axis];
        let copies = cx.reshape(g, &[before, times as usize, after])?;
        let sum = cx.along(Op::ReduceSum, copies, 1)?;
        shape[axis] = extents[axis];
        g = cx.reshape(sum, &shape)?;
    }
    Ok(Some(g))
}

/// g reversed.
pub(super) fn reverse(cx: &mut Vjp<'_, '_>) -> Built {
    let axis = cx.axis();
    let g = cx.g();
    if cx.ty(g).shape[axis] == 1 {
        return Ok(Some(g));
    }
    cx.along(Op::Reverse, g, axis).map(Some)
}

/// The sum of g over the places where each row went.
pub(super) fn gather(cx: &mut Vjp<'_, '_>) -> Built {
    let g = cx.full_g()?;
    let (indices, updates) = (cx.operand(1), cx.f32(g)?);
    let rows = cx.by_ty().shape[1] as i64;
    let attrs = Attrs::new().with("rows", rows);
    cx.push(Op::ScatterAdd, &[indices, updates], attrs)
        .map(Some)
}
