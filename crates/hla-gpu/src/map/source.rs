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
    /// Rows that are chosen by numbers in memory.
    pub indices: Option<Indices>,
}

/// Rows of a place that are chosen by numbers in memory. A number that is no row is a mistake of the
/// program; the nearest row is read then.
#[derive(Clone, PartialEq, Debug)]
pub struct Indices {
    /// Where the numbers are, of i32.
    pub from: Strided,
    /// How many rows there are.
    pub rows: usize,
    /// Elements between rows.
    pub stride: i64,
}

impl Piece {
    /// A place that is read in the whole domain.
    pub fn whole(from: Strided) -> Piece {
        Piece {
            from,
            bounds: Vec::new(),
            indices: None,
        }
    }

    /// What is read, each with strides over the domain.
    pub fn parts(&self) -> impl Iterator<Item = &Strided> {
        std::iter::once(&self.from).chain(self.indices.iter().map(|i| &i.from))
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut Strided> {
        std::iter::once(&mut self.from).chain(self.indices.iter_mut().map(|i| &mut i.from))
    }

    /// How many arguments of a kernel it takes.
    pub fn arguments(&self) -> usize {
        1 + usize::from(self.indices.is_some())
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
            [
                Piece {
                    from,
                    bounds,
                    indices: None,
                },
            ] if bounds.is_empty() => Some(from),
            _ => None,
        }
    }

    /// All places, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        let parts = self.pieces.iter().flat_map(Piece::parts);
        parts.map(|from| &from.place)
    }

    /// How many arguments of a kernel it takes.
    pub fn arguments(&self) -> usize {
        self.pieces.iter().map(Piece::arguments).sum()
    }
}
