//! Where the inputs of a map are.

use hla_ir::DType;

use crate::lower::Place;
use crate::lower::chain::Strided;

/// The coordinates along one dimension of a domain for which a piece is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The dimension.
    pub dim: usize,
    /// The first coordinate.
    pub low: usize,
    /// One past the last.
    pub high: usize,
}

/// A part of the domain that is read from one place.
#[derive(Clone, PartialEq, Debug)]
pub struct Piece {
    /// Where from; strides and start hold for coordinates of the whole domain, so the start may be
    /// negative.
    pub from: Strided,
    /// Which part; the whole domain without any.
    pub bounds: Vec<Bound>,
}

impl Piece {
    /// A place that is read in the whole domain.
    pub fn whole(from: Strided) -> Piece {
        Piece {
            from,
            bounds: Vec::new(),
        }
    }
}

/// An input of a map: the first piece that has the element, or else a number.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// What stands where there is no piece, if there is such a part of the domain.
    pub otherwise: Option<Number>,
}

/// A number of an element type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// Of a float type.
    Float(f32),
    /// Of an integer type.
    Int(i64),
}

impl From<Piece> for Source {
    fn from(piece: Piece) -> Source {
        Source {
            pieces: vec![piece],
            otherwise: None,
        }
    }
}

impl Source {
    /// The element type.
    pub fn dtype(&self) -> DType {
        self.pieces[0].from.place.ty.dtype
    }

    /// The only piece, if it is read in the whole domain.
    pub fn only(&self) -> Option<&Strided> {
        match &self.pieces[..] {
            [Piece { from, bounds }] if bounds.is_empty() => Some(from),
            _ => None,
        }
    }

    /// All places, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.pieces.iter().map(|p| &p.from.place)
    }
}
