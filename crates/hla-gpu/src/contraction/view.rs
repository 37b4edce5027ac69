//! Tensors as the matrices that a contraction multiplies.
//!
//! Every operand is a matrix whose rows are *slow* and whose columns are *fast*: neighbours along
//! the fast axis are neighbours in memory. One of the two is the axis that the contraction sums
//! over. What is outside the matrix, or is padding, reads as zero.

use super::index::{Condition, Int, Ints, all};
use crate::Text;

/// An operand.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Operand {
    /// Where its elements are.
    pub(super) view: View,
    /// Whether the fast axis is the one summed over; else the slow one is.
    pub(super) sums_fast: bool,
}

/// How a matrix lies in memory.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum View {
    /// Row-major; `batch` of them, one after the other.
    Rows {
        batch: usize,
        rows: usize,
        columns: usize,
    },
    /// Row-major rows of 2-bit codes, four a byte, each row from a byte on.
    Codes { rows: usize, columns: usize },
    /// Windows over an image: rows are pixels (n, y, x), columns are taps (kh, kw, channel).
    Windows(Windows),
    /// OHWI weights whose rows are (kh, kw, o) and whose columns are i.
    Filters {
        outputs: usize,
        taps: usize,
        inputs: usize,
    },
}

/// Where the taps of windows are in an NHWC image.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Windows {
    /// N, H, W, C.
    pub(super) image: [usize; 4],
    /// Windows along y and x.
    pub(super) count: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Padding before y and x.
    pub(super) pad: [i64; 2],
    /// False: a tap of window i is at i·stride + k·dilation − pad. True: at (i + pad − k·dilation)
    /// / stride where that has no rest, as gradients by an input and transposed convolutions read.
    pub(super) gaps: bool,
}

/// What is known of a row: invariant along the columns.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The place of the row in the tensor.
    pub(super) base: Int,
    at: [Int; 2],
    inside: Condition,
}

/// What is known of a column: invariant along the rows.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// The place of the column in a row.
    pub(super) offset: Int,
    at: [Int; 2],
    inside: Condition,
}

impl Windows {
    /// Rows and columns.
    fn extents(&self) -> [usize; 2] {
        [
            self.image[0] * self.count[0] * self.count[1],
            self.kernel[0] * self.kernel[1] * self.image[3],
        ]
    }

    /// An upper bound of the size of numbers on the way to a place that is inside. What comes of a
    /// place outside is not used, and may be anything.
    pub(super) fn reach(&self) -> usize {
        let [n, height, width, channels] = self.image;
        let along = |axis: usize| {
            let windows = self.count[axis].saturating_mul(self.stride[axis]);
            let taps = self.kernel[axis].saturating_mul(self.dilation[axis]);
            let pad = self.pad[axis].unsigned_abs() as usize;
            windows.saturating_add(taps).saturating_add(pad)
        };
        if self.gaps {
            // Where negative numbers count as large ones, those must be beyond the image.
            let gaps = [height, width].into_iter().zip(self.stride);
            let spread = gaps.map(|(extent, stride)| extent.saturating_mul(stride));
            return spread.chain([along(0), along(1)]).max().unwrap_or(0);
        }
        let pixels = along(0).saturating_mul(width).saturating_add(along(1));
        let pixels = pixels.saturating_add(n.saturating_mul(height).saturating_mul(width));
        pixels.saturating_mul(channels)
    }

    fn row(&self, t: &mut Text, ints: Ints, row: &Int) -> Row {
        let [_, height, width, channels] = self.image;
        let (n, rest) = ints.divide(t, row, self.count[0] * self.count[1]);
        let (y, x) = ints.divide(t, &rest, self.count[1]);
        let n = ints.mul(t, &n, height * width * channels);
        let [pad_y, pad_x] = self.pad.map(Int::Known);
        if self.gaps {
            let at = [ints.add(t, &y, &pad_y), ints.add(t, &x, &pad_x)];
            return Row {
                base: n,
                at,
                inside: None,
            };
        }
        let (y, x) = (
            ints.mul(t, &y, self.stride[0]),
            ints.mul(t, &x, self.stride[1]),
        );
        let (y, x) = (ints.sub(t, &y, &pad_y), ints.sub(t, &x, &pad_x));
        let pixel = ints.mul(t, &y, width);
        let pixel = ints.add(t, &pixel, &x);
        let pixel = ints.mul(t, &pixel, channels);
        Row {
            base: ints.add(t, &n, &pixel),
            at: [y, x],
            inside: None,
        }
    }

    fn column(&self, t: &mut Text, ints: Ints, column: &Int) -> Column {
        let [_, _, width, channels] = self.image;
        let (tap, channel) = ints.divide(t, column, channels);
        let (ky, kx) = ints.divide(t, &tap, self.kernel[1]);
        let ky = ints.mul(t, &ky, self.dilation[0]);
        let kx = ints.mul(t, &kx, self.dilation[1]);
        let offset = if self.gaps {
            channel
        } else {
            let pixel = ints.mul(t, &ky, width);
            let pixel = ints.add(t, &pixel, &kx);
            let pixel = ints.mul(t, &pixel, channels);
            ints.add(t, &pixel, &channel)
        };
        Column {
            offset,
            at: [ky, kx],
            inside: None,
        }
    }

