//! The kernel of sums of outer products over pixels: gradients of weights, and matrix products whose
//! left operand is transposed.
//!
//! A tile sums R rows × V vectors of four columns in registers, over a band of pixels that stays in
//! the first cache while all tiles pass over it. Bands are added to the partial sums of their chunk in
//! order; [`super::combine`] adds up the chunks. How pixels are divided into bands and chunks depends
//! on nothing but shapes, so any number of threads gives the same bits; and as nothing is summed in one
//! accumulator for long, sums over many pixels stay accurate.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::arithmetic::{LANES, WORD};
use super::dense::ITEM_MULTIPLICATIONS;
use super::grid::Grid;
use super::tile::at_most;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Bytes of both operands that a band may have.
const BAND_BYTES: u64 = 24 << 10;
/// Chunks at most, and bytes of partial sums at most.
const CHUNKS: u64 = 16;
const PARTIAL_BYTES: u64 = 4 << 20;
/// Items that are enough for any number of threads.
const ITEMS: u64 = 32;

/// What is a row and what a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// For each tap, channels of the gradient × channels of the input, which is read where it is
    /// inside: the vectors are the input's.
    Channels,
    /// Elements of the padded input's window × channels of the gradient: the vectors are the
    /// gradient's.
    Elements,
    /// Taps × channels, input and gradient channel by channel; the input is padded.
    Depthwise,
}

/// A tensor of pixels in memory, distances in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Image {
    pub buffer: Buffer,
    pub batch: u64,
    pub row: u64,
    pub pixel: u64,
}

/// A dimension of the window. `extent` is that of the input, which tells where it is inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub taps: u64,
    pub stride: u64,
    pub dilation: u64,
    pub before: u64,
    pub extent: u64,
    /// Extent of the gradient.
    pub output: u64,
}

/// Pixels in bands, bands in chunks, tiles in groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Division {
    /// Images and rows of a band: several images only if all rows.
    images: u64,
    rows: u64,
    bands: u64,
    /// Bands of a chunk.
    chunk: u64,
    chunks: u64,
    /// Tiles of a group.
    group: u64,
    groups: u64,
}

/// Sums of outer products over pixels.
pub(super) struct Outer {
    pub name: &'static str,
    pub computes: String,
    pub form: Form,
    pub grid: Grid,
    /// Images, or matrices.
    pub count: u64,
    pub window: [Window; 2],
    /// Channels of the input as it is read: what neighbouring elements of a window are.
    pub channels: u64,
    pub input: Image,
    pub gradient: Image,
    /// Sums of each chunk, tile after tile.
    pub partial: Buffer,
}

impl Outer {
    fn division(&self) -> Division {
        let [rows, cols] = self.window.map(|w| w.output);
        let row_bytes = self.gradient.pixel * cols + self.window[0].stride.min(8) * self.input.row;
        let band_rows = (BAND_BYTES / row_bytes.max(1)).clamp(1, rows);
        let images = match band_rows == rows {
            true => (BAND_BYTES / (row_bytes * rows).max(1)).clamp(1, self.count),
            false => 1,
        };
        let bands = self.count.div_ceil(images) * rows.div_ceil(band_rows);
        let tiles = self.grid.tiles();
        let most = (PARTIAL_BYTES / (tiles * self.grid.tile_bytes())).clamp(1, CHUNKS);
        let chunk = bands.div_ceil(most);
        let chunks = bands.div_ceil(chunk);
        let worth = self.multiplications() / ITEM_MULTIPLICATIONS;
        let groups = ITEMS.min(worth).div_ceil(chunks).clamp(1, tiles);
        let group = tiles.div_ceil(groups);
        Division {
            images,
            rows: band_rows,
            bands,
            chunk,
            chunks,
            group,
            groups: tiles.div_ceil(group),
        }
    }

    fn multiplications(&self) -> u64 {
        let pixels = self.count * self.window[0].output * self.window[1].output;
        pixels * self.grid.tiles() * self.grid.accumulators() * LANES
    }

    /// How many partial sums there are of each tile.
    pub fn chunks(&self) -> u64 {
        self.division().chunks
    }

    /// Bytes of all partial sums.
    pub fn bytes(&self) -> u64 {
        self.chunks() * self.grid.tiles() * self.grid.tile_bytes()
    }

