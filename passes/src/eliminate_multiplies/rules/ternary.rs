//! Scales and biases around a ternary contraction, and the scales of quantization.
//!
//! T(x, w, s, b) = s·(w∗x) + b, w of −1, 0 and 1, s and b by output channel; with a residual r it
//! is s·(w∗x) + b + ρ·r; then clamped to \[lo, hi\].

use egg::Id;
use hla_ir::{DType, Op};

use super::super::constants::Constant;
use super::super::language::{Demand, Expr, Head};
use super::{Rule, Site, is_unbounded, scale_bounds};

const TERNARY: &[Op] = &[Op::TernaryConv2d, Op::TernaryMatMul];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "scale-into-ternary",
        algebra: "c·T(x, w, s, b) = T(x, w, c·s, c·b); c > 0 if clamped, one number if there is a residual",
        roots: &[Op::Mul],
        apply: scale_into_ternary,
    },
    Rule {
        name: "bias-into-ternary",
        algebra: "T(x, w, s, b) + c = T(x, w, s, b + c), not clamped",
        roots: &[Op::Add],
        apply: bias_into_ternary,
    },
    Rule {
        name: "negative-scale-into-trits",
        algebra: "T(x, w, s, b) = T(x, sign(s)·w, abs(s), b); where s = 0, trits 0 and scale 1 (exact)",
        roots: TERNARY,
        apply: negative_scale_into_trits,
    },
    Rule {
        name: "release-scale",
        algebra: "T(x, w, s, b) = s·T(x, w, 1, b/s), s > 0, where a user takes s for nothing",
        roots: TERNARY,
        apply: release_scale,
    },
    Rule {
        name: "scale-across-ternary",
        algebra: "T(c·x, w, s, b) = T(x, w, c·s, b), c one number",
        roots: TERNARY,
        apply: scale_across_ternary,
    },
    Rule {
        name: "scale-into-residual",
        algebra: "ρ·(c·r) = (ρ·c)·r, c one number",
        roots: TERNARY,
        apply: scale_into_residual,
    },
    Rule {
        name: "dequantize-into-ternary",
        algebra: "T(c·q, w, s, b) = T(q, w, c·s, b), q of i8",
        roots: TERNARY,
        apply: dequantize_into_ternary,
    },
    Rule {
        name: "scale-into-quantize",
        algebra: "quantize(c·x, s) = quantize(x, s/c), c > 0 one number",
        roots: &[Op::Quantize],
        apply: scale_into_quantize,
    },
    Rule {
        name: "scale-into-dequantize",
        algebra: "c·dequantize(q, s) = dequantize(q, c·s), c > 0 one number",
        roots: &[Op::Mul],
        apply: scale_into_dequantize,
    },
];

/// What an f32 ternary contraction consists of.
struct Ternary {
    node: Expr,
    scale: Constant,
    bias: Constant,
    bounds: [f64; 2],
    residual_scale: f64,
}

impl Ternary {
    /// `None` where scale and bias are no constants or the result is quantized.
    fn of(site: &Site<'_>, node: &Expr) -> Option<Ternary> {
        let apply = node.apply()?;
        if site.attrs(apply).dtype("out_type") != Some(DType::F32) {
            return None;
        }
        let [min, max, residual_scale] = site.params(apply)[..] else {
            return None;
        };
        Some(Ternary {
            node: node.clone(),
            scale: (*site.constant(*node.children.get(2)?)?).clone(),
            bias: (*site.constant(*node.children.get(3)?)?).clone(),
            bounds: [min, max],
            residual_scale,
        })
    }

    fn has_residual(&self) -> bool {
        self.node.children.len() == 5
    }

    fn is_clamped(&self) -> bool {
        !self.bounds.iter().all(|&b| is_unbounded(b))
    }

    /// The result times s, a number for each channel (`inverse`: divided by it).
    fn times(mut self, s: &Constant, inverse: bool) -> Option<Ternary> {
        let by = |v: f64, s: f64| if inverse { v / s } else { v * s };
        if self.is_clamped() {
            self.bounds = scale_bounds(self.bounds, s, inverse)?;
        }
        if self.has_residual() {
            self.residual_scale = by(self.residual_scale, s.uniform()?);
        }
        self.scale = self.scale.zip(s, by)?;
        self.bias = self.bias.zip(s, by)?;
        Some(self)
    }

    fn add(self, site: &mut Site<'_>) -> Option<Id> {
        let mut children = self.node.children.clone();
        children[2] = site.add_constant(self.scale)?;
        children[3] = site.add_constant(self.bias)?;
        let params = vec![self.bounds[0], self.bounds[1], self.residual_scale];
        site.like_with(&self.node, children, params)
    }
}

