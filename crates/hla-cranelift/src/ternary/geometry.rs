//! Where the elements of a ternary contraction lie: the op's shape, and the staged input that
//! sparse addition reads.
//!
//! The staged input holds padded planes, one for each image, stride phase and channel. Phase
//! (a, b) keeps the padded rows a, a + stride, … and columns b, b + stride, …, so that a tap reads
//! consecutive elements for consecutive output pixels whatever the stride. Rows follow each other
//! at a distance that the right padding of one shares with the left padding of the next. A *flat*
//! pixel is an element of such a plane: output pixel (y, x) is y·row + x, and all flat pixels from
//! the first to the last output pixel are computed in one run; those between rows are dropped.

use hla_ir::{DType, TensorType};

use crate::kernel::{Buffer, View};

/// Most elements of an image and a plane: four bytes each, they can be addressed with 32 bits.
const MOST_ELEMENTS: usize = (u32::MAX / 4) as usize;

/// Elements of a value, addressed by image, row, column and channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Strided {
    /// The first logical element.
    pub origin: Buffer,
    /// Element type in memory.
    pub element: DType,
    /// Distances in bytes between neighbours: images, rows, columns, channels.
    pub strides: [i64; 4],
}

impl Strided {
    /// The elements of a rank-4 view.
    pub fn image(view: &View) -> Strided {
        let bytes = view.element().bytes() as i64;
        let strides = view.strides();
        Strided {
            origin: view.origin(),
            element: view.element(),
            strides: [0, 1, 2, 3].map(|d| strides.get(d).map_or(0, |&s| s as i64 * bytes)),
        }
    }

    /// The rows of a row-major matrix as the columns of one image.
    pub fn matrix(view: &View) -> Strided {
        let bytes = view.element().bytes() as i64;
        let channels = view.ty.shape.last().map_or(0, |&c| c as i64);
        Strided {
            origin: view.buffer,
            element: view.element(),
            strides: [0, 0, channels * bytes, bytes],
        }
    }
}

/// The shape of a contraction: a convolution, or a matrix product as a 1×1 convolution over one
/// row of pixels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    pub images: usize,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    pub in_channels: usize,
    /// Rows and columns of the output.
    pub output: [usize; 2],
    pub out_channels: usize,
    pub kernel: [usize; 2],
    /// Top and left padding; what lies below and to the right follows from the output's extents.
    pub pad: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
}

impl Geometry {
    /// That of a convolution with these types; `pad` is top, bottom, left, right.
    pub fn conv2d(
        input: &TensorType,
        weight: &[usize],
        output: &TensorType,
        pad: &[i64],
        stride: &[i64],
        dilation: &[i64],
    ) -> Geometry {
        let two = |list: &[i64], i: usize, j: usize| [list[i] as usize, list[j] as usize];
        let (i, o) = (&input.shape, &output.shape);
        Geometry {
            images: o[0],
            input: [i[1], i[2]],
            in_channels: i[3],
            output: [o[1], o[2]],
            out_channels: o[3],
            kernel: [weight[1], weight[2]],
            pad: two(pad, 0, 2),
            stride: two(stride, 0, 1),
            dilation: two(dilation, 0, 1),
        }
    }

    /// That of a product of `rows` rows of `depth` elements with `columns` columns.
    pub fn matmul(rows: usize, depth: usize, columns: usize) -> Geometry {
        Geometry {
            images: 1,
            input: [1, rows],
            in_channels: depth,
            output: [1, rows],
            out_channels: columns,
            kernel: [1, 1],
            pad: [0, 0],
            stride: [1, 1],
            dilation: [1, 1],
        }
    }

    /// Weights of one output channel.
    pub fn fan_in(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.in_channels
    }

    /// Padded coordinates that the output reads, from 0 to one below this.
    fn reach(&self, d: usize) -> usize {
        (self.output[d].max(1) - 1) * self.stride[d] + (self.kernel[d] - 1) * self.dilation[d] + 1
    }
}

