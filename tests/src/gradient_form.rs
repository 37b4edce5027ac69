//! Gradients in terms of TOSA, so that upstream can compute them: written from the text of the
//! declarations, with convolutions in place of the loops of hlac's own kernels and evaluator.
//!
//! - By its input, the gradient of a convolution is a convolution of the gradient, zeros between its
//!   elements for a stride, with the reversed kernel and inputs and outputs exchanged; by its weight,
//!   one in which the batch are the channels, the gradient is the kernel, and stride and dilation are
//!   exchanged.
//! - A depthwise convolution is one with block-diagonal weights, an average pool a depthwise one with
//!   weights 1 of a divided gradient, a scatter a product with a one-hot matrix.

use hla_ir::decompose::decompose;
use hla_ir::rewrite::{Rewriter, rewrite};
use hla_ir::{Attrs, DType, Diagnostic, Function, Node, Op, Tensor, TensorType, ValueId};

/// A function of training ops without hla ops. `None` if it holds one that TOSA cannot say.
pub fn gradient_form(function: &Function) -> Option<Result<Function, Diagnostic>> {
    let known = |node: &Node| !matches!(node.op, Op::Threshold | Op::MaxPool2dGrad);
    let form = |function: Function| {
        rewrite(&function, |r, _, node| {
            let mut operands = r.get_all(&node.operands);
            let mut form = Form { r, node };
            if matches!(
                node.op,
                Op::Conv2dInputGrad
                    | Op::Conv2dWeightGrad
                    | Op::DepthwiseConv2dInputGrad
                    | Op::DepthwiseConv2dWeightGrad
                    | Op::AvgPool2dGrad
            ) {
                for factor in &mut operands {
                    *factor = form.in_f32(*factor)?;
                }
            }
            Ok(Some(vec![match (node.op, &operands[..]) {
                (Op::Conv2dInputGrad, &[g, w]) => form.by_input(g, w)?,
                (Op::Conv2dWeightGrad, &[x, g]) => form.by_weight(x, g)?,
                (Op::DepthwiseConv2dInputGrad, &[g, w]) => {
                    let full = form.block_diagonal(w)?;
                    form.by_input(g, full)?
                }
                (Op::DepthwiseConv2dWeightGrad, &[x, g]) => {
                    let full = form.by_weight(x, g)?;
                    form.blocks(full)?
                }
                (Op::AvgPool2dGrad, &[g]) => {
                    let sums = form.average(g)?;
                    form.as_result(sums)?
                }
                (Op::ScatterAdd, &[indices, updates]) => form.scatter(indices, updates)?,
                _ => return Ok(None),
            }]))
        })
    };
    let all_known = function.nodes.iter().all(known);
    all_known.then(|| decompose(function).and_then(form))
}

/// One node being rewritten.
struct Form<'r, 'a> {
    r: &'r mut Rewriter<'a>,
    node: &'r Node,
}

type Value = Result<ValueId, Diagnostic>;

impl Form<'_, '_> {
    fn shape(&self, value: ValueId) -> Vec<i64> {
        let ty = self.r.new_function().tensor_ty(value);
        ty.shape.iter().map(|&e| e as i64).collect()
    }

    fn array(&self, name: &str) -> Vec<i64> {
        let values = self.node.attrs.i64s(name);
        values.map_or(vec![1, 1], <[i64]>::to_vec)
    }

    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> Value {
        self.r.push(op, operands, attrs, self.node.location.clone())
    }

    /// An op with one array.
    fn with(&mut self, op: Op, x: ValueId, name: &str, array: Vec<i64>) -> Value {
        self.op(op, &[x], Attrs::new().with(name, array))
    }

