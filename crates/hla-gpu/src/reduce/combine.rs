//! The arithmetic of reductions: where one starts, how two results become one.

use hla_ir::DType;

use crate::Text;
use crate::text::{stored, vector};

/// How elements are combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// The largest; a NaN wins, or is ignored if there is any number.
    Max {
        /// Whether NaNs are ignored.
        ignore_nan: bool,
    },
    /// The smallest; a NaN wins, or is ignored if there is any number.
    Min {
        /// Whether NaNs are ignored.
        ignore_nan: bool,
    },
    /// The index of the first largest; a NaN is larger than any number, or smaller.
    ArgMax {
        /// Whether a NaN is smaller than any number.
        ignore_nan: bool,
        /// Integer type of the index.
        index: DType,
    },
}

/// What a value is combined in: floats as f32, integers as i32 or i64.
pub(crate) fn wide(dtype: DType) -> DType {
    match dtype {
        d if d.is_float() => DType::F32,
        DType::I64 | DType::Index => DType::I64,
        _ => DType::I32,
    }
}

impl Combine {
    /// The field's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Combine::Sum => "sum",
            Combine::Product => "product",
            Combine::Max { .. } => "max",
            Combine::Min { .. } => "min",
            Combine::ArgMax { .. } => "argmax",
        }
    }

    /// Element type of the result for elements of a type.
    pub fn result(self, dtype: DType) -> DType {
        match self {
            Combine::ArgMax { index, .. } => index,
            _ => dtype,
        }
    }

    /// Element types of the state of a reduction of elements of a type.
    pub(crate) fn accumulators(self, dtype: DType) -> Vec<DType> {
        match self {
            Combine::ArgMax { .. } => vec![wide(dtype), DType::I32],
            _ => vec![wide(dtype)],
        }
    }

    /// The state before the first element, as MLIR's attributes; `empty` if there is none.
    pub(crate) fn start(self, dtype: DType, empty: bool) -> Vec<String> {
        const NAN: &str = "0x7FC00000";
        const LEAST: &str = "0xFF800000";
        const GREATEST: &str = "0x7F800000";
        let float = dtype.is_float();
        let (low, high) = match wide(dtype) {
            DType::I64 => (i64::MIN, i64::MAX),
            _ => (i32::MIN.into(), i32::MAX.into()),
        };
        // A reduction of nothing but ignored NaNs is a NaN.
        let nan = |ignore: bool, other: &str| if ignore && !empty { NAN } else { other }.to_owned();
        vec![match self {
            Combine::Sum if float => "0.0".to_owned(),
            Combine::Product if float => "1.0".to_owned(),
            Combine::Sum => "0".to_owned(),
            Combine::Product => "1".to_owned(),
            Combine::Max { ignore_nan } if float => nan(ignore_nan, LEAST),
            Combine::Min { ignore_nan } if float => nan(ignore_nan, GREATEST),
            Combine::Max { .. } => low.to_string(),
            Combine::Min { .. } => high.to_string(),
            // Not larger than anything, and later than all.
            Combine::ArgMax { ignore_nan, .. } => {
                let least = if float {
                    nan(ignore_nan, LEAST)
                } else {
                    low.to_string()
                };
                return vec![least, i32::MAX.to_string()];
            }
        }]
    }

    /// Two states become one; `dtype` is the elements' type.
    pub(crate) fn combine(
        self,
        t: &mut Text,
        dtype: DType,
        lanes: usize,
        a: &[String],
        b: &[String],
    ) -> Vec<String> {
        let mut ops = Ops {
            t,
            lanes,
            dtype: wide(dtype),
        };
        let (x, y) = (&a[0], &b[0]);
        let float = dtype.is_float();
        vec![match self {
            Combine::Sum if float => ops.two("arith.addf", x, y),
            Combine::Product if float => ops.two("arith.mulf", x, y),
            Combine::Sum => ops.two("arith.addi", x, y),
            Combine::Product => ops.two("arith.muli", x, y),
            Combine::Max { ignore_nan } if float => {
                ops.extremum("arith.maximumf", x, y, ignore_nan)
            }
            Combine::Min { ignore_nan } if float => {
                ops.extremum("arith.minimumf", x, y, ignore_nan)
            }
            Combine::Max { .. } => ops.two("arith.maxsi", x, y),
            Combine::Min { .. } => ops.two("arith.minsi", x, y),
            Combine::ArgMax { ignore_nan, .. } => {
                let wins = ops.comes_first((x, &a[1]), (y, &b[1]), ignore_nan);
                let value = ops.select(&wins, x, y);
                ops.dtype = DType::I32;
                return vec![value, ops.select(&wins, &a[1], &b[1])];
            }
        }]
    }
}

