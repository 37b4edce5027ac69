//! `hla-eliminate-multiplies`: every rule by itself, every condition of a rule, random programs.

mod conditions;
mod random;
mod rules;
mod whole;

use hla_ir::{Attr, DType, Function, Op, Tensor, TensorType, ValueId};
use hla_passes::{Cell, Report};

use crate::agree::Random;
use crate::build::{Build, i64s, passes};

/// Floats re-associate: results may move by this part of the largest magnitude.
const RTOL: f64 = 1e-5;

fn eliminate(f: &Function) -> (Function, Report) {
    passes("hla-eliminate-multiplies", f).unwrap()
}

fn figure(report: &Report, name: &str) -> i64 {
    match report.get(name) {
        Some(Cell::Int(v)) => *v,
        other => panic!("{name}: {other:?}"),
    }
}

/// Names of the rules that found something.
fn fired(report: &Report) -> Vec<String> {
    let table = &report.tables[0];
    assert_eq!(table.columns[0], "rule");
    table.rows.iter().map(|r| r[0].to_string()).collect()
}

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
    fn scale(&mut self, x: ValueId, s: f32) -> ValueId {
        let rank = self.0.tensor_ty(x).rank();
        let s = self.splat(&vec![1; rank], s);
        self.op(Op::Mul, &[x, s], &[])
    }

    /// x joined with a number for each channel.
    fn channels(&mut self, op: Op, x: ValueId, values: &[f32]) -> ValueId {
        let mut shape = vec![1; self.0.tensor_ty(x).rank()];
        *shape.last_mut().unwrap() = values.len();
        let c = self.constant(&shape, values);
        self.op(op, &[x, c], &[])
    }

    fn relu(&mut self, x: ValueId) -> ValueId {
        self.clamp(x, 0.0, f32::MAX)
    }

    fn clamp(&mut self, x: ValueId, min: f32, max: f32) -> ValueId {
        self.op(
            Op::Clamp,
            &[x],
            &[("min_val", min.into()), ("max_val", max.into())],
        )
    }

    fn random(&mut self, shape: &[usize], seed: u64) -> ValueId {
        let values = Random(seed).tensor(&TensorType::f32(shape));
        self.0.constant(values, hla_ir::Location::unknown())
    }

    /// A 3×3 convolution with random weights.
    fn conv(&mut self, x: ValueId, channels: usize, seed: u64) -> ValueId {
        let inputs = self.0.tensor_ty(x).shape[3];
        let w = self.random(&[channels, 3, 3, inputs], seed);
        let b = self.random(&[channels], seed + 1);
        self.op(Op::Conv2d, &[x, w, b], &conv_attrs())
    }

    /// A 3×3 ternary convolution with random trits.
    fn ternary(&mut self, x: ValueId, scale: &[f32], bias: &[f32], seed: u64) -> ValueId {
        self.ternary_with(x, None, scale, bias, seed, &[])
    }

    fn ternary_with(
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

    fn pool(&mut self, op: Op, x: ValueId) -> ValueId {
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

    fn arg_i8(&mut self, shape: &[usize]) -> ValueId {
        self.typed_arg(TensorType::new(shape, DType::I8))
    }
}

fn constant_of(f: &Function, v: ValueId) -> &Tensor {
    f.constant_value(v).unwrap()
}
