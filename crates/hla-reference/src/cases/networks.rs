//! Whole small networks: chains in which fusion, memory planning and layouts come together.

use hla_ir::{Attrs, DType, Op, Tensor, ValueId};

use super::Case;
use super::generate::{Builder, Random, case, none};
use super::ternary::weight;
use crate::tolerance::Tolerance::{self, Exact, Relative};

use DType::{F32, I8};

/// For results a float contraction away from exact values.
pub(super) const NEAR: Tolerance = Relative {
    rtol: 1e-4,
    atol: 1e-4,
};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    convolutional(cases, 1);
    convolutional(cases, 3);
    perceptron(cases);
    softmax(cases);
    ternary_float(cases);
    for batch in [1, 2] {
        ternary_int8(cases, batch);
    }
    dynamic_int8(cases);
    branches(cases);
}

/// The builder with a stream of parameters beside it.
pub(super) struct Net<'a> {
    pub(super) b: &'a mut Builder,
    pub(super) random: Random,
}

impl Net<'_> {
    pub(super) fn parameter(&mut self, shape: &[usize], low: f64, high: f64) -> ValueId {
        let values = self.random.real(shape, F32, low, high);
        self.b.constant(values)
    }

    pub(super) fn conv(&mut self, x: ValueId, [oc, k, ic]: [usize; 3], stride: i64) -> ValueId {
        let w = self.parameter(&[oc, k, k, ic], -0.3, 0.3);
        let bias = self.parameter(&[oc], -0.1, 0.1);
        self.b
            .op(Op::Conv2d, &[x, w, bias], window((k / 2) as i64, stride))
    }

    /// Inference-mode batch norm spelt out: (x − mean)·rsqrt(var + ε)·γ + β.
    pub(super) fn batch_norm(&mut self, x: ValueId, channels: usize) -> ValueId {
        let shape = [1, 1, 1, channels];
        let mean = self.parameter(&shape, -0.5, 0.5);
        let variance = self.parameter(&shape, 0.5, 2.0);
        let epsilon = self
            .b
            .constant(Tensor::splat(hla_ir::TensorType::f32([1, 1, 1, 1]), 1e-5));
        let (gamma, beta) = (
            self.parameter(&shape, 0.5, 1.5),
            self.parameter(&shape, -0.5, 0.5),
        );
        let centred = self.b.op(Op::Sub, &[x, mean], none());
        let shifted = self.b.op(Op::Add, &[variance, epsilon], none());
        let inverse = self.b.op(Op::Rsqrt, &[shifted], none());
        let scaled = self.b.op(Op::Mul, &[centred, inverse], none());
        let scaled = self.b.op(Op::Mul, &[scaled, gamma], none());
        self.b.op(Op::Add, &[scaled, beta], none())
    }

    pub(super) fn relu(&mut self, x: ValueId) -> ValueId {
        let attrs = none()
            .with("min_val", 0.0f32)
            .with("max_val", f32::INFINITY);
        self.b.op(Op::Clamp, &[x], attrs)
    }

    pub(super) fn pool(&mut self, op: Op, x: ValueId, kernel: i64, stride: i64) -> ValueId {
        let attrs = none()
            .with("kernel", vec![kernel, kernel])
            .with("stride", vec![stride, stride])
            .with("pad", vec![0; 4]);
        self.b.op(op, &[x], attrs)
    }

    pub(super) fn reshape(&mut self, x: ValueId, shape: &[usize]) -> ValueId {
        let shape: Vec<i64> = shape.iter().map(|&e| e as i64).collect();
        self.b.op(Op::Reshape, &[x], none().with("shape", shape))
    }

    /// x·W + b over [1, rows, columns].
    pub(super) fn dense(&mut self, x: ValueId, depth: usize, columns: usize) -> ValueId {
        let w = self.parameter(&[1, depth, columns], -0.4, 0.4);
        let bias = self.parameter(&[1, 1, columns], -0.2, 0.2);
        let y = self.b.op(Op::MatMul, &[x, w], none());
        self.b.op(Op::Add, &[y, bias], none())
    }

    /// A ternary convolution with packed weights; `scale` bounds its scales from above.
    fn ternary_conv(
        &mut self,
        operands: &[ValueId],
        [oc, k, ic]: [usize; 3],
        scale: f64,
        attrs: Attrs,
    ) -> ValueId {
        let trits = self.random.trits(&[oc, k, k, ic], 7);
        let w = weight(self.b, &trits, true);
        let scale = self.parameter(&[oc], scale / 4.0, scale);
        let bias = self.parameter(&[oc], -0.5, 0.5);
        let mut all = vec![operands[0], w, scale, bias];
        all.extend(&operands[1..]);
        self.b.op(Op::TernaryConv2d, &all, attrs)
    }
}

