//! The kernel of average and maximum pooling.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{DType, Diagnostic, Layout};

use super::average::Divisor;
use super::geometry::Geometry;
use super::planar::Planar;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width, zero_halo};

pub(super) struct Pool {
    average: bool,
    ignore_nan: bool,
    /// Of the input and of the output.
    zero_points: [i64; 2],
    input: View,
    result: View,
    geometry: Geometry,
    planar: Option<Planar>,
}

/// Addresses of one window's taps and of its result, and how many lanes to compute at a time.
struct Window {
    from: Value,
    to: Value,
    rows: (Value, Value),
    columns: (Value, Value),
}

impl Pool {
    pub fn new(
        average: bool,
        ignore_nan: bool,
        zero_points: [i64; 2],
        input: View,
        result: View,
        geometry: Geometry,
    ) -> Pool {
        let planar = Planar::new(average, &input, &result, &geometry);
        Pool {
            planar,
            average,
            ignore_nan,
            zero_points,
            input,
            result,
            geometry,
        }
    }

    fn dtype(&self) -> DType {
        self.input.ty.dtype
    }

    fn is_planar(&self) -> bool {
        self.result.layout != Layout::RowMajor || self.input.layout != Layout::RowMajor
    }

    fn start(&self, k: &mut KernelBuilder<'_>, width: Width) -> Value {
        let ty = width.ty(self.dtype());
        match (self.average, self.dtype().is_float()) {
            (true, true) => k.f32_const(ty, 0.0),
            (true, false) => k.int_const(ty, 0),
            (false, true) => k.f32_const(ty, f32::NEG_INFINITY),
            (false, false) => {
                let bits = 8 * self.dtype().bytes() as u32;
                k.int_const(ty, i64::MIN >> (64 - bits))
            }
        }
    }

    fn combine(&self, k: &mut KernelBuilder<'_>, sum: Value, value: Value) -> Value {
        match (self.average, self.dtype().is_float()) {
            (true, true) => k.b.ins().fadd(sum, value),
            (true, false) => k.b.ins().iadd(sum, value),
            (false, false) => k.b.ins().smax(sum, value),
            (false, true) => {
                let larger = k.max_or_second(sum, value);
                let suspect = if self.ignore_nan { value } else { sum };
                let ordered = k.fmask(FloatCC::Equal, suspect, suspect);
                k.choose(ordered, larger, sum)
            }
        }
    }

    /// One window: `vectors` vectors of lanes beside each other, beginning at lane `c`.
    fn window(
        &self,
        k: &mut KernelBuilder<'_>,
        window: &Window,
        divisor: Option<Divisor>,
        c: Value,
        width: Width,
        vectors: i64,
    ) {
        let strides = self.input.strides();
        let bytes = self.input.element().bytes() as i64;
        let (row, column) = (strides[1] as i64 * bytes, strides[2] as i64 * bytes);
        let from = k.index(window.from, c, bytes);
        let start = self.start(k, width);
        let init = vec![start; vectors as usize];
        // The loops count addresses, so nothing is multiplied inside them.
        let offsets = [window.columns.0, window.columns.1].map(|w| k.scale(w, column));
        let lines = [window.rows.0, window.rows.1].map(|h| k.index(from, h, row));
        let sums = k.for_range_carry(lines[0], lines[1], row, &init, |k, line, sums| {
            let taps = offsets.map(|offset| k.b.ins().iadd(line, offset));
            k.for_range_carry(taps[0], taps[1], column, sums, |k, at, sums| {
                (0..vectors)
                    .zip(sums)
                    .map(|(n, &sum)| {
                        let at = k.offset(at, n * width.lanes() * bytes);
                        let value = k.load_lanes(self.input.element(), width, at, true);
                        self.combine(k, sum, value)
                    })
                    .collect()
            })
        });
        let bytes = self.result.element().bytes() as i64;
        let to = k.index(window.to, c, bytes);
        for (n, &sum) in (0..vectors).zip(&sums) {
            let value = match divisor {
                Some(divisor) => divisor.apply(k, self.dtype(), width, sum, self.zero_points[1]),
                None => sum,
            };
            let to = k.offset(to, n * width.lanes() * bytes);
            k.store_lanes(self.result.element(), width, value, to);
        }
    }

