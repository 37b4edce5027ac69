//! `hla-plan-layout`: which values lie in planes, one channel after the other, and which lie
//! row-major, channels innermost.
//!
//! Ternary convolutions add whole rows of pixels of one channel, so what they read and write is best
//! planar; float contractions and all that reshapes want row-major. [`hla_ir::layout`] says which
//! ops accept what. Two passes over the function decide:
//! - backwards, each value learns whether a ternary convolution reads it as input or residual, at
//!   once, after elementwise ops, or only after a pooling op;
//! - forwards, such a value becomes planar where its op writes planes well: a ternary convolution
//!   always does; an elementwise op if it reads planes, or if no pooling op comes first, which would
//!   leave less to turn over; a pooling op only if it reads planes.
//!
//! Where a planar value meets an op that needs row-major, or the end of the function, `hla.relayout`
//! stands between. A ternary convolution reads row-major values as they are.

use hla_ir::layout::LAYOUT;
use hla_ir::{Attrs, DType, Diagnostic, Function, Layout, Location, Node, Op, Rewriter, ValueId};

use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-plan-layout",
    summary: "store what ternary convolutions read and write by channel",
    options: &[],
    run,
};

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    let wanted = wanted(function);
    let mut planar = vec![false; function.values.len()];
    let mut counts = (0_usize, 0_usize);
    let mut rewriter = Rewriter::new(function);
    for (id, node) in function.iter_nodes() {
        let makes_planes = !node.results.is_empty() && {
            let reads_planes = node.operands.iter().any(|o| planar[o.index()]);
            match (kind(function, node), wanted[node.result().index()]) {
                (_, Wanted::Not) | (Kind::RowMajor, _) => false,
                (Kind::Ternary, _) | (Kind::Elementwise, Wanted::Now) => true,
                (Kind::Elementwise | Kind::Pool, _) => reads_planes,
            }
        };
        if makes_planes {
            planar[node.result().index()] = true;
            counts.0 += 1;
            let mut attrs = node.attrs.clone();
            let layout = Layout::Planar {
                halo: [0; 4],
                element: function.tensor_ty(node.result()).dtype,
            };
            attrs.set(LAYOUT, &*layout.to_string());
            let operands = rewriter.get_all(&node.operands);
            let new = rewriter.push_node(node.op, &operands, attrs, node.location.clone())?;
            for (i, &result) in node.results.iter().enumerate() {
                let value = rewriter.new_function().node(new).results[i];
                rewriter.set(result, value);
            }
        } else if kind(function, node) == Kind::RowMajor {
            let planes: Vec<ValueId> = (node.operands.iter().copied())
                .filter(|operand| planar[operand.index()])
                .collect();
            let before = rewriter.get_all(&planes);
            for &value in &planes {
                let dense = row_major(&mut rewriter, value, &node.location)?;
                rewriter.set(value, dense);
                counts.1 += 1;
            }
            rewriter.copy(id)?;
            for (&value, new) in planes.iter().zip(before) {
                rewriter.set(value, new);
            }
        } else {
            rewriter.copy(id)?;
        }
    }
    for &result in &function.results {
        if planar[result.index()] {
            let dense = row_major(&mut rewriter, result, &function.location)?;
            rewriter.set(result, dense);
            planar[result.index()] = false;
            counts.1 += 1;
        }
    }
    let mut report = Report::default();
    report.figure("planar values", counts.0);
    report.figure("changes of layout", counts.1);
    Ok((rewriter.finish(), report))
}

/// What an op can do with layouts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Reads and writes any layout; wants planes.
    Ternary,
    /// Reads and writes any layout.
    Elementwise,
    /// Reads and writes any layout, fast where both are the same.
    Pool,
    /// Reads and writes row-major values only.
    RowMajor,
}

fn kind(function: &Function, node: &Node) -> Kind {
    let can_be_planar = |value: &ValueId| {
        function
            .ty(*value)
            .tensor()
            .is_some_and(|ty| ty.rank() == 4 && matches!(ty.dtype, DType::F32 | DType::I8))
    };
    let has_layout = node.attrs.get(LAYOUT).is_some();
    match node.op {
        _ if has_layout => Kind::RowMajor,
        Op::TernaryConv2d => Kind::Ternary,
        Op::MaxPool2d | Op::AvgPool2d if can_be_planar(&node.operands[0]) => Kind::Pool,
        Op::DynamicQuantize if can_be_planar(&node.operands[0]) => Kind::Elementwise,
        op if op.def().elementwise
            && node.operands.iter().all(can_be_planar)
            && node.results.iter().all(can_be_planar) =>
        {
            Kind::Elementwise
        }
        _ => Kind::RowMajor,
    }
}

/// How soon a ternary convolution reads a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    /// None does.
    Not,
    /// After a pooling op.
    Later,
    /// At once, or after elementwise ops.
    Now,
}

/// How soon ternary convolutions read each value.
fn wanted(function: &Function) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::Not; function.values.len()];
    for node in function.nodes.iter().rev() {
        let passed_on = |wanted: &[Wanted]| wanted[node.result().index()];
        for (i, operand) in node.operands.iter().enumerate() {
            let soon = match kind(function, node) {
                Kind::Ternary if i == 0 || i == 4 => Wanted::Now,
                Kind::Elementwise => passed_on(&wanted),
                Kind::Pool => passed_on(&wanted).min(Wanted::Later),
                Kind::Ternary | Kind::RowMajor => Wanted::Not,
            };
            let slot = &mut wanted[operand.index()];
            *slot = (*slot).max(soon);
        }
    }
    wanted
}

/// The value in row-major layout.
fn row_major(
    rewriter: &mut Rewriter<'_>,
    value: ValueId,
    location: &Location,
) -> Result<ValueId, Diagnostic> {
    let attrs = Attrs::new().with(LAYOUT, &*Layout::RowMajor.to_string());
    let new = rewriter.get(value);
    rewriter.push(Op::Relayout, &[new], attrs, location.clone())
}
