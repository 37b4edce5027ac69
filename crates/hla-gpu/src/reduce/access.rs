//! Where the elements of an operand are.

use hla_ir::TensorType;

use crate::Text;
use crate::int::{Int, Ints};
use crate::lower::chain::Strided;
use crate::text::{memref, stored, vector};

/// What neighbours along an extent are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Neighbours {
    /// Neighbours in memory.
    Contiguous,
    /// The same element.
    Same,
    /// Anything.
    Each,
}

/// An operand that is read over [outer, axis, inner].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Access {
    strides: [i64; 3],
    start: i64,
    /// Bytes of which the address is a multiple.
    alignment: usize,
    /// The whole operand as one dimension.
    ty: TensorType,
}

/// The most bytes that a thread reads at once.
const WORD: usize = 16;

impl Access {
    pub fn new(operand: &Strided) -> Access {
        let stride = |i: usize| operand.strides.get(i).copied().unwrap_or(0);
        Access {
            strides: [stride(0), stride(1), stride(2)],
            start: operand.start,
            alignment: operand.place.alignment() as usize,
            ty: operand.place.flat().ty,
        }
    }

    /// Whether elements are neighbours in memory along an extent, and vectors of so many begin at
    /// a multiple of their bytes if their positions are multiples of their length.
    pub fn is_contiguous(&self, along: usize, lanes: usize) -> bool {
        let multiple = |v: i64| v % lanes as i64 == 0;
        let others = (0..3).filter(|&d| d != along);
        self.strides[along] == 1
            && multiple(self.start)
            && others.into_iter().all(|d| multiple(self.strides[d]))
            && self.alignment.is_multiple_of(self.vector_alignment(lanes))
    }

    fn neighbours(&self, along: usize, lanes: usize) -> Neighbours {
        match self.strides[along] {
            0 => Neighbours::Same,
            _ if self.is_contiguous(along, lanes) => Neighbours::Contiguous,
            _ => Neighbours::Each,
        }
    }

    /// Bytes of which the addresses of vectors are multiples.
    fn vector_alignment(&self, lanes: usize) -> usize {
        (self.ty.dtype.bytes() * lanes).min(WORD)
    }

    /// The place of the element at a position.
    fn place(&self, t: &mut Text, ints: Ints, at: &[Int; 3]) -> String {
        let mut place = Int::Known(self.start);
        for (at, &stride) in at.iter().zip(&self.strides) {
            let part = ints.scale(t, at, stride);
            place = ints.add(t, &place, &part);
        }
        ints.index(t, &place)
    }

    /// Reads `lanes` elements that follow each other along an extent.
    pub fn load(
        &self,
        t: &mut Text,
        ints: Ints,
        (along, lanes): (usize, usize),
        memory: &str,
        at: &[Int; 3],
    ) -> String {
        let (element, flat) = (stored(self.ty.dtype), memref(&self.ty));
        let one = |t: &mut Text, at: &[Int; 3]| {
            let place = self.place(t, ints, at);
            t.op(format_args!("memref.load {memory}[{place}] : {flat}"))
        };
        if lanes == 1 {
            return one(t, at);
        }
        let result = vector(lanes, element);
        match self.neighbours(along, lanes) {
            Neighbours::Contiguous => {
                let place = self.place(t, ints, at);
                let alignment = self.vector_alignment(lanes);
                t.op(format_args!(
                    "vector.load {memory}[{place}] {{alignment = {alignment} : i64}} : {flat}, {result}"
                ))
            }
            Neighbours::Same => {
                let value = one(t, at);
                t.op(format_args!(
                    "vector.broadcast {value} : {element} to {result}"
                ))
            }
            Neighbours::Each => {
                let mut values = Vec::with_capacity(lanes);
                for lane in 0..lanes {
                    let mut at = at.clone();
                    at[along] = ints.add(t, &at[along], &Int::Known(lane as i64));
                    values.push(one(t, &at));
                }
                let values = values.join(", ");
                t.op(format_args!("vector.from_elements {values} : {result}"))
            }
        }
    }

    /// The operand's elements as an affine map from (d0, d1, d2).
    pub fn map(&self) -> String {
        let terms = self.strides.iter().enumerate();
        let mut terms: Vec<String> = terms
            .filter(|(_, s)| **s != 0)
            .map(|(d, s)| format!("d{d} * {s}"))
            .collect();
        terms.push(self.start.to_string());
        terms.join(" + ")
    }
}

/// The alignment of vectors of a value that begins at a multiple of [`WORD`] bytes.
pub(super) fn store_alignment(ty: &TensorType, lanes: usize) -> usize {
    (ty.dtype.bytes() * lanes).min(WORD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{Place, Slot};

    fn access(strides: [i64; 3], offset: u64) -> Access {
        let place = Place {
            slot: Slot::Temp(0),
            offset,
            ty: TensorType::f32([72]),
        };
        Access::new(&Strided {
            place,
            strides: strides.to_vec(),
            start: 0,
        })
    }

    #[test]
    fn vectors_need_neighbours_and_alignment() {
        assert!(access([12, 1, 0], 0).is_contiguous(1, 4));
        assert!(!access([12, 1, 0], 0).is_contiguous(1, 8));
        assert!(!access([12, 1, 0], 8).is_contiguous(1, 4));
        assert!(access([12, 1, 0], 8).is_contiguous(1, 2));
        assert_eq!(access([1, 0, 0], 0).neighbours(1, 4), Neighbours::Same);
        assert_eq!(access([9, 1, 0], 0).neighbours(1, 4), Neighbours::Each);
        assert_eq!(access([12, 1, 0], 0).map(), "d0 * 12 + d1 * 1 + 0");
    }
}
