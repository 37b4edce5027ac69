//! One op with operands and attributes that suit it.

use super::{DTYPES, Maker};
use crate::attr::Attrs;
use crate::diagnostic::Location;
use crate::graph::ValueId;
use crate::op::{AttrKind, Form};
use crate::ops::Op;
use crate::tensor::Tensor;
use crate::types::{DType, TensorType, Type};

impl Maker<'_> {
    /// Tries to append an op; where no sensible operands come out, nothing happens.
    pub(super) fn node(&mut self, op: Op) {
        const FLOATS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];
        const NUMBERS: [DType; 4] = [DType::F32, DType::I32, DType::F16, DType::BF16];
        const CONTRACTED: [DType; 4] = [DType::F32, DType::I8, DType::F16, DType::BF16];
        let mut attrs = self.discardable();
        let ty = |make: &Self, v: ValueId| make.function.tensor_ty(v).clone();
        let mut operands = Vec::new();
        match op {
            Op::Opaque => return self.opaque(),
            op if op.is_training() => match self.training(op, &mut attrs) {
                Some(values) => operands = values,
                None => return,
            },
            Op::Const => {
                let ty = self.ty();
                attrs.set("values", self.tensor(&ty));
            }
            Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d => {
                let x = self.any_of(Some(4), &CONTRACTED);
                let input = ty(self, x);
                let [kh, kw, oc, m] = [0; 4].map(|_| 1 + self.below(3));
                let (weight, channels) = match op {
                    Op::DepthwiseConv2d => (vec![kh, kw, input.shape[3], m], input.shape[3] * m),
                    _ => (vec![oc, kh, kw, input.shape[3]], oc),
                };
                let w = self.constant(TensorType {
                    shape: weight,
                    dtype: input.dtype,
                });
                let out = if input.dtype == DType::I8 {
                    DType::I32
                } else {
                    input.dtype
                };
                let bias = self.pick(&[channels, 1]);
                let b = self.constant(TensorType {
                    shape: vec![bias],
                    dtype: out,
                });
                operands = vec![x, w, b];
                if op == Op::TransposeConv2d {
                    attrs.set("out_pad", vec![0, 1, 0, 0]);
                    attrs.set("stride", vec![1 + self.below(2) as i64, 1]);
                } else {
                    self.windows(&mut attrs, &input.shape, [kh, kw], true);
                }
                attrs.set("out_type", out);
                if input.dtype == DType::I8 {
                    attrs.set("input_zp", self.below(256) as i64 - 128);
                }
            }
            Op::MatMul => {
                let a = self.any_of(Some(3), &CONTRACTED);
                let left = ty(self, a);
                let shape = vec![left.shape[0], left.shape[2], 1 + self.below(3)];
                operands = vec![
                    a,
                    self.constant(TensorType {
                        shape,
                        dtype: left.dtype,
                    }),
                ];
                let out = if left.dtype == DType::I8 {
                    DType::I32
                } else {
                    left.dtype
                };
                attrs.set("out_type", out);
            }
            Op::AvgPool2d | Op::MaxPool2d => {
                let x = self.any_of(Some(4), &CONTRACTED);
                let input = ty(self, x);
                let kernel = [0, 1].map(|_| 1 + self.below(2));
                self.windows(&mut attrs, &input.shape, kernel, false);
                attrs.set("kernel", kernel.map(|k| k as i64).to_vec());
                operands = vec![x];
            }
            Op::TernaryConv2d | Op::TernaryMatMul => {
                let conv = op == Op::TernaryConv2d;
                let x = self.any_of(Some(if conv { 4 } else { 3 }), &[DType::F32, DType::I8]);
                let input = ty(self, x);
                let channels = 1 + self.below(3);
                let depth = input.shape[input.rank() - 1];
                let kernel = [1 + self.below(2), 1];
                let shape = match conv {
                    true => vec![channels, kernel[0], kernel[1], depth],
                    false => vec![channels, depth],
                };
                let trits = (0..shape.iter().product()).map(|_| self.below(3) as f64 - 1.0);
                let trits: Vec<f64> = trits.collect();
                let Ok(weight) = Tensor::from_f64s(
                    TensorType {
                        shape,
                        dtype: DType::I8,
                    },
                    trits,
                ) else {
                    return;
                };
                let weight = self.function.constant(weight, Location::unknown());
                let scale = self.constant(TensorType::f32([channels]));
                let bias = self.constant(TensorType::f32([channels]));
                operands = vec![x, weight, scale, bias];
                if conv {
                    self.windows(&mut attrs, &input.shape, kernel, true);
                }
                attrs.set("out_type", self.pick(&[DType::F32, DType::I8]));
                if self.chance(2) {
                    attrs.set("min_val", 0.0_f32);
                }
                if self.chance(3) {
                    // Its shape is only known once it is inferred: try with every value.
                    let all = self.function.values.len();
                    operands.push(ValueId(self.below(all) as u32));
                }
            }
            Op::Select => {
                let c = self.any_of(None, &[DType::I1]);
                let shape = ty(self, c).shape;
                let dtype = self.pick(&DTYPES);
                let want = TensorType { shape, dtype };
                operands = vec![
                    c,
                    self.value(|t| *t == want, want.clone()),
                    self.constant(want),
                ];
            }
            Op::LogicalAnd | Op::LogicalOr | Op::LogicalNot => {
                let x = self.any_of(None, &[DType::I1]);
                operands = vec![x; op.def().operands.len()];
            }
            Op::Gather => {
                let x = self.any_of(Some(3), &NUMBERS);
                let input = ty(self, x);
                let shape = vec![input.shape[0], 1 + self.below(3)];
                let index = Tensor::splat(
                    TensorType {
                        shape,
                        dtype: DType::I32,
                    },
                    self.below(input.shape[1]) as f64,
                );
                operands = vec![x, self.function.constant(index, Location::unknown())];
            }
            Op::Ternarize | Op::Quantize | Op::DynamicQuantize => {
                let x = self.any_of(None, &[DType::F32]);
                if ty(self, x).rank() == 0 {
                    return;
                }
                operands = vec![x];
                attrs.set("axis", 0);
                attrs.set("threshold", 0.5_f32);
                attrs.set("scale", 0.25_f32);
            }
            Op::Dequantize | Op::Pack => {
                operands = vec![self.any_of(None, &[DType::I8])];
                attrs.set("scale", 0.5_f32);
            }
            Op::Unpack => {
                let shape = self.shaped(2, DType::I8).shape;
                let bytes = crate::infer::hla::packed_bytes(&shape);
                let packed = Tensor::splat(
                    TensorType {
                        shape: vec![bytes],
                        dtype: DType::I8,
                    },
                    1.0,
                );
                operands = vec![self.function.constant(packed, Location::unknown())];
                attrs.set("shape", shape.iter().map(|&e| e as i64).collect::<Vec<_>>());
            }
            Op::Relayout => {
                let x = self.any_of(Some(4), &[DType::F32, DType::I8]);
                let layout = match ty(self, x).dtype {
                    DType::F32 => "planar<1,1,1,1,f32>",
                    _ => "planar<0,1,0,2,i16>",
                };
                operands = vec![x];
                attrs.set(crate::layout::LAYOUT, layout);
            }
            Op::Concat => {
                let x = self.any_of(None, &NUMBERS);
                operands = vec![x; 1 + self.below(3)];
                self.axis(&mut attrs, ty(self, x).rank());
            }
            _ => {
                let floating = matches!(
                    op,
                    Op::Pow
                        | Op::Reciprocal
                        | Op::Rsqrt
                        | Op::Exp
                        | Op::Log
                        | Op::Tanh
                        | Op::Sigmoid
                        | Op::Erf
                        | Op::Ceil
                        | Op::Floor
                );
                let moves = matches!(
                    op,
                    Op::Identity
                        | Op::Reshape
                        | Op::Transpose
                        | Op::Slice
                        | Op::Tile
                        | Op::Reverse
                        | Op::Pad
                );
                let dtypes = match (floating, moves) {
                    (true, _) => &FLOATS[..],
                    (_, true) => &DTYPES[..],
                    _ => &NUMBERS[..],
                };
                let x = self.any_of(None, dtypes);
                let input = ty(self, x);
                operands.push(x);
                if op.def().operands.len() == 2 {
                    let mut other = input.clone();
                    for extent in &mut other.shape {
                        *extent = self.pick(&[*extent, 1]);
                    }
                    operands.push(self.value(|t| *t == other, other.clone()));
                    let flip = self.below(2);
                    operands.swap(0, flip);
                }
                self.moved(op, &mut attrs, &input);
            }
        }
        attrs = self.declared_only(op, attrs);
        let location = self.location();
        let _ = self.function.push_node(op, &operands, attrs, location);
    }

    /// Attributes of ops that move or reduce data, and of the few others.
    fn moved(&mut self, op: Op, attrs: &mut Attrs, input: &TensorType) {
        let rank = input.rank();
        let extents = |shape: &[usize]| shape.iter().map(|&e| e as i64).collect::<Vec<_>>();
        match op {
            Op::Reshape => {
                let mut shape = extents(&input.shape);
                match self.below(3) {
                    0 => shape = vec![input.elements() as i64],
                    1 => shape.insert(0, 1),
                    _ => shape.reverse(),
                }
                attrs.set("shape", shape);
            }
            Op::Transpose => {
                let mut perms: Vec<i64> = (0..rank as i64).collect();
                if rank > 0 {
                    let by = self.below(rank);
                    perms.rotate_left(by);
                }
                attrs.set("perms", perms);
            }
            Op::Slice => {
                let start: Vec<usize> = input.shape.iter().map(|&e| self.below(e)).collect();
                let size: Vec<i64> = start
                    .iter()
                    .zip(&input.shape)
                    .map(|(s, e)| 1 + self.below(e - s) as i64)
                    .collect();
                attrs.set("start", extents(&start));
                attrs.set("size", size);
            }
            Op::Pad => {
                let padding: Vec<i64> = (0..2 * rank).map(|_| self.below(3) as i64).collect();
                attrs.set("padding", padding);
                if input.dtype.is_float() {
                    let value = half::bf16::from_f32(self.below(7) as f32).to_f32();
                    attrs.set("pad_const", value);
                }
            }
            Op::Tile => {
                let multiples: Vec<i64> = (0..rank).map(|_| 1 + self.below(2) as i64).collect();
                attrs.set("multiples", multiples);
            }
            Op::Clamp if input.dtype.is_float() => {
                attrs.set("min_val", -0.5_f32);
                attrs.set("max_val", self.pick(&[6.0_f32, f32::INFINITY]));
            }
            Op::Clamp => {
                attrs.set("min_val", -5);
                attrs.set("max_val", 100);
            }
            Op::Cast => attrs.set("out_type", self.pick(&DTYPES)),
            Op::Mul if input.dtype == DType::I32 => attrs.set("shift", self.below(32) as i64),
            _ => self.axis(attrs, rank),
        }
        if self.chance(2) {
            attrs.set("nan_mode", "IGNORE");
        }
    }

    fn axis(&mut self, attrs: &mut Attrs, rank: usize) {
        attrs.set("axis", self.below(rank) as i64);
    }

    /// Pad, stride and dilation whose windows cover an NHWC input exactly; gives the number of
    /// windows along height and width.
    pub(super) fn windows(
        &mut self,
        attrs: &mut Attrs,
        shape: &[usize],
        kernel: [usize; 2],
        dilate: bool,
    ) -> [usize; 2] {
        let mut count = [0; 2];
        let mut pad = Vec::new();
        let mut strides = Vec::new();
        let mut dilations = Vec::new();
        for (i, k) in kernel.into_iter().enumerate() {
            let dilation = if dilate { 1 + self.below(2) } else { 1 };
            let stride = 1 + self.below(2);
            let reach = (k - 1) * dilation + 1;
            let (before, mut after) = (self.below(k), 0);
            while shape[1 + i] + before + after < reach
                || !(shape[1 + i] + before + after - reach).is_multiple_of(stride)
            {
                after += 1;
            }
            count[i] = (shape[1 + i] + before + after - reach) / stride + 1;
            pad.extend([before as i64, after as i64]);
            strides.push(stride as i64);
            dilations.push(dilation as i64);
        }
        attrs.set("pad", pad);
        attrs.set("stride", strides);
        attrs.set("dilation", dilations);
        count
    }

    /// Drops attributes that the op does not declare.
    fn declared_only(&self, op: Op, attrs: Attrs) -> Attrs {
        let mut kept = Attrs::new();
        for (name, value) in attrs.iter() {
            let declared = op.def().attrs.iter().find(|a| a.name == name);
            let fits = match declared {
                None => name.contains('.'),
                Some(a) => a.form != Form::ResultType || a.kind == AttrKind::DType,
            };
            if fits {
                kept.set(name, value.clone());
            }
        }
        kept
    }

    fn opaque(&mut self) {
        if !self.options.opaque {
            return;
        }
        let all = self.function.values.len();
        let operands: Vec<ValueId> = (0..self.below(3))
            .map(|_| ValueId(self.below(all) as u32))
            .collect();
        let mut types: Vec<Type> = Vec::new();
        for _ in 0..self.below(3) {
            types.push(match self.chance(2) {
                true => Type::Tensor(self.ty()),
                false => Type::Opaque(
                    self.pick(&["!other.t", "() -> i1", "f64", "tensor<?x2xf32>"])
                        .to_owned(),
                ),
            });
        }
        let suffix = self.pick(&[
            "",
            " <{p = 1 : i32}>",
            " {q = @sym, s = \"%x \\22 : () -> ()\"}",
        ]);
        let location = self.location();
        self.function
            .push_opaque("other.op", &operands, suffix, types, location);
    }
}
