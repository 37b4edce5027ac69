//! The hla dialect in terms of TOSA, so that upstream can compute it: written from the text of the
//! declarations, with none of hlac's own kernels, packing or folding.
//!
//! Sums come in another order and a multiply and an add replace the fused one, so results agree
//! within a tolerance, not to the bit.

use hla_ir::rewrite::{Rewriter, rewrite};
use hla_ir::{Attrs, DType, Diagnostic, Function, Node, Op, Tensor, TensorType, ValueId};

/// The function without hla ops. `None` if it holds one that TOSA cannot say.
pub fn tosa_form(function: &Function) -> Option<Result<Function, Diagnostic>> {
    let known = |node: &Node| {
        !node.name().starts_with("hla.")
            || matches!(
                node.op,
                Op::TernaryConv2d
                    | Op::TernaryMatMul
                    | Op::Quantize
                    | Op::Dequantize
                    | Op::Relayout
            )
            || (node.op == Op::Unpack && function.constant_value(node.operands[0]).is_some())
    };
    function.nodes.iter().all(known).then(|| {
        rewrite(function, |r, _, node| {
            let mut form = Form { r, node };
            Ok(Some(vec![match node.op {
                Op::TernaryConv2d => form.convolution()?,
                Op::TernaryMatMul => form.product()?,
                Op::Unpack => form.unpacked()?,
                Op::Quantize => {
                    let x = form.operand(0);
                    let scale = node.attrs.f32("scale").unwrap_or(1.0);
                    let scaled = form.times(x, 1.0 / scale)?;
                    form.saturated(scaled)?
                }
                Op::Dequantize => {
                    let x = form.operand(0);
                    let x = form.cast(x, DType::F32)?;
                    form.times(x, node.attrs.f32("scale").unwrap_or(1.0))?
                }
                Op::Relayout => form.operand(0),
                _ => return Ok(None),
            }]))
        })
    })
}

/// One node being rewritten.
struct Form<'r, 'a> {
    r: &'r mut Rewriter<'a>,
    node: &'r Node,
}

impl Form<'_, '_> {
    fn operand(&self, i: usize) -> ValueId {
        self.r.get(self.node.operands[i])
    }

    fn ty(&self, value: ValueId) -> TensorType {
        self.r.new_function().tensor_ty(value).clone()
    }

    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> Result<ValueId, Diagnostic> {
        self.r.push(op, operands, attrs, self.node.location.clone())
    }

    fn constant(&mut self, values: Result<Tensor, String>) -> Result<ValueId, Diagnostic> {
        let location = self.node.location.clone();
        let values = values.map_err(|m| Diagnostic::error(location.clone(), m))?;
        self.r.constant(values, location)
    }

    fn cast(&mut self, x: ValueId, to: DType) -> Result<ValueId, Diagnostic> {
        if self.ty(x).dtype == to {
            return Ok(x);
        }
        self.op(Op::Cast, &[x], Attrs::new().with("out_type", to))
    }

    fn times(&mut self, x: ValueId, factor: f32) -> Result<ValueId, Diagnostic> {
        let ones = vec![1; self.ty(x).rank()];
        let factor = self.constant(Ok(Tensor::splat(TensorType::f32(ones), factor.into())))?;
        self.op(Op::Mul, &[x, factor], Attrs::new())
    }

    fn clamp(&mut self, x: ValueId, low: f32, high: f32) -> Result<ValueId, Diagnostic> {
        let attrs = Attrs::new().with("min_val", low).with("max_val", high);
        self.op(Op::Clamp, &[x], attrs)
    }

    /// Saturated to ±127 and rounded to nearest even.
    fn saturated(&mut self, x: ValueId) -> Result<ValueId, Diagnostic> {
        let x = self.clamp(x, -127.0, 127.0)?;
        self.cast(x, DType::I8)
    }

    /// A channel vector as the last dimension of a tensor of this rank.
    fn along_channels(&mut self, x: ValueId, rank: usize) -> Result<ValueId, Diagnostic> {
        let mut shape = vec![1; rank];
        shape[rank - 1] = self.ty(x).shape[0] as i64;
        self.op(Op::Reshape, &[x], Attrs::new().with("shape", shape))
    }

    /// The constant behind a weight operand.
    fn trits(&self) -> Result<Tensor, Diagnostic> {
        let weight = self.r.new_function().constant_value(self.operand(1));
        weight.cloned().ok_or_else(|| {
            Diagnostic::error(self.node.location.clone(), "the weight is no constant")
        })
    }

