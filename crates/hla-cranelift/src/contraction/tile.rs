//! Tiles of pixels × columns: addresses, bias, stores. What the dense and the depthwise kernel share.
//!
//! Where pixels or columns do not fill the last tile, it is moved back to overlap the one before,
//! and computes the same bits again. Only a tensor with fewer columns than a tile is stored in part.

use cranelift_codegen::ir::{InstBuilder, Value};

use super::arithmetic::{Arithmetic, LANES, WORD};
use super::output::Output;
use crate::kernel::{Buffer, KernelBuilder};

/// One dimension of the pixels: extent, and distances, in bytes of the input and in elements of the
/// output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Axis {
    pub extent: u64,
    pub input: u64,
    pub output: u64,
}

/// A loop over taps: how many, and how far apart they read the input, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taps {
    pub count: u64,
    pub input: u64,
}

impl Taps {
    /// The taps of a dilated window over rows or pixels at a distance.
    pub fn new(count: u64, dilation: u64, distance: u64) -> Taps {
        // A dilation that nothing is dilated by may be as large as it likes.
        let dilation = if count > 1 { dilation } else { 1 };
        Taps {
            count,
            input: dilation * distance,
        }
    }
}

/// Where the bias is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bias {
    pub buffer: Buffer,
    /// Whether it has one element for all columns.
    pub one: bool,
    /// Whether sums begin with it, rather than end.
    pub first: bool,
}

/// Extent of a tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tile {
    pub pixels: u64,
    pub vectors: u64,
}

impl Tile {
    /// The tile for so many pixels and columns, neither of which is zero: at most eight
    /// accumulators, more of which Cranelift would spill.
    pub fn of(pixels: u64, columns: u64) -> Tile {
        let wide = columns.div_ceil(LANES);
        let (pixels, vectors) = match (pixels, wide) {
            (1, v) => (1, v.min(8)),
            (2, v) => (2, v.min(3)),
            (8.., 1) => (8, 1),
            (p, v) => (p.min(4), v.min(2)),
        };
        Tile { pixels, vectors }
    }

    /// Pixel and vector of each accumulator while a kernel sums. The code of one follows that of the
    /// one before, so what there is less of is kept in registers.
    pub fn places(self) -> Vec<(usize, usize)> {
        let (pixels, vectors) = (self.pixels as usize, self.vectors as usize);
        let place = |i| match pixels < vectors {
            true => (i % pixels, i / pixels),
            false => (i / vectors, i % vectors),
        };
        (0..pixels * vectors).map(place).collect()
    }

    /// Columns.
    pub fn columns(self) -> u64 {
        self.vectors * LANES
    }
}

/// Pixels × columns, and how they are divided.
pub(super) struct Tiling {
    pub arithmetic: Arithmetic,
    /// Outermost first.
    pub pixels: Vec<Axis>,
    pub columns: u64,
    pub tile: Tile,
    pub bias: Option<Bias>,
    pub output: Output,
}

/// Where a tile's pixels are, in the input by address and in the output by element: each, or the
/// first where the others follow evenly.
pub(super) struct Pixels {
    input: Vec<Value>,
    output: Vec<Value>,
    input_step: u64,
    output_step: u64,
}

impl Pixels {
    /// What an offset into the input counts from: nothing where there is one address, in which case
    /// the offset begins as that address.
    pub fn start(&self, k: &mut KernelBuilder<'_>) -> Value {
        match self.input[..] {
            [address] => address,
            _ => k.int(0),
        }
    }

    /// Address of a pixel's input at an offset.
    pub fn input(&self, k: &mut KernelBuilder<'_>, pixel: u64, offset: Value) -> (Value, i32) {
        match self.input[..] {
            [_] => (offset, (pixel * self.input_step) as i32),
            _ => (k.b.ins().iadd(self.input[pixel as usize], offset), 0),
        }
    }

    /// Element of the output where a pixel's columns begin.
    fn output(&self, k: &mut KernelBuilder<'_>, pixel: u64) -> Value {
        match self.output[..] {
            [first] => k.offset(first, (pixel * self.output_step) as i64),
            _ => self.output[pixel as usize],
        }
    }
}

impl Tiling {
    /// Divides pixels, whose dimensions are merged where they lie as one.
    pub fn new(
        arithmetic: Arithmetic,
        axes: &[Axis],
        columns: u64,
        bias: Option<Bias>,
        output: Output,
    ) -> Tiling {
        let mut pixels: Vec<Axis> = Vec::new();
        for &axis in axes.iter().filter(|a| a.extent != 1) {
            match pixels.last_mut() {
                Some(outer)
                    if outer.input == axis.input * axis.extent
                        && outer.output == axis.output * axis.extent =>
                {
                    outer.extent *= axis.extent;
                    (outer.input, outer.output) = (axis.input, axis.output);
                }
                _ => pixels.push(axis),
            }
        }
        let count = pixels.iter().map(|a| a.extent).product();
        Tiling {
            arithmetic,
            pixels,
            columns,
            tile: Tile::of(count, columns),
            bias,
            output,
        }
    }

    /// Makes tiles of the whole image wider where the columns fill them: a product overwrites one of
    /// its factors, and of four vectors that two pixels use fewer must be copied than of four pixels
    /// that two vectors use.
    pub fn wide(mut self) -> Tiling {
        let full = self.columns.div_ceil(LANES).is_multiple_of(4);
        if self.arithmetic == Arithmetic::F32 && self.tile.pixels == 4 && full {
            self.tile = Tile {
                pixels: 2,
                vectors: 4,
            };
        }
        self
    }

