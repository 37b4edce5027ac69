//! The hla dialect's training ops: spheres, straight-through nodes, losses.

use hla_ir::{DType, Op, TensorType, ValueId};

use super::vjp::{Built, New, Vjp};

/// A weight as a matrix whose columns lie along one axis: the form in which
/// [`hla_ir::decompose`] computes, so that both share their sums. A column axis in the middle stays
/// there, between two others.
struct Columns {
    shape: Vec<usize>,
    axis: usize,
}

impl Columns {
    fn of(cx: &Vjp<'_, '_>) -> Columns {
        let (shape, axis) = (cx.by_ty().shape, cx.axis());
        let before: usize = shape[..axis].iter().product();
        let after: usize = shape[axis + 1..].iter().product();
        let (shape, axis) = match (before, after) {
            (1, _) => (vec![shape[axis], after], 0),
            (_, 1) => (vec![before, shape[axis]], 1),
            _ => (vec![before, shape[axis], after], 1),
        };
        Columns { shape, axis }
    }

    /// A tensor of the weight's shape, with every element written out.
    fn matrix(&self, cx: &mut Vjp<'_, '_>, value: ValueId) -> New {
        let shape = cx.by_ty().shape;
        let value = cx.full(value, &shape)?;
        cx.reshape(value, &self.shape)
    }

    /// The sum of each column.
    fn sum(&self, cx: &mut Vjp<'_, '_>, matrix: ValueId) -> New {
        cx.sum_columns(matrix, self.axis)
    }

    /// A matrix in the weight's shape.
    fn weight(&self, cx: &mut Vjp<'_, '_>, matrix: ValueId) -> Built {
        let shape = cx.by_ty().shape;
        cx.reshape(matrix, &shape).map(Some)
    }
}

/// r = w/√(Σ w² + ε) by column: ρ·(g − r·Σ g·r) with ρ = 1/√(Σ w² + ε).
pub(super) fn normalize(cx: &mut Vjp<'_, '_>) -> Built {
    let columns = Columns::of(cx);
    let (w, r) = (cx.operand(0), cx.result(0));
    let w = columns.matrix(cx, w)?;
    let r = columns.matrix(cx, r)?;
    let g = columns.matrix(cx, cx.g())?;
    let epsilon = cx.node.attrs.f32("epsilon").unwrap_or(1e-4);
    let square = cx.mul(w, w)?;
    let norm = columns.sum(cx, square)?;
    let epsilon = cx.number(norm, epsilon.into())?;
    let norm = cx.add(norm, epsilon)?;
    let inverse = cx.op(Op::Rsqrt, &[norm])?;
    let along = cx.mul(g, r)?;
    let along = columns.sum(cx, along)?;
    let radial = cx.mul(r, along)?;
    let tangent = cx.sub(g, radial)?;
    let gradient = cx.mul(tangent, inverse)?;
    columns.weight(cx, gradient)
}

/// r = Ternary(w, Δ), w: g ⊙ S (HLA Eq. 11–12).
pub(super) fn ste_weight(cx: &mut Vjp<'_, '_>) -> Built {
    rescaled(cx).map(Some)
}

/// g ⊙ S.
fn rescaled(cx: &mut Vjp<'_, '_>) -> New {
    let (w, r, g) = (cx.operand(0), cx.result(0), cx.g());
    let one = cx.number(w, 1.0)?;
    let slope = match cx.node.attrs.str("rescale") {
        Some("none") => return Ok(g),
        // S = max(0, 1 − (w/α)²), and 1/α² is the number of non-zeros of the column.
        Some("alpha") => {
            let zero = cx.number(w, 0.0)?;
            let zeros = cx.op(Op::Equal, &[r, zero])?;
            let ones = cx.drop(zeros, one)?;
            let count = cx.sum_columns(ones, cx.axis())?;
            let square = cx.mul(w, w)?;
            let scaled = cx.mul(square, count)?;
            let slope = cx.sub(one, scaled)?;
            cx.op(Op::Maximum, &[slope, zero])?
        }
        // S = 1 − w².
        _ => {
            let square = cx.mul(w, w)?;
            cx.sub(one, square)?
        }
    };
    cx.mul(g, slope)
}

/// r = Ternary(w, Δ), Δ: Eq. 13, the mean of g ⊙ S over w ≠ 0, as printed or by a symmetric
/// threshold.
pub(super) fn ste_threshold(cx: &mut Vjp<'_, '_>) -> Built {
    let (w, count) = (cx.operand(0), cx.ty(cx.operand(0)).elements());
    let signed = match cx.node.attrs.str("threshold_gradient") {
        Some("none") => return Ok(None),
        Some("symmetric") => false,
        _ => true,
    };
    let g = rescaled(cx)?;
    let (terms, factor) = if signed {
        let zero = cx.number(w, 0.0)?;
        let zeros = cx.op(Op::Equal, &[w, zero])?;
        (cx.drop(zeros, g)?, 1.0)
    } else {
        (cx.with_sign(g, w)?, -1.0)
    };
    let shape = cx.ty(w).shape.clone();
    let terms = cx.full(terms, &shape)?;
    let row = cx.reshape(terms, &[count])?;
    let sum = cx.along(Op::ReduceSum, row, 0)?;
    cx.scale(sum, factor / count as f64).map(Some)
}

