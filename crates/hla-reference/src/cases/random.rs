//! Cases from a seed: one op of random extents, or a random graph.

use hla_ir::{Attrs, DType, Op, ValueId};

use super::Case;
use super::generate::{Builder, Random, case, none, op_case};
use super::ternary::{self, EPILOGUES, Epilogue, PLAIN, Shape};
use crate::tolerance::Tolerance::{Exact, Ulps};

use DType::{F32, I8, I32};

/// A case that depends on the seed alone; results are exact in any order of summation, except that
/// of an average. Of sixteen seeds in a row, twelve give one contraction, pooling, reduction or
/// movement, four a graph of a dozen ops with shared values and several results.
pub fn random_case(seed: u64) -> Case {
    let mut cases = Vec::new();
    let mut g = Generator {
        random: Random::new(&format!("seed {seed}")),
        name: format!("random_{seed}"),
    };
    match seed % 16 {
        0 => g.convolution(&mut cases, Op::Conv2d),
        1 => g.convolution(&mut cases, Op::DepthwiseConv2d),
        2 => g.transposed(&mut cases),
        4 => g.matmul(&mut cases),
        5 => g.pooling(&mut cases, Op::MaxPool2d),
        6 => g.pooling(&mut cases, Op::AvgPool2d),
        8 => g.reduction(&mut cases),
        9 => g.transpose(&mut cases),
        10 => g.boxes(&mut cases),
        12 | 13 => g.ternary_convolution(&mut cases),
        14 => g.ternary_product(&mut cases),
        _ => g.graph(&mut cases),
    }
    cases.remove(0)
}

struct Generator {
    random: Random,
    name: String,
}

impl Generator {
    /// A number between two bounds, both included.
    fn pick(&mut self, low: usize, high: usize) -> usize {
        self.random.between(low as i64, high as i64) as usize
    }

    fn shape(&mut self, rank: usize, largest: usize) -> Vec<usize> {
        (0..rank).map(|_| self.pick(1, largest)).collect()
    }

    /// Along one dimension: input, kernel, stride, dilation, padding before and after, such that
    /// the windows cover the padded input exactly.
    fn extent(&mut self, dilated: bool, largest_pad: usize) -> [usize; 6] {
        let (kernel, stride) = (self.pick(1, 4), self.pick(1, 3));
        let dilation = if dilated { self.pick(1, 3) } else { 1 };
        let limit = largest_pad.min(kernel - 1);
        let pad = [self.pick(0, limit), self.pick(0, limit)];
        let window = (kernel - 1) * dilation + 1;
        // As many windows as make the input itself at least one element long.
        let mut windows = self.pick(1, 6);
        while (windows - 1) * stride + window < pad[0] + pad[1] + 1 {
            windows += 1;
        }
        let input = (windows - 1) * stride + window - pad[0] - pad[1];
        [input, kernel, stride, dilation, pad[0], pad[1]]
    }

    fn dtype(&mut self) -> DType {
        [F32, I8][self.pick(0, 1)]
    }

    fn convolution(&mut self, cases: &mut Vec<Case>, op: Op) {
        let (h, w) = (self.extent(true, 3), self.extent(true, 3));
        let (n, ic, oc) = (self.pick(1, 3), self.pick(1, 17), self.pick(1, 19));
        let attrs = none()
            .with("pad", [h[4], h[5], w[4], w[5]].map(|p| p as i64).to_vec())
            .with("stride", vec![h[2] as i64, w[2] as i64])
            .with("dilation", vec![h[3] as i64, w[3] as i64]);
        let multiplier = oc % 3 + 1;
        let (weight, channels) = match op {
            Op::Conv2d => ([oc, h[1], w[1], ic], oc),
            _ => ([h[1], w[1], ic, multiplier], ic * multiplier),
        };
        self.contraction(cases, op, [n, h[0], w[0], ic], weight, channels, attrs);
    }

    fn epilogue(&mut self) -> Epilogue {
        match self.pick(0, 2) {
            0 => PLAIN,
            _ => EPILOGUES[self.pick(0, EPILOGUES.len() - 1)],
        }
    }

    fn ternary_convolution(&mut self, cases: &mut Vec<Case>) {
        let (h, w) = (self.extent(true, 3), self.extent(true, 3));
        let shape = Shape {
            tag: "",
            input: [self.pick(1, 2), h[0], w[0], self.pick(1, 20)],
            kernel: [self.pick(1, 19), h[1], w[1]],
            pad: [h[4], h[5], w[4], w[5]].map(|p| p as i64),
            stride: [h[2] as i64, w[2] as i64],
            dilation: [h[3] as i64, w[3] as i64],
            zeros: self.pick(0, 10) as i64,
        };
        let (e, dtype, pack) = (self.epilogue(), self.dtype(), self.pick(0, 3) > 0);
        ternary::convolution(cases, self.name.clone(), &shape, e, dtype, pack);
    }

