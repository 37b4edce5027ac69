//! `hla-loss`: from logits to a loss and the number of right answers.
//!
//! - `kind=cross-entropy`: input `labels` (i32 \[N\]); loss = mean over N of the cross-entropy of
//!   softmax(logits) and (1 − s)·onehot + s/C, s = `label-smoothing`; `correct` counts
//!   argmax(logits) = label.
//! - `kind=mse`: input `targets`, of the logits' type; loss = mean of (logits − targets)² over all
//!   elements; `correct` counts equal argmaxes where there are rows of more than one class.
//!
//! The results are `objective` (what gradient descent minimises), `loss` and `correct`, in place of
//! the logits; `hla.updates` results stay.

use hla_ir::graph::{GRADIENT, RESULT_NAME, UPDATES};
use hla_ir::{Attrs, DType, Diagnostic, Function, Location, Op, Rewriter, TensorType, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::training::edit::{add_input, plain, reshape, splat, sum_over};

pub(crate) const KIND: OptionInfo = OptionInfo {
    name: "kind",
    kind: OptionKind::Choice(&["cross-entropy", "mse"]),
    default: "cross-entropy",
    help: "softmax cross-entropy with integer labels, or mean squared error",
};

pub(crate) const LABEL_SMOOTHING: OptionInfo = OptionInfo {
    name: "label-smoothing",
    kind: OptionKind::Float(0.0, 1.0),
    default: "0",
    help: "s of cross-entropy: the target is (1 - s)·onehot + s/C",
};

pub(crate) const KEEP_LOGITS: OptionInfo = OptionInfo {
    name: "keep-logits",
    kind: OptionKind::Flag,
    default: "false",
    help: "keep the logits as the result 'logits'",
};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-loss",
    summary: "turn logits into a loss and a count of right answers",
    options: &[
        KIND,
        LABEL_SMOOTHING,
        KEEP_LOGITS,
        OptionInfo {
            name: "objective",
            kind: OptionKind::Flag,
            default: "true",
            help: "name what gradient descent minimises; evaluation needs none",
        },
    ],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    let at_logits = find_logits(function)?;
    let old_logits = function.results[at_logits];
    let at = function
        .defining_node(old_logits)
        .map_or(&function.location, |n| &n.location);
    let cross_entropy = options.text("kind") == "cross-entropy";
    let old_ty = function
        .ty(old_logits)
        .tensor()
        .filter(|t| t.dtype == DType::F32);
    let shape = old_ty.and_then(|ty| match cross_entropy {
        true => batch_and_classes(&ty.shape),
        false => Some(ty.shape.clone()),
    });
    let Some(shape) = shape.filter(|s| !s.is_empty() && s.iter().product::<usize>() > 0) else {
        let wanted = match cross_entropy {
            true => "[N, C], [N, 1, 1, C] or [1, N, C] of f32",
            false => "a tensor of f32 that is not empty",
        };
        let found = function.ty(old_logits);
        return Err(Diagnostic::error(
            at.clone(),
            format!("the model returns {found}, but a loss needs {wanted}"),
        )
        .help("return one row of logits for each example; tosa.reshape brings them there"));
    };
    let mut rewriter = Rewriter::new(function);
    let (name, ty) = match cross_entropy {
        true => ("labels", TensorType::new([shape[0]], DType::I32)),
        false => ("targets", TensorType::f32(&shape[..])),
    };
    let truth = add_input(&mut rewriter, PASS.name, name, ty)?;
    for (id, _) in function.iter_nodes() {
        rewriter.copy(id)?;
    }
    let logits = rewriter.get(old_logits);
    let logits = reshape(&mut rewriter, logits, &shape, at)?;
    let loss = if cross_entropy {
        let smoothing = options.float("label-smoothing") as f32;
        let attrs = Attrs::new().with("label_smoothing", smoothing);
        rewriter.push(Op::SoftmaxCrossEntropy, &[logits, truth], attrs, at.clone())?
    } else {
        mean_square(&mut rewriter, logits, truth, at)?
    };
    let mut results = Vec::new();
    if options.flag("objective") {
        results.push((loss, "objective"));
    }
    results.push((loss, "loss"));
    if cross_entropy {
        let answers = argmax(&mut rewriter, logits, at)?;
        results.push((count_equal(&mut rewriter, answers, truth, at)?, "correct"));
    } else if let Some(rows) = batch_and_classes(&shape).filter(|rows| rows[1] > 1) {
        let mut answers = [logits, truth];
        for rows_of in &mut answers {
            let reshaped = reshape(&mut rewriter, *rows_of, &rows, at)?;
            *rows_of = argmax(&mut rewriter, reshaped, at)?;
        }
        let [answers, truth] = answers;
        results.push((count_equal(&mut rewriter, answers, truth, at)?, "correct"));
    }
    if options.flag("keep-logits") {
        results.push((logits, "logits"));
    }
    let mut results: Vec<(ValueId, Attrs)> = (results.into_iter())
        .map(|(value, name)| (value, Attrs::new().with(RESULT_NAME, name)))
        .collect();
    let mut others = rewriter.mapped_results();
    others.remove(at_logits);
    results.extend(others);
    Ok((rewriter.finish_with(results), Report::default()))
}

