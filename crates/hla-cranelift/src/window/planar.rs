//! Maxima of planar windows with neighbouring columns in the lanes.
//!
//! Only windows that are inside the input from left to right are computed so; the few others are
//! left to scalar code.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use hla_ir::{DType, Layout};

use super::geometry::Geometry;
use crate::kernel::{KernelBuilder, READ, View};

/// Beyond this many columns of a window, the code would grow too long.
const MAX_COLUMNS: i64 = 8;

/// How the middle columns of a planar maximum are computed.
pub(super) struct Planar {
    ty: Type,
    /// What a maximum begins with: the bits of one lane.
    start: i64,
    /// The windows computed so: first, one past the last; at least a vector of them.
    pub columns: (i64, i64),
    geometry: Geometry,
}

impl Planar {
    /// `None` where scalar code must do.
    pub fn new(average: bool, input: &View, result: &View, geometry: &Geometry) -> Option<Planar> {
        let planar = |v: &View| v.layout != Layout::RowMajor;
        if average || !planar(input) || !planar(result) || input.element() != result.element() {
            return None;
        }
        let (ty, start) = match input.element() {
            DType::F32 => (types::F32X4, i64::from(f32::NEG_INFINITY.to_bits())),
            DType::I16 => (types::I16X8, i64::from(i16::MIN)),
            DType::I8 => (types::I8X16, i64::from(i8::MIN)),
            _ => return None,
        };
        let [_, width] = geometry.input;
        let [_, pad] = geometry.pad;
        let [_, kernel] = geometry.kernel;
        let [_, stride] = geometry.stride;
        if stride > 2 || kernel > MAX_COLUMNS {
            return None;
        }
        let first = (pad + stride - 1) / stride;
        let past = ((width + pad - kernel) / stride + 1).min(geometry.output[1]);
        (past - first >= i64::from(ty.lane_count())).then_some(Planar {
            ty,
            start,
            columns: (first, past),
            geometry: *geometry,
        })
    }

    /// The middle columns of one row. `strides` are the bytes between rows of the input and between
    /// columns of the result.
    pub fn row(
        &self,
        k: &mut KernelBuilder<'_>,
        (from, to): (Value, Value),
        rows: (Value, Value),
        (row, column): (i64, i64),
        combine: impl Fn(&mut KernelBuilder<'_>, Value, Value) -> Value,
    ) {
        let lanes = i64::from(self.ty.lane_count());
        let (first, past) = self.columns;
        let whole = (past - first) / lanes * lanes;
        let (start, end) = (k.int(first), k.int(first + whole));
        k.for_range(start, end, lanes, |k, ow| {
            self.block(k, (from, to), rows, (row, column), ow, &combine);
        });
        if first + whole < past {
            // The last vector overlaps the one before.
            let ow = k.int(past - lanes);
            self.block(k, (from, to), rows, (row, column), ow, &combine);
        }
    }

    /// One vector of windows beginning at column `ow`.
    fn block(
        &self,
        k: &mut KernelBuilder<'_>,
        (from, to): (Value, Value),
        rows: (Value, Value),
        (row, column): (i64, i64),
        ow: Value,
        combine: &impl Fn(&mut KernelBuilder<'_>, Value, Value) -> Value,
    ) {
        let [_, stride] = self.geometry.stride;
        let [_, kernel] = self.geometry.kernel;
        let [_, pad] = self.geometry.pad;
        let bytes = i64::from(self.ty.lane_type().bytes());
        let at = k.index(from, ow, stride * bytes);
        let at = k.offset(at, -pad * bytes);
        let start = self.start_value(k);
        // The loop counts addresses, so nothing is multiplied inside it.
        let lines = [rows.0, rows.1].map(|h| k.index(at, h, row));
        let mut sum: Option<Value> = None;
        for kw in 0..kernel {
            // The maximum along the column first: neighbours in memory, whatever the stride.
            let init = vec![start; stride as usize];
            let columns = k.for_range_carry(lines[0], lines[1], row, &init, |k, line, sums| {
                (0..stride)
                    .zip(sums)
                    .map(|(part, &sum)| {
                        let offset = (kw * bytes + 16 * part) as i32;
                        let value = k.b.ins().load(self.ty, READ, line, offset);
                        combine(k, sum, value)
                    })
                    .collect()
            });
            let value = match columns[..] {
                [a, b] => k.even_lanes(a, b),
                _ => columns[0],
            };
            sum = Some(match sum {
                Some(sum) => combine(k, sum, value),
                None => value,
            });
        }
        let to = k.index(to, ow, column);
        k.write(sum.unwrap_or(start), to, 0);
    }

    fn start_value(&self, k: &mut KernelBuilder<'_>) -> Value {
        let bits = k.int_const(self.ty.as_int(), self.start);
        k.cast(self.ty, bits)
    }
}
