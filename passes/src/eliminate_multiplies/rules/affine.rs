//! Scales and biases next to each other become one of each, the scale first.

use egg::Id;
use hla_ir::{Attrs, Op};

use super::super::constants::Constant;
use super::{Rule, Site};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "fold-constants",
        algebra: "a ∘ b = c",
        roots: &[
            Op::Mul,
            Op::Add,
            Op::Sub,
            Op::Negate,
            Op::Reciprocal,
            Op::Rsqrt,
        ],
        apply: fold_constants,
    },
    Rule {
        name: "merge-scales",
        algebra: "b·(a·x) = (a·b)·x",
        roots: &[Op::Mul],
        apply: merge_scales,
    },
    Rule {
        name: "scale-before-bias",
        algebra: "b·(x + a) = b·x + a·b",
        roots: &[Op::Mul],
        apply: scale_before_bias,
    },
    Rule {
        name: "merge-biases",
        algebra: "(x + a) + b = x + (a + b)",
        roots: &[Op::Add],
        apply: merge_biases,
    },
    Rule {
        name: "subtract-constant",
        algebra: "x − a = x + (−a); a − x = (−1)·x + a",
        roots: &[Op::Sub],
        apply: subtract_constant,
    },
    Rule {
        name: "negate-is-scale",
        algebra: "−x = (−1)·x",
        roots: &[Op::Negate],
        apply: negate_is_scale,
    },
    Rule {
        name: "scale-is-negate",
        algebra: "(−1)·x = −x",
        roots: &[Op::Mul],
        apply: scale_is_negate,
    },
    Rule {
        name: "unit-scale",
        algebra: "1·x = x",
        roots: &[Op::Mul],
        apply: unit_scale,
    },
    Rule {
        name: "zero-scale",
        algebra: "0·x = 0",
        roots: &[Op::Mul],
        apply: zero_scale,
    },
    Rule {
        name: "zero-bias",
        algebra: "x + 0 = x",
        roots: &[Op::Add],
        apply: zero_bias,
    },
    Rule {
        name: "double",
        algebra: "2ᵏ·x = doubled k times, k = 1, 2, 3 (exact)",
        roots: &[Op::Mul],
        apply: double,
    },
];

fn fold_constants(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let shape = site.f32_type()?.shape;
    let a = site.constant(site.operand(0)?)?;
    let value = match (site.apply.op, site.operand(1)) {
        (Op::Negate, None) => a.map(|a| -a),
        (Op::Reciprocal, None) if a.all(|a| a != 0.0) => a.map(f64::recip),
        (Op::Rsqrt, None) if a.is_positive() => a.map(|a| a.sqrt().recip()),
        (op, Some(b)) => {
            let b = site.constant(b)?;
            match op {
                Op::Mul => a.zip(&b, |a, b| a * b)?,
                Op::Add => a.zip(&b, |a, b| a + b)?,
                Op::Sub => a.zip(&b, |a, b| a - b)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    debug_assert_eq!(value.shape, shape);
    out.push(site.add_constant(value)?);
    Some(())
}

fn merge_scales(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, b) = site.with_constant()?;
    for (x, a) in site.scaled(inner) {
        if let Some(product) = a.zip(&b, |a, b| a * b)
            && let Some(id) = site.scale(x, &product)
        {
            out.push(id);
        }
    }
    Some(())
}

fn scale_before_bias(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, b) = site.with_constant()?;
    for (x, a) in site.shifted(inner) {
        let Some(bias) = a.zip(&b, |a, b| a * b) else {
            continue;
        };
        if let Some(scaled) = site.scale(x, &b)
            && let Some(id) = site.shift(scaled, &bias)
        {
            out.push(id);
        }
    }
    Some(())
}

fn merge_biases(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (inner, b) = site.with_constant()?;
    for (x, a) in site.shifted(inner) {
        if let Some(sum) = a.zip(&b, |a, b| a + b)
            && let Some(id) = site.shift(x, &sum)
        {
            out.push(id);
        }
    }
    Some(())
}

fn subtract_constant(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let ty = site.f32_type()?;
    let (x, y) = (site.operand(0)?, site.operand(1)?);
    if let Some(a) = site.constant(y)
        && site.ty(x)? == ty
    {
        out.push(site.shift(x, &a.map(|a| -a))?);
    } else if let Some(a) = site.constant(x)
        && site.ty(y)? == ty
    {
        let negative = site.scale(y, &Constant::scalar(ty.rank(), -1.0))?;
        out.push(site.shift(negative, &a)?);
    }
    Some(())
}

fn negate_is_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let rank = site.f32_type()?.rank();
    let x = site.operand(0)?;
    out.push(site.scale(x, &Constant::scalar(rank, -1.0))?);
    Some(())
}

fn scale_is_negate(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, a) = site.with_constant()?;
    if a.uniform()? == -1.0 {
        let zero = Attrs::new()
            .with("input1_zp", 0.0_f32)
            .with("output_zp", 0.0_f32);
        let ty = site.f32_type()?;
        out.push(site.op(Op::Negate, zero, ty, &[x]));
    }
    Some(())
}

fn unit_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, a) = site.with_constant()?;
    if a.uniform()? == 1.0 {
        out.push(x);
    }
    Some(())
}

fn zero_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (_, a) = site.with_constant()?;
    let shape = site.f32_type()?.shape;
    if a.uniform()? == 0.0 {
        let zero = Constant::scalar(shape.len(), 0.0).broadcast_to(&shape)?;
        out.push(site.add_constant(zero)?);
    }
    Some(())
}

fn zero_bias(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, a) = site.with_constant()?;
    if a.uniform()? == 0.0 {
        out.push(x);
    }
    Some(())
}

fn double(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (mut x, a) = site.with_constant()?;
    let ty = site.f32_type()?;
    let doublings = [2.0, 4.0, 8.0]
        .iter()
        .position(|&power| a.uniform() == Some(power))?;
    for _ in 0..=doublings {
        x = site.op(Op::Add, Attrs::new(), ty.clone(), &[x, x]);
    }
    out.push(x);
    Some(())
}
