//! Blocks of flat pixels and their way to and from the values of a contraction: residuals come in,
//! results go out, halos are filled.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::DType;

use super::epilogue::{Epilogue, Tiles, load_f32};
use super::geometry::Strided;
use crate::kernel::KernelBuilder;

/// A block of flat pixels and the output rows it covers.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Flat pixels between output rows.
    pub pitch: i64,
    /// Flat pixels in the block.
    pub len: i64,
    /// The block's position relative to which column 0 of its first row lies; at most 0.
    pub start: Value,
    /// The end of the block or of the output's last row.
    pub end: Value,
    /// Image.
    pub image: Value,
    /// Output row of the first pixel.
    pub row: Value,
}

impl Epilogue {
    /// The block of `len` flat pixels from `first`.
    pub fn block(
        &self,
        k: &mut KernelBuilder<'_>,
        image: Value,
        first: Value,
        len: i64,
        pitch: usize,
    ) -> Block {
        let pitch = pitch as i64;
        let row = k.b.ins().udiv_imm_u(first, pitch);
        let row_first = k.scale(row, pitch);
        let start = k.b.ins().isub(row_first, first);
        let past = k.int(self.extents[0] as i64 * pitch);
        let past = k.b.ins().isub(past, first);
        let len_value = k.int(len);
        let end = k.b.ins().smin(past, len_value);
        Block {
            pitch,
            len,
            start,
            end,
            image,
            row,
        }
    }

    /// Runs `body` for each output row within a block: first and last position in the block, and
    /// the address of the first element.
    fn rows(
        &self,
        k: &mut KernelBuilder<'_>,
        block: &Block,
        base: Value,
        at: &Strided,
        c: Value,
        body: impl FnOnce(&mut KernelBuilder<'_>, Value, Value, Value),
    ) {
        let base = k.index(base, block.image, at.strides[0]);
        let base = k.index(base, block.row, at.strides[1]);
        let base = k.index(base, c, at.strides[3]);
        k.for_range_carry(block.start, block.end, block.pitch, &[base], |k, t, row| {
            let zero = k.int(0);
            let first = k.b.ins().smax(t, zero);
            let last = k.offset(t, self.extents[1] as i64);
            let len = k.int(block.len);
            let last = k.b.ins().smin(last, len);
            let skipped = k.b.ins().isub(first, t);
            let address = k.index(row[0], skipped, at.strides[2]);
            body(k, first, last, address);
            vec![k.offset(row[0], at.strides[1])]
        });
    }

    /// Brings the residual of a block to its tile.
    pub fn load_residual(
        &self,
        k: &mut KernelBuilder<'_>,
        tiles: &Tiles,
        block: &Block,
        base: Value,
        c: Value,
    ) {
        let (Some((from, _)), Some(tile)) = (&self.residual, tiles.residual) else {
            return;
        };
        let element = from.element.bytes() as i64;
        let contiguous = from.strides[2] == element;
        self.rows(k, block, base, from, c, |k, first, last, address| {
            let to = k.index(tile, first, 4);
            let run = Run {
                count: k.b.ins().isub(last, first),
                from: address,
                to,
                step: [from.strides[2], 4],
                chunk: chunk(contiguous, &[4], self.extents[1]),
            };
            run.copy(
                k,
                |k, from_at, to_at| {
                    let value = match from.element {
                        DType::F32 => k.read(types::F32X4, from_at, 0),
                        DType::I16 => {
                            let half = k.read(types::I64, from_at, 0);
                            let half = k.b.ins().scalar_to_vector(types::I64X2, half);
                            let words = k.cast(types::I16X8, half);
                            let wide = k.b.ins().swiden_low(words);
                            k.b.ins().fcvt_from_sint(types::F32X4, wide)
                        }
                        _ => {
                            let part = k.read(types::I32, from_at, 0);
                            let part = k.b.ins().scalar_to_vector(types::I32X4, part);
                            let bytes = k.cast(types::I8X16, part);
                            let words = k.b.ins().swiden_low(bytes);
                            let wide = k.b.ins().swiden_low(words);
                            k.b.ins().fcvt_from_sint(types::F32X4, wide)
                        }
                    };
                    k.write(value, to_at, 0);
                },
                |k, from_at, to_at| {
                    let value = load_f32(k, from.element, from_at);
                    k.write(value, to_at, 0);
                },
            );
        });
    }

    /// Writes the tile of a block to the output.
    pub fn store(
        &self,
        k: &mut KernelBuilder<'_>,
        tiles: &Tiles,
        block: &Block,
        base: Value,
        c: Value,
    ) {
        let bytes = self.out.element.bytes() as i64;
        let ty = match self.out.element {
            DType::F32 => types::I32,
            DType::I16 => types::I16,
            _ => types::I8,
        };
        let step = self.out.strides[2];
        let numbers = [16, 8, 4].map(|size| size / bytes);
        let chunk = chunk(step == bytes, &numbers, self.extents[1]);
        let chunk_ty = match chunk * bytes {
            16 => types::I8X16,
            8 => types::I64,
            4 => types::I32,
            2 => types::I16,
            _ => types::I8,
        };
        self.rows(k, block, base, &self.out, c, |k, first, last, address| {
            let run = Run {
                count: k.b.ins().isub(last, first),
                from: k.index(tiles.out, first, bytes),
                to: address,
                step: [bytes, step],
                chunk,
            };
            let copy = |ty| {
                move |k: &mut KernelBuilder<'_>, from: Value, to: Value| {
                    let value = k.read_back(ty, from, 0);
                    k.write(value, to, 0);
                }
            };
            run.copy(k, copy(chunk_ty), copy(ty));
        });
    }

