//! Depthwise convolutions and their gradients: one thread an element of the result, neighbours in
//! memory side by side.

use hla_ir::{DType, TensorType};

use super::epilogue::{Epilogue, Place};
use super::gemm;
use super::index::{Int, Ints};
use super::linalg::{self, Access, Finish, Sum};
use super::memory::{Flat, widened, zero};
use super::view::{View, Windows};
use crate::text::memref;
use crate::{KernelCode, Text};

const THREADS: usize = 256;
/// Sums of so many products become straight-line code.
const UNROLLED: usize = 32;

/// Which of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The convolution: for each pixel and channel a sum over taps.
    Forward,
    /// The gradient by the input: for each pixel and channel a sum over taps and the channel's outputs.
    Input,
    /// The gradient by the weight: for each tap and channel a sum over pixels.
    Weight,
}

/// A depthwise contraction.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Depthwise {
    /// What it computes, for people.
    pub(super) computes: String,
    pub(super) kind: Kind,
    /// Of the input, or with gaps of the gradient by the result.
    pub(super) windows: Windows,
    /// Output channels of an input channel.
    pub(super) multiplier: usize,
    /// The tensor with windows, and the other.
    pub(super) types: [TensorType; 2],
    pub(super) zero_points: [i64; 2],
    /// Parts of the sum over pixels, each of so many images.
    pub(super) splits: usize,
    pub(super) per_split: usize,
    pub(super) epilogue: Epilogue,
    pub(super) out: TensorType,
}

impl Depthwise {
    fn accumulator(&self) -> DType {
        match self.types[0].dtype.is_float() {
            true => DType::F32,
            false => DType::I32,
        }
    }

    fn taps(&self) -> usize {
        self.windows.kernel[0] * self.windows.kernel[1]
    }

    fn pixels(&self) -> usize {
        self.windows.count[0] * self.windows.count[1]
    }

    /// Channels of the result of the convolution.
    fn outputs(&self) -> usize {
        match self.kind {
            Kind::Input => self.windows.image[3],
            _ => self.windows.image[3] * self.multiplier,
        }
    }

    /// Extents of the result: parts, m, n.
    fn shape(&self) -> [usize; 3] {
        match self.kind {
            Kind::Forward => [1, self.windows.image[0] * self.pixels(), self.outputs()],
            Kind::Input => [
                1,
                self.windows.image[0] * self.pixels(),
                self.outputs() / self.multiplier,
            ],
            Kind::Weight => [self.splits, self.taps(), self.outputs()],
        }
    }

    fn argument_types(&self) -> Vec<&TensorType> {
        let extras = self.epilogue.extras.iter().map(|extra| &extra.ty);
        self.types.iter().chain(extras).chain([&self.out]).collect()
    }

    /// The kernel.
    pub(super) fn kernel(&self) -> KernelCode {
        let shape = self.shape();
        let elements = shape.iter().product::<usize>();
        let types = self.argument_types();
        let largest = types.iter().map(|ty| ty.elements()).max().unwrap_or(0);
        let ints = Ints::for_elements(largest.max(self.windows.reach()));
        let t = &mut Text::new();
        let (operands, extras, out) = gemm::open(t, &types, gemm::Block::of(THREADS));
        let thread = t.op("gpu.thread_id x");
        let thread = ints.of_index(t, &thread);
        let block = t.op("gpu.block_id x");
        let block = ints.of_index(t, &block);
        let first = ints.mul(t, &block, THREADS);
        let element = ints.add(t, &first, &thread);
        let inside = match elements.is_multiple_of(THREADS) {
            true => None,
            false => ints.below(t, &element, elements),
        };
        if let Some(inside) = &inside {
            t.open(format_args!("scf.if {inside} {{"));
        }
        let (rest, n) = ints.divide(t, &element, shape[2]);
        let (part, m) = match shape[0] {
            1 => (Int::Known(0), rest),
            _ => ints.divide(t, &rest, shape[1]),
        };
        let at = [&part, &m, &n];
        let sum = self.sum(t, ints, &operands, at);
        let place = Place {
            element: &element,
            at,
        };
        self.epilogue
            .store(t, ints, &place, &[sum], self.accumulator(), &extras, &out);
        if inside.is_some() {
            t.close("}");
        }
        gemm::close(t);
        KernelCode {
            computes: self.computes.clone(),
            grid: [elements.div_ceil(THREADS) as u32, 1, 1],
            block: [THREADS as u32, 1, 1],
            shared_bytes: 0,
            gpu: std::mem::take(t).finish(),
            linalg: self.linalg(),
        }
    }

