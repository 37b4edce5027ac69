//! The index of the first maximum along an axis.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{DType, Diagnostic};

use super::Domain;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};

pub(super) struct ArgMax {
    pub input: View,
    pub result: View,
    pub extents: Domain,
    pub ignore_nan: bool,
}

impl ArgMax {
    /// Lanes lie along the inner dimension, whose indices must be as wide as the values.
    fn is_wide(&self) -> bool {
        let narrow = |d: DType| d.bytes() <= 4;
        self.extents.inner >= 4 && narrow(self.input.ty.dtype) && narrow(self.result.ty.dtype)
    }

    /// A mask of where a new value is larger than the best so far.
    fn larger(&self, k: &mut KernelBuilder<'_>, new: Value, old: Value) -> Value {
        if !self.input.ty.dtype.is_float() {
            return k.imask(IntCC::SignedGreaterThan, new, old);
        }
        let greater = k.fmask(FloatCC::GreaterThan, new, old);
        // A NaN is larger than any number, or smaller where it is ignored.
        let (nan, number) = if self.ignore_nan {
            (old, new)
        } else {
            (new, old)
        };
        let nan = k.fmask(FloatCC::NotEqual, nan, nan);
        let number = k.fmask(FloatCC::Equal, number, number);
        let beats = k.b.ins().band(nan, number);
        k.b.ins().bor(greater, beats)
    }

    /// Whether lanes lie along the axis.
    fn is_along(&self) -> bool {
        self.extents.inner == 1 && self.extents.axis >= 16 && self.input.ty.dtype.bytes() <= 4
    }

    /// The better of two candidates, each a value and its index, of which neither is known to come
    /// first.
    fn better(&self, k: &mut KernelBuilder<'_>, new: [Value; 2], old: [Value; 2]) -> [Value; 2] {
        let larger = self.larger(k, new[0], old[0]);
        let smaller = self.larger(k, old[0], new[0]);
        let earlier = k.imask(IntCC::SignedLessThan, new[1], old[1]);
        // Equal ones count by their index.
        let first = k.b.ins().band_not(earlier, smaller);
        let wins = k.b.ins().bor(larger, first);
        [0, 1].map(|i| k.choose(wins, new[i], old[i]))
    }

    /// One result: two vectors side by side run along the axis.
    fn along(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value) {
        let dtype = self.input.ty.dtype;
        let bytes = dtype.bytes() as i64;
        let whole = self.extents.axis & !7;
        let places = [0, 4].map(|first: u8| {
            let lanes = (first..first + 4).flat_map(|i| [i, 0, 0, 0]);
            let mut constant = [0; 16];
            constant.iter_mut().zip(lanes).for_each(|(to, b)| *to = b);
            k.vector_const(types::I32X4, constant)
        });
        let load = |k: &mut KernelBuilder<'_>, at: Value, side: usize| {
            let at = k.offset(at, 4 * bytes * side as i64);
            k.load_lanes(dtype, Width::Four, at, true)
        };
        let values = [0, 1].map(|side| load(k, from, side));
        let init = [values[0], places[0], values[1], places[1]];
        let (start, end) = (k.int(8), k.int(whole));
        let best = k.for_range_carry(start, end, 8, &init, |k, i, best| {
            let at = k.index(from, i, bytes);
            let index = k.b.ins().ireduce(types::I32, i);
            let index = k.splat(types::I32X4, index);
            let sides = [0, 1].map(|side| {
                let value = load(k, at, side);
                let larger = self.larger(k, value, best[2 * side]);
                let index = k.b.ins().iadd(index, places[side]);
                [
                    k.choose(larger, value, best[2 * side]),
                    k.choose(larger, index, best[2 * side + 1]),
                ]
            });
            sides.concat()
        });
        let best = self.better(k, [best[2], best[3]], [best[0], best[1]]);
        let lane = |k: &mut KernelBuilder<'_>, lane: u8| {
            [0, 1].map(|i: usize| k.b.ins().extractlane(best[i], lane))
        };
        let mut one = lane(k, 0);
        for i in 1..4 {
            let new = lane(k, i);
            one = self.better(k, new, one);
        }
        let (start, end) = (k.int(whole), k.int(self.extents.axis));
        let one = k.for_range_carry(start, end, 1, &one, |k, i, best| {
            let at = k.index(from, i, bytes);
            let value = k.load_lanes(dtype, Width::One, at, true);
            let larger = self.larger(k, value, best[0]);
            let index = k.b.ins().ireduce(types::I32, i);
            vec![
                k.choose(larger, value, best[0]),
                k.choose(larger, index, best[1]),
            ]
        });
        let out = self.result.ty.dtype;
        let index = match out.bytes() {
            8 => k.b.ins().sextend(types::I64, one[1]),
            _ => one[1],
        };
        k.store_lanes(out, Width::One, index, to);
    }

    fn columns(
        &self,
        k: &mut KernelBuilder<'_>,
        (from, to): (Value, Value),
        (start, end): (Value, Value),
        width: Width,
    ) {
        let dtype = self.input.ty.dtype;
        let index_type = if width == Width::Four {
            DType::I32
        } else {
            DType::I64
        };
        let bytes = dtype.bytes() as i64;
        let out = self.result.ty.dtype;
        k.for_range(start, end, width.lanes(), |k, i| {
            let column = k.index(from, i, bytes);
            let first = k.load_lanes(dtype, width, column, true);
            let none = k.int_const(width.ty(index_type), 0);
            let (one, axis) = (k.int(1), k.int(self.extents.axis));
            let best = k.for_range_carry(one, axis, 1, &[first, none], |k, a, best| {
                let at = k.index(column, a, self.extents.inner * bytes);
                let value = k.load_lanes(dtype, width, at, true);
                let larger = self.larger(k, value, best[0]);
                let index = match width {
                    Width::Four => {
                        let index = k.b.ins().ireduce(types::I32, a);
                        k.splat(types::I32X4, index)
                    }
                    Width::One => a,
                };
                let value = k.choose(larger, value, best[0]);
                vec![value, k.choose(larger, index, best[1])]
            });
            let place = k.index(to, i, out.bytes() as i64);
            let index = if width == Width::One && out == DType::I32 {
                k.b.ins().ireduce(types::I32, best[1])
            } else {
                best[1]
            };
            k.store_lanes(out, width, index, place);
        });
    }
}

impl EmitKernel for ArgMax {
    fn name(&self) -> String {
        "argmax".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        if self.extents.inner == 0 {
            return 0;
        }
        self.extents.outer as u64
    }

    fn grain(&self) -> u64 {
        (8192 / (self.extents.axis * self.extents.inner).max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from = k.address(self.input.buffer);
        let to = k.address(self.result.buffer);
        let Domain { axis, inner, .. } = self.extents;
        let bytes = self.input.ty.dtype.bytes() as i64;
        let out = self.result.ty.dtype.bytes() as i64;
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let from = k.index(from, item, axis * inner * bytes);
            let to = k.index(to, item, inner * out);
            if self.is_along() {
                self.along(k, from, to);
                return;
            }
            let start = k.int(0);
            let whole = if self.is_wide() { inner & !3 } else { 0 };
            let middle = k.int(whole);
            let end = k.int(inner);
            if whole > 0 {
                self.columns(k, (from, to), (start, middle), Width::Four);
            }
            if whole < inner {
                self.columns(k, (from, to), (middle, end), Width::One);
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(
            format!("tosa.argmax {} → {}", self.input.ty, self.result.ty),
            if self.is_wide() || self.is_along() {
                "vector reduction"
            } else {
                "scalar reduction"
            },
        )
    }
}