    fn element(&self, t: &mut Text, ints: Ints, row: &Row, column: &Column) -> (Int, Condition) {
        let [_, height, width, channels] = self.image;
        let mut offset = ints.add(t, &row.base, &column.offset);
        let mut conditions = [const { None }; 4];
        if !self.gaps {
            for (axis, extent) in [height, width].into_iter().enumerate() {
                let reach = (self.count[axis] - 1) * self.stride[axis]
                    + (self.kernel[axis] - 1) * self.dilation[axis];
                let padded = self.pad[axis] > 0 || reach as i64 - self.pad[axis] >= extent as i64;
                if padded {
                    let at = ints.add(t, &row.at[axis], &column.at[axis]);
                    conditions[axis] = ints.below(t, &at, extent);
                }
            }
        } else {
            // A negative place is a huge one when it is divided as an unsigned number.
            let mut pixel = Int::Known(0);
            for (axis, extent) in [height, width].into_iter().enumerate() {
                let at = ints.sub(t, &row.at[axis], &column.at[axis]);
                let (at, rest) = ints.divide(t, &at, self.stride[axis]);
                conditions[2 * axis] = ints.below(t, &at, extent);
                conditions[2 * axis + 1] = ints.is_zero(t, &rest);
                pixel = ints.mul(t, &pixel, width);
                pixel = ints.add(t, &pixel, &at);
            }
            pixel = ints.mul(t, &pixel, channels);
            offset = ints.add(t, &offset, &pixel);
        }
        let [a, b, c, d] = &conditions;
        (offset, all(t, [a, b, c, d]))
    }
}

impl View {
    /// Rows and columns.
    pub(super) fn extents(&self) -> [usize; 2] {
        match *self {
            View::Rows { rows, columns, .. } | View::Codes { rows, columns } => [rows, columns],
            View::Filters {
                outputs,
                taps,
                inputs,
            } => [taps * outputs, inputs],
            View::Windows(ref windows) => windows.extents(),
        }
    }

    /// How many numbers an element of memory holds.
    pub(super) fn each(&self) -> usize {
        match self {
            View::Codes { .. } => 4,
            _ => 1,
        }
    }

    /// How many elements along the fast axis are neighbours in memory, inside or outside together,
    /// and begin at a multiple of themselves: a power of two, at most `most`.
    pub(super) fn run(&self, most: usize) -> usize {
        let of = match self {
            View::Rows { columns, .. } | View::Codes { columns, .. } => *columns,
            View::Filters { inputs, .. } => *inputs,
            View::Windows(windows) => windows.image[3],
        };
        let mut run = most;
        while !of.is_multiple_of(run) {
            run /= 2;
        }
        run
    }

    /// What one row has in common; `inside` says whether there is such a row.
    pub(super) fn row(
        &self,
        t: &mut Text,
        ints: Ints,
        batch: &Int,
        row: &Int,
        inside: Condition,
    ) -> Row {
        let plain = |base| Row {
            base,
            at: [Int::Known(0), Int::Known(0)],
            inside: None,
        };
        let mut known = match self {
            View::Rows {
                batch: many,
                rows,
                columns,
            } => {
                let base = ints.mul(t, row, *columns);
                if *many == 1 {
                    plain(base)
                } else {
                    let batch = ints.mul(t, batch, rows * columns);
                    plain(ints.add(t, &batch, &base))
                }
            }
            View::Codes { columns, .. } => plain(ints.mul(t, row, columns.div_ceil(4))),
            View::Filters {
                outputs,
                taps,
                inputs,
            } => {
                let (tap, output) = ints.divide(t, row, *outputs);
                let filter = ints.mul(t, &output, *taps);
                let filter = ints.add(t, &filter, &tap);
                plain(ints.mul(t, &filter, *inputs))
            }
            View::Windows(windows) => windows.row(t, ints, row),
        };
        known.inside = inside;
        known
    }

    /// What one column has in common; `inside` says whether there is such a column.
    pub(super) fn column(
        &self,
        t: &mut Text,
        ints: Ints,
        column: &Int,
        inside: Condition,
    ) -> Column {
        let mut known = match self {
            View::Windows(windows) => windows.column(t, ints, column),
            _ => Column {
                offset: column.clone(),
                at: [Int::Known(0), Int::Known(0)],
                inside: None,
            },
        };
        known.inside = inside;
        known
    }

    /// The place of an element in the tensor, and whether there is one.
    pub(super) fn element(
        &self,
        t: &mut Text,
        ints: Ints,
        row: &Row,
        column: &Column,
    ) -> (Int, Condition) {
        let (place, inside) = match self {
            View::Windows(windows) => windows.element(t, ints, row, column),
            _ => (ints.add(t, &row.base, &column.offset), None),
        };
        (place, all(t, [&row.inside, &column.inside, &inside]))
    }
}
