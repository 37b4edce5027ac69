//! Ternary contractions. All results are held to the bit: the order of summation is part of the ops.

use hla_ir::infer::hla::packed_bytes;
use hla_ir::{Attrs, DType, Op, Tensor, TensorType, ValueId};

use super::Case;
use super::generate::{Builder, Random, case, f32s, none};
use crate::tolerance::Tolerance::Exact;

use DType::{BF16, F16, F32, I8};

pub(super) fn add_to(cases: &mut Vec<Case>) {
    convolutions(cases);
    products(cases);
}

/// 2-bit codes of trits, as `hla.pack` defines them.
pub(super) fn packed(trits: &Tensor) -> Tensor {
    let values = trits.to_i64s().unwrap_or_default();
    let row = trits.shape().iter().skip(1).product::<usize>().max(1);
    let code = |trit: i64| match trit {
        0 => 0b00,
        1 => 0b01,
        _ => 0b10u8,
    };
    let four = |trits: &[i64]| {
        let first_lowest = trits.iter().rev();
        first_lowest.fold(0, |byte, &trit| byte << 2 | code(trit))
    };
    let bytes = values.chunks(row).flat_map(|row| row.chunks(4)).map(four);
    let ty = TensorType::new([packed_bytes(trits.shape())], I8);
    Tensor::from_bytes(ty, bytes.collect()).expect("as many bytes as the layout says")
}

/// The weight operand: a constant of trits, or the unpacking of a constant.
pub(super) fn weight(b: &mut Builder, trits: &Tensor, pack: bool) -> ValueId {
    if !pack {
        return b.constant(trits.clone());
    }
    let bytes = b.constant(packed(trits));
    let shape: Vec<i64> = trits.shape().iter().map(|&e| e as i64).collect();
    b.op(Op::Unpack, &[bytes], none().with("shape", shape))
}

/// Extents and attributes of a ternary convolution.
pub(super) struct Shape {
    pub(super) tag: &'static str,
    /// N, H, W, IC.
    pub(super) input: [usize; 4],
    /// OC, KH, KW.
    pub(super) kernel: [usize; 3],
    pub(super) pad: [i64; 4],
    pub(super) stride: [i64; 2],
    pub(super) dilation: [i64; 2],
    /// How many weights of ten are zero.
    pub(super) zeros: i64,
}

const fn shape(
    tag: &'static str,
    input: [usize; 4],
    kernel: [usize; 3],
    pad: [i64; 4],
    stride: [i64; 2],
    dilation: [i64; 2],
    zeros: i64,
) -> Shape {
    Shape {
        tag,
        input,
        kernel,
        pad,
        stride,
        dilation,
        zeros,
    }
}