/// One stride phase of one dimension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Axis {
    /// The phase: the first padded coordinate.
    pub phase: usize,
    /// Staged coordinates `begin..end` hold input elements, the others padding.
    pub begin: usize,
    pub end: usize,
    /// Input coordinate of staged coordinate 0; negative in the padding.
    pub first: i64,
}

/// How the input is staged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stage {
    /// Staged rows of a plane.
    pub rows: usize,
    /// Distance between rows in elements.
    pub row: usize,
    /// Elements of padding after the last row of a plane, which other rows have in the next row.
    pub tail: usize,
    /// Distance between planes in elements.
    pub plane: usize,
    /// Distance between images in elements.
    pub image: usize,
    /// Elements altogether, with what follows the last plane.
    pub elements: usize,
    /// The phases that taps read, rows and columns.
    pub phases: Vec<[Axis; 2]>,
    /// For each tap (kh, kw), elements between an output pixel's flat position in the first plane
    /// and what the tap reads in channel 0.
    pub taps: Vec<usize>,
    /// Flat pixels from the first to the last output pixel.
    pub run: usize,
    /// Elements from the start of an image to a plane that holds zeros only, if there is one.
    pub zeros: Option<usize>,
}

/// Phases of one dimension that taps use, and staged extent.
fn axes(g: &Geometry, d: usize) -> (Vec<Axis>, usize) {
    let (stride, pad) = (g.stride[d], g.pad[d] as i64);
    let extent = g.reach(d).div_ceil(stride);
    let mut phases: Vec<usize> = (0..g.kernel[d])
        .map(|k| k * g.dilation[d] % stride)
        .collect();
    phases.sort_unstable();
    phases.dedup();
    let staged = |input: i64, phase: usize| {
        let padded = (input + pad - phase as i64).max(0) as usize;
        padded.div_ceil(stride).min(extent)
    };
    let axes = phases
        .into_iter()
        .map(|phase| Axis {
            phase,
            begin: staged(0, phase),
            end: staged(g.input[d] as i64, phase),
            first: phase as i64 - pad,
        })
        .collect();
    (axes, extent)
}

/// Elements of padding that every phase has both before and after its input elements.
fn shared(axes: &[Axis], extent: usize) -> usize {
    axes.iter()
        .map(|a| a.begin.min(extent - a.end.max(a.begin)))
        .min()
        .unwrap_or(0)
}