/// Writes ops on lanes of one type.
struct Ops<'a> {
    t: &'a mut Text,
    lanes: usize,
    dtype: DType,
}

impl Ops<'_> {
    fn ty(&self) -> String {
        vector(self.lanes, stored(self.dtype))
    }

    fn two(&mut self, op: &str, a: &str, b: &str) -> String {
        let ty = self.ty();
        self.t.op(format_args!("{op} {a}, {b} : {ty}"))
    }

    fn select(&mut self, condition: &str, yes: &str, no: &str) -> String {
        let (ty, conditions) = (self.ty(), vector(self.lanes, "i1"));
        let types = match self.lanes {
            1 => ty,
            _ => format!("{conditions}, {ty}"),
        };
        self.t.op(format_args!(
            "arith.select {condition}, {yes}, {no} : {types}"
        ))
    }

    fn logic(&mut self, op: &str, a: &str, b: &str) -> String {
        let ty = vector(self.lanes, "i1");
        self.t.op(format_args!("{op} {a}, {b} : {ty}"))
    }

    fn extremum(&mut self, op: &str, a: &str, b: &str, ignore_nan: bool) -> String {
        let extremum = self.two(op, a, b);
        if !ignore_nan {
            return extremum;
        }
        let (nan_a, nan_b) = (
            self.two("arith.cmpf uno,", a, a),
            self.two("arith.cmpf uno,", b, b),
        );
        let or_b = self.select(&nan_a, b, &extremum);
        self.select(&nan_b, a, &or_b)
    }

    /// Whether `a` is larger than `b`, or as large and its index is smaller.
    fn comes_first(
        &mut self,
        (a, index_a): (&str, &str),
        (b, index_b): (&str, &str),
        ignore_nan: bool,
    ) -> String {
        let larger = self.larger(a, b, ignore_nan);
        let smaller = self.larger(b, a, ignore_nan);
        let ty = vector(self.lanes, "i32");
        let earlier = self
            .t
            .op(format_args!("arith.cmpi slt, {index_a}, {index_b} : {ty}"));
        let or_earlier = self.logic("arith.ori", &larger, &earlier);
        // Not smaller, and larger or earlier.
        let no = self.t.constant(match self.lanes {
            1 => "false".to_owned(),
            n => format!("dense<false> : vector<{n}xi1>"),
        });
        self.t.op(match self.lanes {
            1 => format!("arith.select {smaller}, {no}, {or_earlier} : i1"),
            n => format!(
                "arith.select {smaller}, {no}, {or_earlier} : vector<{n}xi1>, vector<{n}xi1>"
            ),
        })
    }

    fn larger(&mut self, a: &str, b: &str, ignore_nan: bool) -> String {
        if self.dtype != DType::F32 {
            return self.two("arith.cmpi sgt,", a, b);
        }
        // Greater or unordered, and the one that would be the smaller for being a NaN is none.
        let greater = self.two("arith.cmpf ugt,", a, b);
        let number = if ignore_nan { a } else { b };
        let is_number = self.two("arith.cmpf ord,", number, number);
        self.logic("arith.andi", &greater, &is_number)
    }
}

/// Whether a float is larger than another; a NaN is larger than any number. Both are f32.
pub(crate) fn is_larger(t: &mut Text, lanes: usize, a: &str, b: &str) -> String {
    let dtype = DType::F32;
    Ops { t, lanes, dtype }.larger(a, b, false)
}

/// A value as it is stored, in the type that it is combined in.
pub(crate) fn widened(t: &mut Text, dtype: DType, lanes: usize, value: &str) -> String {
    let op = match dtype {
        DType::F16 | DType::BF16 => "arith.extf",
        DType::I1 => "arith.extui",
        DType::I8 | DType::I16 => "arith.extsi",
        _ => return value.to_owned(),
    };
    let (from, to) = (
        vector(lanes, stored(dtype)),
        vector(lanes, stored(wide(dtype))),
    );
    t.op(format_args!("{op} {value} : {from} to {to}"))
}

/// What was combined as `from`, as it is stored as `to`.
pub(crate) fn narrowed(t: &mut Text, from: DType, to: DType, lanes: usize, value: &str) -> String {
    let op = match () {
        () if stored(from) == stored(to) => return value.to_owned(),
        () if to.is_float() => "arith.truncf",
        () if to.bytes() > from.bytes() => "arith.extui",
        () => "arith.trunci",
    };
    let (from, to) = (vector(lanes, stored(from)), vector(lanes, stored(to)));
    t.op(format_args!("{op} {value} : {from} to {to}"))
}