const SHAPES: [Shape; 12] = [
    shape("1x1", [1, 5, 7, 3], [5, 1, 1], [0; 4], [1, 1], [1, 1], 3),
    shape(
        "1x1_stride2",
        [1, 5, 7, 17],
        [8, 1, 1],
        [0; 4],
        [2, 2],
        [1, 1],
        7,
    ),
    shape(
        "3x3_same",
        [1, 7, 7, 8],
        [16, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        7,
    ),
    shape(
        "3x3_odd",
        [1, 5, 3, 5],
        [7, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        5,
    ),
    shape(
        "3x3_stride2",
        [1, 9, 7, 4],
        [5, 3, 3],
        [1; 4],
        [2, 2],
        [1, 1],
        7,
    ),
    shape(
        "3x3_batch",
        [3, 5, 5, 4],
        [4, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        8,
    ),
    shape(
        "5x3_asymmetric",
        [1, 6, 6, 3],
        [3, 5, 3],
        [2, 1, 0, 3],
        [1, 2],
        [1, 1],
        5,
    ),
    shape(
        "3x3_dilated",
        [2, 7, 9, 3],
        [5, 3, 3],
        [2, 2, 1, 3],
        [1, 1],
        [2, 3],
        6,
    ),
    shape(
        "stride3_dilated",
        [1, 10, 9, 3],
        [4, 3, 2],
        [1, 0, 0, 1],
        [3, 2],
        [2, 1],
        4,
    ),
    shape(
        "dense",
        [1, 5, 17, 16],
        [8, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        0,
    ),
    shape(
        "all_zero",
        [1, 3, 3, 2],
        [3, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        10,
    ),
    shape("one", [1, 1, 1, 1], [1, 1, 1], [0; 4], [1, 1], [1, 1], 0),
];

/// What follows the sum.
#[derive(Clone, Copy)]
pub(super) struct Epilogue {
    tag: &'static str,
    clamp: Option<(f32, f32)>,
    /// Element type of the residual, and its scale.
    residual: Option<(DType, f32)>,
    out: DType,
}

pub(super) const PLAIN: Epilogue = Epilogue {
    tag: "plain",
    clamp: None,
    residual: None,
    out: F32,
};

pub(super) const EPILOGUES: [Epilogue; 7] = [
    Epilogue {
        tag: "relu",
        clamp: Some((0.0, f32::INFINITY)),
        ..PLAIN
    },
    Epilogue {
        tag: "relu6",
        clamp: Some((0.0, 6.0)),
        ..PLAIN
    },
    Epilogue {
        tag: "residual",
        residual: Some((F32, 1.0)),
        ..PLAIN
    },
    Epilogue {
        tag: "residual_scaled",
        residual: Some((F32, 0.37)),
        clamp: Some((-1.5, 2.5)),
        out: F32,
    },
    Epilogue {
        tag: "requantize",
        clamp: Some((0.0, f32::INFINITY)),
        residual: None,
        out: I8,
    },
    Epilogue {
        tag: "residual_i8",
        residual: Some((I8, 0.75)),
        clamp: None,
        out: I8,
    },
    Epilogue {
        tag: "saturate",
        clamp: None,
        residual: Some((F32, 300.0)),
        out: I8,
    },
];

/// A residual of a 16-bit type.
const fn half_residual(dtype: DType) -> Epilogue {
    Epilogue {
        tag: "residual_half",
        clamp: Some((0.0, f32::INFINITY)),
        residual: Some((dtype, 0.6)),
        out: F32,
    }
}

impl Epilogue {
    fn attrs(&self, attrs: Attrs) -> Attrs {
        let mut attrs = attrs.with("out_type", self.out);
        if let Some((low, high)) = self.clamp {
            attrs = attrs.with("min_val", low).with("max_val", high);
        }
        if let Some((_, scale)) = self.residual {
            attrs = attrs.with("residual_scale", scale);
        }
        attrs
    }
}

/// Activations: all of i8, reals of f32.
fn activations(random: &mut Random, shape: &[usize], dtype: DType) -> Tensor {
    random.any(shape, dtype)
}

fn conv_case(cases: &mut Vec<Case>, s: &Shape, e: Epilogue, dtype: DType, pack: bool) {
    let form = if pack { "_packed" } else { "" };
    let name = format!("ternary_conv2d_{dtype}_{}_{}{form}", s.tag, e.tag);
    convolution(cases, name, s, e, dtype, pack);
}

/// Adds a case of one ternary convolution; inputs depend on its name.
pub(super) fn convolution(
    cases: &mut Vec<Case>,
    name: String,
    s: &Shape,
    e: Epilogue,
    dtype: DType,
    pack: bool,
) {
    let mut random = Random::new(&name);
    let [oc, kh, kw] = s.kernel;
    let trits = random.trits(&[oc, kh, kw, s.input[3]], s.zeros);
    // Over i8 the sums are large: a small scale keeps some results of i8 unsaturated.
    let (low, high) = if dtype == I8 { (0.01, 0.2) } else { (0.1, 0.5) };
    let scale = random.real(&[oc], F32, low, high);
    let bias = random.real(&[oc], F32, -1.0, 1.0);
    let mut inputs = vec![activations(&mut random, &s.input, dtype)];
    let extent = |i: usize| {
        let padded = s.input[i + 1] as i64 + s.pad[2 * i] + s.pad[2 * i + 1];
        let window = (s.kernel[i + 1] as i64 - 1) * s.dilation[i] + 1;
        ((padded - window) / s.stride[i] + 1) as usize
    };
    if let Some((dtype, _)) = e.residual {
        inputs.push(random.any(&[s.input[0], extent(0), extent(1), oc], dtype));
    }
    case(cases, name, Exact, inputs, |b, x| {
        let weight = weight(b, &trits, pack);
        let mut operands = vec![x[0], weight, b.constant(scale), b.constant(bias)];
        operands.extend(x.get(1));
        let attrs = none()
            .with("pad", s.pad.to_vec())
            .with("stride", s.stride.to_vec())
            .with("dilation", s.dilation.to_vec());
        vec![b.op(Op::TernaryConv2d, &operands, e.attrs(attrs))]
    });
}

fn convolutions(cases: &mut Vec<Case>) {
    for s in &SHAPES {
        for dtype in [F32, I8] {
            conv_case(cases, s, PLAIN, dtype, false);
            conv_case(cases, s, PLAIN, dtype, true);
        }
    }
    for s in [&SHAPES[2], &SHAPES[4], &SHAPES[6]] {
        for e in EPILOGUES {
            for dtype in [F32, I8] {
                conv_case(cases, s, e, dtype, true);
            }
        }
    }
    // Floats of 16 bits, each exact in f32, where the sum is made.
    for dtype in [F16, BF16] {
        for s in [&SHAPES[2], &SHAPES[5], &SHAPES[9]] {
            for pack in [false, true] {
                conv_case(cases, s, PLAIN, dtype, pack);
            }
        }
        for e in [
            EPILOGUES[1],
            EPILOGUES[4],
            EPILOGUES[5],
            half_residual(dtype),
        ] {
            conv_case(cases, &SHAPES[4], e, dtype, true);
        }
    }
    // Enough taps of full-scale activations to overflow 16 bits.
    let s = shape(
        "overflow",
        [1, 3, 3, 64],
        [3, 3, 3],
        [1; 4],
        [1, 1],
        [1, 1],
        0,
    );
    let name = "ternary_conv2d_i8_overflow";
    let ones = Tensor::splat(TensorType::new([3, 3, 3, 64], I8), 1.0);
    let input = Tensor::splat(TensorType::new(s.input, I8), -128.0);
    case(cases, name, Exact, [input], |b, x| {
        let w = weight(b, &ones, true);
        let scale = b.constant(f32s(&[1.0, 0.5, 1e-3]));
        let bias = b.constant(f32s(&[0.0, 1.0, -1.0]));
        let attrs = none()
            .with("pad", vec![1; 4])
            .with("stride", vec![1, 1])
            .with("dilation", vec![1, 1]);
        vec![b.op(Op::TernaryConv2d, &[x[0], w, scale, bias], attrs)]
    });
}

fn product_case(cases: &mut Vec<Case>, shape: [usize; 4], e: Epilogue, dtype: DType, pack: bool) {
    let form = if pack { "_packed" } else { "" };
    let [n, h, c, w] = shape;
    let name = format!("ternary_matmul_{dtype}_{n}x{h}x{c}x{w}_{}{form}", e.tag);
    product(cases, name, shape, e, dtype, pack);
}

/// Adds a case of one ternary product of [n, h, c] and [w, c]; inputs depend on its name.
pub(super) fn product(
    cases: &mut Vec<Case>,
    name: String,
    [n, h, c, w]: [usize; 4],
    e: Epilogue,
    dtype: DType,
    pack: bool,
) {
    let mut random = Random::new(&name);
    let trits = random.trits(&[w, c], 6);
    let (low, high) = if dtype == I8 { (0.01, 0.2) } else { (0.1, 0.5) };
    let scale = random.real(&[w], F32, low, high);
    let bias = random.real(&[w], F32, -1.0, 1.0);
    let mut inputs = vec![activations(&mut random, &[n, h, c], dtype)];
    if let Some((dtype, _)) = e.residual {
        inputs.push(random.any(&[n, h, w], dtype));
    }
    case(cases, name, Exact, inputs, |b, x| {
        let weight = weight(b, &trits, pack);
        let mut operands = vec![x[0], weight, b.constant(scale), b.constant(bias)];
        operands.extend(x.get(1));
        vec![b.op(Op::TernaryMatMul, &operands, e.attrs(none()))]
    });
}

fn products(cases: &mut Vec<Case>) {
    let shapes = [
        [1, 1, 1, 1],
        [1, 1, 17, 5],
        [1, 1, 64, 16],
        [1, 5, 33, 7],
        [2, 3, 20, 9],
        [3, 17, 5, 3],
    ];
    for shape in shapes {
        for dtype in [F32, I8] {
            product_case(cases, shape, PLAIN, dtype, false);
            product_case(cases, shape, PLAIN, dtype, true);
        }
    }
    for e in EPILOGUES {
        for dtype in [F32, I8] {
            product_case(cases, shapes[4], e, dtype, true);
        }
    }
    for dtype in [F16, BF16] {
        for shape in [shapes[2], shapes[3]] {
            product_case(cases, shape, PLAIN, dtype, false);
            product_case(cases, shape, PLAIN, dtype, true);
        }
        for e in [EPILOGUES[3], EPILOGUES[4], half_residual(dtype)] {
            product_case(cases, shapes[4], e, dtype, true);
        }
    }
    product_case(cases, [1, 1, 700, 3], PLAIN, I8, true);
    product_case(cases, [1, 1, 700, 3], PLAIN, F32, true);
}
