//! The dimensions of a map, merged where that changes nothing.

use super::source::{Piece, Source};
use crate::lower::Place;
use crate::lower::chain::Strided;

/// A domain and what is read over it.
#[derive(Clone, PartialEq, Debug)]
pub struct Nest {
    /// Extents, outermost first; at least one. In this order the results are row-major.
    pub extents: Vec<usize>,
    /// The inputs, with strides over these dimensions.
    pub sources: Vec<Source>,
}

impl Nest {
    /// Leaves out dimensions of one element, and merges neighbours that every source walks through
    /// as if they were one.
    pub fn new(extents: Vec<usize>, mut sources: Vec<Source>) -> Nest {
        let mut merged: Vec<usize> = Vec::new();
        // For each merged dimension, the last of its own.
        let mut last: Vec<usize> = Vec::new();
        let bounded = |sources: &[Source], d: usize| {
            let mut bounds = sources.iter().flat_map(|s| &s.pieces);
            bounds.any(|p| p.bounds.iter().any(|b| b.dim == d))
        };
        for (d, &extent) in extents.iter().enumerate() {
            let free = !bounded(&sources, d);
            if extent == 1 && free {
                continue;
            }
            let joins = last.last().is_some_and(|&outer| {
                free && !bounded(&sources, outer)
                    && parts(&sources).all(|p| p.strides[outer] == p.strides[d] * extent as i64)
            });
            match (joins, merged.last_mut(), last.last_mut()) {
                (true, Some(whole), Some(outer)) => {
                    *whole *= extent;
                    *outer = d;
                }
                _ => {
                    merged.push(extent);
                    last.push(d);
                }
            }
        }
        for piece in sources.iter_mut().flat_map(|s| &mut s.pieces) {
            for part in piece.parts_mut() {
                part.strides = last.iter().map(|&d| part.strides[d]).collect();
            }
            for bound in &mut piece.bounds {
                bound.dim = last.iter().position(|&d| d == bound.dim).unwrap_or(0);
            }
        }
        if merged.is_empty() {
            merged.push(1);
            for piece in sources.iter_mut().flat_map(|s| &mut s.pieces) {
                piece.parts_mut().for_each(|part| part.strides.push(0));
            }
        }
        Nest {
            extents: merged,
            sources,
        }
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.extents.iter().product()
    }

    /// Extent of the innermost dimension.
    pub fn inner(&self) -> usize {
        self.extents[self.extents.len() - 1]
    }

    /// Strides of a row-major result.
    pub fn dense(&self) -> Vec<i64> {
        let strides = hla_ir::types::row_major_strides(&self.extents);
        strides.into_iter().map(|s| s as i64).collect()
    }

    /// The places that are read, in the order of the kernel's arguments.
    pub fn places(&self) -> Vec<Place> {
        let places = self.sources.iter().flat_map(Source::places);
        places.cloned().collect()
    }
}

/// All that is read.
fn parts(sources: &[Source]) -> impl Iterator<Item = &Strided> {
    sources
        .iter()
        .flat_map(|s| &s.pieces)
        .flat_map(Piece::parts)
}

#[cfg(test)]
mod tests {
    use hla_ir::TensorType;

    use super::super::source::Bound;
    use super::*;
    use crate::lower::Slot;

    fn piece(shape: &[usize]) -> Piece {
        Piece::whole(Strided::broadcast(Place {
            slot: Slot::Input(0),
            offset: 0,
            ty: TensorType::f32(shape),
        }))
    }

    fn extents(inputs: &[&[usize]], domain: &[usize]) -> Vec<usize> {
        let sources = inputs.iter().map(|s| piece(s).into()).collect();
        Nest::new(domain.to_vec(), sources).extents
    }

    #[test]
    fn dimensions_merge() {
        assert_eq!(extents(&[&[2, 3, 4], &[2, 3, 4]], &[2, 3, 4]), [24]);
        assert_eq!(extents(&[&[2, 3, 4], &[1, 1, 4]], &[2, 3, 4]), [6, 4]);
        assert_eq!(extents(&[&[2, 3, 4], &[1, 3, 1]], &[2, 3, 4]), [2, 3, 4]);
        assert_eq!(extents(&[&[1, 1, 1]], &[1, 1, 1]), [1]);
        assert_eq!(extents(&[&[]], &[]), [1]);
    }

    #[test]
    fn bounded_dimensions_stay_apart() {
        let mut bounded = piece(&[2, 3, 4, 5]);
        bounded.bounds.push(Bound {
            dim: 1,
            low: 1,
            high: 3,
        });
        let nest = Nest::new(vec![2, 3, 4, 5], vec![bounded.into()]);
        assert_eq!(nest.extents, [2, 3, 20]);
        assert_eq!(nest.sources[0].pieces[0].bounds[0].dim, 1);
    }
}
