//! How the elements of a map are shared among threads.

use super::nest::Nest;
use super::source::Source;
use crate::lower::Place;

/// Threads of a block of a large map.
const THREADS: usize = 256;

/// Bytes that one thread loads or stores at once.
const WORD: usize = 16;

/// Most elements of a vector.
const MAX_LANES: usize = 8;

/// Blocks beyond this many are not needed to keep a GPU busy: a thread computes more instead.
const BLOCKS: usize = 1024;

/// How many elements a thread computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Neighbouring elements, loaded and stored as vectors.
    pub lanes: usize,
    /// Vectors, which lie as far apart as a block has elements.
    pub unroll: usize,
    /// Threads of a block.
    pub threads: u32,
    /// Blocks.
    pub blocks: u32,
    /// Whether some threads have nothing, or less, to do.
    pub guarded: bool,
}

impl Shape {
    /// The shape for a nest with results of these types.
    pub fn of(nest: &Nest, results: &[Place]) -> Shape {
        Shape::with(nest.elements(), lanes(nest, results))
    }

    /// The shape for so many elements in vectors of so many lanes: a thread for each vector, and one for
    /// each of the elements that make no vector.
    fn with(total: usize, lanes: usize) -> Shape {
        let rest = total % lanes;
        let parts = total / lanes + rest;
        let threads = parts.next_multiple_of(32).min(THREADS);
        let per_block = |unroll: usize| threads * unroll;
        let even = |u: usize| rest == 0 && parts.is_multiple_of(per_block(u));
        let unroll = [4, 2]
            .into_iter()
            .find(|&u| even(u) && parts / per_block(u) >= BLOCKS)
            .unwrap_or(1);
        let blocks = parts.div_ceil(per_block(unroll));
        Shape {
            lanes,
            unroll,
            threads: threads as u32,
            // At most 2⁴⁰ elements, so with 256 threads this is less than 2³².
            blocks: blocks as u32,
            guarded: !even(unroll),
        }
    }
}

/// The most neighbouring elements that all sources and results have together.
fn lanes(nest: &Nest, results: &[Place]) -> usize {
    let sources = nest.sources.iter().map(Source::dtype);
    let dtypes = sources.chain(results.iter().map(|r| r.ty.dtype));
    let narrowest = dtypes.map(|d| d.bytes()).min().unwrap_or(1);
    let mut lanes = (WORD / narrowest).min(MAX_LANES);
    while lanes > 1 && !fits(nest, results, lanes) {
        lanes /= 2;
    }
    lanes
}

fn fits(nest: &Nest, results: &[Place], lanes: usize) -> bool {
    let inner = nest.extents.len() - 1;
    // A single dimension may end within a vector.
    if !nest.inner().is_multiple_of(lanes) && (inner > 0 || nest.inner() < 4 * lanes) {
        return false;
    }
    let aligned = |place: &Place| place.alignment() as usize >= access_alignment(place, lanes);
    let multiple = |n: i64| n % lanes as i64 == 0;
    let pieces = || nest.sources.iter().flat_map(|s| &s.pieces);
    results.iter().all(aligned)
        && pieces().all(|p| {
            let from = &p.from;
            let by_index = p.indices.iter().all(|i| {
                multiple(i.stride) && i.from.strides[inner] == 0
            });
            from.strides[inner] != 1
                || (aligned(&from.place)
                    && by_index
                    && multiple(from.start)
                    && from.strides[..inner].iter().all(|&s| multiple(s)))
        })
        // An index for each element would be another kernel.
        && pieces().all(|p| p.indices.iter().all(|i| i.from.strides[inner] == 0))
        && pieces().flat_map(|p| &p.bounds).all(|b| {
            b.dim != inner || (b.low.is_multiple_of(lanes) && b.high.is_multiple_of(lanes))
        })
}

/// Bytes of which the addresses of vectors are multiples.
pub(super) fn access_alignment(place: &Place, lanes: usize) -> usize {
    (place.ty.dtype.bytes() * lanes).min(WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_a_thread() {
        let large = [1 << 20, 1 << 21, 1 << 22, 1 << 23].map(|n| n - 1..n + 2);
        for total in (1..5000).chain(large.into_iter().flatten()) {
            for lanes in [1, 2, 4, 8] {
                let shape = Shape::with(total, lanes);
                let threads = shape.blocks as usize * shape.threads as usize;
                let (vectors, rest) = (total / lanes, total % lanes);
                // Only what is not guarded has several vectors for a thread, and then as many as there are.
                match shape.guarded {
                    true => assert!(
                        shape.unroll == 1 && threads >= vectors + rest,
                        "{total} {lanes}"
                    ),
                    false => assert_eq!(
                        (threads * shape.unroll, rest),
                        (vectors, 0),
                        "{total} {lanes}"
                    ),
                }
            }
        }
    }
}