pub(super) fn window(pad: i64, stride: i64) -> Attrs {
    none()
        .with("pad", vec![pad; 4])
        .with("stride", vec![stride, stride])
        .with("dilation", vec![1, 1])
}

pub(super) fn network(
    cases: &mut Vec<Case>,
    name: &str,
    tolerance: Tolerance,
    inputs: impl IntoIterator<Item = Tensor>,
    build: impl FnOnce(&mut Net<'_>, &[ValueId]) -> Vec<ValueId>,
) {
    case(cases, name, tolerance, inputs, |b, args| {
        let mut net = Net {
            b,
            random: Random::new(&format!("{name} parameters")),
        };
        build(&mut net, args)
    });
}

/// Convolution, batch norm, relu, pooling, a residual block, a classifier.
fn convolutional(cases: &mut Vec<Case>, batch: usize) {
    let name = format!("network_convolutional_batch{batch}");
    let input = Random::new(&name).any(&[batch, 8, 8, 3], F32);
    network(cases, &name, NEAR, [input], |net, x| {
        let y = net.conv(x[0], [8, 3, 3], 1);
        let y = net.batch_norm(y, 8);
        let y = net.relu(y);
        let y = net.pool(Op::MaxPool2d, y, 2, 2);
        let z = net.conv(y, [8, 3, 8], 1);
        let z = net.batch_norm(z, 8);
        let z = net.b.op(Op::Add, &[z, y], none());
        let z = net.relu(z);
        let z = net.pool(Op::AvgPool2d, z, 4, 1);
        let z = net.reshape(z, &[1, batch, 8]);
        vec![net.dense(z, 8, 10)]
    });
}

fn perceptron(cases: &mut Vec<Case>) {
    let name = "network_perceptron";
    let input = Random::new(name).any(&[1, 3, 17], F32);
    network(cases, name, NEAR, [input], |net, x| {
        let y = net.dense(x[0], 17, 13);
        let y = net.relu(y);
        let y = net.dense(y, 13, 7);
        let y = net.b.op(Op::Tanh, &[y], none());
        let y = net.dense(y, 7, 5);
        let best = net.b.op(Op::ArgMax, &[y], none().with("axis", 2i64));
        vec![y, best]
    });
}

fn softmax(cases: &mut Vec<Case>) {
    let name = "network_softmax";
    let input = Random::new(name).any(&[3, 7], F32);
    network(cases, name, NEAR, [input], |net, x| {
        let axis = || none().with("axis", 1i64);
        let max = net.b.op(Op::ReduceMax, &[x[0]], axis());
        let centred = net.b.op(Op::Sub, &[x[0], max], none());
        let e = net.b.op(Op::Exp, &[centred], none());
        let sum = net.b.op(Op::ReduceSum, &[e], axis());
        let inverse = net.b.op(Op::Reciprocal, &[sum], none());
        vec![net.b.op(Op::Mul, &[e, inverse], none())]
    });
}

/// Ternary convolutions over f32 activations: only exact ops between them.
fn ternary_float(cases: &mut Vec<Case>) {
    let name = "network_ternary_f32";
    let input = Random::new(name).any(&[1, 9, 7, 4], F32);
    network(cases, name, Exact, [input], |net, x| {
        let relu = |attrs: Attrs| attrs.with("min_val", 0.0f32);
        let y = net.ternary_conv(x, [8, 3, 4], 0.4, relu(window(1, 1)));
        let z = net.ternary_conv(&[y], [8, 3, 8], 0.4, relu(window(1, 1)));
        let z = net.ternary_conv(&[z, y], [8, 3, 8], 0.4, relu(window(1, 1)));
        let z = net.ternary_conv(&[z], [5, 1, 8], 0.4, window(0, 2));
        vec![net.pool(Op::MaxPool2d, z, 2, 1)]
    });
}

/// The int8 road: quantize, a chain with requantization and residual, pool, classify.
fn ternary_int8(cases: &mut Vec<Case>, batch: usize) {
    let name = format!("network_ternary_i8_batch{batch}");
    let input = Random::new(&name).any(&[batch, 8, 8, 4], F32);
    network(cases, &name, Exact, [input], |net, x| {
        let i8_relu = |stride| {
            window(1, stride)
                .with("min_val", 0.0f32)
                .with("out_type", I8)
        };
        let q = net.b.op(Op::Quantize, x, none().with("scale", 0.025f32));
        let y = net.ternary_conv(&[q], [8, 3, 4], 0.2, i8_relu(1));
        let z = net.ternary_conv(&[y], [8, 3, 8], 0.2, i8_relu(1));
        let z = net.ternary_conv(
            &[z, y],
            [8, 3, 8],
            0.2,
            i8_relu(1).with("residual_scale", 0.6f32),
        );
        let z = net.pool(Op::MaxPool2d, z, 2, 2);
        let z = net.ternary_conv(&[z], [16, 3, 8], 0.2, i8_relu(1));
        let z = net.reshape(z, &[1, batch, 256]);
        let trits = net.random.trits(&[10, 256], 7);
        let w = weight(net.b, &trits, true);
        let (scale, bias) = (
            net.parameter(&[10], 0.01, 0.05),
            net.parameter(&[10], -1.0, 1.0),
        );
        vec![net.b.op(Op::TernaryMatMul, &[z, w, scale, bias], none())]
    });
}

/// A scale measured at run time, multiplied into the next layer's scale.
fn dynamic_int8(cases: &mut Vec<Case>) {
    let name = "network_dynamic_i8";
    let input = Random::new(name).any(&[1, 5, 5, 3], F32);
    network(cases, name, Exact, [input], |net, x| {
        let quantized = net.b.op_all(Op::DynamicQuantize, x, none());
        let alpha = net.parameter(&[6], 0.1, 0.4);
        let scale = net.b.op(Op::Mul, &[alpha, quantized[1]], none());
        let bias = net.parameter(&[6], -0.5, 0.5);
        let trits = net.random.trits(&[6, 3, 3, 3], 6);
        let w = weight(net.b, &trits, true);
        vec![net.b.op(
            Op::TernaryConv2d,
            &[quantized[0], w, scale, bias],
            window(1, 1),
        )]
    });
}

/// Values with several users and long lives; two results of different types.
fn branches(cases: &mut Vec<Case>) {
    let name = "network_branches";
    let mut random = Random::new(name);
    let inputs = [
        random.grid(&[2, 4, 4, 3], F32),
        random.grid(&[2, 4, 4, 3], F32),
    ];
    network(cases, name, Exact, inputs, |net, x| {
        let sum = net.b.op(Op::Add, &[x[0], x[1]], none());
        let difference = net.b.op(Op::Sub, &[x[0], x[1]], none());
        let larger = net.b.op(Op::Greater, &[sum, difference], none());
        let chosen = net.b.op(Op::Select, &[larger, sum, difference], none());
        let joined = net.b.op(
            Op::Concat,
            &[sum, chosen, difference],
            none().with("axis", 3i64),
        );
        let turned = net.b.op(
            Op::Transpose,
            &[joined],
            none().with("perms", vec![0, 3, 1, 2]),
        );
        let flat = net.reshape(turned, &[2, 9, 16]);
        let total = net.b.op(Op::ReduceSum, &[flat], none().with("axis", 2i64));
        let whole = net
            .b
            .op(Op::Cast, &[total], none().with("out_type", DType::I32));
        vec![whole, joined, chosen]
    });
}
