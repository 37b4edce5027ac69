//! The kernel that stages the input of a ternary contraction: padded planes, stride phases apart,
//! see [`super::geometry`].
//!
//! f32 stays f32. Integers become biased bytes, x + 128: an unsigned byte is what lets the sums of
//! two neighbouring pixels share one 16-bit lane, see [`super::sparse`].

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{DType, Diagnostic};

use super::geometry::{Axis, Geometry, Stage, Strided};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// What is added to an integer activation.
pub(super) const BIAS: i64 = 128;
/// Channels of one item.
const CHANNELS: usize = 16;

/// Stages `from` into `to`.
pub(super) struct StageKernel {
    pub geometry: Geometry,
    pub stage: Stage,
    pub from: Strided,
    pub to: Buffer,
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
        let bias = k.int_const(types::I8X16, BIAS);
        let count = count as i64;
        if count < 16 {
            let byte = k.int_const(types::I8, BIAS);
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
                k.b.ins().bxor_imm_u(byte, BIAS)
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
                let bias = k.int_const(types::I8X16, BIAS);
                k.b.ins().bxor(bytes, bias)
            }
        };
        k.write(value, to, 0);
    }

    /// Writes one staged row of one channel: `row` is its first element, `from` the input element
    /// of the first column that is none of the padding.
    fn row(&self, k: &mut KernelBuilder<'_>, columns: Axis, from: Value, row: Value) {
        let bytes = self.bytes();
        self.pad(k, row, columns.begin);
        let count = columns.end.saturating_sub(columns.begin) as i64;
        let step = self.from.strides[2] * self.geometry.stride[1] as i64;
        let to = k.offset(row, columns.begin as i64 * bytes);
        let width = 16 / bytes;
        if step == self.from.element.bytes() as i64 && count >= width {
            // The last vector overlaps the one before it.
            let last = count - width;
            k.repeat(last, width, |k, i| {
                let from = k.index(from, i, step);
                let to = k.index(to, i, bytes);
                self.vector(k, from, to);
            });
            let from = k.offset(from, last * step);
            let to = k.offset(to, last * bytes);
            self.vector(k, from, to);
        } else {
            let zero = k.int(0);
            let end = k.int(count);
            k.for_range_carry(zero, end, 1, &[from, to], |k, _, at| {
                self.element(k, at[0], at[1]);
                vec![k.offset(at[0], step), k.offset(at[1], bytes)]
            });
        }
        let end = columns.end.max(columns.begin);
        let right = k.offset(row, end as i64 * bytes);
        self.pad(k, right, self.stage.row - end.min(self.stage.row));
    }
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
                let channels = |k: &mut KernelBuilder<'_>, filled: bool| {
                    k.for_range(first, last, 1, |k, c| {
                        let row = k.index(to, c, s.plane as i64 * bytes);
                        if filled {
                            let from = k.index(from, c, self.from.strides[3]);
                            self.row(k, columns, from, row);
                        } else {
                            self.pad(k, row, s.row);
                        }
                    });
                };
                k.either(
                    inside,
                    |k| {
                        channels(k, true);
                        Vec::new()
                    },
                    |k| {
                        channels(k, false);
                        Vec::new()
                    },
                );
                if s.tail > 0 {
                    let is_last = k.b.ins().icmp_imm_u(IntCC::Equal, y, s.rows as i64 - 1);
                    k.when(is_last, |k| {
                        k.for_range(first, last, 1, |k, c| {
                            let row = k.index(to, c, s.plane as i64 * bytes);
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
            } else {
                "planes of biased bytes"
            },
        )
    }
}