    /// All pixels.
    pub fn pixel_count(&self) -> u64 {
        self.pixels.iter().map(|a| a.extent).product()
    }

    /// Tiles of pixels.
    pub fn tiles(&self) -> u64 {
        self.pixel_count().div_ceil(self.tile.pixels)
    }

    /// Tiles of columns.
    pub fn panels(&self) -> u64 {
        self.columns.div_ceil(self.tile.columns())
    }

    /// First column of a panel.
    pub fn column(&self, k: &mut KernelBuilder<'_>, panel: Value) -> Value {
        let column = k.scale(panel, self.tile.columns() as i64);
        at_most(k, column, self.columns.saturating_sub(self.tile.columns()))
    }

    /// The pixels of a tile, whose input begins at an address and output at an element.
    pub fn addresses(
        &self,
        k: &mut KernelBuilder<'_>,
        input: Value,
        output: Value,
        tile: Value,
    ) -> Pixels {
        let first = k.scale(tile, self.tile.pixels as i64);
        let first = at_most(k, first, self.pixel_count() - self.tile.pixels);
        let inner = self.pixels.last().copied().unwrap_or(Axis {
            extent: 1,
            input: 0,
            output: 0,
        });
        // The step becomes an offset of instructions, beside those of a few words.
        let near = inner.input < 1 << 24;
        let even =
            near && (self.pixels.len() <= 1 || inner.extent.is_multiple_of(self.tile.pixels));
        let extents: Vec<i64> = self.pixels.iter().map(|a| a.extent as i64).collect();
        let mut pixels = Pixels {
            input: Vec::new(),
            output: Vec::new(),
            input_step: inner.input,
            output_step: inner.output,
        };
        for pixel in 0..if even { 1 } else { self.tile.pixels } {
            let index = k.offset(first, pixel as i64);
            let (mut from, mut to) = (input, output);
            let coordinates = k.unravel(index, &extents);
            for (&c, axis) in coordinates.iter().zip(&self.pixels) {
                from = k.index(from, c, axis.input as i64);
                to = k.index(to, c, axis.output as i64);
            }
            pixels.input.push(from);
            pixels.output.push(to);
        }
        pixels
    }

    /// The accumulators of a tile before anything is summed, in the order of [`Tile::places`].
    pub fn begin(&self, k: &mut KernelBuilder<'_>, column: Value) -> Vec<Value> {
        let row = match self.bias {
            Some(bias) if bias.first => self.bias(k, bias, column),
            _ => {
                let zero = self.arithmetic.zero(k);
                vec![zero; self.tile.vectors as usize]
            }
        };
        let places = self.tile.places();
        places.into_iter().map(|(_, vector)| row[vector]).collect()
    }

    /// The bias of the tile's columns.
    fn bias(&self, k: &mut KernelBuilder<'_>, bias: Bias, column: Value) -> Vec<Value> {
        let sums = self.arithmetic.sums();
        let base = k.address(bias.buffer);
        if bias.one {
            let one = k.read(sums.lane_type(), base, 0);
            let all = k.splat(sums, one);
            return vec![all; self.tile.vectors as usize];
        }
        let at = k.index(base, column, WORD as i64);
        let mut row = Vec::new();
        for vector in 0..self.tile.vectors {
            let offset = |lane: u64| ((vector * LANES + lane) * WORD) as i32;
            let lanes = self.lanes(vector);
            if lanes == LANES {
                row.push(k.read(sums, at, offset(0)));
                continue;
            }
            let mut value = self.arithmetic.zero(k);
            for lane in 0..lanes {
                let one = k.read(sums.lane_type(), at, offset(lane));
                value = k.b.ins().insertlane(value, one, lane as u8);
            }
            row.push(value);
        }
        row
    }

    /// Lanes of a vector of a tile that are columns.
    fn lanes(&self, vector: u64) -> u64 {
        LANES.min(self.columns - vector * LANES)
    }

    /// Finishes and stores the sums of a tile, which are in the order of [`Tile::places`].
    pub fn finish(
        &self,
        k: &mut KernelBuilder<'_>,
        sums: &[Value],
        pixels: &Pixels,
        column: Value,
    ) {
        let bias = match self.bias {
            Some(bias) if !bias.first => Some(self.bias(k, bias, column)),
            _ => None,
        };
        let mut rows = vec![Vec::new(); self.tile.pixels as usize];
        for (&sum, (pixel, _)) in sums.iter().zip(self.tile.places()) {
            rows[pixel].push(sum);
        }
        for (pixel, row) in rows.into_iter().enumerate() {
            let first = pixels.output(k, pixel as u64);
            for (vector, sum) in row.into_iter().enumerate() {
                let sum = match &bias {
                    Some(bias) => self.arithmetic.add(k, sum, bias[vector]),
                    None => sum,
                };
                let column = k.offset(column, (vector as u64 * LANES) as i64);
                let lanes = self.lanes(vector as u64);
                self.output.store(k, sum, first, column, lanes);
            }
        }
    }
}

/// The smaller of a value and a constant.
pub(super) fn at_most(k: &mut KernelBuilder<'_>, value: Value, limit: u64) -> Value {
    let limit = k.int(limit as i64);
    k.b.ins().smin(value, limit)
}
