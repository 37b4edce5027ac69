//! Reductions along an axis, and selection.
//!
//! What is reduced may be computed on the way by elementwise ops, several reductions of one domain
//! are one pass, and elementwise ops may follow on the results. The domain is seen as
//! [outer, axis, inner]. There are two kernels:
//!
//! - `rows`: nothing lies inside the axis. A group of threads, part of a warp or a whole block, walks
//!   along each row with vector loads;
//! - `columns`: threads lie side by side along the inner extent, rows of threads walk down the axis.
//!
//! In both, shuffles and then shared memory bring the threads' results together (`across`). A long
//! axis of which there are few is cut into segments, whose results a second kernel combines. How
//! work is shared (`plan`) depends on extents alone, so results have the same bits on every GPU; there
//! are no atomics. Sums are trees over many short runs, and so nearly as precise as pairwise sums.
//!
//! Floats narrower than f32 are combined as f32; integers wrap (`combine`).

mod access;
mod across;
mod columns;
mod combine;
mod linalg;
mod pass;
mod plan;
mod rows;

use hla_ir::{DType, Diagnostic, Node, NodeId, Op};
use hla_partition::Domain;

use crate::lower::chain::{Chain, Strided};
use crate::lower::{Lowering, Place};
use crate::{Body, BodyValue};
pub(crate) use combine::{Combine, is_larger, narrowed, wide, widened};
use pass::Pass;
use plan::{Extents, Schedule};

/// A reduction of all that a body gives.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reduce {
    /// Extents.
    pub domain: Extents,
    /// What the body reads, over [outer, axis, inner].
    pub inputs: Vec<Strided>,
    /// Gives one value for each of `parts`.
    pub body: Body,
    /// How each of the body's results is combined.
    pub parts: Vec<Combine>,
    /// What `finish` reads besides, over [outer, 1, inner].
    pub finish_inputs: Vec<Strided>,
    /// Computes the results from those of `parts`, then the values of `finish_inputs`.
    pub finish: Body,
    /// What it computes, for people.
    pub computes: String,
}

/// Adds the kernels of reductions over one domain: elementwise nodes of one shape, then the
/// reductions of their results or of other values.
pub(crate) fn lower(
    cx: &mut Lowering<'_>,
    group: &[NodeId],
    roots: &[NodeId],
) -> Result<(), Diagnostic> {
    let Some(&first) = roots.first() else {
        return Ok(());
    };
    let node = cx.function.node(first);
    let Some(domain) = Domain::of(cx.function, node) else {
        return Err(cx.unsupported(node));
    };
    let chain = Chain::reduced(cx, group, roots, &domain)?;
    let mut results = Vec::with_capacity(roots.len());
    let mut parts = Vec::with_capacity(roots.len());
    for &root in roots {
        let node = cx.function.node(root);
        results.push(cx.result(node, 0)?);
        parts.push(combine_of(node));
    }
    Reduce::of(chain, parts).launch(cx, &results);
    Ok(())
}

/// Adds the kernels of `tosa.argmax`.
pub(crate) fn lower_argmax(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let Some(domain) = Domain::of(cx.function, node) else {
        return Err(cx.unsupported(node));
    };
    let domain = Extents::of(&domain);
    let input = domain.dense(cx.operand(node, 0)?);
    let result = cx.result(node, 0)?;
    let chain = Chain {
        extents: domain.all().to_vec(),
        body: identity(&[input.place.ty.dtype]),
        inputs: vec![input],
        given: 0,
        computes: String::new(),
    };
    Reduce::of(chain, vec![combine_of(node)]).launch(cx, &[result]);
    Ok(())
}

/// How a node combines the elements along its axis.
fn combine_of(node: &Node) -> Combine {
    let ignore_nan = node.attrs.str("nan_mode") == Some("IGNORE");
    match node.op {
        Op::ReduceSum => Combine::Sum,
        Op::ReduceProduct => Combine::Product,
        Op::ReduceMax => Combine::Max { ignore_nan },
        Op::ReduceMin => Combine::Min { ignore_nan },
        _ => Combine::ArgMax {
            ignore_nan,
            index: node.attrs.dtype("out_type").unwrap_or(DType::I32),
        },
    }
}

impl Reduce {
    /// The reductions of what a chain over [outer, axis, inner] gives; nothing follows.
    pub(crate) fn of(chain: Chain, parts: Vec<Combine>) -> Reduce {
        let results = chain.body.results.iter().zip(&parts);
        let dtypes: Vec<DType> = results
            .map(|(&value, part)| part.result(chain.body.dtype(value)))
            .collect();
        let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
        let mut computes = format!("reduce: {}", names.join(", "));
        if !chain.computes.is_empty() {
            computes.push_str(" of ");
            computes.push_str(&chain.computes);
        }
        let domain = Extents::from(&chain.extents[..]);
        let inputs = chain.inputs.into_iter();
        Reduce {
            domain,
            inputs: inputs.map(|input| domain.normal(input)).collect(),
            body: chain.body,
            parts,
            finish_inputs: Vec::new(),
            finish: identity(&dtypes),
            computes,
        }
    }

    /// Adds the kernels that store the results at these places, which are row-major in
    /// [outer, inner].
    pub(crate) fn launch(&self, cx: &mut Lowering<'_>, results: &[Place]) {
        if self.domain.outer * self.domain.inner == 0 {
            return;
        }
        let results: Vec<Place> = results.iter().map(Place::flat).collect();
        let schedule = Schedule::choose(self);
        if schedule.segments() == 1 {
            Pass::only(self, schedule).launch(cx, &results);
            return;
        }
        let first = Pass::first(self, schedule);
        let states: Vec<Place> = first.outputs().into_iter().map(|ty| cx.temp(ty)).collect();
        first.launch(cx, &states);
        let second = self.second(&states, schedule.segments());
        Pass::second(self, &second, Schedule::last(&second)).launch(cx, &results);
    }

    /// The reduction of what the segments gave.
    fn second(&self, states: &[Place], segments: usize) -> Reduce {
        let domain = Extents {
            axis: segments,
            ..self.domain
        };
        let dtypes: Vec<DType> = states.iter().map(|place| place.ty.dtype).collect();
        Reduce {
            domain,
            inputs: states.iter().map(|p| domain.dense(p.clone())).collect(),
            body: identity(&dtypes),
            ..self.clone()
        }
    }
}

/// A body that gives its inputs.
pub(crate) fn identity(dtypes: &[DType]) -> Body {
    Body {
        inputs: dtypes.to_vec(),
        ops: Vec::new(),
        results: (0..dtypes.len()).map(BodyValue::Input).collect(),
    }
}