    /// First and last (exclusive) pixel along a dimension whose input at a tap is no padding:
    /// 0 ≤ o·s + offset < extent, where offset = tap·d − before.
    fn inside(&self, k: &mut KernelBuilder<'_>, window: Window, offset: Value) -> [Value; 2] {
        let zero = k.int(0);
        let divide = |k: &mut KernelBuilder<'_>, value: Value| {
            let value = k.b.ins().smax(value, zero);
            if window.stride == 1 {
                return value;
            }
            let stride = k.int(window.stride as i64);
            k.b.ins().udiv(value, stride)
        };
        let stride = window.stride as i64;
        let from = k.b.ins().ineg(offset);
        let from = k.offset(from, stride - 1);
        let from = divide(k, from);
        let reach = k.int(window.extent as i64 + stride - 1);
        let to = k.b.ins().isub(reach, offset);
        let to = divide(k, to);
        [from, at_most(k, to, window.output)]
    }

    /// Sums a tile over a band, images `n` and rows `h`.
    fn sum(
        &self,
        k: &mut KernelBuilder<'_>,
        tile: Value,
        n: [Value; 2],
        h: [Value; 2],
    ) -> Vec<Value> {
        let [tap, row, column] = self.grid.place(k, tile);
        let [rows, cols] = self.window;
        let mut input = k.address(self.input.buffer);
        let mut gradient = k.address(self.gradient.buffer);
        let mut h = h;
        let zero = k.int(0);
        let mut w = [zero, k.int(cols.output as i64)];
        // Of each row, where its input is.
        let mut offsets = Vec::new();
        if self.form == Form::Channels {
            gradient = k.index(gradient, row, WORD as i64);
            input = k.index(input, column, WORD as i64);
            let taps = k.unravel(tap, &[rows.taps as i64, cols.taps as i64]);
            let offset = |k: &mut KernelBuilder<'_>, d: usize| {
                let window = self.window[d];
                let dilation = if window.taps > 1 { window.dilation } else { 0 };
                let distance = k.scale(taps[d], dilation as i64);
                k.offset(distance, -(window.before as i64))
            };
            let down = offset(k, 0);
            let inside = self.inside(k, rows, down);
            h = [
                k.b.ins().smax(h[0], inside[0]),
                k.b.ins().smin(h[1], inside[1]),
            ];
            let across = offset(k, 1);
            w = self.inside(k, cols, across);
            input = k.index(input, down, self.input.row as i64);
            input = k.index(input, across, self.input.pixel as i64);
        } else {
            gradient = k.index(gradient, column, WORD as i64);
            if self.form == Form::Depthwise {
                input = k.index(input, column, WORD as i64);
            }
            for r in 0..self.grid.tile_rows {
                let element = k.offset(row, r as i64);
                let extents = [rows.taps, cols.taps, self.channels].map(|e| e as i64);
                let place = k.unravel(element, &extents);
                let mut at = k.scale(place[2], WORD as i64);
                for (d, distance) in [self.input.row, self.input.pixel].into_iter().enumerate() {
                    let window = self.window[d];
                    let dilation = if window.taps > 1 { window.dilation } else { 0 };
                    at = k.index(at, place[d], (dilation * distance) as i64);
                }
                offsets.push(at);
            }
        }
        let down = (rows.stride * self.input.row) as i64;
        input = k.index(input, w[0], self.across());
        gradient = k.index(gradient, w[0], self.gradient.pixel as i64);
        // Where all is padding, the last pixel may come before the first.
        let width = k.b.ins().isub(w[1], w[0]);
        let width = k.b.ins().smax(width, zero);
        let odd = k.band(width, 1);
        let even = k.b.ins().isub(width, odd);
        let even = k.scale(even, self.gradient.pixel as i64);
        let none = k.f32_const(types::F32X4, 0.0);
        let sums = vec![none; self.grid.accumulators() as usize];
        k.for_range_carry(n[0], n[1], 1, &sums, |k, image, sums| {
            let input = k.index(input, image, self.input.batch as i64);
            let gradient = k.index(gradient, image, self.gradient.batch as i64);
            k.for_range_carry(h[0], h[1], 1, sums, |k, line, sums| {
                let input = k.index(input, line, down);
                let from = k.index(gradient, line, self.gradient.row as i64);
                let mut state = sums.to_vec();
                state.push(input);
                // Sums wander among registers; after two pixels they are back.
                let step = 2 * self.gradient.pixel as i64;
                let pairs = k.b.ins().iadd(from, even);
                let mut state = k.for_range_carry(from, pairs, step, &state, |k, at, state| {
                    let next = self.multiply(k, state, at, &offsets);
                    let at = k.offset(at, self.gradient.pixel as i64);
                    self.multiply(k, &next, at, &offsets)
                });
                let last = |k: &mut KernelBuilder<'_>| self.multiply(k, &state, pairs, &offsets);
                state = k.either(odd, last, |_| state.clone());
                state.pop();
                state
            })
        })
    }

    /// Adds the products of one pixel, and steps to the next; the address of the input comes last in
    /// the state.
    fn multiply(
        &self,
        k: &mut KernelBuilder<'_>,
        state: &[Value],
        gradient: Value,
        offsets: &[Value],
    ) -> Vec<Value> {
        let Some((&input, sums)) = state.split_last() else {
            return Vec::new();
        };
        let base = match self.form {
            Form::Channels => input,
            _ => gradient,
        };
        let columns: Vec<Value> = (0..self.grid.vectors)
            .map(|v| k.read(types::F32X4, base, 16 * v as i32))
            .collect();
        let rows: Vec<Value> = (0..self.grid.tile_rows as usize)
            .map(|r| self.row(k, r, input, gradient, offsets))
            .collect();
        let tall = self.grid.is_tall();
        let product = |(sum, (r, v)): (&Value, (u64, u64))| {
            let (row, column) = (rows[r as usize], columns[v as usize]);
            // The first factor's register is overwritten: of the more numerous, fewer are copied.
            match tall {
                true => k.fma(row, column, *sum),
                false => k.fma(column, row, *sum),
            }
        };
        let mut next: Vec<Value> = sums.iter().zip(self.grid.places()).map(product).collect();
        next.push(k.offset(input, self.across()));
        next
    }

    /// The factor of a row of a tile, in every lane or for each.
    fn row(
        &self,
        k: &mut KernelBuilder<'_>,
        row: usize,
        input: Value,
        gradient: Value,
        offsets: &[Value],
    ) -> Value {
        let one = match self.form {
            Form::Channels => k.read(types::F32, gradient, (row as u64 * WORD) as i32),
            Form::Elements => {
                let at = k.b.ins().iadd(input, offsets[row]);
                k.read(types::F32, at, 0)
            }
            Form::Depthwise => {
                let at = k.b.ins().iadd(input, offsets[row]);
                return k.read(types::F32X4, at, 0);
            }
        };
        k.splat(types::F32X4, one)
    }

    /// Bytes from the input of a pixel to that of the next.
    fn across(&self) -> i64 {
        let [_, columns] = self.window;
        (columns.stride * self.input.pixel) as i64
    }
}

