//! From a contraction of the IR to kernels.

use hla_ir::{Attrs, DType, Function, Node, Op, TensorType, ValueId};

use super::depthwise::{Depthwise, Kind};
use super::epilogue::{Epilogue, Extra, Finish};
use super::gemm::Gemm;
use super::view::{Operand, View, Windows};
use super::{linalg, plain, tensor};
use crate::options::Precision;
use crate::{Body, BodyValue, KernelCode};

/// A contraction with what follows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Contraction<'a> {
    /// The op.
    pub op: Op,
    /// Its attributes.
    pub attrs: &'a Attrs,
    /// Types of its first two operands, as they are in memory: a matrix that is read transposed
    /// before it is, packed ternary weights as a row of bytes.
    pub operands: [TensorType; 2],
    /// Whether each operand of a matrix product is read transposed: its last two axes the other
    /// way round.
    pub transposed: [bool; 2],
    /// The shape of ternary weights that are packed.
    pub packed: Option<Vec<usize>>,
    /// The op's result.
    pub result: TensorType,
    /// What becomes of the sums.
    pub epilogue: Epilogue,
    /// How products of f32 are computed.
    pub precision: Precision,
    /// What it computes, for people.
    pub computes: String,
}

/// The kernels of a contraction.
#[derive(Clone, PartialEq, Debug)]
pub enum Kernels {
    /// One, whose arguments are both operands in their [order](Contraction::order), the extras, and
    /// the result.
    One(KernelCode),
    /// Two: the first takes both operands and writes parts of the sums to a buffer, the second
    /// takes that buffer, the extras, and the result.
    Two {
        /// The first kernel.
        parts: KernelCode,
        /// The buffer between them.
        buffer: TensorType,
        /// The second kernel.
        sum: KernelCode,
    },
}

/// Blocks that keep a GPU busy; a sum is divided until there are about so many.
const BLOCKS: usize = 264;
/// A part of a divided sum has at least so many products.
const SHORTEST: usize = 512;

/// The values that a contraction's kernels are given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Values {
    /// Both operands; packed bytes in place of the weights that they unpack to.
    pub operands: [ValueId; 2],
    /// The operands of the rest of the op: bias, scale, residual.
    pub extras: Vec<ValueId>,
}