/// The result that holds the logits: the only one that is no update, gradient or named otherwise.
pub(crate) fn find_logits(function: &Function) -> Result<usize, Diagnostic> {
    let is_model = |attrs: &Attrs| {
        attrs.get(UPDATES).is_none()
            && attrs.get(GRADIENT).is_none()
            && attrs
                .str(RESULT_NAME)
                .is_none_or(|n| !matches!(n, "objective" | "loss" | "loss_aware" | "correct"))
    };
    let hits: Vec<usize> = (0..function.results.len())
        .filter(|&i| function.result_attrs.get(i).is_none_or(is_model))
        .collect();
    match hits[..] {
        [only] => Ok(only),
        _ => Err(Diagnostic::error(
            function.location.clone(),
            format!(
                "'{}' returns {} values, but a loss is of one: the logits",
                function.name,
                hits.len()
            ),
        )
        .help("train a function that returns its logits alone")),
    }
}

/// \[N, C\] of the shapes that stand for it.
fn batch_and_classes(shape: &[usize]) -> Option<Vec<usize>> {
    match *shape {
        [n, c] | [n, 1, 1, c] | [1, n, c] => Some(vec![n, c]),
        _ => None,
    }
}

/// (1/count)·Σ (logits − targets)².
fn mean_square(
    rewriter: &mut Rewriter<'_>,
    logits: ValueId,
    targets: ValueId,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let ty = rewriter.new_function().tensor_ty(logits).clone();
    let difference = plain(rewriter, Op::Sub, &[logits, targets], at)?;
    let square = plain(rewriter, Op::Mul, &[difference, difference], at)?;
    let sum = sum_over(rewriter, square, 0..ty.rank(), at)?;
    let sum = reshape(rewriter, sum, &[1], at)?;
    let share = splat(rewriter, [1], 1.0 / ty.elements() as f64, at)?;
    plain(rewriter, Op::Mul, &[sum, share], at)
}

fn argmax(
    rewriter: &mut Rewriter<'_>,
    rows: ValueId,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let attrs = Attrs::new()
        .with("axis", 1_i64)
        .with("out_type", DType::I32);
    rewriter.push(Op::ArgMax, &[rows], attrs, at.clone())
}

/// In how many places two vectors are equal.
fn count_equal(
    rewriter: &mut Rewriter<'_>,
    a: ValueId,
    b: ValueId,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let equal = plain(rewriter, Op::Equal, &[a, b], at)?;
    let as_number = Attrs::new().with("out_type", DType::I32);
    let equal = rewriter.push(Op::Cast, &[equal], as_number, at.clone())?;
    sum_over(rewriter, equal, [0], at)
}
