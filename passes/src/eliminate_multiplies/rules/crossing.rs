//! Scales cross ops that commute with them: downwards always, upwards where what stands above
//! takes the scale for nothing.

use egg::Id;
use hla_ir::{Attrs, Op};

use super::super::constants::Constant;
use super::super::language::Expr;
use super::{Rule, Site, scale_bounds};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "scale-below-clamp",
        algebra: "clamp(s·x, lo, hi) = s·clamp(x, lo/s, hi/s), s > 0",
        roots: &[Op::Clamp],
        apply: scale_below_clamp,
    },
    Rule {
        name: "scale-above-clamp",
        algebra: "s·clamp(x, lo, hi) = clamp(s·x, s·lo, s·hi), s > 0",
        roots: &[Op::Mul],
        apply: scale_above_clamp,
    },
    Rule {
        name: "scale-below-max-pool",
        algebra: "max_pool(s·x) = s·max_pool(x), s > 0 the same over a window",
        roots: &[Op::MaxPool2d],
        apply: scale_below_window,
    },
    Rule {
        name: "scale-below-sum",
        algebra: "Σ s·x = s·Σ x over a window (avg_pool) or an axis (reduce_sum), s the same along it",
        roots: &[Op::AvgPool2d, Op::ReduceSum],
        apply: scale_below_window,
    },
    Rule {
        name: "scale-above-max-pool",
        algebra: "s·max_pool(x) = max_pool(s·x), s > 0 the same over a window",
        roots: &[Op::Mul],
        apply: scale_above_max_pool,
    },
    Rule {
        name: "scale-above-sum",
        algebra: "s·Σ x = Σ s·x, s the same along the window or axis",
        roots: &[Op::Mul],
        apply: scale_above_sum,
    },
    Rule {
        name: "scale-below-move",
        algebra: "move(s·x) = move(s)·move(x), move = reshape, transpose, slice, reverse, pad with 0",
        roots: &[Op::Reshape, Op::Transpose, Op::Slice, Op::Reverse, Op::Pad],
        apply: scale_below_move,
    },
    Rule {
        name: "scale-above-move",
        algebra: "s·move(x) = move(s·x), move = reshape, transpose, where each s is that of one channel of x",
        roots: &[Op::Mul],
        apply: above_move,
    },
    Rule {
        name: "bias-above-move",
        algebra: "move(x) + b = move(x + b), likewise",
        roots: &[Op::Add],
        apply: above_move,
    },
    Rule {
        name: "scale-below-concat",
        algebra: "concat(a·x, b·y) = concat(a, b)·concat(x, y)",
        roots: &[Op::Concat],
        apply: scale_below_concat,
    },
    Rule {
        name: "common-scale",
        algebra: "s·x ± s·y = s·(x ± y), x and y not the same; max(s·x, s·y) = s·max(x, y) and min likewise, s > 0",
        roots: &[Op::Add, Op::Sub, Op::Maximum, Op::Minimum],
        apply: common_scale,
    },
    Rule {
        name: "distribute-scale",
        algebra: "s·(x + y) = s·x + s·y, where x and y take s for nothing",
        roots: &[Op::Mul],
        apply: distribute_scale,
    },
];

fn scale_below_clamp(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    site.f32_type()?;
    let [lo, hi] = site.params(site.apply)[..] else {
        return None;
    };
    let node = site.node.clone();
    for (x, s) in site.scaled(site.operand(0)?) {
        if let Some(bounds) = scale_bounds([lo, hi], &s, true)
            && let Some(inner) = site.like_with(&node, [x], bounds.to_vec())
        {
            out.extend(site.scale(inner, &s));
        }
    }
    Some(())
}

/// x of a scaled op, where x takes a scale for nothing.
fn absorbing(site: &Site<'_>, node: &Expr) -> Option<Id> {
    let x = *node.children.first()?;
    site.graph[x].data.absorbs.then_some(x)
}

fn scale_above_clamp(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, s) = site.with_constant()?;
    for node in site.find(inner, Op::Clamp) {
        let [lo, hi] = site.params(node.apply()?)[..] else {
            continue;
        };
        if let Some(x) = absorbing(site, &node)
            && let Some(bounds) = scale_bounds([lo, hi], &s, false)
            && let Some(scaled) = site.scale(x, &s)
        {
            site.pass_demand_to(scaled);
            out.extend(site.like_with(&node, [scaled], bounds.to_vec()));
        }
    }
    Some(())
}