    fn constant(&mut self, dtype: DType, shape: &[i64], value: impl Fn(usize) -> f64) -> Value {
        let shape: Vec<usize> = shape.iter().map(|&e| e as usize).collect();
        let ty = TensorType::new(shape, dtype);
        let values = (0..ty.elements()).map(value);
        let location = self.node.location.clone();
        let tensor = Tensor::from_f64s(ty.clone(), values)
            .map_err(|message| Diagnostic::error(location.clone(), message))?;
        self.r.constant(tensor, location)
    }

    /// What is computed in f32, in the type of the op's result.
    fn as_result(&mut self, x: ValueId) -> Value {
        match self.r.old().tensor_ty(self.node.result()).dtype {
            DType::F32 => Ok(x),
            half => self.op(Op::Cast, &[x], Attrs::new().with("out_type", half)),
        }
    }

    /// Factors of 16 bits as f32, in which their products are exact: so the sums are those of the op.
    fn in_f32(&mut self, x: ValueId) -> Value {
        match self.r.new_function().tensor_ty(x).dtype {
            DType::F16 | DType::BF16 => {
                self.op(Op::Cast, &[x], Attrs::new().with("out_type", DType::F32))
            }
            _ => Ok(x),
        }
    }

    fn convolution(
        &mut self,
        x: ValueId,
        w: ValueId,
        pad: Vec<i64>,
        stride: Vec<i64>,
        dilation: Vec<i64>,
    ) -> Value {
        let zero = self.constant(DType::F32, &[1], |_| 0.0)?;
        let attrs = Attrs::new()
            .with("pad", pad)
            .with("stride", stride)
            .with("dilation", dilation);
        self.op(Op::Conv2d, &[x, w, zero], attrs)
    }

    /// Zeros between elements along height and width, for a stride.
    fn spread(&mut self, g: ValueId, stride: &[i64]) -> Value {
        let [n, h, w, c] = self.shape(g)[..] else {
            return Ok(g);
        };
        let g = self.with(Op::Reshape, g, "shape", vec![n * h, 1, w, 1, c])?;
        let padding = vec![0, 0, 0, stride[0] - 1, 0, 0, 0, stride[1] - 1, 0, 0];
        let g = self.with(Op::Pad, g, "padding", padding)?;
        let (h, w) = (h * stride[0], w * stride[1]);
        let g = self.with(Op::Reshape, g, "shape", vec![n, h, w, c])?;
        let size = vec![n, h - stride[0] + 1, w - stride[1] + 1, c];
        let attrs = Attrs::new().with("start", vec![0; 4]).with("size", size);
        self.op(Op::Slice, &[g], attrs)
    }

    fn by_input(&mut self, g: ValueId, weight: ValueId) -> Value {
        let (pad, stride, dilation) = (
            self.array("pad"),
            self.array("stride"),
            self.array("dilation"),
        );
        let kernel = self.shape(weight);
        let mut g = self.spread(g, &stride)?;
        let w = self.with(Op::Transpose, weight, "perms", vec![3, 1, 2, 0])?;
        let w = self.op(Op::Reverse, &[w], Attrs::new().with("axis", 1))?;
        let w = self.op(Op::Reverse, &[w], Attrs::new().with("axis", 2))?;
        // A padding larger than the kernel leaves gradients that reach no pixel.
        let reach = |i: usize| (kernel[1 + i] - 1) * dilation[i];
        let wanted: Vec<i64> = (0..4).map(|i| reach(i / 2) - pad[i]).collect();
        let crop: Vec<i64> = wanted.iter().map(|&p| (-p).max(0)).collect();
        let mut size = self.shape(g);
        size[1] -= crop[0] + crop[1];
        size[2] -= crop[2] + crop[3];
        let attrs = Attrs::new()
            .with("start", vec![0, crop[0], crop[2], 0])
            .with("size", size);
        g = self.op(Op::Slice, &[g], attrs)?;
        let pad = wanted.iter().map(|&p| p.max(0)).collect();
        self.convolution(g, w, pad, vec![1, 1], dilation)
    }

