//! Ops that move elements or choose among them: what is done to each element by itself and keeps
//! their order may as well be done before or after.

use hla_ir::{Attr, DType, Diagnostic, Location, Node, Op, ValueId};

use super::Fuser;
use super::epilogue::{Action, is_ternary};

/// Whether every result element is one of the operands' elements (or a zero of padding), chosen by
/// place or as the largest.
pub(super) fn moves(op: Op) -> bool {
    matches!(
        op,
        Op::MaxPool2d
            | Op::Reshape
            | Op::Transpose
            | Op::Slice
            | Op::Reverse
            | Op::Concat
            | Op::Pad
            | Op::Identity
    )
}

impl Fuser<'_> {
    /// The op that moves elements and defines a value, if zeros it pads with stay zeros.
    fn motion(&self, value: ValueId, action: Action) -> Option<Node> {
        let node = self.rewriter.defining_node(value)?;
        let keeps_padding = match (node.op, action) {
            (Op::Pad, Action::Clamp { min, max }) => min <= 0.0 && max >= 0.0,
            _ => true,
        };
        let fits = moves(node.op) && pads_with_zero(node) && keeps_padding;
        (fits && self.defined_by(value, node.op).is_some()).then(|| node.clone())
    }

    /// Whether an action on a value can become part of the ternary contractions above it, with
    /// nothing but motion between, and no one else reading.
    pub(super) fn can_push(&self, value: ValueId, action: Action) -> bool {
        if let Some(node) = self.open_ternary(value) {
            return self.takes(&node, action);
        }
        self.is_used_once(value)
            && self.motion(value, action).is_some_and(|node| {
                let mut operands = node.operands.iter();
                operands.all(|&operand| self.can_push(operand, action))
            })
    }

    /// Does what [`Fuser::can_push`] has allowed; gives the new value.
    pub(super) fn push_up(
        &mut self,
        value: ValueId,
        action: Action,
    ) -> Result<Option<ValueId>, Diagnostic> {
        if let Some(node) = self.open_ternary(value) {
            return self.absorb(&node, action);
        }
        let Some(node) = self.motion(value, action) else {
            return Ok(None);
        };
        let mut operands = Vec::with_capacity(node.operands.len());
        for &operand in &node.operands {
            let Some(new) = self.push_up(operand, action)? else {
                return Ok(None);
            };
            self.uses.insert(new, 1);
            operands.push(new);
        }
        self.moved(&node, &operands).map(Some)
    }

    /// The op on operands that may have another element type.
    fn moved(&mut self, node: &Node, operands: &[ValueId]) -> Result<ValueId, Diagnostic> {
        let mut attrs = node.attrs.clone();
        if node.op == Op::Pad {
            let zero = match self.dtype(operands[0]) {
                Some(DType::I8) => Attr::I64(0),
                _ => Attr::F32(0.0),
            };
            attrs.set("pad_const", zero);
        }
        self.rewriter
            .push(node.op, operands, attrs, node.location.clone())
    }

    /// move(dequantize(q)) = dequantize(move(q)).
    pub(super) fn dequantize_below(&mut self, node: &Node) -> Result<Option<ValueId>, Diagnostic> {
        if !pads_with_zero(node) {
            return Ok(None);
        }
        let mut operands = Vec::with_capacity(node.operands.len());
        let mut found: Option<(f32, Location)> = None;
        for &operand in &node.operands {
            let Some(inner) = self.defined_by(self.rewriter.get(operand), Op::Dequantize) else {
                return Ok(None);
            };
            let Some(scale) = inner.attrs.f32("scale") else {
                return Ok(None);
            };
            match &found {
                Some((first, _)) if *first != scale => return Ok(None),
                Some(_) => {}
                None => found = Some((scale, inner.location.clone())),
            }
            operands.push(inner.operands[0]);
        }
        let Some((scale, location)) = found else {
            return Ok(None);
        };
        let moved = self.moved(node, &operands)?;
        let attrs = hla_ir::Attrs::new().with("scale", scale);
        self.rewriter
            .push(Op::Dequantize, &[moved], attrs, location)
            .map(Some)
    }

    /// Whether an i8 value cannot be −128, because it comes from a quantization.
    pub(super) fn is_within_127(&self, value: ValueId) -> bool {
        let Some(node) = self.rewriter.defining_node(value) else {
            return false;
        };
        match node.op {
            Op::Quantize | Op::DynamicQuantize => true,
            op if is_ternary(op) => true,
            op if moves(op) => {
                pads_with_zero(node) && node.operands.iter().all(|&o| self.is_within_127(o))
            }
            _ => false,
        }
    }
}

/// Whether an op, if it is a padding, pads with (positive) zero.
fn pads_with_zero(node: &Node) -> bool {
    node.op != Op::Pad
        || match node.attrs.get("pad_const") {
            Some(Attr::F32(v)) => v.to_bits() == 0,
            Some(Attr::I64(v)) => *v == 0,
            _ => false,
        }
}
