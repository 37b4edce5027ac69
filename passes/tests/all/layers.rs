//! Layers in one call, for tests about whole networks.

use hla_ir::{Attr, DType, Op, TensorType, ValueId};

use crate::agree::Random;
use crate::build::{Build, i64s};

const CONV: &[(&str, &[i64])] = &[
    ("pad", &[1, 1, 1, 1]),
    ("stride", &[1, 1]),
    ("dilation", &[1, 1]),
];

fn conv_attrs() -> Vec<(&'static str, Attr)> {
    CONV.iter().map(|(n, v)| (*n, i64s(v))).collect()
}

impl Build {
    /// s·x with one number.
    pub fn scale(&mut self, x: ValueId, s: f32) -> ValueId {
        let rank = self.0.tensor_ty(x).rank();
        let s = self.splat(&vec![1; rank], s);
        self.op(Op::Mul, &[x, s], &[])
    }

    /// x joined with a number for each channel.
    pub fn channels(&mut self, op: Op, x: ValueId, values: &[f32]) -> ValueId {
        let mut shape = vec![1; self.0.tensor_ty(x).rank()];
        *shape.last_mut().unwrap() = values.len();
        let c = self.constant(&shape, values);
        self.op(op, &[x, c], &[])
    }

    pub fn relu(&mut self, x: ValueId) -> ValueId {
        self.clamp(x, 0.0, f32::MAX)
    }

    pub fn clamp(&mut self, x: ValueId, min: f32, max: f32) -> ValueId {
        self.op(
            Op::Clamp,
            &[x],
            &[("min_val", min.into()), ("max_val", max.into())],
        )
    }

    pub fn random(&mut self, shape: &[usize], seed: u64) -> ValueId {
        let values = Random(seed).tensor(&TensorType::f32(shape));
        self.0.constant(values, hla_ir::Location::unknown())
    }

    /// A 3×3 convolution with random weights.
    pub fn conv(&mut self, x: ValueId, channels: usize, seed: u64) -> ValueId {
        let inputs = self.0.tensor_ty(x).shape[3];
        let w = self.random(&[channels, 3, 3, inputs], seed);
        let b = self.random(&[channels], seed + 1);
        self.op(Op::Conv2d, &[x, w, b], &conv_attrs())
    }

    /// A 3×3 ternary convolution with random trits.
    pub fn ternary(&mut self, x: ValueId, scale: &[f32], bias: &[f32], seed: u64) -> ValueId {
        self.ternary_with(x, None, scale, bias, seed, &[])
    }

    pub fn ternary_with(
        &mut self,
        x: ValueId,
        residual: Option<ValueId>,
        scale: &[f32],
        bias: &[f32],
        seed: u64,
        attrs: &[(&'static str, Attr)],
    ) -> ValueId {
        let inputs = self.0.tensor_ty(x).shape[3];
        let trits = Random(seed).trits(&[scale.len(), 3, 3, inputs]);
        let w = self.0.constant(trits, hla_ir::Location::unknown());
        let s = self.constant(&[scale.len()], scale);
        let b = self.constant(&[bias.len()], bias);
        let mut all = conv_attrs();
        all.extend_from_slice(attrs);
        let mut operands = vec![x, w, s, b];
        operands.extend(residual);
        self.op(Op::TernaryConv2d, &operands, &all)
    }

    pub fn pool(&mut self, op: Op, x: ValueId) -> ValueId {
        self.op(
            op,
            &[x],
            &[
                ("kernel", i64s(&[2, 2])),
                ("stride", i64s(&[2, 2])),
                ("pad", i64s(&[0, 0, 0, 0])),
            ],
        )
    }

    pub fn arg_i8(&mut self, shape: &[usize]) -> ValueId {
        self.typed_arg(TensorType::new(shape, DType::I8))
    }
}