impl Stage {
    /// The staging of a contraction whose kernel computes `block` flat pixels at once, with a plane
    /// of zeros if wanted; `None` if positions in an image exceed 32 bits.
    pub fn new(g: &Geometry, block: usize, with_zeros: bool) -> Option<Stage> {
        let (rows, row_extent) = axes(g, 0);
        let (columns, column_extent) = axes(g, 1);
        // Output rows must not overlap, so a row is no shorter than the output's.
        let tail = shared(&columns, column_extent).min(column_extent - g.output[1].max(1));
        let row = column_extent - tail;
        let mut plane = row.checked_mul(row_extent)?.checked_add(tail)?;
        if plane >= 512 && plane.is_multiple_of(64) {
            // Planes at a distance of a large power of two would compete for the same cache sets.
            plane += 32;
        }
        let phases: Vec<[Axis; 2]> = rows
            .iter()
            .flat_map(|&r| columns.iter().map(move |&c| [r, c]))
            .collect();
        let image = phases
            .len()
            .checked_mul(g.in_channels)?
            .checked_mul(plane)
            .filter(|&image| {
                image
                    .checked_add(plane)
                    .is_some_and(|end| end <= MOST_ELEMENTS)
            })?;
        let taps = (0..g.kernel[0])
            .flat_map(|kh| (0..g.kernel[1]).map(move |kw| [kh, kw]))
            .map(|k| {
                let at = [0, 1].map(|d| k[d] * g.dilation[d]);
                let phase = phases
                    .iter()
                    .position(|p| (0..2).all(|d| p[d].phase == at[d] % g.stride[d]))
                    .unwrap_or(0);
                phase * g.in_channels * plane + at[0] / g.stride[0] * row + at[1] / g.stride[1]
            })
            .collect();
        let run = (g.output[0].max(1) - 1) * row + g.output[1];
        let zeros = with_zeros.then_some(image);
        let image = if with_zeros { image + plane } else { image };
        let elements = g.images.checked_mul(image)?;
        let elements = elements.checked_add(run.next_multiple_of(block) - run)?;
        Some(Stage {
            rows: row_extent,
            row,
            tail,
            plane,
            image,
            elements,
            phases,
            taps,
            run,
            zeros,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fills the staged input with numbers of input elements, 0 for padding, by the axes alone.
    fn fill(g: &Geometry, s: &Stage) -> Vec<Option<usize>> {
        let mut staged = vec![None; s.elements];
        for n in 0..g.images {
            for (p, [rows, columns]) in s.phases.iter().enumerate() {
                for c in 0..g.in_channels {
                    let plane = n * s.image + (p * g.in_channels + c) * s.plane;
                    for y in 0..s.rows {
                        let tail = if y + 1 == s.rows { s.tail } else { 0 };
                        for x in 0..s.row + tail {
                            let inside = (rows.begin..rows.end).contains(&y)
                                && (columns.begin..columns.end).contains(&x);
                            let iy = y as i64 * g.stride[0] as i64 + rows.first;
                            let ix = x as i64 * g.stride[1] as i64 + columns.first;
                            let number = || {
                                ((n * g.input[0] + iy as usize) * g.input[1] + ix as usize)
                                    * g.in_channels
                                    + c
                                    + 1
                            };
                            staged[plane + y * s.row + x] = Some(if inside { number() } else { 0 });
                        }
                    }
                }
            }
        }
        staged
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Every tap of every output pixel reads the input element that the definition of the
        /// convolution names, or padding where it names none.
        #[test]
        fn taps_read_what_the_convolution_names(
            images in 1usize..3, channels in 1usize..3,
            input in [1usize..9, 1usize..9], kernel in [1usize..4, 1usize..4],
            pad in [0usize..4, 0usize..4], after in [0usize..4, 0usize..4],
            stride in [1usize..4, 1usize..4], dilation in [1usize..4, 1usize..4],
        ) {
            let extent = |d: usize| {
                (input[d] + pad[d] + after[d]).checked_sub((kernel[d] - 1) * dilation[d] + 1)
                    .map(|e| e / stride[d] + 1)
            };
            let (Some(h), Some(w)) = (extent(0), extent(1)) else { return Ok(()) };
            let g = Geometry {
                images, input, in_channels: channels, output: [h, w], out_channels: 1,
                kernel, pad, stride, dilation,
            };
            let s = Stage::new(&g, 64, false).unwrap();
            prop_assert!(s.row >= w);
            let staged = fill(&g, &s);
            for n in 0..images {
                for y in 0..h {
                    for x in 0..w {
                        for kh in 0..kernel[0] {
                            for kw in 0..kernel[1] {
                                for c in 0..channels {
                                    let at = n * s.image + y * s.row + x
                                        + s.taps[kh * kernel[1] + kw] + c * s.plane;
                                    let iy = (y * stride[0] + kh * dilation[0]).checked_sub(pad[0]);
                                    let ix = (x * stride[1] + kw * dilation[1]).checked_sub(pad[1]);
                                    let want = match (iy, ix) {
                                        (Some(iy), Some(ix)) if iy < input[0] && ix < input[1] => {
                                            ((n * input[0] + iy) * input[1] + ix) * channels + c + 1
                                        }
                                        _ => 0,
                                    };
                                    prop_assert_eq!(staged[at], Some(want));
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_share_their_padding() {
        let g = Geometry {
            images: 1,
            input: [7, 7],
            in_channels: 512,
            output: [7, 7],
            out_channels: 512,
            kernel: [3, 3],
            pad: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
        };
        let s = Stage::new(&g, 64, false).unwrap();
        assert_eq!((s.rows, s.row, s.run), (9, 8, 55));
    }
}
