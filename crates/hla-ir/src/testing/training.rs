//! One op of training with operands and attributes that suit it.

use super::Maker;
use crate::attr::Attrs;
use crate::graph::ValueId;
use crate::ops::Op;
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

impl Maker<'_> {
    /// Operands of an op of training; its attributes are added. `None` where none fit.
    pub(super) fn training(&mut self, op: Op, attrs: &mut Attrs) -> Option<Vec<ValueId>> {
        match op {
            Op::SoftmaxCrossEntropy => return Some(self.cross_entropy(attrs)),
            Op::ScatterAdd => return Some(self.scatter(attrs)),
            Op::Conv2dInputGrad
            | Op::Conv2dWeightGrad
            | Op::DepthwiseConv2dInputGrad
            | Op::DepthwiseConv2dWeightGrad => return Some(self.convolution_gradient(op, attrs)),
            Op::MaxPool2dGrad | Op::AvgPool2dGrad => return Some(self.pool_gradient(op, attrs)),
            _ => {}
        }
        let rank = (op == Op::BatchNorm).then_some(4);
        let x = self.any_of(rank, &[DType::F32]);
        let ty = self.function.tensor_ty(x).clone();
        let mut operands = vec![x];
        match op {
            Op::BatchNorm => {
                let channels = TensorType::f32([1, 1, 1, ty.shape[3]]);
                operands.extend([0, 1].map(|_| self.like(&channels)));
            }
            Op::StopGradient => {}
            Op::StraightThrough => {
                operands.extend((0..1 + self.below(2)).map(|_| self.like(&ty)));
            }
            Op::SgdUpdate => {
                operands.extend([0, 1].map(|_| self.like(&ty)));
                operands.push(self.like(&TensorType::f32([1])));
                attrs.set("weight_decay", 0.25_f32);
                attrs.set("nesterov", self.chance(2));
            }
            _ => {
                if ty.rank() == 0 {
                    return None;
                }
                attrs.set("axis", self.below(ty.rank()) as i64);
                if op != Op::Normalize {
                    operands.push(self.like(&TensorType::f32([1])));
                }
                attrs.set("rescale", self.pick(&["weight", "alpha", "none"]));
                let gradient = self.pick(&["signed", "symmetric", "none"]);
                attrs.set("threshold_gradient", gradient);
            }
        }
        Some(operands)
    }

    /// A value of exactly this type.
    fn like(&mut self, ty: &TensorType) -> ValueId {
        self.value(|t| t == ty, ty.clone())
    }

    fn cross_entropy(&mut self, attrs: &mut Attrs) -> Vec<ValueId> {
        let x = self.any_of(Some(2), &[DType::F32]);
        let [rows, classes] = [0, 1].map(|i| self.function.tensor_ty(x).shape[i]);
        attrs.set("label_smoothing", self.pick(&[0.0_f32, 0.125]));
        vec![x, self.indices(&[rows], classes)]
    }

    fn scatter(&mut self, attrs: &mut Attrs) -> Vec<ValueId> {
        let x = self.any_of(Some(3), &[DType::F32]);
        let shape = self.function.tensor_ty(x).shape.clone();
        let rows = 1 + self.below(4);
        attrs.set("rows", rows as i64);
        vec![self.indices(&shape[..2], rows), x]
    }

    /// A constant of indices below a bound.
    fn indices(&mut self, shape: &[usize], bound: usize) -> ValueId {
        let ty = TensorType {
            shape: shape.to_vec(),
            dtype: DType::I32,
        };
        let index = Tensor::splat(ty, self.below(bound) as f64);
        let location = self.location();
        self.function.constant(index, location)
    }

    fn convolution_gradient(&mut self, op: Op, attrs: &mut Attrs) -> Vec<ValueId> {
        let x = self.any_of(Some(4), &[DType::F32]);
        let input = self.function.tensor_ty(x).shape.clone();
        let [kh, kw, m] = [0; 3].map(|_| 1 + self.below(3));
        let depthwise = matches!(
            op,
            Op::DepthwiseConv2dInputGrad | Op::DepthwiseConv2dWeightGrad
        );
        let (weight, columns) = match depthwise {
            true => ([kh, kw, input[3], m], input[3] * m),
            false => ([m, kh, kw, input[3]], m),
        };
        let [height, width] = self.windows(attrs, &input, [kh, kw], true);
        let gradient = TensorType::f32([input[0], height, width, columns]);
        let gradient = self.like(&gradient);
        match op {
            Op::Conv2dWeightGrad | Op::DepthwiseConv2dWeightGrad => {
                attrs.set("kernel", vec![kh as i64, kw as i64]);
                vec![x, gradient]
            }
            _ => {
                attrs.set("input_shape", extents(&input));
                vec![gradient, self.like(&TensorType::f32(weight))]
            }
        }
    }

    fn pool_gradient(&mut self, op: Op, attrs: &mut Attrs) -> Vec<ValueId> {
        let x = self.any_of(Some(4), &[DType::F32]);
        let input = self.function.tensor_ty(x).shape.clone();
        let kernel = [0, 1].map(|_| 1 + self.below(2));
        let [height, width] = self.windows(attrs, &input, kernel, false);
        attrs.set("kernel", extents(&kernel));
        let gradient = self.like(&TensorType::f32([input[0], height, width, input[3]]));
        match op {
            Op::MaxPool2dGrad => vec![x, gradient],
            _ => {
                attrs.set("input_shape", extents(&input));
                vec![gradient]
            }
        }
    }
}

fn extents(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&e| e as i64).collect()
}
