//! Maps: kernels in which each element of the results is computed from elements of the inputs, by
//! elementwise ops, or by none at all where data is only moved.
//!
//! - [`source`] is where the inputs of a map are: strided, in pieces, or padded with a number;
//! - [`nest`] merges neighbouring dimensions, so that most maps have one or two;
//! - `shape` decides how many elements a thread computes; `gpu` and `linalg` write the kernel.

mod gpu;
pub(crate) mod linalg;
pub mod nest;
mod shape;
pub mod source;

use hla_ir::{Diagnostic, NodeId};

use crate::kernel::KernelCode;
use crate::lower::chain::Chain;
use crate::lower::{Lowering, Place};
use nest::Nest;
use source::{Piece, Source};

/// Adds one kernel for a group of elementwise nodes; the results of `roots`, of one shape, are
/// stored.
pub(crate) fn lower(
    cx: &mut Lowering<'_>,
    group: &[NodeId],
    roots: &[NodeId],
) -> Result<(), Diagnostic> {
    let chain = Chain::stored(cx, group, roots)?;
    let mut results = Vec::with_capacity(roots.len());
    for &root in roots {
        let node = cx.function.node(root);
        let result = cx.result(node, 0)?;
        let elements = result.ty.elements();
        for input in &chain.inputs {
            if input.place.ty.elements() == elements {
                cx.may_overwrite(&result, &input.place);
            }
        }
        results.push(result);
    }
    let sources = chain.inputs.into_iter().map(Piece::whole).map(Source::from);
    let map = Map {
        extents: chain.extents,
        sources: sources.collect(),
        body: chain.body,
        computes: format!("map: {}", chain.computes),
    };
    map.launch(cx, &results);
    Ok(())
}

/// Elementwise ops on sources over a domain, before a kernel is written for it.
pub(crate) struct Map {
    /// Extents of the domain, outermost first; in this order the results are row-major.
    pub extents: Vec<usize>,
    /// The inputs of the body.
    pub sources: Vec<Source>,
    /// The ops.
    pub body: crate::Body,
    /// What it computes, for people.
    pub computes: String,
}

impl Map {
    /// Adds the kernel that stores the results of the body at these places.
    pub fn launch(self, cx: &mut Lowering<'_>, results: &[Place]) {
        if self.extents.contains(&0) {
            return;
        }
        let computes = format!("{} over {:?}", self.computes, self.extents);
        let nest = Nest::new(self.extents, self.sources);
        let places = nest.places();
        let mut args: Vec<_> = places.iter().map(|p| p.flat().read()).collect();
        args.extend(results.iter().map(|p| p.flat().write()));
        let shape = shape::Shape::of(&nest, results);
        let code = KernelCode {
            computes,
            grid: [shape.blocks, 1, 1],
            block: [shape.threads, 1, 1],
            shared_bytes: 0,
            gpu: gpu::text(&nest, &self.body, results, &shape),
            linalg: linalg::text(&nest, &self.body, results),
        };
        cx.launch(code, args);
    }
}