    /// How many products a sum has.
    fn terms(&self) -> usize {
        match self.kind {
            Kind::Forward => self.taps(),
            Kind::Input => self.taps() * self.multiplier,
            Kind::Weight => self.per_split * self.pixels(),
        }
    }

    fn sum(&self, t: &mut Text, ints: Ints, operands: &[Flat; 2], at: [&Int; 3]) -> String {
        let acc = self.accumulator();
        let none = zero(t, acc);
        let terms = self.terms();
        if terms <= UNROLLED {
            let mut sum = none;
            for j in 0..terms {
                sum = self.term(t, ints, operands, at, &Int::Known(j as i64), &sum);
            }
            return sum;
        }
        let (from, to, step) = (t.index(0), t.index(terms as u64), t.index(1));
        let [result, j, old] = [(); 3].map(|()| t.fresh());
        t.open(format_args!(
            "{result} = scf.for {j} = {from} to {to} step {step} iter_args({old} = {none}) -> ({acc}) {{"
        ));
        let j = ints.of_index(t, &j);
        let sum = self.term(t, ints, operands, at, &j, &old);
        t.line(format_args!("scf.yield {sum} : {acc}"));
        t.close("}");
        result
    }

    /// Adds product j.
    fn term(
        &self,
        t: &mut Text,
        ints: Ints,
        operands: &[Flat; 2],
        [part, m, n]: [&Int; 3],
        j: &Int,
        sum: &str,
    ) -> String {
        let outputs = self.outputs();
        let channels = self.windows.image[3];
        let (row, column, other) = match self.kind {
            Kind::Forward => {
                let channel = ints.div(t, n, self.multiplier);
                let tap = ints.mul(t, j, channels);
                let weight = ints.mul(t, j, outputs);
                (
                    m.clone(),
                    ints.add(t, &tap, &channel),
                    ints.add(t, &weight, n),
                )
            }
            Kind::Input => {
                let (tap, output) = ints.divide(t, j, self.multiplier);
                let channel = ints.mul(t, n, self.multiplier);
                let output = ints.add(t, &channel, &output);
                let tap = ints.mul(t, &tap, outputs);
                let place = ints.add(t, &tap, &output);
                (m.clone(), place.clone(), place)
            }
            Kind::Weight => {
                let first = ints.mul(t, part, self.terms());
                let pixel = ints.add(t, &first, j);
                let tap = ints.mul(t, m, channels);
                let channel = ints.div(t, n, self.multiplier);
                let gradient = ints.mul(t, &pixel, outputs);
                let column = ints.add(t, &tap, &channel);
                (pixel, column, ints.add(t, &gradient, n))
            }
        };
        let view = View::Windows(self.windows.clone());
        let pixels = self.windows.image[0] * self.pixels();
        let exists = match self.kind == Kind::Weight && self.splits * self.terms() > pixels {
            true => ints.below(t, &row, pixels),
            false => None,
        };
        let row = view.row(t, ints, &Int::Known(0), &row, exists.clone());
        let column = view.column(t, ints, &column, None);
        let (place, inside) = view.element(t, ints, &row, &column);
        let acc = self.accumulator();
        let [x, y] = [(0, &place, &inside), (1, &other, &exists)].map(|(i, place, inside)| {
            let value = operands[i].load_inside(t, ints, place, inside);
            let mut value = widened(t, &value, self.types[i].dtype, acc, 1);
            if self.zero_points[i] != 0 {
                let point = t.constant(format_args!("{} : {acc}", self.zero_points[i]));
                value = t.op(format_args!("arith.subi {value}, {point} : {acc}"));
            }
            match inside {
                None => value,
                Some(inside) => {
                    let none = zero(t, acc);
                    t.op(format_args!(
                        "arith.select {inside}, {value}, {none} : {acc}"
                    ))
                }
            }
        });
        if acc.is_float() {
            t.op(format_args!("math.fma {x}, {y}, {sum} : {acc}"))
        } else {
            let product = t.op(format_args!("arith.muli {x}, {y} : {acc}"));
            t.op(format_args!("arith.addi {sum}, {product} : {acc}"))
        }
    }

