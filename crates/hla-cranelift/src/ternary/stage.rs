//! The kernel that stages the input of a ternary contraction: padded planes, stride phases apart,
//! see [`super::geometry`].
//!
//! f32 stays f32. Integers become unsigned bytes, x + 128 unless no x is negative: an unsigned byte
//! is what lets the sums of two neighbouring pixels share one 16-bit lane, see [`super::sparse`].

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{DType, Diagnostic};

use super::geometry::{Axis, Geometry, Stage, Strided};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// What is added to an integer activation that may be negative.
pub(super) const BIAS: i64 = 128;
/// Channels of one item.
const CHANNELS: usize = 16;

/// Stages `from` into `to`.
pub(super) struct StageKernel {
    pub geometry: Geometry,
    pub stage: Stage,
    pub from: Strided,
    pub to: Buffer,
    /// What is added to an integer: [`BIAS`] or nothing.
    pub bias: i64,
    /// Zero bytes after the last staged element.
    pub zeros: i64,
}

impl StageKernel {
    fn channel_blocks(&self) -> usize {
        self.geometry.in_channels.div_ceil(CHANNELS)
    }

    fn is_float(&self) -> bool {
        self.from.element == DType::F32
    }

    /// Bytes of a staged element.
    fn bytes(&self) -> i64 {
        if self.is_float() { 4 } else { 1 }
    }

    /// Writes padding over `count` elements.
    fn pad(&self, k: &mut KernelBuilder<'_>, at: Value, count: usize) {
        if self.is_float() {
            k.zero_fill(at, 4 * count as i64);
            return;
        }
        let bias = k.int_const(types::I8X16, self.bias);
        let count = count as i64;
        if count < 16 {
            let byte = k.int_const(types::I8, self.bias);
            for i in 0..count {
                k.write(byte, at, i as i32);
            }
            return;
        }
        k.repeat(count & !15, 16, |k, i| {
            let to = k.b.ins().iadd(at, i);
            k.write(bias, to, 0);
        });
        let last = k.offset(at, count - 16);
        k.write(bias, last, 0);
    }

    /// Copies one element.
    fn element(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value) {
        let value = match self.from.element {
            DType::F32 => k.read(types::F32, from, 0),
            element => {
                let byte = match element {
                    DType::I16 => {
                        let wide = k.read(types::I16, from, 0);
                        k.b.ins().ireduce(types::I8, wide)
                    }
                    _ => k.read(types::I8, from, 0),
                };
                k.b.ins().bxor_imm_u(byte, self.bias)
            }
        };
        k.write(value, to, 0);
    }

    /// Copies sixteen neighbouring elements of a contiguous row of bytes, or four of f32.
    fn vector(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value) {
        let value = match self.from.element {
            DType::F32 => k.read(types::F32X4, from, 0),
            element => {
                let bytes = match element {
                    DType::I16 => {
                        let low = k.read(types::I16X8, from, 0);
                        let high = k.read(types::I16X8, from, 16);
                        k.b.ins().snarrow(low, high)
                    }
                    _ => k.read(types::I8X16, from, 0),
                };
                let bias = k.int_const(types::I8X16, self.bias);
                k.b.ins().bxor(bytes, bias)
            }
        };
        k.write(value, to, 0);
    }

    /// Writes the padding of one staged row of one channel, `row` being its first element.
    fn row_padding(&self, k: &mut KernelBuilder<'_>, columns: Axis, row: Value) {
        self.pad(k, row, columns.begin);
        let end = columns.end.max(columns.begin);
        let right = k.offset(row, end as i64 * self.bytes());
        self.pad(k, right, self.stage.row - end.min(self.stage.row));
    }

    /// Distance in bytes between input elements of neighbouring staged columns.
    fn step(&self) -> i64 {
        self.from.strides[2] * self.geometry.stride[1] as i64
    }

    /// Copies the elements of one staged row of one channel, `to` being the first that is none of
    /// the padding.
    fn row(&self, k: &mut KernelBuilder<'_>, count: i64, from: Value, to: Value) {
        let (step, bytes) = (self.step(), self.bytes());
        let width = 16 / bytes;
        if step == self.from.element.bytes() as i64 && count >= width {
            overlapping(k, count, width, |k, i| {
                let from = k.index(from, i, step);
                let to = k.index(to, i, bytes);
                self.vector(k, from, to);
            });
        } else {
            let zero = k.int(0);
            let end = k.int(count);
            k.for_range_carry(zero, end, 1, &[from, to], |k, _, at| {
                self.element(k, at[0], at[1]);
                vec![k.offset(at[0], step), k.offset(at[1], bytes)]
            });
        }
    }

