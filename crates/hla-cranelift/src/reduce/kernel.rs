//! Sum, product, maximum and minimum along an axis.

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{Diagnostic, Op};

use super::Extents;
use super::combine::Combine;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};

/// Vectors that run side by side.
const SIDE_BY_SIDE: i64 = 4;

/// Elements of the inner dimension that one item covers.
const BLOCK: i64 = 256;

pub(super) struct Reduce {
    combine: Combine,
    input: View,
    result: View,
    extents: Extents,
    width: Width,
}

impl Reduce {
    pub fn new(op: Op, ignore_nan: bool, input: View, result: View, extents: Extents) -> Reduce {
        let lanes = if extents.inner == 1 {
            extents.axis
        } else {
            extents.inner
        };
        let wide = lanes >= 4 && input.ty.dtype.bytes() <= 4;
        Reduce {
            combine: Combine {
                op,
                dtype: input.ty.dtype,
                ignore_nan,
                empty: extents.axis == 0,
            },
            input,
            result,
            extents,
            width: if wide { Width::Four } else { Width::One },
        }
    }

    fn bytes(&self) -> i64 {
        self.input.ty.dtype.bytes() as i64
    }

    fn blocks(&self) -> i64 {
        (self.extents.inner + BLOCK - 1) / BLOCK
    }

    /// One result: a reduction of neighbours.
    fn along(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value) {
        let dtype = self.input.ty.dtype;
        let bytes = self.bytes();
        let axis = self.extents.axis;
        let step = SIDE_BY_SIDE * 4;
        let mut total = self.combine.start(k, Width::One);
        let mut done = 0;
        if self.width == Width::Four && axis >= step {
            done = axis - axis % step;
            let start = self.combine.start(k, Width::Four);
            let (zero, end) = (k.int(0), k.int(done));
            let init = vec![start; SIDE_BY_SIDE as usize];
            let sums = k.for_range_carry(zero, end, step, &init, |k, i, sums| {
                let at = k.index(from, i, bytes);
                (0..SIDE_BY_SIDE)
                    .zip(sums)
                    .map(|(n, &sum)| {
                        let at = k.offset(at, n * 4 * bytes);
                        let value = k.load_lanes(dtype, Width::Four, at, true);
                        self.combine.apply(k, sum, value)
                    })
                    .collect()
            });
            let left = self.combine.apply(k, sums[0], sums[1]);
            let right = self.combine.apply(k, sums[2], sums[3]);
            let sum = self.combine.apply(k, left, right);
            for lane in 0..4 {
                let value = k.b.ins().extractlane(sum, lane);
                total = self.combine.apply(k, total, value);
            }
        }
        let (start, end) = (k.int(done), k.int(axis));
        let total = k.for_range_carry(start, end, 1, &[total], |k, i, sum| {
            let at = k.index(from, i, bytes);
            let value = k.load_lanes(dtype, Width::One, at, true);
            vec![self.combine.apply(k, sum[0], value)]
        });
        let result = self.combine.finish(k, total[0]);
        k.store_lanes(dtype, Width::One, result, to);
    }

    /// Results `start..end` of one outer index, `vectors` vectors of a width at a time.
    fn across(
        &self,
        k: &mut KernelBuilder<'_>,
        (from, to): (Value, Value),
        (start, end): (Value, Value),
        width: Width,
        vectors: i64,
    ) {
        let dtype = self.input.ty.dtype;
        let bytes = self.bytes();
        let row = self.extents.inner * bytes;
        k.for_range(start, end, width.lanes() * vectors, |k, i| {
            let column = k.index(from, i, bytes);
            let init = self.combine.start(k, width);
            let init = vec![init; vectors as usize];
            let (zero, axis) = (k.int(0), k.int(self.extents.axis));
            let sums = k.for_range_carry(zero, axis, 1, &init, |k, a, sums| {
                let at = k.index(column, a, row);
                (0..vectors)
                    .zip(sums)
                    .map(|(n, &sum)| {
                        let at = k.offset(at, n * width.lanes() * bytes);
                        let value = k.load_lanes(dtype, width, at, true);
                        self.combine.apply(k, sum, value)
                    })
                    .collect()
            });
            let place = k.index(to, i, bytes);
            for (n, &sum) in (0..vectors).zip(&sums) {
                let result = self.combine.finish(k, sum);
                let place = k.offset(place, n * width.lanes() * bytes);
                k.store_lanes(dtype, width, result, place);
            }
        });
    }
}

impl EmitKernel for Reduce {
    fn name(&self) -> String {
        let op = self.combine.op.def().name;
        op.split('.').next_back().unwrap_or(op).to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.extents.outer * self.blocks()) as u64
    }

    fn grain(&self) -> u64 {
        let work = self.extents.axis * self.extents.inner.min(BLOCK);
        (8192 / work.max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from = k.address(self.input.buffer);
        let to = k.address(self.result.buffer);
        let Extents { outer, axis, inner } = self.extents;
        let bytes = self.bytes();
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &[outer, self.blocks()]);
            let from = k.index(from, at[0], axis * inner * bytes);
            let to = k.index(to, at[0], inner * bytes);
            if inner == 1 {
                self.along(k, from, to);
                return;
            }
            let mut start = k.scale(at[1], BLOCK);
            let stop = k.offset(start, BLOCK);
            let limit = k.int(inner);
            let end = k.b.ins().smin(stop, limit);
            if self.width == Width::Four {
                for vectors in [SIDE_BY_SIDE, 1] {
                    let length = k.b.ins().isub(end, start);
                    let whole = k.b.ins().band_imm_s(length, -(4 * vectors));
                    let middle = k.b.ins().iadd(start, whole);
                    self.across(k, (from, to), (start, middle), Width::Four, vectors);
                    start = middle;
                }
            }
            self.across(k, (from, to), (start, end), Width::One, 1);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let strategy = match self.width {
            Width::Four => "vector reduction",
            Width::One => "scalar reduction",
        };
        KernelReport::new(
            format!("{} {} → {}", self.combine.op, self.input.ty, self.result.ty),
            strategy,
        )
    }
}