impl EmitKernel for Outer {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parallel_items(&self) -> u64 {
        let division = self.division();
        division.chunks * division.groups
    }

    fn grain(&self) -> u64 {
        ITEM_MULTIPLICATIONS.div_ceil((self.multiplications() / self.parallel_items()).max(1))
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let partial = k.address(self.partial);
        let division = self.division();
        let tiles = self.grid.tiles();
        let tile_bytes = self.grid.tile_bytes() as i64;
        let lines = self.window[0].output;
        let per_image = lines.div_ceil(division.rows) as i64;
        k.for_range(begin, end, 1, |k, item| {
            let place = k.unravel(item, &[division.chunks as i64, division.groups as i64]);
            let sums = k.index(partial, place[0], tiles as i64 * tile_bytes);
            let first = k.scale(place[1], division.group as i64);
            let last = k.offset(first, division.group as i64);
            let last = at_most(k, last, tiles);
            let none = k.f32_const(types::F32X4, 0.0);
            let from = k.index(sums, first, tile_bytes);
            let to = k.index(sums, last, tile_bytes);
            k.for_range(from, to, (LANES * WORD) as i64, |k, at| {
                k.write(none, at, 0);
            });
            let band = k.scale(place[0], division.chunk as i64);
            let bands = k.offset(band, division.chunk as i64);
            let bands = at_most(k, bands, division.bands);
            k.for_range(band, bands, 1, |k, band| {
                let place = k.unravel(band, &[i64::MAX, per_image]);
                let n = k.scale(place[0], division.images as i64);
                let n_end = k.offset(n, division.images as i64);
                let n_end = at_most(k, n_end, self.count);
                let h = k.scale(place[1], division.rows as i64);
                let h_end = k.offset(h, division.rows as i64);
                let h_end = at_most(k, h_end, lines);
                k.for_range(first, last, 1, |k, tile| {
                    let added = self.sum(k, tile, [n, n_end], [h, h_end]);
                    let at = k.index(sums, tile, tile_bytes);
                    for (i, value) in added.into_iter().enumerate() {
                        let offset = (i as u64 * LANES * WORD) as i32;
                        let before = k.read_back(types::F32X4, at, offset);
                        let sum = k.b.ins().fadd(before, value);
                        k.write(sum, at, offset);
                    }
                });
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let division = self.division();
        let strategy = format!(
            "f32 FMA, outer products in tiles of {} x {}, {} sums of {} bands of {} x {} rows",
            self.grid.tile_rows,
            self.grid.tile_columns(),
            division.chunks,
            division.chunk,
            division.images,
            division.rows,
        );
        KernelReport::new(self.computes.clone(), strategy)
    }
}