    /// Weights in the element type that upstream's contraction wants.
    fn weights(&self, dtype: DType, from: &Tensor) -> Result<Tensor, String> {
        Tensor::from_f64s(from.ty().with_dtype(dtype), from.iter_f64())
    }

    fn convolution(&mut self) -> Result<ValueId, Diagnostic> {
        let x = self.input()?;
        let dtype = self.ty(x).dtype;
        let trits = self.trits()?;
        let weight = self.constant(self.weights(dtype, &trits))?;
        let sum = if dtype.is_float() { dtype } else { DType::I32 };
        let bias = self.constant(Ok(Tensor::splat(TensorType::new([1], sum), 0.0)))?;
        let mut attrs = Attrs::new();
        for name in ["pad", "stride", "dilation"] {
            attrs.set(
                name,
                self.node.attrs.i64s(name).unwrap_or_default().to_vec(),
            );
        }
        let sum = self.op(Op::Conv2d, &[x, weight, bias], attrs)?;
        self.epilogue(sum)
    }

    /// The input; floats of 16 bits as f32, in which they are summed.
    fn input(&mut self) -> Result<ValueId, Diagnostic> {
        let x = self.operand(0);
        match self.ty(x).dtype {
            DType::F16 | DType::BF16 => self.cast(x, DType::F32),
            _ => Ok(x),
        }
    }

    fn product(&mut self) -> Result<ValueId, Diagnostic> {
        let x = self.input()?;
        let ty = self.ty(x);
        let trits = self.trits()?;
        let [columns, depth] = [trits.shape()[0], trits.shape()[1]];
        let values: Vec<f64> = trits.iter_f64().collect();
        let transposed = (0..ty.shape[0] * depth).flat_map(|row| {
            let k = row % depth;
            let values = &values;
            (0..columns).map(move |w| values[w * depth + k])
        });
        let shape = TensorType::new([ty.shape[0], depth, columns], ty.dtype);
        let weight = self.constant(Tensor::from_f64s(shape, transposed))?;
        let sum = self.op(Op::MatMul, &[x, weight], Attrs::new())?;
        self.epilogue(sum)
    }

    /// Scale, bias, residual, clamp, rounding.
    fn epilogue(&mut self, sum: ValueId) -> Result<ValueId, Diagnostic> {
        let rank = self.ty(sum).rank();
        let y = self.cast(sum, DType::F32)?;
        let (scale, bias) = (self.operand(2), self.operand(3));
        let (scale, bias) = (
            self.along_channels(scale, rank)?,
            self.along_channels(bias, rank)?,
        );
        let y = self.op(Op::Mul, &[y, scale], Attrs::new())?;
        let mut y = self.op(Op::Add, &[y, bias], Attrs::new())?;
        if self.node.operands.len() > 4 {
            let residual = self.operand(4);
            let residual = self.cast(residual, DType::F32)?;
            let factor = self.node.attrs.f32("residual_scale").unwrap_or(1.0);
            let residual = self.times(residual, factor)?;
            y = self.op(Op::Add, &[y, residual], Attrs::new())?;
        }
        let low = self.node.attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY);
        let high = self.node.attrs.f32("max_val").unwrap_or(f32::INFINITY);
        let y = self.clamp(y, low, high)?;
        match self.node.attrs.dtype("out_type") {
            Some(DType::I8) => self.saturated(y),
            _ => Ok(y),
        }
    }

    /// 2-bit codes, four a byte, first in the low bits, rows beginning on a byte.
    fn unpacked(&mut self) -> Result<ValueId, Diagnostic> {
        let packed = self.r.new_function().constant_value(self.operand(0));
        let bytes = packed
            .map(|t| t.to_bytes().into_owned())
            .unwrap_or_default();
        let shape: Vec<usize> = self
            .node
            .attrs
            .i64s("shape")
            .unwrap_or_default()
            .iter()
            .map(|&e| e as usize)
            .collect();
        let row: usize = shape[1..].iter().product();
        let stride = row.div_ceil(4);
        let values = (0..shape[0] * row).map(|i| {
            let at = i % row;
            match bytes[i / row * stride + at / 4] >> (2 * (at % 4)) & 3 {
                0b01 => 1.0,
                0b10 => -1.0,
                _ => 0.0,
            }
        });
        self.constant(Tensor::from_f64s(
            TensorType::new(shape.clone(), DType::I8),
            values,
        ))
    }
}