/// Whether a scale is the same wherever the op takes elements together.
fn is_even(site: &Site<'_>, node: &Expr, s: &Constant) -> bool {
    let Some(apply) = node.apply() else {
        return false;
    };
    match apply.op {
        Op::ReduceSum => site
            .attrs(apply)
            .i64("axis")
            .and_then(|axis| s.shape.get(axis as usize))
            .is_some_and(|&extent| extent == 1),
        _ => s.shape.len() == 4 && s.shape[1] == 1 && s.shape[2] == 1,
    }
}

fn scale_below_window(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    site.f32_type()?;
    let node = site.node.clone();
    for (x, s) in site.scaled(site.operand(0)?) {
        let s = s.squeezed();
        let sign_fits = site.apply.op != Op::MaxPool2d || s.is_positive();
        if sign_fits && is_even(site, &node, &s) {
            let inner = site.like(&node, [x]);
            out.extend(site.scale(inner, &s));
        }
    }
    Some(())
}

fn scale_above(site: &mut Site<'_>, ops: &[Op], out: &mut Vec<Id>) -> Option<()> {
    let (inner, s) = site.with_constant()?;
    let s = s.squeezed();
    for &op in ops {
        for node in site.find(inner, op) {
            if is_even(site, &node, &s)
                && let Some(x) = absorbing(site, &node)
                && let Some(scaled) = site.scale(x, &s)
            {
                site.pass_demand_to(scaled);
                out.push(site.like(&node, [scaled]));
            }
        }
    }
    Some(())
}

fn scale_above_max_pool(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (_, s) = site.with_constant()?;
    if s.is_positive() {
        scale_above(site, &[Op::MaxPool2d], out)?;
    }
    Some(())
}

fn scale_above_sum(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    scale_above(site, &[Op::AvgPool2d, Op::ReduceSum], out)
}

fn scale_below_move(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let shape = site.f32_type()?.shape;
    let node = site.node.clone();
    let input = site.operand(0)?;
    for (x, s) in site.scaled(input) {
        let full = site.ty(x)?.shape;
        let s = s.squeezed();
        let moved = match s.uniform() {
            Some(value) => Some(Constant::scalar(shape.len(), value)),
            None => moved(site.apply.op, site.attrs(site.apply), &s, &full, &shape),
        };
        if site.apply.op == Op::Pad && site.attrs(site.apply).f32("pad_const") != Some(0.0) {
            return None;
        }
        if let Some(moved) = moved {
            let inner = site.like(&node, [x]);
            out.extend(site.scale(inner, &moved));
        }
    }
    Some(())
}

/// A scale `s` of a tensor of shape `from`, moved as the op moves that tensor.
fn moved(op: Op, attrs: &Attrs, s: &Constant, from: &[usize], to: &[usize]) -> Option<Constant> {
    match op {
        Op::Reshape => {
            let full = s.broadcast_to(from)?;
            Some(Constant::new(to, full.values).squeezed())
        }
        Op::Transpose => {
            let perms = attrs.i64s("perms")?;
            let shape: Vec<usize> = perms.iter().map(|&p| s.shape[p as usize]).collect();
            Some(transposed(s, perms, shape))
        }
        // The scale of a dimension that the op changes must be the same all along it.
        Op::Slice | Op::Pad => {
            let untouched = |i: usize| s.shape[i] == 1 || from[i] == to[i];
            (0..from.len()).all(untouched).then(|| s.clone())
        }
        Op::Reverse => {
            let axis = attrs.i64("axis")? as usize;
            (s.shape[axis] == 1).then(|| s.clone())
        }
        _ => None,
    }
}

/// A constant with its dimensions permuted to give this shape.
fn transposed(c: &Constant, perms: &[i64], shape: Vec<usize>) -> Constant {
    let strides = hla_ir::types::row_major_strides(&c.shape);
    let values = positions(&shape)
        .map(|at| {
            let steps = at.iter().zip(perms).map(|(i, &p)| i * strides[p as usize]);
            c.values[steps.sum::<usize>()]
        })
        .collect();
    Constant { shape, values }
}

