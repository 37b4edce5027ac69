//! Every op of the IR, declared once.
//!
//! TOSA's names and semantics are those of TOSA 1.0 as in MLIR 22: activations NHWC, convolution
//! weights OHWI. Where MLIR passes a compile-time constant as an operand (shapes, zero points,
//! the shift of `mul`), the IR holds an attribute, and [`crate::op::Form`] says how to spell it.
//!
//! Two attributes may stand on any op besides its own: `hla.layout` (physical layout of the
//! result, see [`crate::layout`]) and anything discardable that a front end put there.

use crate::infer::{contraction, data, elementwise, gradient, hla, reduction, training};
use crate::op::{Arity, AttrDef, AttrKind, Default, Form, Infer, OpDef, OperandDef};
use crate::types::TensorType;

const fn one(name: &'static str) -> OperandDef {
    OperandDef {
        name,
        arity: Arity::One,
    }
}

const fn optional(name: &'static str) -> OperandDef {
    OperandDef {
        name,
        arity: Arity::Optional,
    }
}

const fn variadic(name: &'static str) -> OperandDef {
    OperandDef {
        name,
        arity: Arity::Variadic,
    }
}

const fn attr(name: &'static str, kind: AttrKind, default: Default) -> AttrDef {
    AttrDef {
        name,
        kind,
        form: Form::Attribute,
        default,
    }
}

const fn shape_operand(name: &'static str) -> AttrDef {
    AttrDef {
        name,
        kind: AttrKind::I64s,
        form: Form::ShapeOperand,
        default: Default::Required,
    }
}

const fn const_operand(name: &'static str, kind: AttrKind, like: usize) -> AttrDef {
    AttrDef {
        name,
        kind,
        form: Form::ConstOperand(like),
        default: Default::Zero,
    }
}

const OUT_TYPE: AttrDef = AttrDef {
    name: "out_type",
    kind: AttrKind::DType,
    form: Form::ResultType,
    default: Default::Absent,
};
const NAN_MODE: AttrDef = attr("nan_mode", AttrKind::NanMode, Default::Str("PROPAGATE"));
const AXIS: AttrDef = attr("axis", AttrKind::I32, Default::Required);
const KERNEL: AttrDef = attr("kernel", AttrKind::I64s, Default::Required);
const PAD: AttrDef = attr("pad", AttrKind::I64s, Default::Required);
const STRIDE: AttrDef = attr("stride", AttrKind::I64s, Default::Required);
const DILATION: AttrDef = attr("dilation", AttrKind::I64s, Default::Required);
/// Absent means f32 for floats and i32 for integers.
const ACC_TYPE: AttrDef = attr("acc_type", AttrKind::DType, Default::Absent);
const LOCAL_BOUND: AttrDef = attr("local_bound", AttrKind::Bool, Default::Bool(false));
const CLAMP_MIN: AttrDef = attr("min_val", AttrKind::F32, Default::F32(f32::NEG_INFINITY));
const CLAMP_MAX: AttrDef = attr("max_val", AttrKind::F32, Default::F32(f32::INFINITY));
const INPUT_SHAPE: AttrDef = attr("input_shape", AttrKind::I64s, Default::Required);
/// Axis of the columns of a weight: one column an output channel.
const COLUMNS: AttrDef = attr("axis", AttrKind::I64, Default::I64(0));
const RESIDUAL_SCALE: AttrDef = attr("residual_scale", AttrKind::F32, Default::F32(1.0));

