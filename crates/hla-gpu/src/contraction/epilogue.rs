//! What becomes of a sum before it is stored: the rest of the op's own definition, then elementwise
//! ops that follow it.

use hla_ir::{DType, TensorType};

use super::index::{Int, Ints};
use super::memory::{Flat, widened};
use crate::text::{stored, vector};
use crate::{Body, Text};

/// A contraction's epilogue.
#[derive(Clone, PartialEq, Debug)]
pub struct Epilogue {
    /// The rest of the op.
    pub finish: Finish,
    /// What the epilogue reads: first the operands of `finish`, then what `body` takes after the
    /// op's result.
    pub extras: Vec<Extra>,
    /// Elementwise ops that follow: its first input is the op's result, and it gives one.
    pub body: Body,
}

/// A tensor that an epilogue reads: with element (batch, m, n) of the result goes its element
/// start + strides · (batch, m, n).
#[derive(Clone, PartialEq, Debug)]
pub struct Extra {
    /// Its type, as the argument of the kernel.
    pub ty: TensorType,
    /// Elements between those of neighbours along batch, m and n.
    pub strides: [usize; 3],
    /// The first element that is read.
    pub start: usize,
}

/// What an op does with its sum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Finish {
    /// Nothing.
    Sum,
    /// Adds a bias.
    Bias,
    /// fma(sum, scale, bias), then fma(residual, `residual`, ·) if there is a residual, clamped.
    Ternary {
        /// The factor of the residual.
        residual: Option<f32>,
        /// The smallest result.
        min: f32,
        /// The largest result.
        max: f32,
    },
}

/// Writes arithmetic on lanes.
struct Lanes<'a> {
    t: &'a mut Text,
    lanes: usize,
}

impl Lanes<'_> {
    fn op(&mut self, op: &str, operands: &[&str], dtype: DType) -> String {
        let ty = vector(self.lanes, stored(dtype));
        self.t
            .op(format_args!("{op} {} : {ty}", operands.join(", ")))
    }

    fn convert(&mut self, op: &str, value: &str, from: DType, to: DType) -> String {
        let (from, to) = (
            vector(self.lanes, stored(from)),
            vector(self.lanes, stored(to)),
        );
        self.t.op(format_args!("{op} {value} : {from} to {to}"))
    }

    /// A constant to the bit.
    fn float(&mut self, value: f32) -> String {
        let bits = value.to_bits();
        match self.lanes {
            1 => self.t.constant(format_args!("{bits:#010x} : f32")),
            n => self
                .t
                .constant(format_args!("dense<{bits:#010x}> : vector<{n}xf32>")),
        }
    }

    /// A value of f32 as an element of the op's result.
    fn rounded(&mut self, value: &str, to: DType) -> String {
        if to.is_float() {
            return self.convert("arith.truncf", value, DType::F32, to);
        }
        // Nearest even, saturated to ±127, NaN as 0. Adding and subtracting 1.5·2²³ rounds: the
        // sum of the two has no room for a fraction.
        let float = DType::F32;
        let number = self.op("arith.cmpf ord,", &[value, value], float);
        let zero = self.float(0.0);
        let ty = vector(self.lanes, "f32");
        let condition = match self.lanes {
            1 => String::new(),
            n => format!("vector<{n}xi1>, "),
        };
        let y = self.t.op(format_args!(
            "arith.select {number}, {value}, {zero} : {condition}{ty}"
        ));
        let (low, high, shift) = (
            self.float(-127.0),
            self.float(127.0),
            self.float(12_582_912.0),
        );
        let y = self.op("arith.maximumf", &[&y, &low], float);
        let y = self.op("arith.minimumf", &[&y, &high], float);
        let y = self.op("arith.addf", &[&y, &shift], float);
        let y = self.op("arith.subf", &[&y, &shift], float);
        let y = self.convert("arith.fptosi", &y, float, DType::I32);
        self.convert("arith.trunci", &y, DType::I32, to)
    }
}

impl Finish {
    /// How many tensors it reads.
    pub fn extras(self) -> usize {
        match self {
            Finish::Sum => 0,
            Finish::Bias => 1,
            Finish::Ternary { residual, .. } => 2 + usize::from(residual.is_some()),
        }
    }