    fn linalg(&self) -> String {
        let t = &mut Text::new();
        let types = self.argument_types();
        linalg::open(t, &types);
        let windows = &self.windows;
        let (acc, multiplier) = (self.accumulator(), self.multiplier);
        let channels = self.outputs() / multiplier;
        let [kh, kw] = windows.kernel;
        let images = if self.kind == Kind::Weight {
            self.splits * self.per_split
        } else {
            0
        };
        let (image, image_ty) =
            windows.copy(t, ("%arg0", &self.types[0]), images, self.zero_points[0]);
        let images = images.max(windows.image[0]);
        let extents = [images, windows.padded(0).0, windows.padded(1).0];
        let dtypes = [self.types[0].dtype, self.types[1].dtype];
        let weights = [kh, kw, channels, multiplier];
        let other = memref(&self.types[1]);
        let weight = ("%arg1", other.as_str());
        let along = |y: usize, x: usize, ky: usize, kx: usize| {
            let stride = if windows.gaps { [1, 1] } else { windows.stride };
            let [dy, dx] = windows.dilation;
            format!(
                "d{y} * {} + d{ky} * {dy}, d{x} * {} + d{kx} * {dx}",
                stride[0], stride[1]
            )
        };
        let plain = |(name, ty): (String, String), map: String| Access { name, ty, map };
        let (dims, summed, shape, map, operands) = match self.kind {
            Kind::Forward => {
                let b = linalg::reshaped(t, weight, dtypes[1], &weights);
                let a = plain((image, image_ty), format!("d0, {}, d3", along(1, 2, 5, 6)));
                let b = plain(b, "d5, d6, d3, d4".to_owned());
                let shape = [
                    windows.image[0],
                    windows.count[0],
                    windows.count[1],
                    channels,
                    multiplier,
                ];
                (7, 2, shape.to_vec(), "d0, d1, d2, d3, d4", [a, b])
            }
            Kind::Input => {
                let split = [&extents[..], &[channels, multiplier]].concat();
                let a = linalg::reshaped(t, (&image, &image_ty), dtypes[0], &split);
                let b = linalg::reversed(t, weight, dtypes[1], &weights, &[0, 1]);
                let a = plain(a, format!("d0, {}, d3, d6", along(1, 2, 4, 5)));
                let b = plain(b, "d4, d5, d3, d6".to_owned());
                let shape = [
                    windows.image[0],
                    windows.count[0],
                    windows.count[1],
                    channels,
                ];
                (7, 3, shape.to_vec(), "d0, d1, d2, d3", [a, b])
            }
            Kind::Weight => {
                let per_image = self.pixels() * self.outputs();
                let g = linalg::with_images(
                    t,
                    weight,
                    dtypes[1],
                    [windows.image[0], images],
                    per_image,
                );
                let parts = windows.parts(self.splits, self.per_split);
                let a = linalg::reshaped(t, (&image, &image_ty), dtypes[0], &parts);
                let [height, width] = windows.count;
                let split = [
                    self.splits,
                    self.per_split,
                    height,
                    width,
                    channels,
                    multiplier,
                ];
                let b = linalg::reshaped(t, (&g.0, &g.1), dtypes[1], &split);
                let a = plain(a, format!("d0, d5, {}, d3", along(6, 7, 1, 2)));
                let b = plain(b, "d0, d5, d6, d7, d3, d4".to_owned());
                let shape = [self.splits, kh, kw, channels, multiplier];
                (8, 3, shape.to_vec(), "d0, d1, d2, d3, d4", [a, b])
            }
        };
        let sums = linalg::allocate(t, &shape, acc);
        let sum = Sum {
            dims,
            summed,
            types: dtypes,
            zero_points: self.zero_points,
            sum: acc,
        };
        let [a, b] = &operands;
        sum.emit(t, [a, b], (&sums, map));
        let finish = Finish {
            shape: self.shape(),
            sum: acc,
            epilogue: &self.epilogue,
            out: &self.out,
            arguments: types.len(),
        };
        finish.emit(t, &sums);
        t.line("return");
        t.close("}");
        std::mem::take(t).finish()
    }
}
