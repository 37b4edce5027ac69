//! `hla-fuse`: clamps, residual sums and quantizations move into the epilogue of the ternary
//! contraction before them.
//!
//! The epilogue computes fma(Σ, scale, bias), then adds residual·residual_scale, clamps, and rounds
//! to i8 if it must: so clamp(T + r) becomes one op, while clamp(T) + r keeps its sum.
//! - `epilogue`: what a ternary contraction takes in;
//! - `motion`: ops that only move elements, or choose among them, let clamps and quantizations
//!   pass upwards and dequantizations downwards.
//!
//! Exact, to the bit: clamps, f32 residuals, motion. A fused quantization may differ by one step,
//! a dequantization by the last places of a sum, since scales multiply into each other. A value that
//! others read too is never computed twice: what reads it stays as it is.

use std::collections::HashMap;

use hla_ir::layout::LAYOUT;
use hla_ir::rewrite::rewrite;
use hla_ir::{DType, Diagnostic, Function, Node, Op, Rewriter, ValueId};

use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;

mod epilogue;
mod motion;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-fuse",
    summary: "move clamps, residual sums and quantizations into ternary contractions",
    options: &[],
    run,
};

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    // Equal nodes first become one, so that a value's uses can be counted.
    let function = rewrite(function, |_, _, _| Ok(None))?;
    let mut fuser = Fuser::new(&function);
    for (id, node) in function.iter_nodes() {
        match fuser.fused(node)? {
            Some(value) => fuser.map(node.result(), value),
            None => {
                fuser.rewriter.copy(id)?;
                for &result in &node.results {
                    let new = fuser.rewriter.get(result);
                    fuser.map(result, new);
                }
            }
        }
    }
    let counts = fuser.counts;
    let mut report = Report::default();
    report.figure("clamps fused", counts.clamps);
    report.figure("residuals fused", counts.residuals);
    report.figure("quantizations fused", counts.quantizations);
    report.figure("dequantizations fused", counts.dequantizations);
    Ok((fuser.rewriter.finish(), report))
}

/// How many ops went where.
#[derive(Default)]
struct Counts {
    clamps: usize,
    residuals: usize,
    quantizations: usize,
    dequantizations: usize,
}

/// The new function in the making.
struct Fuser<'a> {
    rewriter: Rewriter<'a>,
    /// Uses of each value of the old function.
    old_uses: Vec<usize>,
    /// Uses that values of the new function will have.
    uses: HashMap<ValueId, usize>,
    counts: Counts,
}

impl<'a> Fuser<'a> {
    fn new(function: &'a Function) -> Fuser<'a> {
        let mut old_uses: Vec<usize> = function.users().iter().map(Vec::len).collect();
        for result in &function.results {
            old_uses[result.index()] += 1;
        }
        Fuser {
            rewriter: Rewriter::new(function),
            old_uses,
            uses: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// Lets a new value stand for an old one, and hands its uses on.
    fn map(&mut self, old: ValueId, new: ValueId) {
        self.rewriter.set(old, new);
        *self.uses.entry(new).or_default() += self.old_uses[old.index()];
    }

    /// Whether exactly one op reads a new value.
    fn is_used_once(&self, value: ValueId) -> bool {
        self.uses.get(&value) == Some(&1)
    }

    fn dtype(&self, value: ValueId) -> Option<DType> {
        let ty = self.rewriter.new_function().ty(value).tensor()?;
        Some(ty.dtype)
    }

    /// The node of this op that defines a new value.
    fn defined_by(&self, value: ValueId, op: Op) -> Option<Node> {
        let node = self.rewriter.defining_node(value)?;
        (node.op == op && node.attrs.get(LAYOUT).is_none()).then(|| node.clone())
    }

    /// What stands for the result of an old node, if not a copy of it.
    fn fused(&mut self, node: &Node) -> Result<Option<ValueId>, Diagnostic> {
        if node.attrs.get(LAYOUT).is_some() {
            return Ok(None);
        }
        match node.op {
            Op::Clamp => self.clamp(node),
            Op::Add | Op::Sub => self.residual(node),
            Op::Quantize => self.quantize(node),
            Op::TernaryConv2d | Op::TernaryMatMul => self.dequantized_operands(node),
            op if motion::moves(op) => self.dequantize_below(node),
            _ => Ok(None),
        }
    }
}
