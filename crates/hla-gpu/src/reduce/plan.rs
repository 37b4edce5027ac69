//! How a reduction is shared among threads: decided by extents alone.

use hla_partition::Domain;

use super::Reduce;
use super::access::Access;
use crate::lower::Place;
use crate::lower::chain::Strided;

/// A domain as [outer, axis, inner].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extents {
    pub outer: usize,
    pub axis: usize,
    pub inner: usize,
}

impl Extents {
    pub fn of(domain: &Domain) -> Extents {
        Extents {
            outer: domain.outer as usize,
            axis: domain.axis as usize,
            inner: domain.inner as usize,
        }
    }

    /// Outer, axis, inner.
    pub fn all(self) -> [usize; 3] {
        [self.outer, self.axis, self.inner]
    }

    pub fn elements(self) -> usize {
        self.all().iter().product()
    }

    /// A value of as many elements, row-major.
    pub fn dense(self, place: Place) -> Strided {
        let strides = [self.axis * self.inner, self.inner, 1];
        self.normal(Strided {
            place,
            strides: strides.map(|s| s as i64).to_vec(),
            start: 0,
        })
    }

    /// The same with strides of 0 along extents of 1, so that these say nothing of alignment.
    pub fn normal(self, mut operand: Strided) -> Strided {
        for (stride, extent) in operand.strides.iter_mut().zip(self.all()) {
            if extent == 1 {
                *stride = 0;
            }
        }
        operand
    }
}

impl From<&[usize]> for Extents {
    /// Of [outer, axis, inner]; what is missing at the end is 1.
    fn from(extents: &[usize]) -> Extents {
        let extent = |i: usize| extents.get(i).copied().unwrap_or(1);
        Extents {
            outer: extent(0),
            axis: extent(1),
            inner: extent(2),
        }
    }
}

/// How rows are shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rows {
    /// Elements that a thread reads at once.
    pub lanes: usize,
    /// Threads that walk along one row: a power of two.
    pub group: usize,
    /// Threads of a block: a power of two, at least 32 and `group`.
    pub threads: usize,
    /// Parts of a row, each the work of one group; 1 unless the group is the block.
    pub segments: usize,
    /// Elements of a segment: a multiple of `lanes`.
    pub segment: usize,
}

/// How columns are shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    /// Columns that a thread has; they divide the inner extent.
    pub lanes: usize,
    /// Threads of a block side by side: a power of two.
    pub across: usize,
    /// Threads of a block that share a column: a power of two; with `across`, at least 32 in all.
    pub down: usize,
    /// Parts of the axis.
    pub segments: usize,
    /// Elements along the axis of a segment.
    pub segment: usize,
}

/// How the work is shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Schedule {
    Rows(Rows),
    Columns(Columns),
}

/// Blocks that keep any GPU busy; more segments would only mean more partial results.
const ENOUGH_BLOCKS: usize = 512;

/// Steps of a thread below which segments are not worth a second kernel.
const SHORT: usize = 32;

/// Most columns or elements that a thread reads at once, times the parts: they lie in registers.
const MOST_LANES: usize = 16;

impl Schedule {
    pub fn segments(&self) -> usize {
        match self {
            Schedule::Rows(rows) => rows.segments,
            Schedule::Columns(columns) => columns.segments,
        }
    }

    /// Elements along the axis of a segment; the last may have fewer.
    pub fn segment(&self) -> usize {
        match self {
            Schedule::Rows(rows) => rows.segment,
            Schedule::Columns(columns) => columns.segment,
        }
    }

    /// The schedule of a reduction.
    pub fn choose(reduce: &Reduce) -> Schedule {
        let e = reduce.domain;
        // A thread for each short row reads fast enough from its cache.
        if e.inner == 1 && e.axis > 4 {
            let lanes = vector_lanes(reduce, 1);
            return Schedule::Rows(rows(e, lanes, true));
        }
        let lanes = vector_lanes(reduce, 2);
        Schedule::Columns(columns(e, lanes, 256, true))
    }

    /// The schedule of a second kernel, which has no third.
    pub fn last(reduce: &Reduce) -> Schedule {
        let e = reduce.domain;
        if e.inner == 1 {
            return Schedule::Rows(rows(e, vector_lanes(reduce, 1), false));
        }
        // Few columns and many threads: all of a column's segments are read at once.
        Schedule::Columns(columns(e, 1, 512, false))
    }
}

/// How many elements along a region threads read at once: 16 bytes of the narrowest operand that
/// is as large as the domain.
fn vector_lanes(reduce: &Reduce, along: usize) -> usize {
    let e = reduce.domain;
    let large = |i: &&Strided| i.strides[along] != 0 && i.place.ty.elements() == e.elements();
    let large: Vec<&Strided> = reduce.inputs.iter().filter(large).collect();
    let narrowest = large.iter().map(|i| i.place.ty.dtype.bytes()).min();
    let state: usize = (reduce.parts.iter().zip(&reduce.body.results))
        .flat_map(|(part, &value)| part.accumulators(reduce.body.dtype(value)))
        .map(|dtype| dtype.bytes().div_ceil(4))
        .sum();
    let mut lanes = (16 / narrowest.unwrap_or(4)).clamp(1, 8);
    while lanes > 1 && lanes * state > MOST_LANES {
        lanes /= 2;
    }
    let extent = e.all()[along];
    let fits = |lanes: usize| {
        let whole = extent.is_multiple_of(lanes) || (along == 1 && e.outer == 1);
        whole
            && large
                .iter()
                .all(|i| Access::new(i).is_contiguous(along, lanes))
    };
    while lanes > 1 && !fits(lanes) {
        lanes /= 2;
    }
    lanes
}