macro_rules! ops {
    ($( $(#[doc = $doc:literal])+ $op:ident $name:literal ($($operand:expr),*) {$($attr:expr),*} $($flag:ident)* => $infer:path; )*) => {
        /// An op of the IR.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Op {
            $( $(#[doc = $doc])+ $op, )*
            /// An op hlac does not know, kept verbatim: it prints back as it came, and only who
            /// must look inside refuses it. Its name stands in the node's attribute `mlir.name`.
            Opaque,
        }

        /// The declarations, in the order of [`Op`].
        pub static OPS: &[OpDef] = &[
            $( OpDef {
                op: Op::$op,
                name: $name,
                summary: concat!($($doc),+),
                operands: &[$($operand),*],
                attrs: &[$($attr),*],
                elementwise: ops!(@has elementwise $($flag)*),
                commutative: ops!(@has commutative $($flag)*),
                infer: $infer,
            }, )*
            OpDef {
                op: Op::Opaque,
                name: "opaque",
                summary: "An op hlac does not know.",
                operands: &[],
                attrs: &[],
                elementwise: false,
                commutative: false,
                infer: opaque,
            },
        ];
    };
    (@has elementwise) => { false };
    (@has elementwise elementwise $($rest:ident)*) => { true };
    (@has elementwise $other:ident $($rest:ident)*) => { ops!(@has elementwise $($rest)*) };
    (@has commutative) => { false };
    (@has commutative commutative $($rest:ident)*) => { true };
    (@has commutative $other:ident $($rest:ident)*) => { ops!(@has commutative $($rest)*) };
}

fn opaque(_: &Infer<'_>) -> Result<Vec<TensorType>, String> {
    Err("the result type of an op that hlac does not know cannot be inferred".to_owned())
}

impl Op {
    /// The declaration of this op.
    pub fn def(self) -> &'static OpDef {
        &OPS[self as usize]
    }

    /// Whether only training has this op, not inference: `hla.normalize` and all that are declared
    /// after it.
    pub fn is_training(self) -> bool {
        (Op::Normalize..Op::Opaque).contains(&self)
    }

    /// The op with this full MLIR name.
    pub fn from_name(name: &str) -> Option<Op> {
        OPS.iter()
            .find(|d| d.name == name && d.op != Op::Opaque)
            .map(|d| d.op)
    }
}

ops! {
    /// A constant tensor.
    Const "tosa.const" () { attr("values", AttrKind::Tensor, Default::Required) } => data::constant;

    /// 2-D convolution of an NHWC input with OHWI weights: y = Σ (x − input_zp)·(w − weight_zp) + bias. Pad is top, bottom, left, right; the bias has OC elements or one.
    Conv2d "tosa.conv2d" (one("input"), one("weight"), one("bias")) {
        PAD, STRIDE, DILATION, ACC_TYPE, LOCAL_BOUND,
        const_operand("input_zp", AttrKind::Scalar, 0), const_operand("weight_zp", AttrKind::Scalar, 1), OUT_TYPE
    } => contraction::conv2d;
    /// Depthwise 2-D convolution: weights are [KH, KW, C, M], output channel c·M + m.
    DepthwiseConv2d "tosa.depthwise_conv2d" (one("input"), one("weight"), one("bias")) {
        PAD, STRIDE, DILATION, ACC_TYPE, LOCAL_BOUND,
        const_operand("input_zp", AttrKind::Scalar, 0), const_operand("weight_zp", AttrKind::Scalar, 1), OUT_TYPE
    } => contraction::depthwise_conv2d;
    /// Transposed 2-D convolution with OHWI weights: every input element scatters a weighted kernel. OH = (IH − 1)·stride + out_pad_top + out_pad_bottom + KH.
    TransposeConv2d "tosa.transpose_conv2d" (one("input"), one("weight"), one("bias")) {
        attr("out_pad", AttrKind::I64s, Default::Required), STRIDE, ACC_TYPE, LOCAL_BOUND,
        const_operand("input_zp", AttrKind::Scalar, 0), const_operand("weight_zp", AttrKind::Scalar, 1), OUT_TYPE
    } => contraction::transpose_conv2d;
    /// Batched matrix product: [N, H, C] × [N, C, W] → [N, H, W].
    MatMul "tosa.matmul" (one("a"), one("b")) {
        const_operand("a_zp", AttrKind::Scalar, 0), const_operand("b_zp", AttrKind::Scalar, 1), OUT_TYPE
    } => contraction::matmul;

    /// Average over windows of an NHWC input; padding does not count in the divisor.
    AvgPool2d "tosa.avg_pool2d" (one("input")) {
        KERNEL, STRIDE, PAD, ACC_TYPE,
        const_operand("input_zp", AttrKind::Scalar, 0), const_operand("output_zp", AttrKind::Scalar, 0)
    } => contraction::pool;
    /// Maximum over windows of an NHWC input; padding never wins.
    MaxPool2d "tosa.max_pool2d" (one("input")) { KERNEL, STRIDE, PAD, NAN_MODE } => contraction::pool;

    /// x + y.
    Add "tosa.add" (one("input1"), one("input2")) {} elementwise commutative => elementwise::same;
    /// x − y.
    Sub "tosa.sub" (one("input1"), one("input2")) {} elementwise => elementwise::same;
    /// x·y; a non-zero shift (i32 only) divides by 2^shift, rounding half up.
    Mul "tosa.mul" (one("input1"), one("input2")) { const_operand("shift", AttrKind::I8, 0) } elementwise commutative => elementwise::mul;
    /// xʸ.
    Pow "tosa.pow" (one("input1"), one("input2")) {} elementwise => elementwise::float;
    /// The larger of x and y.
    Maximum "tosa.maximum" (one("input1"), one("input2")) { NAN_MODE } elementwise commutative => elementwise::same;
    /// The smaller of x and y.
    Minimum "tosa.minimum" (one("input1"), one("input2")) { NAN_MODE } elementwise commutative => elementwise::same;
    /// x = y.
    Equal "tosa.equal" (one("input1"), one("input2")) {} elementwise commutative => elementwise::compare;
    /// x > y.
    Greater "tosa.greater" (one("input1"), one("input2")) {} elementwise => elementwise::compare;
    /// x ≥ y.
    GreaterEqual "tosa.greater_equal" (one("input1"), one("input2")) {} elementwise => elementwise::compare;
    /// x and y.
    LogicalAnd "tosa.logical_and" (one("input1"), one("input2")) {} elementwise commutative => elementwise::logical;
    /// x or y.
    LogicalOr "tosa.logical_or" (one("input1"), one("input2")) {} elementwise commutative => elementwise::logical;
    /// not x.
    LogicalNot "tosa.logical_not" (one("input1")) {} elementwise => elementwise::logical;
    /// on_true where the condition holds, else on_false.
    Select "tosa.select" (one("condition"), one("on_true"), one("on_false")) {} elementwise => elementwise::select;

    /// −x, with zero points for integers.
    Negate "tosa.negate" (one("input1")) {
        const_operand("input1_zp", AttrKind::Scalar, 0), const_operand("output_zp", AttrKind::Scalar, 0)
    } elementwise => elementwise::same;
    /// |x|.
    Abs "tosa.abs" (one("input1")) {} elementwise => elementwise::same;
    /// 1/x.
    Reciprocal "tosa.reciprocal" (one("input1")) {} elementwise => elementwise::float;
    /// 1/√x.
    Rsqrt "tosa.rsqrt" (one("input1")) {} elementwise => elementwise::float;
    /// eˣ.
    Exp "tosa.exp" (one("input1")) {} elementwise => elementwise::float;
    /// Natural logarithm.
    Log "tosa.log" (one("input1")) {} elementwise => elementwise::float;
    /// Hyperbolic tangent.
    Tanh "tosa.tanh" (one("input")) {} elementwise => elementwise::float;
    /// 1/(1 + e⁻ˣ).
    Sigmoid "tosa.sigmoid" (one("input")) {} elementwise => elementwise::float;
    /// Gauss error function.
    Erf "tosa.erf" (one("input")) {} elementwise => elementwise::float;
    /// Smallest integer not below x.
    Ceil "tosa.ceil" (one("input1")) {} elementwise => elementwise::float;
    /// Largest integer not above x.
    Floor "tosa.floor" (one("input1")) {} elementwise => elementwise::float;
    /// min(max(x, min_val), max_val).
    Clamp "tosa.clamp" (one("input")) {
        attr("min_val", AttrKind::Scalar, Default::Required), attr("max_val", AttrKind::Scalar, Default::Required), NAN_MODE
    } elementwise => elementwise::clamp;
    /// Conversion of the element type: float to integer rounds to nearest even and saturates.
    Cast "tosa.cast" (one("input")) { OUT_TYPE } elementwise => elementwise::cast;
    /// The input itself.
    Identity "tosa.identity" (one("input1")) {} elementwise => elementwise::same;

    /// Sum along an axis, which becomes 1.
    ReduceSum "tosa.reduce_sum" (one("input")) { AXIS } => reduction::reduce;
    /// Maximum along an axis, which becomes 1.
    ReduceMax "tosa.reduce_max" (one("input")) { AXIS, NAN_MODE } => reduction::reduce;
    /// Minimum along an axis, which becomes 1.
    ReduceMin "tosa.reduce_min" (one("input")) { AXIS, NAN_MODE } => reduction::reduce;
    /// Product along an axis, which becomes 1.
    ReduceProduct "tosa.reduce_product" (one("input")) { AXIS } => reduction::reduce;
    /// Index of the first maximum along an axis, which vanishes.
    ArgMax "tosa.argmax" (one("input")) { AXIS, NAN_MODE, OUT_TYPE } => reduction::argmax;

    /// The same elements in row-major order under another shape.
    Reshape "tosa.reshape" (one("input1")) { shape_operand("shape") } => data::reshape;
    /// Permutation of dimensions: result dimension i is input dimension perms\[i\].
    Transpose "tosa.transpose" (one("input1")) { attr("perms", AttrKind::I32s, Default::Required) } => data::transpose;
    /// Concatenation along an axis.
    Concat "tosa.concat" (variadic("input1")) { AXIS } => data::concat;
    /// Padding with a constant: the array holds before, after for each dimension.
    Pad "tosa.pad" (one("input1")) { shape_operand("padding"), const_operand("pad_const", AttrKind::Scalar, 0) } => data::pad;
    /// A box of the input.
    Slice "tosa.slice" (one("input1")) { shape_operand("start"), shape_operand("size") } => data::slice;
    /// Repetition along each dimension.
    Tile "tosa.tile" (one("input1")) { shape_operand("multiples") } => data::tile;
    /// Reversal along an axis.
    Reverse "tosa.reverse" (one("input1")) { AXIS } => data::reverse;
    /// result\[n, w, c\] = values\[n, indices\[n, w\], c\]; an index out of range is an error of the program.
    Gather "tosa.gather" (one("values"), one("indices")) {} => data::gather;

    /// HLA Eq. 4–5 on constants or parameters: α_j·sign(w) where |w| > threshold, else 0; columns are slices along `axis`; α_j = 1/√(non-zeros of column j). An empty column keeps its largest entry.
    Ternarize "hla.ternarize" (one("weight")) { attr("threshold", AttrKind::F32, Default::Required), attr("axis", AttrKind::I64, Default::I64(0)) } => hla::ternarize;
    /// Convolution with ternary OHWI weights (i8, −1, 0 or 1): y = fma(Σ ±x, scale, bias) per output channel; then y = fma(residual, residual_scale, y) if there is a residual; then clamped; an i8 result is rounded to nearest even and saturated to ±127. Input and residual are of f32, f16, bf16 or i8, and exact in what follows, which is in f32. Over floats the sum starts at +0, adds the +1 taps one by one in the order of (kh, kw, ic), then subtracts the −1 taps in that order (padding reads as +0, which never changes such a sum); over i8 inputs it is exact.
    TernaryConv2d "hla.ternary_conv2d" (one("input"), one("weight"), one("scale"), one("bias"), optional("residual")) {
        PAD, STRIDE, DILATION, CLAMP_MIN, CLAMP_MAX, RESIDUAL_SCALE, OUT_TYPE
    } => hla::ternary_conv2d;
    /// Product of \[N, H, C\] with ternary \[W, C\] weights (i8, one row per output channel) → \[N, H, W\], types and epilogue as in `hla.ternary_conv2d`; the sum of floats adds the +1 taps, then subtracts the −1 taps, in the order of C.
    TernaryMatMul "hla.ternary_matmul" (one("input"), one("weight"), one("scale"), one("bias"), optional("residual")) {
        CLAMP_MIN, CLAMP_MAX, RESIDUAL_SCALE, OUT_TYPE
    } => hla::ternary_matmul;
    /// Ternary values (i8) as 2-bit codes, four a byte, first in the low bits: 00 = 0, 01 = +1, 10 = −1, 11 invalid; row-major, each row of the outermost dimension starting on a byte.
    Pack "hla.pack" (one("values")) { attr("layout_version", AttrKind::I64, Default::I64(1)) } => hla::pack;
    /// The inverse of `hla.pack`.
    Unpack "hla.unpack" (one("packed")) { attr("shape", AttrKind::I64s, Default::Required), attr("layout_version", AttrKind::I64, Default::I64(1)) } => hla::unpack;
    /// Symmetric 8-bit quantization: q = saturate(round_even(x·(1/scale)), ±127), with 1/scale rounded to f32; a NaN becomes 0.
    Quantize "hla.quantize" (one("input")) { attr("scale", AttrKind::F32, Default::Required) } elementwise => hla::quantize;
    /// q·scale.
    Dequantize "hla.dequantize" (one("input")) { attr("scale", AttrKind::F32, Default::Required) } elementwise => hla::dequantize;
    /// Quantization with a scale measured at run time: scale = max|x|/127 (1 where x is all zero), q as in `hla.quantize`; results are q and scale, a tensor of one element.
    DynamicQuantize "hla.dynamic_quantize" (one("input")) {} => hla::dynamic_quantize;
    /// The input itself, its result stored in the layout that the attribute `hla.layout` names.
    Relayout "hla.relayout" (one("input")) {} => elementwise::same;

    /// The hyperspherical layer's weight, Eq. 3: w/√(Σ w² + ε) for each column, a slice along `axis`.
    Normalize "hla.normalize" (one("weight")) { COLUMNS, attr("epsilon", AttrKind::F32, Default::F32(1e-4)) } => training::normalize;
    /// T(t), Eq. 8: the ⌊t·n⌋-th smallest of the n magnitudes |w|, so that a share t of them, or more of equals, is not larger; the product in f32; 0 where ⌊t·n⌋ ≤ 0, the largest for t ≥ 1; t is a tensor of one element; a NaN is larger than any number.
    Threshold "hla.threshold" (one("weight"), one("share")) {} => training::threshold;
    /// Ŵ = Ternary(W, Δ), Eq. 4–5 and 10: α_j·sign(w) where |w| > Δ, else 0; α_j = 1/√(non-zeros of column j); an empty column keeps its largest entry, the first of equals, unless all are zero; a Δ below 0 counts as 0, and a NaN weight becomes 0. The gradient by w is g ⊙ S (Eq. 11–12): S is 1 − w² for `weight`, max(0, 1 − (w/α)²) for `alpha`, 1 for `none`. The gradient by Δ is Eq. 13: the mean of g ⊙ S over w ≠ 0 divided by all m·n (`signed`), minus that of g ⊙ S ⊙ sign(w) (`symmetric`), or zero (`none`).
    SteTernarize "hla.ste_ternarize" (one("weight"), one("threshold")) {
        COLUMNS, attr("rescale", AttrKind::Str, Default::Str("weight")), attr("threshold_gradient", AttrKind::Str, Default::Str("signed"))
    } => training::ste_ternarize;
    /// The value, with a gradient of its own: g goes to the value, g (times the slope, if there is one) to the latent, nothing to the slope.
    StraightThrough "hla.straight_through" (one("latent"), one("value"), optional("slope")) {} => training::straight_through;
    /// The input itself; no gradient passes.
    StopGradient "hla.stop_gradient" (one("input")) {} elementwise => elementwise::same;
    /// L_d, Eq. 7: the mean over n columns of (w_jᵀŵ_j − 1)² with Ŵ = Ternary(W, Δ), a tensor of one element. Ŵ counts as constant in the gradient.
    LossAware "hla.loss_aware" (one("weight"), one("threshold")) { COLUMNS } => training::loss_aware;
    /// Mean over N of the cross-entropy of softmax(logits \[N, C\]) and (1 − s)·onehot(labels) + s/C, s = `label_smoothing`; a label outside 0..C has no one-hot term.
    SoftmaxCrossEntropy "hla.softmax_cross_entropy" (one("logits"), one("labels")) { attr("label_smoothing", AttrKind::F32, Default::F32(0.0)) } => training::softmax_cross_entropy;
    /// Batch norm with the batch's own statistics: y = (x − mean)/√(variance + ε)·scale + offset; mean and (biased) variance over all axes but the last, which are the further results.
    BatchNorm "hla.batch_norm" (one("input"), one("scale"), one("offset")) { attr("epsilon", AttrKind::F32, Default::F32(1e-5)) } => training::batch_norm;
    /// A step of stochastic gradient descent: g' = g + weight_decay·p, m' = momentum·m + g', p' = p − learning_rate·m' (or g' + momentum·m' for Nesterov); results p' and m'.
    SgdUpdate "hla.sgd_update" (one("parameter"), one("gradient"), one("momentum"), one("learning_rate")) {
        attr("mu", AttrKind::F32, Default::F32(0.9)), attr("weight_decay", AttrKind::F32, Default::F32(0.0)), attr("nesterov", AttrKind::Bool, Default::Bool(false))
    } => training::sgd_update;

    /// Gradient of `tosa.conv2d` by its input, from that by its result and the weight: Σ over (kh, kw, oc) of g·w for each input element. Factors of f16 or bf16 are summed in f32, as in the three gradients that follow.
    Conv2dInputGrad "hla.conv2d_input_grad" (one("gradient"), one("weight")) { PAD, STRIDE, DILATION, INPUT_SHAPE } => gradient::conv2d_input;
    /// Gradient of `tosa.conv2d` by its weight, from its input and the gradient by its result: Σ over (n, oh, ow) of x·g for each weight.
    Conv2dWeightGrad "hla.conv2d_weight_grad" (one("input"), one("gradient")) { KERNEL, PAD, STRIDE, DILATION } => gradient::conv2d_weight;
    /// Gradient of `tosa.depthwise_conv2d` by its input, from that by its result and the weight.
    DepthwiseConv2dInputGrad "hla.depthwise_conv2d_input_grad" (one("gradient"), one("weight")) { PAD, STRIDE, DILATION, INPUT_SHAPE } => gradient::depthwise_conv2d_input;
    /// Gradient of `tosa.depthwise_conv2d` by its weight \[KH, KW, C, M\], from its input and the gradient by its result.
    DepthwiseConv2dWeightGrad "hla.depthwise_conv2d_weight_grad" (one("input"), one("gradient")) { KERNEL, PAD, STRIDE, DILATION } => gradient::depthwise_conv2d_weight;
    /// Gradient of `tosa.max_pool2d` by its input: the first maximum of each window, in row-major order, gets that window's gradient; a NaN is larger than any number. Both operands and the result are of one float type; an element's gradients are summed in f32.
    MaxPool2dGrad "hla.max_pool2d_grad" (one("input"), one("gradient")) { KERNEL, STRIDE, PAD } => gradient::max_pool2d;
    /// Gradient of `tosa.avg_pool2d` by its input: each window's gradient, divided by its elements that are no padding, goes to all of these, of the gradient's float type; an element's parts are summed in f32.
    AvgPool2dGrad "hla.avg_pool2d_grad" (one("gradient")) { KERNEL, STRIDE, PAD, INPUT_SHAPE } => gradient::avg_pool2d;
    /// Gradient of `tosa.gather` by its values: result\[n, indices\[n, w\], c\] is the sum of updates\[n, w, c\] in the order of w; `rows` is K of the result \[N, K, C\]; an index out of range is an error of the program.
    ScatterAdd "hla.scatter_add" (one("indices"), one("updates")) { attr("rows", AttrKind::I64, Default::Required) } => gradient::scatter_add;
}
