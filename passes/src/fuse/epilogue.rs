//! What a ternary contraction takes into its epilogue.

use hla_ir::{DType, Diagnostic, Location, Node, Op, Tensor, ValueId};

use super::Fuser;

/// What happens to a result before it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Clamping to bounds.
    Clamp { min: f32, max: f32 },
    /// Quantization with a scale.
    Quantize { scale: f32 },
}

pub(super) fn is_ternary(op: Op) -> bool {
    matches!(op, Op::TernaryConv2d | Op::TernaryMatMul)
}

impl Fuser<'_> {
    /// The ternary contraction with an f32 result that defines a value nobody else reads.
    pub(super) fn open_ternary(&self, value: ValueId) -> Option<Node> {
        let node = [Op::TernaryConv2d, Op::TernaryMatMul]
            .into_iter()
            .find_map(|op| self.defined_by(value, op))?;
        (self.is_used_once(value) && self.dtype(value) == Some(DType::F32)).then_some(node)
    }

    /// The constant divided (or, for `times`, multiplied) by a number, rounded once; `None` where
    /// it is no constant or f32 does not hold the result.
    fn scaled(&self, value: ValueId, times: f64) -> Option<Tensor> {
        let tensor = self.rewriter.constant_value(value)?;
        let values: Vec<f64> = tensor.iter_f64().map(|v| v * times).collect();
        if values.iter().any(|&v| !fits_f32(v)) {
            return None;
        }
        match tensor.splat_value() {
            Some(value) => Some(Tensor::splat(tensor.ty().clone(), value * times)),
            None => Tensor::from_f64s(tensor.ty().clone(), values).ok(),
        }
    }

    /// Whether a ternary contraction can take an action in.
    pub(super) fn takes(&self, node: &Node, action: Action) -> bool {
        match action {
            Action::Clamp { .. } => true,
            Action::Quantize { scale } => {
                let times = f64::from(scale).recip();
                let residual = f64::from(node.attrs.f32("residual_scale").unwrap_or(1.0));
                self.scaled(node.operands[2], times).is_some()
                    && self.scaled(node.operands[3], times).is_some()
                    && (node.operands.len() == 4 || fits_f32(residual * times))
            }
        }
    }

    /// A ternary contraction with an action taken in, which [`Fuser::takes`] has allowed.
    pub(super) fn absorb(
        &mut self,
        node: &Node,
        action: Action,
    ) -> Result<Option<ValueId>, Diagnostic> {
        let mut operands = node.operands.clone();
        let mut attrs = node.attrs.clone();
        let bounds = [
            attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY),
            attrs.f32("max_val").unwrap_or(f32::INFINITY),
        ];
        let bounds = match action {
            Action::Clamp { min, max } => bounds.map(|b| b.max(min).min(max)),
            Action::Quantize { scale } => {
                let times = f64::from(scale).recip();
                for operand in &mut operands[2..4] {
                    let Some(scaled) = self.scaled(*operand, times) else {
                        return Ok(None);
                    };
                    *operand = self.rewriter.constant(scaled, node.location.clone())?;
                }
                if operands.len() == 5 {
                    let residual = f64::from(attrs.f32("residual_scale").unwrap_or(1.0));
                    attrs.set("residual_scale", (residual * times) as f32);
                }
                attrs.set("out_type", DType::I8);
                bounds.map(|b| (f64::from(b) * times) as f32)
            }
        };
        attrs.set("min_val", bounds[0]);
        attrs.set("max_val", bounds[1]);
        let value = self
            .rewriter
            .push(node.op, &operands, attrs, node.location.clone())?;
        Ok(Some(value))
    }

    /// clamp(T) = T clamped.
    pub(super) fn clamp(&mut self, node: &Node) -> Result<Option<ValueId>, Diagnostic> {
        let x = self.rewriter.get(node.operands[0]);
        let (Some(min), Some(max)) = (node.attrs.f32("min_val"), node.attrs.f32("max_val")) else {
            return Ok(None);
        };
        let propagates = node.attrs.str("nan_mode") != Some("IGNORE");
        let action = Action::Clamp { min, max };
        if self.dtype(x) != Some(DType::F32) || !propagates || !self.can_push(x, action) {
            return Ok(None);
        }
        let value = self.push_up(x, action)?;
        self.counts.clamps += usize::from(value.is_some());
        Ok(value)
    }

    /// quantize(T) = T with an i8 result; quantize(dequantize(q)) = q.
    pub(super) fn quantize(&mut self, node: &Node) -> Result<Option<ValueId>, Diagnostic> {
        let x = self.rewriter.get(node.operands[0]);
        let Some(scale) = node.attrs.f32("scale") else {
            return Ok(None);
        };
        if let Some(inner) = self.defined_by(x, Op::Dequantize)
            && inner.attrs.f32("scale") == Some(scale)
            && self.is_within_127(inner.operands[0])
        {
            self.counts.dequantizations += 1;
            return Ok(Some(inner.operands[0]));
        }
        let action = Action::Quantize { scale };
        if !self.can_push(x, action) {
            return Ok(None);
        }
        let value = self.push_up(x, action)?;
        self.counts.quantizations += usize::from(value.is_some());
        Ok(value)
    }

    /// T + r = T with the residual r; T − r with a residual scale of −1.
    pub(super) fn residual(&mut self, node: &Node) -> Result<Option<ValueId>, Diagnostic> {
        let (a, b) = (
            self.rewriter.get(node.operands[0]),
            self.rewriter.get(node.operands[1]),
        );
        let function = self.rewriter.new_function();
        if self.dtype(a) != Some(DType::F32) || function.ty(a) != function.ty(b) || a == b {
            return Ok(None);
        }
        let sign = if node.op == Op::Sub { -1.0 } else { 1.0 };
        let mut candidates = vec![(a, b)];
        if node.op == Op::Add {
            candidates.push((b, a));
        }
        // Of two contractions the later takes the earlier as its residual: that one is there first.
        candidates.sort_by_key(|(ternary, _)| std::cmp::Reverse(*ternary));
        for (ternary, residual) in candidates {
            let Some(mut fused) = self.open_ternary(ternary) else {
                continue;
            };
            let is_free = fused.operands.len() == 4
                && fused.attrs.f32("min_val") == Some(f32::NEG_INFINITY)
                && fused.attrs.f32("max_val") == Some(f32::INFINITY);
            if !is_free {
                continue;
            }
            let (residual, scale) = match self.defined_by(residual, Op::Dequantize) {
                Some(inner) => {
                    self.counts.dequantizations += 1;
                    let scale = inner.attrs.f32("scale").unwrap_or(1.0);
                    (inner.operands[0], sign * scale)
                }
                None => (residual, sign),
            };
            fused.operands.push(residual);
            fused.attrs.set("residual_scale", scale);
            self.counts.residuals += 1;
            let location = fused.location.clone();
            let value = self
                .rewriter
                .push(fused.op, &fused.operands, fused.attrs, location)?;
            return Ok(Some(value));
        }
        Ok(None)
    }

    /// T(dequantize(q)) reads q, its scale multiplied in; likewise a residual.
    pub(super) fn dequantized_operands(
        &mut self,
        node: &Node,
    ) -> Result<Option<ValueId>, Diagnostic> {
        let mut operands = self.rewriter.get_all(&node.operands);
        let mut attrs = node.attrs.clone();
        let mut found = 0;
        if let Some((q, scale)) = self.dequantized(operands[0])
            && let Some(scaled) = self.scaled(operands[2], scale)
        {
            operands[0] = q;
            operands[2] = self.constant(scaled, &node.location)?;
            found += 1;
        }
        if let Some(&residual) = operands.get(4)
            && let Some((q, scale)) = self.dequantized(residual)
        {
            let scale = scale * f64::from(attrs.f32("residual_scale").unwrap_or(1.0));
            if fits_f32(scale) {
                operands[4] = q;
                attrs.set("residual_scale", scale as f32);
                found += 1;
            }
        }
        if found == 0 {
            return Ok(None);
        }
        self.counts.dequantizations += found;
        let value = self
            .rewriter
            .push(node.op, &operands, attrs, node.location.clone())?;
        Ok(Some(value))
    }

    fn dequantized(&self, value: ValueId) -> Option<(ValueId, f64)> {
        let node = self.defined_by(value, Op::Dequantize)?;
        Some((node.operands[0], f64::from(node.attrs.f32("scale")?)))
    }

    fn constant(&mut self, values: Tensor, location: &Location) -> Result<ValueId, Diagnostic> {
        self.rewriter.constant(values, location.clone())
    }
}

/// Whether f32 holds a number without overflow or loss to a subnormal one.
fn fits_f32(v: f64) -> bool {
    v == 0.0 || (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&v.abs())
}
