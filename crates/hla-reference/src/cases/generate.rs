//! Seeded inputs, and the building of a case.

use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};

use super::Case;
use crate::tolerance::Tolerance;

/// The splitmix64 generator (Steele, Lea, Flood 2014).
pub(super) struct Random(u64);

impl Random {
    /// A generator whose stream depends on a case's name alone.
    pub(super) fn new(name: &str) -> Random {
        Random(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An integer between two bounds, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = (high as i128 - low as i128 + 1) as u128;
        (i128::from(low) + (u128::from(self.next()) % span) as i128) as i64
    }

    /// Floats as multiples of ¼ between −2 and 2; integers between −9 and 9; booleans.
    pub(super) fn grid(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let ty = TensorType::new(shape, dtype);
        let n = ty.elements();
        let values: Vec<f64> = match dtype {
            DType::I1 => (0..n).map(|_| self.between(0, 1) as f64).collect(),
            _ if dtype.is_float() => (0..n).map(|_| self.between(-8, 8) as f64 / 4.0).collect(),
            _ => (0..n).map(|_| self.between(-9, 9) as f64).collect(),
        };
        Tensor::from_f64s(ty, values).expect("as many values as elements")
    }

    /// Floats uniform between two bounds, rounded to the type.
    pub(super) fn real(&mut self, shape: &[usize], dtype: DType, low: f64, high: f64) -> Tensor {
        let ty = TensorType::new(shape, dtype);
        let unit = |r: u64| (r >> 11) as f64 / (1u64 << 53) as f64;
        let values: Vec<f64> = (0..ty.elements())
            .map(|_| low + (high - low) * unit(self.next()))
            .collect();
        Tensor::from_f64s(ty, values).expect("as many values as elements")
    }

    /// Integers over the whole range of the type.
    pub(super) fn full(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let (low, high) = crate::number::range(dtype);
        self.ints(shape, dtype, low, high)
    }

    /// Integers between two bounds, both included.
    pub(super) fn ints(&mut self, shape: &[usize], dtype: DType, low: i64, high: i64) -> Tensor {
        let ty = TensorType::new(shape, dtype);
        let values: Vec<i64> = (0..ty.elements())
            .map(|_| self.between(low, high))
            .collect();
        Tensor::from_i64s(ty, &values).expect("bounds inside the type")
    }

    /// Ternary values, `zeros` of ten of them 0.
    pub(super) fn trits(&mut self, shape: &[usize], zeros: i64) -> Tensor {
        let ty = TensorType::new(shape, DType::I8);
        let values: Vec<i64> = (0..ty.elements())
            .map(|_| match self.between(0, 9) < zeros {
                true => 0,
                false => 2 * self.between(0, 1) - 1,
            })
            .collect();
        Tensor::from_i64s(ty, &values).expect("trits fit")
    }

    /// Values that suit any op: full range for integers, reals between −3 and 3 for floats.
    pub(super) fn any(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        if dtype.is_float() {
            self.real(shape, dtype, -3.0, 3.0)
        } else {
            self.full(shape, dtype)
        }
    }
}

/// A function in the making. Every method panics where a case is unsound: cases are constants of
/// this crate, and a test builds them all.
pub(super) struct Builder {
    pub(super) function: Function,
}

impl Builder {
    /// Appends a node.
    pub(super) fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        match self.function.push(op, operands, attrs, Location::unknown()) {
            Ok(value) => value,
            Err(error) => panic!("case {}: {error}", self.function.name),
        }
    }

    /// Appends a node and gives all its results.
    pub(super) fn op_all(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> Vec<ValueId> {
        let first = self.op(op, operands, attrs);
        let node = self.function.defining_node(first).expect("just appended");
        node.results.clone()
    }

    /// Appends a constant.
    pub(super) fn constant(&mut self, values: Tensor) -> ValueId {
        self.function.constant(values, Location::unknown())
    }
}

/// Adds a case whose function is built from its arguments and returns some values.
pub(super) fn case(
    cases: &mut Vec<Case>,
    name: impl Into<String>,
    tolerance: Tolerance,
    inputs: impl IntoIterator<Item = Tensor>,
    build: impl FnOnce(&mut Builder, &[ValueId]) -> Vec<ValueId>,
) {
    let name = name.into();
    let inputs: Vec<Tensor> = inputs.into_iter().collect();
    let mut builder = Builder {
        function: Function::new(&name),
    };
    let args: Vec<ValueId> = inputs
        .iter()
        .map(|input| builder.function.add_arg(Arg::new(input.ty().clone())))
        .collect();
    let results = build(&mut builder, &args);
    builder.function.results = results;
    cases.push(Case {
        name,
        function: builder.function,
        inputs,
        tolerance,
    });
}

/// Adds a case of one op applied to the arguments.
pub(super) fn op_case(
    cases: &mut Vec<Case>,
    name: impl Into<String>,
    tolerance: Tolerance,
    inputs: impl IntoIterator<Item = Tensor>,
    op: Op,
    attrs: Attrs,
) {
    case(cases, name, tolerance, inputs, |b, args| {
        b.op_all(op, args, attrs)
    });
}

/// A vector of f32.
pub(super) fn f32s(values: &[f32]) -> Tensor {
    Tensor::from_f32s([values.len()], values).expect("as many values as elements")
}

/// A vector of integers.
pub(super) fn ints(dtype: DType, values: &[i64]) -> Tensor {
    Tensor::from_i64s(TensorType::new([values.len()], dtype), values).expect("values fit")
}

/// No attributes.
pub(super) fn none() -> Attrs {
    Attrs::new()
}