    fn by_weight(&mut self, x: ValueId, g: ValueId) -> Value {
        let (pad, stride, dilation) = (
            self.array("pad"),
            self.array("stride"),
            self.array("dilation"),
        );
        let x = self.with(Op::Transpose, x, "perms", vec![3, 1, 2, 0])?;
        let g = self.with(Op::Transpose, g, "perms", vec![3, 1, 2, 0])?;
        let w = self.convolution(x, g, pad, dilation, stride)?;
        self.with(Op::Transpose, w, "perms", vec![3, 1, 2, 0])
    }

    /// 1 where output channel c·M + m meets input channel c, as [C·M, 1, 1, C].
    fn diagonal(&mut self, channels: i64, multiplier: i64) -> Value {
        let (c, m) = (channels as usize, multiplier as usize);
        let on = move |i: usize| f64::from(i / c / m == i % c);
        let shape = [channels * multiplier, 1, 1, channels];
        self.constant(DType::F32, &shape, on)
    }

    /// [KH, KW, C, M] as [C·M, KH, KW, C].
    fn block_diagonal(&mut self, w: ValueId) -> Value {
        let [kh, kw, c, m] = self.shape(w)[..] else {
            return Ok(w);
        };
        let w = self.with(Op::Transpose, w, "perms", vec![2, 3, 0, 1])?;
        let w = self.with(Op::Reshape, w, "shape", vec![c * m, kh, kw, 1])?;
        let diagonal = self.diagonal(c, m)?;
        self.op(Op::Mul, &[w, diagonal], Attrs::new())
    }

    /// [C·M, KH, KW, C] as [KH, KW, C, M].
    fn blocks(&mut self, w: ValueId) -> Value {
        let [columns, kh, kw, c] = self.shape(w)[..] else {
            return Ok(w);
        };
        let diagonal = self.diagonal(c, columns / c)?;
        let w = self.op(Op::Mul, &[w, diagonal], Attrs::new())?;
        let w = self.op(Op::ReduceSum, &[w], Attrs::new().with("axis", 3))?;
        let w = self.with(Op::Reshape, w, "shape", vec![c, columns / c, kh, kw])?;
        self.with(Op::Transpose, w, "perms", vec![2, 3, 0, 1])
    }

    fn average(&mut self, g: ValueId) -> Value {
        let (input, kernel) = (self.array("input_shape"), self.array("kernel"));
        let (pad, stride) = (self.array("pad"), self.array("stride"));
        let [_, h, w, c] = self.shape(g)[..] else {
            return Ok(g);
        };
        let inside = |axis: usize, out: i64| {
            let first = out * stride[axis] - pad[2 * axis];
            let end = (first + kernel[axis]).min(input[1 + axis]);
            end - first.max(0)
        };
        let share = |i: usize| 1.0 / (inside(0, i as i64 / w) * inside(1, i as i64 % w)) as f64;
        let share = self.constant(DType::F32, &[1, h, w, 1], share)?;
        let g = self.op(Op::Mul, &[g, share], Attrs::new())?;
        let ones = self.constant(DType::F32, &[kernel[0], kernel[1], c, 1], |_| 1.0)?;
        let ones = self.block_diagonal(ones)?;
        self.by_input(g, ones)
    }

    fn scatter(&mut self, indices: ValueId, updates: ValueId) -> Value {
        let rows = self.node.attrs.i64("rows").unwrap_or(0);
        let [n, w] = self.shape(indices)[..] else {
            return Ok(updates);
        };
        let indices = self.with(Op::Reshape, indices, "shape", vec![n, 1, w])?;
        let iota = self.constant(DType::I32, &[1, rows, 1], |i| i as f64)?;
        let hot = self.op(Op::Equal, &[indices, iota], Attrs::new())?;
        let hot = self.op(Op::Cast, &[hot], Attrs::new().with("out_type", DType::F32))?;
        self.op(Op::MatMul, &[hot, updates], Attrs::new())
    }
}