    /// Pixels that are transposed at once with [`CHANNELS`] channels, if the input has neighbouring
    /// channels side by side.
    fn transposed(&self, count: i64) -> Option<i64> {
        let width = if self.is_float() { 4 } else { 8 };
        let side_by_side = self.from.strides[3] == self.from.element.bytes() as i64
            && self.from.element != DType::I16;
        let reach = (CHANNELS * self.stage.plane) as i64 * self.bytes();
        (side_by_side && count >= width && reach < i64::from(i32::MAX)).then_some(width)
    }

    /// Copies the elements of one staged row of all channels of a block.
    fn transpose(&self, k: &mut KernelBuilder<'_>, count: i64, width: i64, from: Value, to: Value) {
        let step = self.step();
        let plane = self.stage.plane as i32 * self.bytes() as i32;
        overlapping(k, count, width, |k, i| {
            let from = k.index(from, i, step);
            let to = k.index(to, i, self.bytes());
            if self.is_float() {
                for c in (0..CHANNELS as i32).step_by(4) {
                    let mut rows = Vec::with_capacity(4);
                    for pixel in 0..width {
                        let at = k.offset(from, pixel * step);
                        let row = k.read(types::F32X4, at, 4 * c);
                        rows.push(k.cast(types::I8X16, row));
                    }
                    for (i, row) in interleave_all(k, rows, 4).into_iter().enumerate() {
                        k.write(row, to, (c + i as i32) * plane);
                    }
                }
                return;
            }
            let bias = k.int_const(types::I8X16, self.bias);
            let mut rows = Vec::with_capacity(8);
            for pixel in 0..width {
                let at = k.offset(from, pixel * step);
                let row = k.read(types::I8X16, at, 0);
                rows.push(k.b.ins().bxor(row, bias));
            }
            for (i, pair) in interleave_all(k, rows, 1).into_iter().enumerate() {
                let halves = k.cast(types::I64X2, pair);
                for half in 0..2 {
                    let row = k.b.ins().extractlane(halves, half);
                    k.write(row, to, (2 * i as i32 + i32::from(half)) * plane);
                }
            }
        });
    }
}