    fn ternary_product(&mut self, cases: &mut Vec<Case>) {
        let shape = [
            self.pick(1, 3),
            self.pick(1, 9),
            self.pick(1, 130),
            self.pick(1, 40),
        ];
        let (e, dtype, pack) = (self.epilogue(), self.dtype(), self.pick(0, 3) > 0);
        ternary::product(cases, self.name.clone(), shape, e, dtype, pack);
    }

    fn transposed(&mut self, cases: &mut Vec<Case>) {
        let input = [
            self.pick(1, 2),
            self.pick(1, 5),
            self.pick(1, 5),
            self.pick(1, 5),
        ];
        let weight = [self.pick(1, 9), self.pick(1, 4), self.pick(1, 4), input[3]];
        let stride = [self.pick(1, 3), self.pick(1, 3)];
        let mut pad = Vec::new();
        for (kernel, input, stride) in [
            (weight[1], input[1], stride[0]),
            (weight[2], input[2], stride[1]),
        ] {
            // Cropping leaves at least one element.
            let crop = (kernel - 1).min(((input - 1) * stride + kernel - 1) / 2) as i64;
            pad.extend([self.random.between(-crop, 3), self.random.between(-crop, 3)]);
        }
        let attrs = none()
            .with("out_pad", pad)
            .with("stride", stride.map(|s| s as i64).to_vec());
        self.contraction(cases, Op::TransposeConv2d, input, weight, weight[0], attrs);
    }

    fn contraction(
        &mut self,
        cases: &mut Vec<Case>,
        op: Op,
        input: [usize; 4],
        weight: [usize; 4],
        channels: usize,
        mut attrs: Attrs,
    ) {
        let dtype = self.dtype();
        let out = if dtype == I8 { I32 } else { dtype };
        if dtype == I8 {
            attrs.set("input_zp", self.random.between(-128, 127));
            attrs.set("weight_zp", self.random.between(-3, 3));
        }
        let bias = if self.pick(0, 1) == 0 { 1 } else { channels };
        let bias = self.random.grid(&[bias], out);
        let weight = self.random.grid(&weight, dtype);
        let inputs = [self.random.grid(&input, dtype)];
        case(cases, &*self.name, Exact, inputs, |b, x| {
            let (w, bias) = (b.constant(weight), b.constant(bias));
            vec![b.op(op, &[x[0], w, bias], attrs)]
        });
    }

    fn matmul(&mut self, cases: &mut Vec<Case>) {
        let [n, h, c, w] = [
            self.pick(1, 3),
            self.pick(1, 19),
            self.pick(1, 70),
            self.pick(1, 35),
        ];
        let dtype = self.dtype();
        let inputs = [
            self.random.grid(&[n, h, c], dtype),
            self.random.grid(&[n, c, w], dtype),
        ];
        op_case(cases, &*self.name, Exact, inputs, Op::MatMul, none());
    }

    fn pooling(&mut self, cases: &mut Vec<Case>, op: Op) {
        let (h, w) = (self.extent(false, 2), self.extent(false, 2));
        let attrs = none()
            .with("kernel", vec![h[1] as i64, w[1] as i64])
            .with("stride", vec![h[2] as i64, w[2] as i64])
            .with("pad", [h[4], h[5], w[4], w[5]].map(|p| p as i64).to_vec());
        let shape = [self.pick(1, 2), h[0], w[0], self.pick(1, 19)];
        let dtype = self.dtype();
        let tolerance = if op == Op::AvgPool2d { Ulps(1) } else { Exact };
        let inputs = [self.random.grid(&shape, dtype)];
        op_case(cases, &*self.name, tolerance, inputs, op, attrs);
    }

    fn reduction(&mut self, cases: &mut Vec<Case>) {
        let rank = self.pick(1, 4);
        let shape = self.shape(rank, 11);
        let axis = self.pick(0, rank - 1) as i64;
        let ops = [Op::ReduceSum, Op::ReduceMax, Op::ReduceMin, Op::ArgMax];
        let op = ops[self.pick(0, 3)];
        let dtype = self.dtype();
        let inputs = [self.random.grid(&shape, dtype)];
        op_case(
            cases,
            &*self.name,
            Exact,
            inputs,
            op,
            none().with("axis", axis),
        );
    }