fn rows(e: Extents, lanes: usize, may_split: bool) -> Rows {
    let steps = e.axis.div_ceil(lanes).max(1);
    let whole = Rows {
        lanes,
        group: 32.min(steps.next_power_of_two()),
        threads: 256,
        segments: 1,
        segment: e.axis.next_multiple_of(lanes).max(lanes),
    };
    // Many rows, or short ones: a warp or less for each.
    if steps <= 4 * 32 || (e.outer >= 4 * ENOUGH_BLOCKS && steps <= 32 * SHORT) {
        return whole;
    }
    let threads = steps.next_power_of_two().clamp(64, 512) / 2;
    let block = Rows {
        group: threads,
        threads,
        ..whole
    };
    let parts = (ENOUGH_BLOCKS / e.outer.max(1)).min(steps / (threads * 8));
    if !may_split || parts < 2 || steps < threads * SHORT {
        return block;
    }
    let segment = e.axis.div_ceil(parts).next_multiple_of(lanes * threads);
    Rows {
        segments: e.axis.div_ceil(segment),
        segment,
        ..block
    }
}

fn columns(e: Extents, lanes: usize, threads: usize, may_split: bool) -> Columns {
    let count = (e.outer * e.inner / lanes).max(1);
    // 16 threads side by side read 64 bytes or more.
    let mut across = count
        .next_power_of_two()
        .min(if lanes == 1 { 32 } else { 16 });
    if !may_split {
        across = across.min(16);
    }
    let mut down = (threads / across).min((e.axis / 2).max(1).next_power_of_two());
    // With so many columns nobody waits for threads that share one.
    if count >= ENOUGH_BLOCKS * threads && e.axis <= 2 * SHORT {
        down = 1;
    }
    if down == 1 {
        across = count.next_power_of_two().min(threads);
    }
    while across * down < 32 {
        across *= 2;
    }
    let whole = Columns {
        lanes,
        across,
        down,
        segments: 1,
        segment: e.axis.max(1),
    };
    let blocks = count.div_ceil(across);
    let parts = (ENOUGH_BLOCKS / blocks).min(e.axis / (down * 8));
    if !may_split || parts < 2 || e.axis < down * SHORT {
        return whole;
    }
    let segment = e.axis.div_ceil(parts).next_multiple_of(down);
    Columns {
        segments: e.axis.div_ceil(segment),
        segment,
        ..whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::Slot;
    use crate::lower::chain::Chain;
    use crate::reduce::{Combine, identity};
    use hla_ir::{DType, TensorType};

    fn of(extents: [usize; 3], dtype: DType) -> Schedule {
        let place = Place {
            slot: Slot::Input(0),
            offset: 0,
            ty: TensorType::new(extents, dtype),
        };
        let chain = Chain {
            extents: extents.to_vec(),
            inputs: vec![Extents::from(&extents[..]).dense(place)],
            body: identity(&[dtype]),
            given: 0,
            computes: String::new(),
        };
        Schedule::choose(&Reduce::of(chain, vec![Combine::Sum]))
    }

    #[test]
    fn statistics_of_a_batch_norm_fill_the_gpu() {
        let Schedule::Columns(c) = of([1, 256 * 112 * 112, 64], DType::BF16) else {
            panic!("the channels lie inside");
        };
        assert_eq!((c.lanes, c.across, c.down), (8, 8, 32));
        assert!((400..=ENOUGH_BLOCKS).contains(&c.segments), "{c:?}");
        // Late layers: few pixels, many channels.
        let Schedule::Columns(c) = of([1, 256 * 49, 512], DType::F32) else {
            panic!("the channels lie inside");
        };
        assert_eq!((c.lanes, c.across, c.down), (4, 16, 16));
        assert!(c.segments * (512 / 64) >= 200, "{c:?}");
    }

    #[test]
    fn short_rows_share_a_warp() {
        let Schedule::Rows(r) = of([1000, 10, 1], DType::F32) else {
            panic!("nothing lies inside");
        };
        assert_eq!((r.lanes, r.group, r.segments), (2, 8, 1));
        let Schedule::Rows(r) = of([256, 1000, 1], DType::F32) else {
            panic!("nothing lies inside");
        };
        assert_eq!((r.lanes, r.group, r.segments), (4, 128, 1));
    }

    #[test]
    fn a_whole_tensor_is_cut() {
        let Schedule::Rows(r) = of([1, 2_359_297, 1], DType::F32) else {
            panic!("nothing lies inside");
        };
        assert_eq!((r.lanes, r.group), (4, 256));
        assert!(r.segments > 64 && r.segments <= ENOUGH_BLOCKS, "{r:?}");
        assert!(r.segments * r.segment >= 2_359_297);
    }
}