/// Runs `body` for `0, width, …`, the last time for `count − width`, which may overlap the time
/// before.
fn overlapping(
    k: &mut KernelBuilder<'_>,
    count: i64,
    width: i64,
    body: impl FnOnce(&mut KernelBuilder<'_>, Value),
) {
    let zero = k.int(0);
    let last = count - width;
    let times = k.int(last + width);
    k.for_range(zero, times, width, |k, i| {
        let last = k.int(last);
        let at = k.b.ins().smin(i, last);
        body(k, at);
    });
}

/// Transposes vectors of elements of some bytes: result vectors, put one after the other, hold
/// element 0 of every vector, then element 1, and so on. The number of vectors is a power of two.
fn interleave_all(k: &mut KernelBuilder<'_>, vectors: Vec<Value>, bytes: u8) -> Vec<Value> {
    let lanes = 16 / bytes;
    let mask = |first: u8| -> Vec<u8> {
        (0..lanes / 2)
            .flat_map(|lane| [0, 16].map(|vector| vector + (first + lane) * bytes))
            .flat_map(|at| (0..bytes).map(move |b| at + b))
            .collect()
    };
    let masks = [0, lanes / 2].map(|first| {
        let mask = mask(first);
        k.b.func.dfg.immediates.push(mask.into())
    });
    // Each round merges vector i of a group with vector i + half of it, into one group for the
    // first half of their elements and one for the second.
    let mut groups = vec![vectors];
    while groups[0].len() > 1 {
        let mut next = Vec::with_capacity(2 * groups.len());
        for group in groups {
            let half = group.len() / 2;
            for mask in masks {
                let merged: Vec<Value> = (0..half)
                    .map(|i| k.b.ins().shuffle(group[i], group[i + half], mask))
                    .collect();
                next.push(merged);
            }
        }
        groups = next;
    }
    groups.into_iter().flatten().collect()
}

impl EmitKernel for StageKernel {
    fn name(&self) -> String {
        "ternary_stage".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.geometry.images * self.channel_blocks() * self.stage.rows) as u64
    }

    fn grain(&self) -> u64 {
        (1 << 16) / (CHANNELS * self.stage.row * self.stage.phases.len()).max(1) as u64 + 1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (g, s) = (&self.geometry, &self.stage);
        let bytes = self.bytes();
        let from = k.address(self.from.origin);
        let to = k.address(self.to);
        let extents = [g.images, self.channel_blocks(), s.rows].map(|e| e as i64);
        let (begin, end) = (k.begin(), k.end());
        if self.zeros > 0 {
            let is_first = k.b.ins().icmp_imm_u(IntCC::Equal, begin, 0);
            k.when(is_first, |k| {
                let after = k.offset(to, s.elements as i64 * bytes);
                k.zero_fill(after, self.zeros);
            });
        }
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &extents);
            let (image, block, y) = (at[0], at[1], at[2]);
            let first = k.scale(block, CHANNELS as i64);
            let last = k.offset(first, CHANNELS as i64);
            let all = k.int(g.in_channels as i64);
            let last = k.b.ins().smin(last, all);
            let from = k.index(from, image, self.from.strides[0]);
            let to = k.index(to, image, s.image as i64 * bytes);
            let to = k.index(to, y, s.row as i64 * bytes);
            if let Some(zeros) = s.zeros {
                let is_first = k.b.ins().icmp_imm_u(IntCC::Equal, block, 0);
                k.when(is_first, |k| {
                    let row = k.offset(to, zeros as i64 * bytes);
                    self.pad(k, row, s.row);
                });
            }
            for (p, &[rows, columns]) in s.phases.iter().enumerate() {
                let plane = (p * g.in_channels * s.plane) as i64 * bytes;
                let to = k.offset(to, plane);
                let y_input = k.scale(y, g.stride[0] as i64);
                let y_input = k.offset(y_input, rows.first);
                let inside = k.offset(y, -(rows.begin as i64));
                let height = rows.end.saturating_sub(rows.begin) as i64;
                let inside =
                    k.b.ins()
                        .icmp_imm_u(IntCC::UnsignedLessThan, inside, height);
                let x_input = columns.begin as i64 * g.stride[1] as i64 + columns.first;
                let from = k.index(from, y_input, self.from.strides[1]);
                let from = k.offset(from, x_input * self.from.strides[2]);
                let plane = s.plane as i64 * bytes;
                let first_row = k.index(to, first, plane);
                let first_from = k.index(from, first, self.from.strides[3]);
                let each =
                    |k: &mut KernelBuilder<'_>,
                     body: &dyn Fn(&mut KernelBuilder<'_>, Value, Value)| {
                        let start = [first_row, first_from];
                        k.for_range_carry(first, last, 1, &start, |k, _, at| {
                            body(k, at[0], at[1]);
                            vec![
                                k.offset(at[0], plane),
                                k.offset(at[1], self.from.strides[3]),
                            ]
                        });
                    };
                let count = columns.end.saturating_sub(columns.begin) as i64;
                let begin = columns.begin as i64 * bytes;
                let fill = |k: &mut KernelBuilder<'_>| {
                    each(k, &|k, row, from| {
                        self.row_padding(k, columns, row);
                        let to = k.offset(row, begin);
                        self.row(k, count, from, to);
                    });
                    Vec::new()
                };
                let transpose = |k: &mut KernelBuilder<'_>, width: i64| {
                    let full = k.b.ins().isub(last, first);
                    let full = k.b.ins().icmp_imm_u(IntCC::Equal, full, CHANNELS as i64);
                    let block = |k: &mut KernelBuilder<'_>| {
                        each(k, &|k, row, _| self.row_padding(k, columns, row));
                        let to = k.offset(first_row, begin);
                        self.transpose(k, count, width, first_from, to);
                        Vec::new()
                    };
                    k.either(full, block, fill)
                };
                k.either(
                    inside,
                    |k| match self.transposed(count) {
                        Some(width) if g.in_channels >= CHANNELS => transpose(k, width),
                        _ => fill(k),
                    },
                    |k| {
                        each(k, &|k, row, _| self.pad(k, row, s.row));
                        Vec::new()
                    },
                );
                if s.tail > 0 {
                    let is_last = k.b.ins().icmp_imm_u(IntCC::Equal, y, s.rows as i64 - 1);
                    k.when(is_last, |k| {
                        each(k, &|k, row, _| {
                            let tail = k.offset(row, s.row as i64 * bytes);
                            self.pad(k, tail, s.tail);
                        });
                    });
                }
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let g = &self.geometry;
        KernelReport::new(
            format!(
                "input {}x{}x{}x{} → {} padded planes of {}x{}",
                g.images,
                g.input[0],
                g.input[1],
                g.in_channels,
                self.stage.phases.len() * g.in_channels,
                self.stage.rows,
                self.stage.row,
            ),
            if self.is_float() {
                "planes of f32"
            } else if self.bias == 0 {
                "planes of bytes"
            } else {
                "planes of biased bytes"
            },
        )
    }
}
