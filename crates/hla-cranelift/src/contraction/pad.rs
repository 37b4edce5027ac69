//! The copy of an input that a contraction reads: zero-padded, in the words that it multiplies.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use hla_ir::{DType, Diagnostic};

use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Copies [N, H, W, C] to [N, top + H + bottom, left + W + right, `channels`], zero where nothing
/// is copied to. Each channel is written `repeat` times. f32 stays; i8 is widened to i16 or i32
/// after the zero point has been subtracted.
pub(super) struct Pad {
    pub source: Buffer,
    /// f32 or i8.
    pub from: DType,
    /// f32, i16 or i32.
    pub to: DType,
    pub zero_point: i64,
    pub shape: [u64; 4],
    /// Top, bottom, left, right.
    pub pad: [u64; 4],
    /// Distance of neighbouring rows and of neighbouring pixels of a row in the copy.
    pub spread: [u64; 2],
    pub repeat: u64,
    /// Channels of the copy, at least those of the source times `repeat`.
    pub channels: u64,
    pub target: Buffer,
}

impl Pad {
    /// Extents of the copy.
    pub fn padded(&self) -> [u64; 4] {
        let [n, ..] = self.shape;
        let [h, w] = self.inner();
        let [t, b, l, r] = self.pad;
        [n, t + h + b, l + w + r, self.channels]
    }

    /// Rows and columns between the padding.
    fn inner(&self) -> [u64; 2] {
        let extent = |input: u64, spread: u64| input.saturating_sub(1) * spread + input.min(1);
        let [_, h, w, _] = self.shape;
        [extent(h, self.spread[0]), extent(w, self.spread[1])]
    }

    /// Bytes of the copy.
    pub fn bytes(&self) -> u64 {
        self.padded().iter().product::<u64>() * self.to.bytes() as u64
    }

    fn row_bytes(&self) -> u64 {
        let [_, _, w, c] = self.padded();
        w * c * self.to.bytes() as u64
    }

    /// Reads, widens and writes `lanes` elements.
    fn copy(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value, lanes: u64) {
        let value = match (self.from, lanes) {
            (DType::F32, 1) => k.read(types::F32, from, 0),
            (DType::F32, _) => k.read(types::F32X4, from, 0),
            (_, 1) => {
                let narrow = k.read(types::I8, from, 0);
                let wide = k.b.ins().sextend(self.wide(1), narrow);
                k.b.ins().iadd_imm_s(wide, -self.zero_point)
            }
            _ => {
                let narrow = k.b.ins().sload8x8(crate::kernel::READ, from, 0);
                let zero_point = k.int_const(types::I16X8, self.zero_point);
                let wide = k.b.ins().isub(narrow, zero_point);
                if self.to == DType::I32 {
                    let low = k.b.ins().swiden_low(wide);
                    let high = k.b.ins().swiden_high(wide);
                    k.write(high, to, 16);
                    low
                } else {
                    wide
                }
            }
        };
        k.write(value, to, 0);
    }

    /// Elements that are copied at once.
    fn lanes(&self) -> u64 {
        if self.from == DType::F32 { 4 } else { 8 }
    }

    fn wide(&self, lanes: u32) -> Type {
        let lane = match self.to {
            DType::F32 => types::F32,
            DType::I16 => types::I16,
            _ => types::I32,
        };
        lane.by(lanes).unwrap_or(lane)
    }

    /// Copies `count` neighbouring elements; the last vector overlaps the one before.
    fn copy_run(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value, count: u64) {
        let lanes = self.lanes();
        let (source, target) = (self.from.bytes() as i64, self.to.bytes() as i64);
        if count < lanes {
            for i in 0..count as i64 {
                let from = k.offset(from, i * source);
                let to = k.offset(to, i * target);
                self.copy(k, from, to, 1);
            }
            return;
        }
        let whole = count / lanes * lanes;
        k.repeat(whole as i64, lanes as i64, |k, i| {
            let from = k.index(from, i, source);
            let to = k.index(to, i, target);
            self.copy(k, from, to, lanes);
        });
        if count > whole {
            let last = (count - lanes) as i64;
            let from = k.offset(from, last * source);
            let to = k.offset(to, last * target);
            self.copy(k, from, to, lanes);
        }
    }

