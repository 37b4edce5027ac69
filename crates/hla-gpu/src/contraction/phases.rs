//! Windows with gaps, without their gaps: gradients by the input of a convolution with a stride, and
//! transposed convolutions.
//!
//! Along an axis with stride s the pixel i of the result meets tap k at (i + pad − k) / s, if that has no
//! rest. So pixels with the same i mod s, a *phase*, meet the same taps: every s-th. Rows of the result
//! are taken phase by phase, each filled up to whole tiles, so that a block has one phase and walks
//! over that phase's taps alone. Of s² times the products that there would be with gaps, those with
//! zeros are left out.

use super::gemm::Gemm;
use super::index::{Condition, Int, Ints, all};
use super::tile::Tile;
use super::view::View;
use crate::Text;

/// The phases of a product whose A is windows with gaps.
pub(super) struct Phases {
    stride: [usize; 2],
    /// What pixel 0 counts as along y and x: the padding, modulo the stride.
    shift: [usize; 2],
    kernel: [usize; 2],
    /// N, H, W of the result.
    pixels: [usize; 3],
    /// Pixels of a phase along y and x, some of which are not there.
    cells: [usize; 2],
    /// Rows of a phase.
    rows: usize,
    channels: usize,
    /// Steps of k at a time, and how many of those a tap has.
    depth: usize,
    runs: usize,
}

/// The taps that a block walks over.
pub(super) struct Walk<'a> {
    phases: &'a Phases,
    /// How many steps there are, in 32 bits.
    pub(super) steps: Int,
    /// The first tap along y and x.
    first: [Int; 2],
    /// Taps along x, and 2¹⁶ divided by them, rounded up.
    across: Int,
    inverse: Int,
}

impl Phases {
    /// The phases of a product in some tile; `None` if it has no gaps, or if they cannot be left out: a
    /// step of k must lie within one tap.
    pub(super) fn of(gemm: &Gemm, tile: &Tile) -> Option<Phases> {
        let View::Windows(windows) = &gemm.a.view else {
            return None;
        };
        let [n, _, _, channels] = windows.image;
        let [height, width] = windows.count;
        let stride = windows.stride;
        let fits = windows.gaps
            && stride != [1, 1]
            && windows.dilation == [1, 1]
            && stride[0] <= height
            && stride[1] <= width
            && windows.kernel[0] * windows.kernel[1] < 256
            && channels.is_multiple_of(tile.depth)
            && gemm.batch * gemm.splits == 1;
        if !fits {
            return None;
        }
        let cells = [height.div_ceil(stride[0]), width.div_ceil(stride[1])];
        let rows = (n * cells[0] * cells[1]).next_multiple_of(tile.extents[0]);
        let phases = Phases {
            stride,
            shift: [0, 1].map(|i| windows.pad[i].rem_euclid(stride[i] as i64) as usize),
            kernel: windows.kernel,
            pixels: [n, height, width],
            cells,
            rows,
            channels,
            depth: tile.depth,
            runs: channels / tile.depth,
        };
        (phases.all_rows() < 1 << 30).then_some(phases)
    }

    /// Rows of all phases.
    pub(super) fn all_rows(&self) -> usize {
        self.stride[0] * self.stride[1] * self.rows
    }

    /// The pixel of a row, and whether there is one.
    pub(super) fn pixel(&self, t: &mut Text, ints: Ints, row: &Int) -> (Int, Condition) {
        let [n, height, width] = self.pixels;
        let (phase, cell) = ints.divide(t, row, self.rows);
        let (phase_y, phase_x) = ints.divide(t, &phase, self.stride[1]);
        let (image, cell) = ints.divide(t, &cell, self.cells[0] * self.cells[1]);
        let (y, x) = ints.divide(t, &cell, self.cells[1]);
        let y = ints.mul(t, &y, self.stride[0]);
        let y = ints.add(t, &y, &phase_y);
        let x = ints.mul(t, &x, self.stride[1]);
        let x = ints.add(t, &x, &phase_x);
        let inside = [
            ints.below(t, &image, n),
            ints.below(t, &y, height),
            ints.below(t, &x, width),
        ];
        let inside = all(t, inside.each_ref());
        let row = ints.mul(t, &image, height);
        let row = ints.add(t, &row, &y);
        let row = ints.mul(t, &row, width);
        (ints.add(t, &row, &x), inside)
    }

    /// The walk of the block that begins at a row.
    pub(super) fn walk(&self, t: &mut Text, ints: Ints, row: &Int) -> Walk<'_> {
        let short = Ints::SHORT;
        let row = Int::Value(ints.i32(t, row));
        let phase = short.div(t, &row, self.rows);
        let (y, x) = short.divide(t, &phase, self.stride[1]);
        let mut first = Vec::new();
        let mut counts = Vec::new();
        for (axis, phase) in [y, x].iter().enumerate() {
            let (stride, shift) = (self.stride[axis], self.shift[axis] as i64);
            let tap = short.add(t, phase, &Int::Known(shift));
            let tap = short.rem(t, &tap, stride);
            let left = Int::Known((self.kernel[axis] + stride - 1) as i64);
            let left = short.sub(t, &left, &tap);
            counts.push(short.div(t, &left, stride));
            first.push(tap);
        }
        let [down, across] = [0, 1].map(|i| short.i32(t, &counts[i]));
        let taps = t.op(format_args!("arith.muli {down}, {across} : i32"));
        let steps = short.mul(t, &Int::Value(taps), self.runs);
        // Where there are none, nothing is divided by them.
        let one = t.constant("1 : i32");
        let some = t.op(format_args!("arith.maxui {across}, {one} : i32"));
        let whole = t.constant("65535 : i32");
        let whole = t.op(format_args!("arith.addi {some}, {whole} : i32"));
        let inverse = t.op(format_args!("arith.divui {whole}, {some} : i32"));
        Walk {
            phases: self,
            steps,
            first: [0, 1].map(|i| first[i].clone()),
            across: Int::Value(across),
            inverse: Int::Value(inverse),
        }
    }
}

impl Walk<'_> {
    /// The first k of a step, in 32 bits.
    pub(super) fn depth(&self, t: &mut Text, step: &Int) -> Int {
        let short = Ints::SHORT;
        let phases = self.phases;
        let (tap, run) = short.divide(t, step, phases.runs);
        // The division by the taps of a row is a multiplication, exact below 256.
        let product = times(t, &tap, &self.inverse);
        let y = short.div(t, &product, 1 << 16);
        let before = times(t, &y, &self.across);
        let x = short.sub(t, &tap, &before);
        let y = short.mul(t, &y, phases.stride[0]);
        let y = short.add(t, &y, &self.first[0]);
        let x = short.mul(t, &x, phases.stride[1]);
        let x = short.add(t, &x, &self.first[1]);
        let tap = short.mul(t, &y, phases.kernel[1]);
        let tap = short.add(t, &tap, &x);
        let tap = short.mul(t, &tap, phases.channels);
        let run = short.mul(t, &run, phases.depth);
        short.add(t, &tap, &run)
    }
}

/// a·b in 32 bits.
fn times(t: &mut Text, a: &Int, b: &Int) -> Int {
    let [a, b] = [a, b].map(|value| Ints::SHORT.i32(t, value));
    Int::Value(t.op(format_args!("arith.muli {a}, {b} : i32")))
}