/// The ternary contractions in a class.
fn ternaries(site: &Site<'_>, class: Id) -> Vec<Ternary> {
    TERNARY
        .iter()
        .flat_map(|&op| site.find(class, op))
        .filter_map(|node| Ternary::of(site, &node))
        .collect()
}

/// A broadcast constant as a vector over the channels of the site's result.
fn channel_vector(site: &Site<'_>, c: &Constant) -> Option<Constant> {
    let channels = *site.f32_type()?.shape.last()?;
    Some(Constant::new([channels], c.channels(channels)?))
}

fn scale_into_ternary(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, c) = site.with_constant()?;
    let c = channel_vector(site, &c)?;
    for ternary in ternaries(site, x) {
        if let Some(scaled) = ternary.times(&c, false) {
            out.extend(scaled.add(site));
        }
    }
    Some(())
}

fn bias_into_ternary(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, c) = site.with_constant()?;
    let c = channel_vector(site, &c)?;
    for mut ternary in ternaries(site, x) {
        if ternary.is_clamped() {
            continue;
        }
        ternary.bias = ternary.bias.zip(&c, |b, c| b + c)?;
        out.extend(ternary.add(site));
    }
    Some(())
}

fn negative_scale_into_trits(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    if site.graph[site.class].data.demand == Demand::Nothing {
        return None;
    }
    let mut ternary = Ternary::of(site, &site.node)?;
    if ternary.scale.is_positive() || !site.is_constant(ternary.node.children[1]) {
        return None;
    }
    let sign = |s: f64| if s == 0.0 { 0.0 } else { s.signum() };
    let signs = site.add_constant(ternary.scale.map(sign))?;
    ternary.scale = ternary.scale.map(|s| if s == 0.0 { 1.0 } else { s.abs() });
    ternary.node.children[1] = site.add(Head::Flip, [ternary.node.children[1], signs]);
    out.extend(ternary.add(site));
    Some(())
}

fn release_scale(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let ternary = Ternary::of(site, &site.node)?;
    let s = ternary.scale.clone();
    let wanted = match s.uniform() {
        Some(_) => Demand::Scalar,
        None => Demand::Channel,
    };
    if site.graph[site.class].data.demand < wanted || !s.is_positive() || s.all(|v| v == 1.0) {
        return None;
    }
    let rank = site.f32_type()?.rank();
    let released = ternary.times(&s, true)?.add(site)?;
    out.push(site.scale(released, &Constant::per_channel(rank, s.values))?);
    Some(())
}

fn scale_across_ternary(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    for (x, c) in site.scaled_uniformly(site.operand(0)?) {
        let Some(mut ternary) = Ternary::of(site, &site.node) else {
            break;
        };
        ternary.scale = ternary.scale.map(|s| s * c);
        ternary.node.children[0] = x;
        out.extend(ternary.add(site));
    }
    Some(())
}

fn scale_into_residual(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    for (r, c) in site.scaled_uniformly(site.operand(4)?) {
        let Some(mut ternary) = Ternary::of(site, &site.node) else {
            break;
        };
        ternary.residual_scale *= c;
        ternary.node.children[4] = r;
        out.extend(ternary.add(site));
    }
    Some(())
}

fn dequantize_into_ternary(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    for node in site.find(site.operand(0)?, Op::Dequantize) {
        let Some(mut ternary) = Ternary::of(site, &site.node) else {
            break;
        };
        let [c] = site.params(node.apply()?)[..] else {
            continue;
        };
        ternary.scale = ternary.scale.map(|s| s * c);
        ternary.node.children[0] = node.children[0];
        out.extend(ternary.add(site));
    }
    Some(())
}

/// Whether `hla.quantize` takes this scale: it and its reciprocal are normal.
fn is_quantization_scale(s: f64) -> bool {
    let normal = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
    normal.contains(&s) && normal.contains(&s.recip())
}

fn scale_into_quantize(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let [s] = site.params(site.apply)[..] else {
        return None;
    };
    for (x, c) in site.scaled_uniformly(site.operand(0)?) {
        if c > 0.0 && is_quantization_scale(s / c) {
            let node = site.node.clone();
            out.extend(site.like_with(&node, [x], vec![s / c]));
        }
    }
    Some(())
}

fn scale_into_dequantize(site: &mut Site<'_>, out: &mut Vec<Id>) -> Option<()> {
    let (x, c) = site.with_constant()?;
    let c = c.uniform().filter(|&c| c > 0.0)?;
    for node in site.find(x, Op::Dequantize) {
        let [s] = site.params(node.apply()?)[..] else {
            continue;
        };
        if is_quantization_scale(s * c) {
            out.extend(site.like_with(&node, node.children.clone(), vec![s * c]));
        }
    }
    Some(())
}
