//! Ops of training in TOSA: what a backend runs before it lowers a training function.
//!
//! [`decompose`] rewrites `hla.normalize`, `hla.ste_ternarize`, `hla.straight_through`,
//! `hla.stop_gradient`, `hla.loss_aware`, `hla.softmax_cross_entropy`, `hla.batch_norm` and
//! `hla.sgd_update`. `hla.threshold`, `hla.scatter_add` and the gradients of convolutions and
//! pooling stay: every backend has kernels for them.
//!
//! The result is made to fuse: broadcasting elementwise ops and reductions along one axis. Several
//! axes are reduced at once over a reshaped operand, and what a reduction gives is reshaped, never
//! the large tensor in the middle of an elementwise chain.
//!
//! - `columns`: ops on the columns of a weight; `loss`, `norm`, `update`: the others;
//! - `builder`: nodes of one decomposition.

mod builder;
mod columns;
mod loss;
mod norm;
mod update;

use crate::diagnostic::Diagnostic;
use crate::graph::{Function, Node, ValueId};
use crate::ops::Op;
use crate::rewrite::{Rewriter, rewrite};
use builder::Builder;

/// Rewrites every op of training that TOSA can say; all other nodes are copied. Sums run in the
/// order that `hla-reference` documents, so on the same arithmetic the results are equal to the
/// bit.
///
/// ```
/// use hla_ir::{Arg, Attrs, Function, Location, Op, TensorType, decompose::decompose};
///
/// let mut f = Function::new("f");
/// let w = f.add_arg(Arg::new(TensorType::f32([8, 3, 3, 4])));
/// let unit = f.push(Op::Normalize, &[w], Attrs::new(), Location::unknown())?;
/// f.results = vec![unit];
/// let decomposed = decompose(&f)?;
/// assert!(decomposed.nodes.iter().all(|n| n.name().starts_with("tosa.")));
/// assert_eq!(decomposed.tensor_ty(decomposed.results[0]), f.tensor_ty(w));
/// # Ok::<(), hla_ir::Diagnostic>(())
/// ```
///
/// # Errors
/// If the function is unsound: [`crate::verify::verify`] refuses it too.
pub fn decompose(function: &Function) -> Result<Function, Diagnostic> {
    rewrite(function, |rewriter, _, node| node_in_tosa(rewriter, node))
}

/// The new values of a node's results, if it has a decomposition.
fn node_in_tosa(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
) -> Result<Option<Vec<ValueId>>, Diagnostic> {
    let operands = rewriter.get_all(&node.operands);
    let mut b = Builder::new(rewriter, node);
    Ok(Some(match (node.op, &operands[..]) {
        (Op::Normalize, &[weight]) => vec![columns::normalize(&mut b, weight)?],
        (Op::SteTernarize, &[weight, threshold]) => {
            vec![columns::ternarize(&mut b, weight, threshold)?]
        }
        (Op::LossAware, &[weight, threshold]) => {
            vec![columns::loss_aware(&mut b, weight, threshold)?]
        }
        (Op::StraightThrough, &[_, value, ..]) => vec![value],
        (Op::StopGradient, &[input]) => vec![input],
        (Op::SoftmaxCrossEntropy, &[logits, labels]) => {
            vec![loss::softmax_cross_entropy(&mut b, logits, labels)?]
        }
        (Op::BatchNorm, &[input, scale, offset]) => norm::batch_norm(&mut b, input, scale, offset)?,
        (Op::SgdUpdate, &[parameter, gradient, momentum, rate]) => {
            update::sgd_update(&mut b, parameter, gradient, momentum, rate)?
        }
        _ => return Ok(None),
    }))
}