    /// Copies the pixels of a row where the channels are repeated or padded.
    fn copy_pixels(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value) {
        let [_, _, w, c] = self.shape;
        let (source, target) = (self.from.bytes() as i64, self.to.bytes() as i64);
        k.repeat(w as i64, 1, |k, pixel| {
            let from = k.index(from, pixel, c as i64 * source);
            let distance = (self.spread[1] * self.channels) as i64;
            let to = k.index(to, pixel, distance * target);
            if self.repeat == 1 {
                self.copy_run(k, from, to, c);
            } else {
                k.repeat(c as i64, 1, |k, channel| {
                    let from = k.index(from, channel, source);
                    let to = k.index(to, channel, self.repeat as i64 * target);
                    k.repeat(self.repeat as i64, 1, |k, copy| {
                        let to = k.index(to, copy, target);
                        self.copy(k, from, to, 1);
                    });
                });
            }
            let copied = c * self.repeat;
            let rest = k.offset(to, copied as i64 * target);
            k.zero_fill(rest, (self.channels - copied) as i64 * target);
        });
    }
}

impl EmitKernel for Pad {
    fn name(&self) -> String {
        "pad".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        let [n, h, ..] = self.padded();
        n * h
    }

    fn grain(&self) -> u64 {
        (1_u64 << 16).div_ceil(self.row_bytes().max(1))
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let source = k.address(self.source);
        let target = k.address(self.target);
        let [n, h, w, c] = self.shape;
        let [top, _, left, right] = self.pad;
        let pixel = (self.channels as usize * self.to.bytes()) as i64;
        k.for_range(begin, end, 1, |k, item| {
            let to = k.index(target, item, self.row_bytes() as i64);
            let place = k.unravel(item, &[n as i64, self.padded()[1] as i64]);
            let row = k.offset(place[1], -(top as i64));
            let [rows, columns] = self.inner();
            let extent = k.int(rows as i64);
            let mut inside = k.b.ins().icmp(IntCC::UnsignedLessThan, row, extent);
            let mut source_row = row;
            if self.spread[0] > 1 {
                let spread = k.int(self.spread[0] as i64);
                source_row = k.b.ins().udiv(row, spread);
                let nearest = k.scale(source_row, self.spread[0] as i64);
                let exact = k.b.ins().icmp(IntCC::Equal, nearest, row);
                inside = k.b.ins().band(inside, exact);
            }
            let copy = |k: &mut KernelBuilder<'_>| {
                let from = k.index(
                    source,
                    place[0],
                    (h * w * c) as i64 * self.from.bytes() as i64,
                );
                let from = k.index(from, source_row, (w * c) as i64 * self.from.bytes() as i64);
                k.zero_fill(to, left as i64 * pixel);
                let first = k.offset(to, left as i64 * pixel);
                if self.spread[1] > 1 {
                    k.zero_fill(first, columns as i64 * pixel);
                }
                if self.channels == c && self.spread[1] == 1 {
                    self.copy_run(k, from, first, w * c);
                } else {
                    self.copy_pixels(k, from, first);
                }
                let last = k.offset(first, columns as i64 * pixel);
                k.zero_fill(last, right as i64 * pixel);
                Vec::new()
            };
            let clear = |k: &mut KernelBuilder<'_>| {
                k.zero_fill(to, self.row_bytes() as i64);
                Vec::new()
            };
            k.either(inside, copy, clear);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let [n, h, w, c] = self.padded();
        KernelReport::new(
            format!("{n}x{h}x{w}x{c} {}", self.to),
            format!("padded copy from {}", self.from),
        )
    }
}