    /// Fills the halo of a channel's plane with zeros.
    pub fn fill_halo(&self, k: &mut KernelBuilder<'_>, image: Value, base: Value, c: Value) {
        let Some([before, between, after]) = self.halo else {
            return;
        };
        let base = k.index(base, image, self.out.strides[0]);
        let base = k.index(base, c, self.out.strides[3]);
        let top = k.offset(base, -before);
        k.zero_fill(top, before);
        let width = self.extents[1] as i64 * self.out.strides[2];
        let right = k.offset(base, width);
        let rows = k.int(self.extents[0] as i64 - 1);
        let zero = k.int(0);
        let last = k.for_range_carry(zero, rows, 1, &[right], |k, _, at| {
            k.zero_fill(at[0], between);
            vec![k.offset(at[0], self.out.strides[1])]
        });
        k.zero_fill(last[0], after);
    }

    /// Runs `body`, which fills halos, if there are any and this is the first block of an image.
    pub fn when_first(
        &self,
        k: &mut KernelBuilder<'_>,
        block: Value,
        body: impl FnOnce(&mut KernelBuilder<'_>),
    ) {
        if self.halo.is_some() {
            let is_first = k.b.ins().icmp_imm_u(IntCC::Equal, block, 0);
            k.when(is_first, body);
        }
    }
}

/// Elements to copy at once: the first of some numbers that a row has; 1 if they are no
/// neighbours or it has fewer.
fn chunk(contiguous: bool, numbers: &[i64], row: usize) -> i64 {
    let fits = numbers.iter().find(|&&n| n <= row as i64);
    *fits.filter(|_| contiguous).unwrap_or(&1)
}

/// Elements of one row to be copied.
struct Run {
    count: Value,
    from: Value,
    to: Value,
    /// Distances in bytes between elements, where they come from and go to.
    step: [i64; 2],
    chunk: i64,
}

impl Run {
    /// Copies chunks of elements, the last overlapping the one before; too few for a chunk are
    /// copied one by one.
    fn copy(
        &self,
        k: &mut KernelBuilder<'_>,
        mut chunk: impl FnMut(&mut KernelBuilder<'_>, Value, Value),
        mut one: impl FnMut(&mut KernelBuilder<'_>, Value, Value),
    ) {
        let zero = k.int(0);
        let start = [self.from, self.to];
        if self.chunk == 1 {
            k.for_range_carry(zero, self.count, 1, &start, |k, _, at| {
                one(k, at[0], at[1]);
                vec![k.offset(at[0], self.step[0]), k.offset(at[1], self.step[1])]
            });
            return;
        }
        let strides = self.step.map(|s| s * self.chunk);
        let enough =
            k.b.ins()
                .icmp_imm_s(IntCC::SignedGreaterThanOrEqual, self.count, self.chunk);
        k.either(
            enough,
            |k| {
                let last = k.offset(self.count, -self.chunk);
                let [from, to] = [0, 1].map(|i| k.index(start[i], last, self.step[i]));
                k.for_range_carry(zero, last, self.chunk, &start, |k, _, at| {
                    chunk(k, at[0], at[1]);
                    vec![k.offset(at[0], strides[0]), k.offset(at[1], strides[1])]
                });
                chunk(k, from, to);
                Vec::new()
            },
            |k| {
                k.for_range_carry(zero, self.count, 1, &start, |k, _, at| {
                    one(k, at[0], at[1]);
                    vec![k.offset(at[0], self.step[0]), k.offset(at[1], self.step[1])]
                });
                Vec::new()
            },
        );
    }
}