    /// The op's result before it is rounded.
    fn emit(
        self,
        l: &mut Lanes<'_>,
        sum: &str,
        from: DType,
        extras: &[(&str, DType)],
    ) -> (String, DType) {
        let lanes = l.lanes;
        let wide =
            |l: &mut Lanes<'_>, i: usize, to| widened(l.t, extras[i].0, extras[i].1, to, lanes);
        match self {
            Finish::Sum => (sum.to_owned(), from),
            Finish::Bias => {
                let bias = wide(l, 0, from);
                let add = if from.is_float() {
                    "arith.addf"
                } else {
                    "arith.addi"
                };
                (l.op(add, &[sum, &bias], from), from)
            }
            Finish::Ternary { residual, min, max } => {
                let float = DType::F32;
                let sum = widened(l.t, sum, from, float, lanes);
                let (scale, bias) = (wide(l, 0, float), wide(l, 1, float));
                let mut y = l.op("math.fma", &[&sum, &scale, &bias], float);
                if let Some(factor) = residual {
                    let (residual, factor) = (wide(l, 2, float), l.float(factor));
                    y = l.op("math.fma", &[&residual, &factor, &y], float);
                }
                if min > f32::NEG_INFINITY {
                    let min = l.float(min);
                    y = l.op("arith.maximumf", &[&y, &min], float);
                }
                if max < f32::INFINITY {
                    let max = l.float(max);
                    y = l.op("arith.minimumf", &[&y, &max], float);
                }
                (y, float)
            }
        }
    }
}

impl Epilogue {
    /// Element type of what is stored.
    pub fn dtype(&self) -> DType {
        self.body.dtype(self.body.results[0])
    }

    /// The results of sums, of type f32 or i32, in lanes; `extras` are the extras' elements.
    pub(super) fn apply(
        &self,
        t: &mut Text,
        sums: &str,
        from: DType,
        extras: &[String],
        lanes: usize,
    ) -> String {
        let own = self.finish.extras();
        let read: Vec<_> = extras
            .iter()
            .zip(&self.extras)
            .map(|(name, extra)| (name.as_str(), extra.ty.dtype))
            .collect();
        let mut l = Lanes { t, lanes };
        let (value, dtype) = self.finish.emit(&mut l, sums, from, &read[..own]);
        let result = self.body.inputs[0];
        let value = match dtype == result {
            true => value,
            false => l.rounded(&value, result),
        };
        let mut inputs = vec![value];
        inputs.extend_from_slice(&extras[own..]);
        self.body.emit(t, lanes, &inputs).swap_remove(0)
    }

    /// Stores the results of sums that are neighbours along n. All their places are multiples of
    /// how many they are.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn store(
        &self,
        t: &mut Text,
        ints: Ints,
        place: &Place<'_>,
        sums: &[String],
        from: DType,
        extras: &[Flat],
        out: &Flat,
    ) {
        let lanes = sums.len();
        let sum = match sums {
            [one] => one.clone(),
            many => t.op(format_args!(
                "vector.from_elements {} : {}",
                many.join(", "),
                vector(lanes, from.name())
            )),
        };
        self.store_lanes(t, ints, place, &sum, lanes, from, extras, out);
    }

    /// The same, of sums that are a vector already if there is more than one.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn store_lanes(
        &self,
        t: &mut Text,
        ints: Ints,
        place: &Place<'_>,
        sums: &str,
        lanes: usize,
        from: DType,
        extras: &[Flat],
        out: &Flat,
    ) {
        let read: Vec<String> = extras
            .iter()
            .zip(&self.extras)
            .map(|(memory, extra)| extra.load(t, ints, memory, place, lanes))
            .collect();
        let value = self.apply(t, sums, from, &read, lanes);
        out.store(t, ints, place.element, &value, lanes);
    }
}

/// An element of the result, for the epilogue.
pub(super) struct Place<'a> {
    /// Its number in the whole result, row-major.
    pub(super) element: &'a Int,
    /// Batch, m and n.
    pub(super) at: [&'a Int; 3],
}

impl Extra {
    /// The elements that go with those of the result from a place on.
    fn load(
        &self,
        t: &mut Text,
        ints: Ints,
        memory: &Flat,
        place: &Place<'_>,
        lanes: usize,
    ) -> String {
        let mut first = Int::Known(self.start as i64);
        for (at, &stride) in place.at.into_iter().zip(&self.strides) {
            let along = ints.mul(t, at, stride);
            first = ints.add(t, &first, &along);
        }
        let aligned = [self.start, self.strides[0], self.strides[1]]
            .iter()
            .all(|s| s % lanes == 0);
        if lanes == 1 || (self.strides[2] == 1 && aligned) {
            return memory.load(t, ints, &first, lanes);
        }
        let ty = vector(lanes, stored(memory.dtype));
        if self.strides[2] == 0 {
            let one = memory.load(t, ints, &first, 1);
            let element = stored(memory.dtype);
            return t.op(format_args!("vector.broadcast {one} : {element} to {ty}"));
        }
        let each: Vec<String> = (0..lanes)
            .map(|lane| {
                let offset = Int::Known((lane * self.strides[2]) as i64);
                let at = ints.add(t, &first, &offset);
                memory.load(t, ints, &at, 1)
            })
            .collect();
        t.op(format_args!(
            "vector.from_elements {} : {ty}",
            each.join(", ")
        ))
    }
}