/// All positions in a shape, row-major.
fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product::<usize>()).map(move |mut index| {
        let mut at = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            at[axis] = index % shape[axis];
            index /= shape[axis];
        }
        at
    })
}

fn above_move(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, c) = site.with_constant()?;
    let c = c.squeezed();
    for op in [Op::Reshape, Op::Transpose] {
        for node in site.find(inner, op) {
            let Some(x) = absorbing(site, &node) else {
                continue;
            };
            let before = site.ty(x)?.shape;
            let attrs = site.attrs(node.apply()?);
            let Some(c) = unmoved(op, attrs, &c, &before) else {
                continue;
            };
            let joined = match site.apply.op {
                Op::Mul => site.scale(x, &c),
                _ => site.shift(x, &c),
            };
            if let Some(joined) = joined {
                site.pass_demand_to(joined);
                out.push(site.like(&node, [joined]));
            }
        }
    }
    Some(())
}

/// The constant for a tensor of shape `before` that an op turns into `c` for its result.
fn unmoved(op: Op, attrs: &Attrs, c: &Constant, before: &[usize]) -> Option<Constant> {
    if let Some(value) = c.uniform() {
        return Some(Constant::scalar(before.len(), value));
    }
    match op {
        // Channels stay channels where the last extent stays.
        Op::Reshape => Some(Constant::per_channel(
            before.len(),
            c.channels(*before.last()?)?,
        )),
        Op::Transpose => {
            let perms = attrs.i64s("perms")?;
            let mut inverse = vec![0; perms.len()];
            for (i, &p) in perms.iter().enumerate() {
                inverse[p as usize] = i as i64;
            }
            let shape: Vec<usize> = inverse.iter().map(|&i| c.shape[i as usize]).collect();
            Some(transposed(c, &inverse, shape))
        }
        _ => None,
    }
}

fn scale_below_concat(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let ty = site.f32_type()?;
    let axis = site.attrs(site.apply).i64("axis")? as usize;
    let node = site.node.clone();
    // One way of scaling for each operand, to stay clear of all combinations.
    let mut inputs = Vec::new();
    let mut scales = Vec::new();
    for &child in &node.children {
        let (x, s) = site.scaled(child).into_iter().next()?;
        let mut shape = vec![1; ty.rank()];
        shape[axis] = site.ty(x)?.shape[axis];
        scales.push(s.squeezed().broadcast_to(&shape)?);
        inputs.push(x);
    }
    let values: Vec<f64> = scales.into_iter().flat_map(|s| s.values).collect();
    let mut shape = vec![1; ty.rank()];
    shape[axis] = values.len();
    let inner = site.like(&node, inputs);
    out.push(site.scale(inner, &Constant::new(shape, values).squeezed())?);
    Some(())
}

fn common_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let ty = site.f32_type()?;
    let node = site.node.clone();
    let needs_positive = matches!(site.apply.op, Op::Maximum | Op::Minimum);
    let (left, right) = (site.operand(0)?, site.operand(1)?);
    // x + x is what doubling makes: to factor it would double for ever.
    if left == right || site.ty(left)? != ty || site.ty(right)? != ty {
        return None;
    }
    for (x, s) in site.scaled(left) {
        for (y, t) in site.scaled(right) {
            let (s, t) = (s.squeezed(), t.squeezed());
            let constants = &mut site.graph.analysis.constants;
            let equal = constants.intern(s.clone()) == constants.intern(t);
            if equal && (!needs_positive || s.is_positive()) {
                let inner = site.like(&node, [x, y]);
                out.extend(site.scale(inner, &s));
            }
        }
    }
    Some(())
}

fn distribute_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, s) = site.with_constant()?;
    let ty = site.f32_type()?;
    for node in site.find(inner, Op::Add) {
        let [x, y] = *node.children else { continue };
        if site.graph.find(x) == site.graph.find(y) {
            continue;
        }
        let take = |id: Id| {
            !site.is_constant(id)
                && site.graph[id].data.absorbs
                && site.ty(id).as_ref() == Some(&ty)
        };
        if take(x)
            && take(y)
            && let Some(left) = site.scale(x, &s)
            && let Some(right) = site.scale(y, &s)
        {
            site.pass_demand_to(left);
            site.pass_demand_to(right);
            out.push(site.like(&node, [left, right]));
        }
    }
    Some(())
}
