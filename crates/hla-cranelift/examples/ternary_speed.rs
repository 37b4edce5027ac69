//! Speed of ternary layers on this machine, one thread:
//! `cargo run --release -p hla-cranelift --example ternary_speed`.
//!
//! A chain of one layer and a chain of three are timed; the difference is two layers as they run
//! within a network, staging and epilogue included. Figures count every weight, zero or not.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};

/// Non-zero weights in per cent.
const DENSITIES: [u64; 3] = [30, 20, 10];

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn trits(&mut self, shape: &[usize], density: u64) -> Tensor {
        let ty = TensorType::new(shape, DType::I8);
        let values: Vec<i64> = (0..ty.elements())
            .map(|_| match self.below(200) {
                r if r < density => 1,
                r if r < 2 * density => -1,
                _ => 0,
            })
            .collect();
        Tensor::from_i64s(ty, &values).unwrap()
    }
}

/// `layers` square layers, one after the other.
fn chain(input: &[usize], dtype: DType, density: u64, layers: usize, planar: &str) -> Function {
    let mut f = Function::new("chain");
    let mut random = Random(0x9e37_79b9);
    let mut x = f.add_arg(Arg::new(TensorType::new(input, dtype)));
    let channels = input[input.len() - 1];
    for layer in 0..layers {
        let conv = input.len() == 4;
        let shape = if conv {
            vec![channels, 3, 3, channels]
        } else {
            vec![channels, channels]
        };
        let weight = f.constant(random.trits(&shape, density), Location::unknown());
        let scale = Tensor::from_f32s([channels], &vec![0.01; channels]).unwrap();
        let bias = Tensor::from_f32s([channels], &vec![0.5; channels]).unwrap();
        let scale = f.constant(scale, Location::unknown());
        let bias = f.constant(bias, Location::unknown());
        let mut attrs = Attrs::new().with("out_type", dtype).with("min_val", 0.0f32);
        let op = if conv {
            attrs = attrs
                .with("pad", vec![1i64; 4])
                .with("stride", vec![1i64; 2])
                .with("dilation", vec![1i64; 2]);
            if layer + 1 < layers {
                attrs = attrs.with("hla.layout", planar);
            }
            Op::TernaryConv2d
        } else {
            Op::TernaryMatMul
        };
        x = f
            .push(op, &[x, weight, scale, bias], attrs, Location::unknown())
            .unwrap();
    }
    f.results = vec![x];
    f
}

/// Seconds of the fastest of several runs.
fn seconds(f: &Function, input: &Tensor) -> f64 {
    let program = jit(f, &CodegenOptions::default()).unwrap();
    let mut workspace = program.workspace().unwrap();
    let inputs = [input.clone()];
    (0..60)
        .map(|_| {
            let start = Instant::now();
            program.run_in(&inputs, &mut workspace, None).unwrap();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let convs = [(64, 56), (128, 28), (256, 14), (512, 7)].map(|(c, s)| vec![1, s, s, c]);
    let products = [vec![1, 1, 4096], vec![1, 8, 4096], vec![1, 64, 1024]];
    for dtype in [DType::I8, DType::F32] {
        let planar = match dtype {
            DType::I8 => "planar<0,0,0,0,i8>",
            _ => "planar<0,0,0,0,f32>",
        };
        for shape in convs.iter().chain(&products) {
            let mut random = Random(7);
            let ty = TensorType::new(shape.clone(), dtype);
            let values: Vec<f64> = (0..ty.elements())
                .map(|_| random.below(255) as f64 - 127.0)
                .collect();
            let input = Tensor::from_f64s(ty, values).unwrap();
            let channels = shape[shape.len() - 1];
            let taps = if shape.len() == 4 { 9 } else { 1 };
            let work = (shape.iter().product::<usize>() * channels * taps) as f64;
            let mut line = format!("{dtype} {shape:?}:");
            for density in DENSITIES {
                let [one, three] = [1, 3]
                    .map(|layers| seconds(&chain(shape, dtype, density, layers, planar), &input));
                line += &format!(
                    "  {density} %: {:.0} (alone {:.0})",
                    2.0 * work / (three - one) / 1e9,
                    work / one / 1e9
                );
            }
            println!("{line} G/s");
        }
    }
}
