//! `hla-canonicalize`: simpler forms of the same value, to the bit.
//!
//! Each rule stands with its algebra in one line above it; a rule never changes a bit of a result,
//! NaN payloads excepted. What re-associates floats belongs to `hla-freeze` and
//! `hla-eliminate-multiplies`.
//!
//! - `arithmetic`: neutral elements, double negation, merging of clamps;
//! - `conversion`: chains of casts;
//! - `movement`: reshapes, transposes, slices, pads, concatenations, tiles.

mod arithmetic;
mod conversion;
mod movement;

use std::collections::BTreeMap;

use hla_ir::rewrite::rewrite;
use hla_ir::{
    Attrs, Diagnostic, Function, Node, Op, Rewriter, Tensor, TensorType, ValueId, layout,
};

use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::{Report, Table};

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-canonicalize",
    summary: "bring ops into simpler forms of the same bits",
    options: &[],
    run,
};

/// Rules may enable each other; every round but the last makes the function simpler.
const MAX_ROUNDS: usize = 16;

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut current = function.clone();
    for _ in 0..MAX_ROUNDS {
        let mut changed = false;
        current = rewrite(&current, |rewriter, _, node| {
            let Some((name, value)) = simplify(rewriter, node)? else {
                return Ok(None);
            };
            *counts.entry(name).or_default() += 1;
            changed = true;
            Ok(Some(vec![value]))
        })?;
        if !changed {
            break;
        }
    }
    let mut report = Report::default();
    if !counts.is_empty() {
        let mut table = Table::new("canonicalization rules", &["rule", "times"]);
        table.rows = counts
            .iter()
            .map(|(&n, &c)| vec![n.into(), c.into()])
            .collect();
        report.tables.push(table);
    }
    Ok((current, report))
}

/// A rule: the value that stands for the node, if the rule applies.
type Rule = fn(&mut Cx<'_, '_>) -> Result<Option<ValueId>, Diagnostic>;

/// The first rule that applies, and what it gives.
fn simplify(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
) -> Result<Option<(&'static str, ValueId)>, Diagnostic> {
    // Who chose a layout means this very node; an opaque op is not to be looked into.
    if node.op == Op::Opaque || node.results.len() != 1 || node.attrs.get(layout::LAYOUT).is_some()
    {
        return Ok(None);
    }
    let old = rewriter.old();
    let Some(ty) = old.ty(node.result()).tensor() else {
        return Ok(None);
    };
    let operands = rewriter.get_all(&node.operands);
    let mut cx = Cx {
        rewriter,
        node,
        operands,
        ty,
    };
    for rules in [arithmetic::RULES, conversion::RULES, movement::RULES] {
        for (name, rule) in rules {
            // A rule that ignores broadcasting is held back here: the type must stay.
            if let Some(value) = rule(&mut cx)?
                && cx.rewriter.new_function().ty(value).tensor() == Some(ty)
            {
                return Ok(Some((name, value)));
            }
        }
    }
    Ok(None)
}

/// What a rule sees: the old node, with operands of the new function.
struct Cx<'a, 'f> {
    rewriter: &'a mut Rewriter<'f>,
    node: &'a Node,
    operands: Vec<ValueId>,
    /// Type of the result.
    ty: &'a TensorType,
}

impl Cx<'_, '_> {
    /// The node that defines operand `i`, if it is this op and nobody chose its layout.
    fn inner(&self, i: usize, op: Op) -> Option<&Node> {
        let node = self.rewriter.defining_node(*self.operands.get(i)?)?;
        (node.op == op && node.attrs.get(layout::LAYOUT).is_none()).then_some(node)
    }

    /// Operand `i` as a constant.
    fn constant(&self, i: usize) -> Option<&Tensor> {
        self.rewriter.constant_value(*self.operands.get(i)?)
    }

    /// The one value of a constant operand.
    fn splat(&self, i: usize) -> Option<f64> {
        self.constant(i)?.splat_value()
    }

    /// Type of operand `i`.
    fn operand_ty(&self, i: usize) -> &TensorType {
        self.value_ty(self.operands[i])
    }

    fn value_ty(&self, value: ValueId) -> &TensorType {
        self.rewriter.new_function().tensor_ty(value)
    }

    fn is(&self, op: Op) -> bool {
        self.node.op == op
    }

    /// Builds a node in this one's place.
    fn push(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attrs: Attrs,
    ) -> Result<Option<ValueId>, Diagnostic> {
        let location = self.node.location.clone();
        self.rewriter.push(op, operands, attrs, location).map(Some)
    }
}
