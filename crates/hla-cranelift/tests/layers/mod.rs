//! Ternary layers for tests: seeded weights and inputs, and cases whose shapes need every part of
//! the kernels.
#![allow(dead_code, clippy::unwrap_used)]

use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_reference::Tolerance;
use hla_reference::cases::Case;

/// A seeded stream of numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> i64 {
        (self.next() % n) as i64
    }

    /// Any i8, or f32 whose sums round.
    pub fn tensor(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let ty = TensorType::new(shape, dtype);
        let values: Vec<f64> = (0..ty.elements())
            .map(|_| match dtype {
                DType::I8 => (self.below(256) - 128) as f64,
                _ => (self.below(2_000_001) - 1_000_000) as f64 / 333_333.0,
            })
            .collect();
        Tensor::from_f64s(ty, values).unwrap()
    }

    pub fn trits(&mut self, shape: &[usize], zeros: i64) -> Tensor {
        let ty = TensorType::new(shape, DType::I8);
        let values: Vec<i64> = (0..ty.elements())
            .map(|_| match self.below(10) < zeros {
                true => 0,
                false => 2 * self.below(2) - 1,
            })
            .collect();
        Tensor::from_i64s(ty, &values).unwrap()
    }
}

/// A ternary op in the making.
pub struct Layer {
    pub op: Op,
    pub weight: Vec<usize>,
    pub zeros: i64,
    pub attrs: Attrs,
}

impl Layer {
    pub fn conv(weight: [usize; 4], pad: [i64; 4], stride: [i64; 2], dilation: [i64; 2]) -> Layer {
        let attrs = Attrs::new()
            .with("pad", pad.to_vec())
            .with("stride", stride.to_vec())
            .with("dilation", dilation.to_vec());
        Layer {
            op: Op::TernaryConv2d,
            weight: weight.to_vec(),
            zeros: 6,
            attrs,
        }
    }

    pub fn matmul(columns: usize, depth: usize) -> Layer {
        Layer {
            op: Op::TernaryMatMul,
            weight: vec![columns, depth],
            zeros: 6,
            attrs: Attrs::new(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<hla_ir::Attr>) -> Layer {
        self.attrs = self.attrs.with(name, value);
        self
    }

    pub fn zeros(mut self, tenths: i64) -> Layer {
        self.zeros = tenths;
        self
    }

    pub fn push(
        self,
        f: &mut Function,
        random: &mut Random,
        input: ValueId,
        residual: Option<ValueId>,
    ) -> ValueId {
        let trits = random.trits(&self.weight, self.zeros);
        let channels = self.weight[0];
        let at = Location::unknown;
        let weight = f.constant(trits, at());
        let small = |random: &mut Random| {
            let values: Vec<f32> = (0..channels)
                .map(|_| (random.below(2001) - 1000) as f32 / 7919.0)
                .collect();
            Tensor::from_f32s([channels], &values).unwrap()
        };
        let scale = f.constant(small(random), at());
        let bias = f.constant(small(random), at());
        let mut operands = vec![input, weight, scale, bias];
        operands.extend(residual);
        f.push(self.op, &operands, self.attrs, at()).unwrap()
    }
}

/// max(x, 0).
pub fn relu(f: &mut Function, x: ValueId) -> ValueId {
    let attrs = match f.tensor_ty(x).dtype {
        DType::F32 => Attrs::new()
            .with("min_val", 0.0f32)
            .with("max_val", f32::MAX),
        _ => Attrs::new().with("min_val", 0i64).with("max_val", 127i64),
    };
    f.push(Op::Clamp, &[x], attrs, Location::unknown()).unwrap()
}

/// A function of one input, and the input.
fn case(
    name: &str,
    shape: &[usize],
    dtype: DType,
    build: impl FnOnce(&mut Function, &mut Random, ValueId) -> ValueId,
) -> Case {
    let mut random = Random(name.len() as u64);
    let mut f = Function::new("f");
    let x = f.add_arg(Arg::new(TensorType::new(shape, dtype)));
    let y = build(&mut f, &mut random, x);
    f.results = vec![y];
    Case {
        name: name.to_owned(),
        function: f,
        inputs: vec![random.tensor(shape, dtype)],
        tolerance: Tolerance::Exact,
    }
}

/// Sums of squares over so many pixels that they are summed in blocks, of numbers of channels that
/// need every width.
pub fn long_sums() -> Vec<Case> {
    let one = |channels: usize| {
        let name = format!("long_sums_{channels}");
        let shape = [3, 131, 97, channels];
        case(&name, &shape, DType::F32, |f, _, x| {
            let square = f.push(Op::Mul, &[x, x], Attrs::new(), Location::unknown());
            let rows = vec![(shape[0] * shape[1] * shape[2]) as i64, channels as i64];
            let rows = Attrs::new().with("shape", rows);
            let matrix = f.push(Op::Reshape, &[square.unwrap()], rows, Location::unknown());
            let axis = Attrs::new().with("axis", 0);
            f.push(Op::ReduceSum, &[matrix.unwrap()], axis, Location::unknown())
                .unwrap()
        })
    };
    [1, 3, 15, 28].map(one).into()
}

/// Several segments, transposed and planar staging, stride phases, residuals, blocks of channels
/// that are not full, few and many rows.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::I8] {
        let conv = |channels: usize, stride: i64| {
            Layer::conv([21, 3, 3, channels], [1, 1, 1, 1], [stride; 2], [1, 1])
                .with("out_type", dtype)
        };
        cases.push(case(
            &format!("layers_{dtype}_segments"),
            &[1, 5, 9, 96],
            dtype,
            |f, r, x| conv(96, 1).zeros(3).push(f, r, x, None),
        ));
        let name = format!("layers_{dtype}_non_negative");
        cases.push(case(&name, &[2, 9, 11, 40], dtype, |f, r, x| {
            let x = relu(f, x);
            let a = conv(40, 2).with("min_val", 0.0f32).push(f, r, x, None);
            conv(21, 1).zeros(2).push(f, r, a, None)
        }));
        for element in ["i8", "i16", "f32"] {
            if (element == "f32") != (dtype == DType::F32) {
                continue;
            }
            let name = format!("layers_{dtype}_planar_{element}");
            cases.push(case(&name, &[2, 13, 19, 21], dtype, |f, r, x| {
                let planar = format!("planar<0,1,2,0,{element}>");
                let a = conv(21, 1).with("hla.layout", planar.as_str());
                let a = a.push(f, r, x, None);
                let b = conv(21, 1).with("hla.layout", planar.as_str());
                let b = b.push(f, r, a, Some(a));
                conv(21, 2).with("min_val", 0.0f32).push(f, r, b, None)
            }));
        }
        for rows in [1, 3, 7, 40] {
            let name = format!("layers_{dtype}_{rows}_rows");
            cases.push(case(&name, &[1, rows, 1100], dtype, |f, r, x| {
                let product = Layer::matmul(75, 1100).zeros(4).with("out_type", dtype);
                let a = product.push(f, r, x, None);
                Layer::matmul(75, 75).push(f, r, a, Some(a))
            }));
        }
    }
    cases
}
