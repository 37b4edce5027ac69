//! The layers of a function that hold weights: what ternarization chooses from.

use hla_ir::{DType, Function, Node, NodeId, Op, Tensor, ValueId};
use ndarray::{Array2, ArrayView2, Axis};

use crate::selection::layer_name;

/// A contraction with constant weights.
pub(crate) struct Layer<'a> {
    /// The contraction.
    pub node: NodeId,
    /// What messages and options call it.
    pub name: String,
    /// Name of its parameter, if the model gives one.
    pub weight_name: Option<String>,
    /// The constant that holds the weights.
    pub weight: &'a Tensor,
    /// The value of that constant.
    pub weight_value: ValueId,
    /// The node between constant and contraction, if it is an `hla.ternarize`.
    pub ternarize: Option<&'a Node>,
}

/// All convolutions and matrix products with constant weights that may become ternary, in order.
pub(crate) fn layers(function: &Function) -> Vec<Layer<'_>> {
    let mut layers = Vec::new();
    for (id, node) in function.iter_nodes() {
        if !matches!(node.op, Op::Conv2d | Op::MatMul) {
            continue;
        }
        let mut value = node.operands[1];
        let mut ternarize = None;
        if let Some(inner) = function.defining_node(value)
            && inner.op == Op::Ternarize
        {
            value = inner.operands[0];
            ternarize = Some(inner);
        }
        let Some(constant) = function.defining_node(value) else {
            continue;
        };
        let Some(weight) = constant.constant() else {
            continue;
        };
        let batched = node.op == Op::MatMul && weight.shape()[0] != 1;
        if batched || !weight.dtype().is_float() {
            continue;
        }
        let weight_name = constant
            .attrs
            .str("hla.param")
            .or(constant.location.name.as_deref())
            .map(str::to_owned);
        let name = layer_name(node, weight_name.as_deref(), layers.len());
        layers.push(Layer {
            node: id,
            name,
            weight_name,
            weight,
            weight_value: value,
            ternarize,
        });
    }
    layers
}

impl Layer<'_> {
    /// Output channels and fan-in of the weights.
    pub fn dim(&self) -> (usize, usize) {
        match self.weight.shape() {
            [oc, h, w, ic] => (*oc, h * w * ic),
            [_, k, n] => (*n, *k),
            _ => (0, 0),
        }
    }

    /// The shape of the ternary weights: OHWI as they are, a matrix as [W, C].
    pub fn ternary_shape(&self) -> Vec<usize> {
        match self.weight.shape() {
            [_, k, n] => vec![*n, *k],
            shape => shape.to_vec(),
        }
    }

    /// The weights as a matrix with one row for each output channel.
    pub fn matrix(&self) -> Array2<f32> {
        let (n, m) = self.dim();
        let values = self.weight.to_f32s();
        let of = |rows, columns, values| {
            Array2::from_shape_vec((rows, columns), values)
                .unwrap_or_else(|_| Array2::zeros((n, m)))
        };
        if self.weight.shape().len() == 4 {
            of(n, m, values)
        } else {
            let matrix = of(m, n, values);
            let rows: ArrayView2<'_, f32> = matrix.t();
            rows.as_standard_layout().into_owned()
        }
    }

    /// The axis of the weight tensor that output channels lie on.
    pub fn channel_axis(&self) -> Axis {
        Axis(if self.weight.shape().len() == 4 { 0 } else { 2 })
    }

    /// Element type of the weights.
    pub fn dtype(&self) -> DType {
        self.weight.dtype()
    }
}