    fn permutation(&mut self, rank: usize) -> Vec<i64> {
        let mut perms: Vec<i64> = (0..rank as i64).collect();
        for i in (1..rank).rev() {
            perms.swap(i, self.pick(0, i));
        }
        perms
    }

    fn transpose(&mut self, cases: &mut Vec<Case>) {
        let rank = self.pick(1, 6);
        let shape = self.shape(rank, if rank > 3 { 5 } else { 19 });
        let perms = self.permutation(rank);
        let dtype = [F32, I8, DType::I16, DType::I64][self.pick(0, 3)];
        let inputs = [self.random.grid(&shape, dtype)];
        op_case(
            cases,
            &*self.name,
            Exact,
            inputs,
            Op::Transpose,
            none().with("perms", perms),
        );
    }

    /// A slice of a tiling of a padded value.
    fn boxes(&mut self, cases: &mut Vec<Case>) {
        let rank = self.pick(1, 4);
        let shape = self.shape(rank, 6);
        let padding: Vec<i64> = (0..2 * rank).map(|_| self.random.between(0, 3)).collect();
        let multiples: Vec<i64> = (0..rank).map(|_| self.random.between(1, 3)).collect();
        let (mut start, mut size) = (Vec::new(), Vec::new());
        for i in 0..rank {
            let padded = shape[i] as i64 + padding[2 * i] + padding[2 * i + 1];
            start.push(self.random.between(0, padded * multiples[i] - 1));
            size.push(self.random.between(1, padded * multiples[i] - start[i]));
        }
        let dtype = self.dtype();
        let pad = none().with("padding", padding);
        let inputs = [self.random.grid(&shape, dtype)];
        case(cases, &*self.name, Exact, inputs, |b, x| {
            let padded = b.op(Op::Pad, &[x[0]], pad);
            let tiled = b.op(Op::Tile, &[padded], none().with("multiples", multiples));
            vec![b.op(
                Op::Slice,
                &[tiled],
                none().with("start", start).with("size", size),
            )]
        });
    }

    /// Elementwise ops, movements and reductions over values of one rank, picked at random.
    fn graph(&mut self, cases: &mut Vec<Case>) {
        let rank = self.pick(1, 4);
        let shape = self.shape(rank, 5);
        let mut broadcast = shape.clone();
        broadcast[self.pick(0, rank - 1)] = 1;
        let inputs = [
            self.random.grid(&shape, F32),
            self.random.grid(&broadcast, F32),
        ];
        let name = self.name.clone();
        case(cases, name, Exact, inputs, |b, args| {
            let mut values = args.to_vec();
            for _ in 0..self.pick(6, 14) {
                let x = values[self.pick(0, values.len() - 1)];
                let y = values[self.pick(values.len().saturating_sub(3), values.len() - 1)];
                if let Some(value) = self.step(b, x, y) {
                    values.push(value);
                }
            }
            let last = values.len() - 1;
            vec![values[last], values[self.pick(0, last)], values[last / 2]]
        });
    }

    /// One op on x, and on y if they broadcast.
    fn step(&mut self, b: &mut Builder, x: ValueId, y: ValueId) -> Option<ValueId> {
        let (a, c) = (
            b.function.tensor_ty(x).clone(),
            b.function.tensor_ty(y).clone(),
        );
        let fits = a
            .shape
            .iter()
            .zip(&c.shape)
            .all(|(&a, &c)| a == c || a == 1 || c == 1);
        let rank = a.rank();
        let axis = self.pick(0, rank - 1);
        let along = || none().with("axis", axis as i64);
        Some(match self.pick(0, 9) {
            0 if fits => b.op(Op::Add, &[x, y], none()),
            1 if fits => b.op(Op::Sub, &[x, y], none()),
            2 if fits => b.op(Op::Maximum, &[x, y], none()),
            3 if fits => {
                let larger = b.op(Op::GreaterEqual, &[x, y], none());
                b.op(Op::Select, &[larger, y, x], none())
            }
            4 => b.op(Op::Abs, &[x], none()),
            5 => b.op(
                Op::Clamp,
                &[x],
                none().with("min_val", -1.5f32).with("max_val", 64.0f32),
            ),
            6 => {
                let perms = self.permutation(rank);
                b.op(Op::Transpose, &[x], none().with("perms", perms))
            }
            7 => b.op(Op::ReduceMax, &[x], along()),
            8 => b.op(Op::Reverse, &[x], along()),
            9 if a.elements() < 200 => b.op(Op::Concat, &[x, x], along()),
            _ => return None,
        })
    }
}