    /// The windows `start..end` of one row of the result. `channels` is how many lie side by side
    /// in memory.
    fn row(
        &self,
        k: &mut KernelBuilder<'_>,
        (from, to): (Value, Value),
        rows: (Value, Value),
        (start, end): (i64, i64),
        channels: i64,
    ) {
        let column = self.result.strides()[2] * self.result.element().bytes();
        let (start, end) = (k.int(start), k.int(end));
        k.for_range(start, end, 1, |k, ow| {
            let columns = self.geometry.taps(k, 1, ow);
            let to = k.index(to, ow, column as i64);
            let divisor = self.average.then(|| {
                let height = k.b.ins().isub(rows.1, rows.0);
                let width = k.b.ins().isub(columns.1, columns.0);
                let count = k.b.ins().imul(height, width);
                Divisor::new(k, self.dtype(), count, self.zero_points[0])
            });
            let window = Window {
                from,
                to,
                rows,
                columns,
            };
            let mut done = 0;
            let wide = self.dtype().bytes() <= 4;
            for (width, vectors) in [(Width::Four, 4), (Width::Four, 1), (Width::One, 1)] {
                let step = width.lanes() * vectors;
                let end = channels - (channels - done) % step;
                if end == done || (width == Width::Four && !wide) {
                    continue;
                }
                let (start, stop) = (k.int(done), k.int(end));
                k.for_range(start, stop, step, |k, c| {
                    self.window(k, &window, divisor, c, width, vectors);
                });
                done = end;
            }
        });
    }
}

impl EmitKernel for Pool {
    fn name(&self) -> String {
        if self.average {
            "avg_pool2d"
        } else {
            "max_pool2d"
        }
        .to_owned()
    }

    fn parallel_items(&self) -> u64 {
        let shape = &self.result.ty.shape;
        let items = if self.is_planar() {
            shape[0] * shape[3]
        } else {
            shape[0] * shape[1]
        };
        items as u64 * u64::from(self.result.ty.elements() > 0)
    }

    fn grain(&self) -> u64 {
        let items = self.parallel_items().max(1) as i64;
        let taps = self.geometry.kernel[0] * self.geometry.kernel[1];
        let work = self.result.ty.elements() as i64 / items * taps;
        (8192 / work.max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from = k.address(self.input.origin());
        let to = k.address(self.result.origin());
        let shape = &self.result.ty.shape;
        let (n, h, c) = (shape[0] as i64, shape[1] as i64, shape[3] as i64);
        let byte_strides = |view: &View| -> Vec<i64> {
            let bytes = view.element().bytes();
            view.strides().iter().map(|s| (s * bytes) as i64).collect()
        };
        let (input, output) = (byte_strides(&self.input), byte_strides(&self.result));
        let planes = k.address(self.result.buffer);
        let (begin, end) = (k.begin(), k.end());
        if !self.is_planar() {
            k.for_range(begin, end, 1, |k, item| {
                let at = k.unravel(item, &[n, h]);
                let from = k.index(from, at[0], input[0]);
                let to = k.index(to, item, output[1]);
                let rows = self.geometry.taps(k, 0, at[1]);
                let all = (0, self.geometry.output[1]);
                self.row(k, (from, to), rows, all, c);
            });
            return Ok(());
        }
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &[n, c]);
            if let Layout::Planar { halo, element } = self.result.layout {
                let storage = self.result.storage_shape();
                let bytes = storage[2] * storage[3] * element.bytes();
                let plane = k.index(planes, item, bytes as i64);
                zero_halo(k, plane, &storage, halo, element);
            }
            let (mut from, mut to) = (from, to);
            for (&i, d) in at.iter().zip([0, 3]) {
                from = k.index(from, i, input[d]);
                to = k.index(to, i, output[d]);
            }
            k.repeat(h, 1, |k, oh| {
                let to = k.index(to, oh, output[1]);
                let rows = self.geometry.taps(k, 0, oh);
                let last = self.geometry.output[1];
                match &self.planar {
                    Some(planar) => {
                        planar.row(
                            k,
                            (from, to),
                            rows,
                            (input[1], output[2]),
                            |k, sum, value| self.combine(k, sum, value),
                        );
                        for columns in [(0, planar.columns.0), (planar.columns.1, last)] {
                            if columns.0 < columns.1 {
                                self.row(k, (from, to), rows, columns, 1);
                            }
                        }
                    }
                    None => self.row(k, (from, to), rows, (0, last), 1),
                }
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let op = if self.average {
            "tosa.avg_pool2d"
        } else {
            "tosa.max_pool2d"
        };
        let strategy = if self.planar.is_some() {
            "planar windows, columns in lanes"
        } else if self.is_planar() {
            "planar windows, scalar"
        } else {
            "windows, channels in lanes"
        };
        KernelReport {
            multiply_free: !self.average,
            ..KernelReport::new(
                format!("{op} {} → {}", self.input.ty, self.result.ty),
                strategy,
            )
        }
    }
}