/// The latent gets g ⊙ slope.
pub(super) fn straight_through(cx: &mut Vjp<'_, '_>) -> Built {
    if cx.node.operands.len() < 3 {
        return Ok(Some(cx.g()));
    }
    let slope = cx.operand(2);
    cx.mul(cx.g(), slope).map(Some)
}

/// L_d = (1/n)·Σ_j (w_jᵀŵ_j − 1)², ŵ constant: g·(2/n)·(w_jᵀŵ_j − 1)·ŵ.
pub(super) fn loss_aware(cx: &mut Vjp<'_, '_>) -> Built {
    let columns = Columns::of(cx);
    let w = cx.operand(0);
    let w = columns.matrix(cx, w)?;
    let ternary = ternarized(cx)?;
    let ternary = columns.matrix(cx, ternary)?;
    let product = cx.mul(w, ternary)?;
    let cosine = columns.sum(cx, product)?;
    let one = cx.number(cosine, 1.0)?;
    let distance = cx.sub(cosine, one)?;
    let g = cx.reshape(cx.g(), &vec![1; columns.shape.len()])?;
    let g = cx.scale(g, 2.0 / columns.shape[columns.axis] as f64)?;
    let factor = cx.mul(distance, g)?;
    let gradient = cx.mul(factor, ternary)?;
    columns.weight(cx, gradient)
}

/// Ŵ of a loss-aware node: that of the forward function, if it ternarizes the same weight.
fn ternarized(cx: &mut Vjp<'_, '_>) -> New {
    let old = cx.rewriter.old();
    let same = |n: &&hla_ir::Node| {
        n.op == Op::SteTernarize
            && n.operands == cx.node.operands
            && n.attrs.get("axis") == cx.node.attrs.get("axis")
    };
    if let Some(node) = old.nodes.iter().find(same) {
        return Ok(cx.rewriter.get(node.result()));
    }
    let operands: [ValueId; 2] = [cx.operand(0), cx.operand(1)];
    cx.push(Op::SteTernarize, &operands, cx.attrs(&["axis"]))
}

/// Mean cross-entropy of softmax p and targets t: g·(p·Σt − t)/N; Σt is 1 but for a label outside
/// of the classes, which has only its share s of smoothing.
pub(super) fn softmax_cross_entropy(cx: &mut Vjp<'_, '_>) -> Built {
    let (logits, labels) = (cx.operand(0), cx.operand(1));
    let &[rows, classes] = &cx.ty(logits).shape[..] else {
        return Ok(None);
    };
    let smoothing = f64::from(cx.node.attrs.f32("label_smoothing").unwrap_or(0.0));

    let largest = cx.along(Op::ReduceMax, logits, 1)?;
    let below = cx.sub(logits, largest)?;
    let exp = cx.op(Op::Exp, &[below])?;
    let total = cx.along(Op::ReduceSum, exp, 1)?;
    let inverse = cx.op(Op::Reciprocal, &[total])?;
    let softmax = cx.mul(exp, inverse)?;

    let labels = cx.reshape(labels, &[rows, 1])?;
    let numbers = class_numbers(cx, classes)?;
    let hit = cx.op(Op::Equal, &[labels, numbers])?;
    let share = smoothing / classes as f64;
    let high = cx.number(logits, 1.0 - smoothing + share)?;
    let low = cx.number(logits, share)?;
    let target = cx.op(Op::Select, &[hit, high, low])?;

    let zero = cx.splat(&[1, 1], DType::I32, 0.0)?;
    let end = cx.splat(&[1, 1], DType::I32, classes as f64)?;
    let from = cx.op(Op::GreaterEqual, &[labels, zero])?;
    let until = cx.op(Op::Greater, &[end, labels])?;
    let valid = cx.op(Op::LogicalAnd, &[from, until])?;
    let one = cx.number(logits, 1.0)?;
    let rest = cx.number(logits, smoothing)?;
    let weight = cx.op(Op::Select, &[valid, one, rest])?;

    let expected = cx.mul(softmax, weight)?;
    let difference = cx.sub(expected, target)?;
    let g = cx.reshape(cx.g(), &[1, 1])?;
    let g = cx.scale(g, 1.0 / rows as f64)?;
    cx.mul(difference, g).map(Some)
}

/// 0, 1, … as \[1, C\].
fn class_numbers(cx: &mut Vjp<'_, '_>, classes: usize) -> New {
    let location = cx.node.location.clone();
    let failed = |message| hla_ir::Diagnostic::error(location.clone(), message);
    let ty = TensorType::try_new([1, classes], DType::I32).map_err(failed)?;
    let values: Vec<i64> = (0..classes as i64).collect();
    let values = hla_ir::Tensor::from_i64s(ty, &values).map_err(failed)?;
    let location = location.clone();
    cx.rewriter.constant(values, location)
}
