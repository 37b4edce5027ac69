//! `hla-pack`: the trits of ternary contractions become 2-bit codes, `hla.unpack` of a constant.
//!
//! Layout version 1 as in [`hla_quant::pack`]: four codes a byte, every output channel starting on a
//! byte. A backend that knows `hla.unpack` of a constant keeps the packed bytes.

use hla_ir::{Attrs, DType, Diagnostic, Function, Op, Rewriter, Tensor, TensorType, ValueId};
use hla_ir::{Location, rewrite};
use hla_quant::pack;

use crate::limits;
use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;

/// The layout this pass writes.
pub const LAYOUT_VERSION: i64 = 1;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-pack",
    summary: "store ternary weights as 2-bit codes",
    options: &[],
    run,
};

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    limits::check_constants(function)?;
    let (mut before, mut after, mut count) = (0, 0, 0usize);
    let new = rewrite::rewrite(function, |rewriter, _, node| {
        if !matches!(node.op, Op::TernaryConv2d | Op::TernaryMatMul) {
            return Ok(None);
        }
        let old = rewriter.old();
        let Some(constant) = old.defining_node(node.operands[1]) else {
            return Ok(None);
        };
        let Some(trits) = constant.constant() else {
            return Ok(None);
        };
        let at = if constant.location.is_unknown() {
            &node.location
        } else {
            &constant.location
        };
        let mut operands = rewriter.get_all(&node.operands);
        operands[1] = packed(rewriter, trits, at)?;
        count += 1;
        before += trits.ty().bytes();
        after += trits.shape().first().map_or(0, |&n| {
            pack::packed_len(n, trits.ty().elements() / n.max(1))
        });
        let attrs = node.attrs.clone();
        let result = rewriter.push(node.op, &operands, attrs, node.location.clone())?;
        Ok(Some(vec![result]))
    })?;
    let mut report = Report::default();
    report.figure("packed layers", count);
    report.figure("bytes before", before);
    report.figure("bytes after", after);
    Ok((new, report))
}

/// `hla.unpack` of the packed constant.
fn packed(
    rewriter: &mut Rewriter<'_>,
    trits: &Tensor,
    at: &Location,
) -> Result<ValueId, Diagnostic> {
    let bad = |message: String| Diagnostic::error(at.clone(), message);
    let (rows, row_len) = pack::rows(trits.shape());
    let values: Vec<i8> = trits.to_bytes().iter().map(|&b| b as i8).collect();
    let bytes = pack::pack(&values, rows, row_len).map_err(|error| {
        bad(format!("these weights cannot be packed: {error}")).help(
            "a ternary contraction takes weights of -1, 0 and 1 only; `hla-ternarize` makes them",
        )
    })?;
    let ty = TensorType::try_new([bytes.len()], DType::I8).map_err(bad)?;
    let tensor = Tensor::from_bytes(ty, bytes).map_err(bad)?;
    let constant = rewriter.constant(tensor, at.clone())?;
    let shape: Vec<i64> = trits.shape().iter().map(|&d| d as i64).collect();
    let attrs = Attrs::new()
        .with("shape", shape)
        .with("layout_version", LAYOUT_VERSION);
    rewriter.push(Op::Unpack, &[constant], attrs, at.clone())
}