impl<'a> Contraction<'a> {
    /// A contraction of a function, with nothing that follows it, and what it is given; `None` if
    /// the node is no contraction.
    pub fn of(
        function: &'a Function,
        node: &'a Node,
        precision: Precision,
    ) -> Option<(Contraction<'a>, Values)> {
        let finish = match node.op {
            Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d => Finish::Bias,
            Op::TernaryConv2d | Op::TernaryMatMul => Finish::Ternary {
                residual: (node.operands.len() > 4)
                    .then(|| node.attrs.f32("residual_scale").unwrap_or(1.0)),
                min: node.attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY),
                max: node.attrs.f32("max_val").unwrap_or(f32::INFINITY),
            },
            Op::MatMul
            | Op::Conv2dInputGrad
            | Op::Conv2dWeightGrad
            | Op::DepthwiseConv2dInputGrad
            | Op::DepthwiseConv2dWeightGrad => Finish::Sum,
            _ => return None,
        };
        let mut operands = [node.operands[0], node.operands[1]];
        let mut packed = None;
        let unpack = function.defining_node(operands[1]);
        if let Some(unpack) = unpack.filter(|unpack| unpack.op == Op::Unpack) {
            packed = Some(function.tensor_ty(operands[1]).shape.clone());
            operands[1] = unpack.operands[0];
        }
        let extras = node.operands[2..].to_vec();
        let result = function.tensor_ty(node.result()).clone();
        let channels = result.shape.last().copied().unwrap_or(1);
        let extra = |&value: &ValueId| {
            let ty = function.tensor_ty(value).clone();
            let strides = match ty.elements() {
                _ if ty.rank() > 1 => [0, channels, 1],
                1 => [0; 3],
                _ => [0, 0, 1],
            };
            Extra {
                ty,
                strides,
                start: 0,
            }
        };
        let contraction = Contraction {
            op: node.op,
            attrs: &node.attrs,
            operands: operands.map(|value| function.tensor_ty(value).clone()),
            transposed: [false; 2],
            packed,
            epilogue: Epilogue::identity(finish, extras.iter().map(extra).collect(), result.dtype),
            result,
            precision,
            computes: node.name().to_owned(),
        };
        Some((contraction, Values { operands, extras }))
    }

    /// The order in which kernels take the operands.
    pub fn order(&self) -> [usize; 2] {
        match self.op {
            Op::Conv2dWeightGrad => [1, 0],
            _ => [0, 1],
        }
    }

    /// The kernels; `None` if this is no contraction.
    pub fn kernels(&self) -> Option<Kernels> {
        match self.op {
            Op::MatMul => Some(self.gemm(self.matmul())),
            Op::TernaryMatMul => Some(self.gemm(self.ternary_matmul())),
            Op::Conv2d | Op::TernaryConv2d => Some(self.gemm(self.convolution())),
            Op::TransposeConv2d => Some(self.gemm(self.transposed_convolution())),
            Op::Conv2dInputGrad => Some(self.gemm(self.input_gradient())),
            Op::Conv2dWeightGrad => Some(self.weight_gradient()),
            Op::DepthwiseConv2d => Some(Kernels::One(self.depthwise(Kind::Forward).kernel())),
            Op::DepthwiseConv2dInputGrad => {
                Some(Kernels::One(self.depthwise(Kind::Input).kernel()))
            }
            Op::DepthwiseConv2dWeightGrad => Some(self.depthwise_weight_gradient()),
            _ => None,
        }
    }

    fn pair(&self, name: &str, default: usize) -> [usize; 2] {
        match self.attrs.i64s(name) {
            Some(&[a, b]) => [a as usize, b as usize],
            _ => [default; 2],
        }
    }

    /// The windows that the attributes describe over an image.
    fn windows(&self, image: &[usize], kernel: [usize; 2], count: &[usize], gaps: bool) -> Windows {
        let pad = match (self.attrs.i64s("pad"), self.attrs.i64s("out_pad")) {
            (Some(pad), _) => [pad[0], pad[2]],
            // A result that is padded is an image that is cropped.
            (None, Some(pad)) => [-pad[0], -pad[2]],
            (None, None) => [0; 2],
        };
        Windows {
            image: [image[0], image[1], image[2], image[3]],
            count: [count[1], count[2]],
            kernel,
            stride: self.pair("stride", 1),
            dilation: self.pair("dilation", 1),
            pad,
            gaps,
        }
    }

    /// OHWI weights as a matrix whose rows are outputs.
    fn weights(&self, shape: &[usize]) -> Operand {
        let (rows, columns) = (shape[0], shape[1..].iter().product());
        let view = match self.packed {
            Some(_) => View::Codes { rows, columns },
            None => View::Rows {
                batch: 1,
                rows,
                columns,
            },
        };
        Operand {
            view,
            sums_fast: true,
        }
    }

    fn weight_shape(&self) -> &[usize] {
        self.packed.as_deref().unwrap_or(&self.operands[1].shape)
    }

    fn with(&self, [batch, m, n, k]: [usize; 4], a: Operand, b: Operand) -> Gemm {
        let point = |names: [&str; 2]| {
            let mut given = names.iter().filter_map(|name| self.attrs.f32(name));
            given.next().unwrap_or(0.0) as i64
        };
        Gemm {
            computes: self.computes.clone(),
            batch,
            m,
            n,
            k,
            a,
            b,
            types: self.operands.clone(),
            zero_points: [point(["input_zp", "a_zp"]), point(["weight_zp", "b_zp"])],
            splits: 1,
            per_split: k,
            epilogue: self.epilogue.clone(),
            out: self.result.with_dtype(self.epilogue.dtype()),
        }
    }

    fn matmul(&self) -> Gemm {
        let shape = &self.result.shape;
        let [a, b] = [0, 1].map(|i| &self.operands[i].shape);
        let k = if self.transposed[0] { a[1] } else { a[2] };
        let rows = |shape: &[usize], sums_fast| Operand {
            view: View::Rows {
                batch: shape[0],
                rows: shape[1],
                columns: shape[2],
            },
            sums_fast,
        };
        let extents = [shape[0], shape[1], shape[2], k];
        self.with(
            extents,
            rows(a, !self.transposed[0]),
            rows(b, self.transposed[1]),
        )
    }

    fn ternary_matmul(&self) -> Gemm {
        let a = &self.operands[0].shape;
        let weight = self.weight_shape();
        let (rows, k) = (a[0] * a[1], a[2]);
        let left = Operand {
            view: View::Rows {
                batch: 1,
                rows,
                columns: k,
            },
            sums_fast: true,
        };
        self.with([1, rows, weight[0], k], left, self.weights(weight))
    }

    /// A convolution of windows with weights.
    fn over(&self, windows: Windows, weights: Operand, n: usize) -> Gemm {
        let view = View::Windows(windows);
        let [m, k] = view.extents();
        let a = Operand {
            view,
            sums_fast: true,
        };
        self.with([1, m, n, k], a, weights)
    }

    fn convolution(&self) -> Gemm {
        let weight = self.weight_shape();
        let kernel = [weight[1], weight[2]];
        let windows = self.windows(&self.operands[0].shape, kernel, &self.result.shape, false);
        self.over(windows, self.weights(weight), weight[0])
    }

    fn transposed_convolution(&self) -> Gemm {
        let weight = self.weight_shape();
        let kernel = [weight[1], weight[2]];
        let windows = self.windows(&self.operands[0].shape, kernel, &self.result.shape, true);
        self.over(windows, self.weights(weight), weight[0])
    }

    fn input_gradient(&self) -> Gemm {
        let weight = &self.operands[1].shape;
        let windows = self.windows(
            &self.operands[0].shape,
            [weight[1], weight[2]],
            &self.result.shape,
            true,
        );
        let filters = View::Filters {
            outputs: weight[0],
            taps: weight[1] * weight[2],
            inputs: weight[3],
        };
        let weights = Operand {
            view: filters,
            sums_fast: false,
        };
        self.over(windows, weights, weight[3])
    }

    fn weight_gradient(&self) -> Kernels {
        let [x, g] = [0, 1].map(|i| &self.operands[i].shape);
        let windows = self.windows(x, self.pair("kernel", 1), g, false);
        let pixels = g[0] * g[1] * g[2];
        let view = View::Windows(windows);
        let n = view.extents()[1];
        let gradient = Operand {
            view: View::Rows {
                batch: 1,
                rows: pixels,
                columns: g[3],
            },
            sums_fast: false,
        };
        let taps = Operand {
            view,
            sums_fast: false,
        };
        let mut gemm = self.with([1, g[3], n, pixels], gradient, taps);
        gemm.types.swap(0, 1);
        gemm.zero_points = [0, 0];
        let extents = match gemm.on_tensor_cores(self.precision) {
            true => gemm.tile(BLOCKS).extents,
            false => [64, 64],
        };
        let tiles = g[3].div_ceil(extents[0]) * n.div_ceil(extents[1]);
        let images = images_a_part(g[0], g[1] * g[2], tiles);
        gemm.splits = g[0].div_ceil(images);
        gemm.per_split = images * g[1] * g[2];
        let shape = [gemm.splits, gemm.m, gemm.n];
        self.divided(shape, |epilogue, out| {
            gemm.epilogue = epilogue;
            gemm.out = out;
            self.kernel(&gemm)
        })
    }

    fn depthwise(&self, kind: Kind) -> Depthwise {
        let [x, w] = [0, 1].map(|i| &self.operands[i].shape);
        let kernel = match kind {
            Kind::Weight => self.pair("kernel", 1),
            _ => [w[0], w[1]],
        };
        let count = if kind == Kind::Weight {
            w
        } else {
            &self.result.shape
        };
        let multiplier = match kind {
            Kind::Weight => w[3] / x[3],
            _ => w[3],
        };
        let point = |name: &str| self.attrs.f32(name).unwrap_or(0.0) as i64;
        Depthwise {
            computes: self.computes.clone(),
            kind,
            windows: self.windows(x, kernel, count, kind == Kind::Input),
            multiplier,
            types: self.operands.clone(),
            zero_points: [point("input_zp"), point("weight_zp")],
            splits: 1,
            per_split: x[0],
            epilogue: self.epilogue.clone(),
            out: self.result.with_dtype(self.epilogue.dtype()),
        }
    }

    fn depthwise_weight_gradient(&self) -> Kernels {
        let mut depthwise = self.depthwise(Kind::Weight);
        let g = &self.operands[1].shape;
        let elements = self.result.elements();
        let images = images_a_part(g[0], g[1] * g[2], elements.div_ceil(256));
        depthwise.splits = g[0].div_ceil(images);
        depthwise.per_split = images;
        let shape = [depthwise.splits, elements / g[3], g[3]];
        self.divided(shape, |epilogue, out| {
            depthwise.epilogue = epilogue;
            depthwise.out = out;
            depthwise.kernel()
        })
    }

    /// A sum in parts, and their sum; or the whole at once, if it is one part.
    fn divided(
        &self,
        shape: [usize; 3],
        mut first: impl FnMut(Epilogue, TensorType) -> KernelCode,
    ) -> Kernels {
        if shape[0] == 1 {
            let out = self.result.with_dtype(self.epilogue.dtype());
            return Kernels::One(first(self.epilogue.clone(), out));
        }
        let buffer = TensorType::f32(shape);
        let parts = first(
            Epilogue::identity(Finish::Sum, Vec::new(), DType::F32),
            buffer.clone(),
        );
        let sum = super::combine::kernel(self, shape);
        Kernels::Two { parts, buffer, sum }
    }

    fn gemm(&self, gemm: Gemm) -> Kernels {
        Kernels::One(self.kernel(&gemm))
    }

    fn kernel(&self, gemm: &Gemm) -> KernelCode {
        let linalg = linalg::text(gemm);
        match gemm.on_tensor_cores(self.precision) {
            true => tensor::kernel(gemm, linalg),
            false => plain::kernel(gemm, linalg),
        }
    }
}

/// How many images a part of a sum over pixels has.
fn images_a_part(images: usize, pixels: usize, tiles: usize) -> usize {
    let parts = BLOCKS.div_ceil(tiles.max(1));
    let images_a_part = images.div_ceil(parts.min(images).max(1));
    images_a_part
        .max(SHORTEST.div_ceil(pixels.max(1)))
        .min(images)
        .max(1)
}

impl Epilogue {
    /// The op's result of a type, and nothing that follows.
    pub fn identity(finish: Finish, extras: Vec<Extra>, result: DType) -> Epilogue {
        Epilogue {
            finish,
            extras,
            body: Body {
                inputs: vec![result],
                ops: Vec::new(),
                results: vec![BodyValue::Input(0)],
            },
        }
    }
}
