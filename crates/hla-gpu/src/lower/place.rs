//! Where values are, before the arena is planned.

use hla_ir::{DType, TensorType};
use hla_runtime::plan::{ALIGNMENT, Access};

/// A run of memory that is known by a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Slot {
    /// The value that an input has when the function begins.
    Input(u32),
    /// What an output is to hold. If the output updates an input, it lies where that input lies.
    Output(u32),
    /// A buffer of the arena.
    Temp(u32),
    /// A constant.
    Constant(u32),
}

/// A value in memory, or a part of it: row-major without gaps, `i1` as one byte.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// What the offset counts from.
    pub slot: Slot,
    /// Bytes from there.
    pub offset: u64,
    /// Shape and element type. A kernel that is given this place has a memref of this type as the
    /// argument ([`crate::text::memref`]).
    pub ty: TensorType,
}

impl Place {
    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.ty.bytes() as u64
    }

    /// The same bytes in another shape with as many elements.
    pub fn reshaped(&self, shape: impl Into<Vec<usize>>) -> Place {
        let ty = TensorType {
            shape: shape.into(),
            dtype: self.ty.dtype,
        };
        debug_assert_eq!(ty.elements(), self.ty.elements());
        Place { ty, ..self.clone() }
    }

    /// The same bytes in one dimension.
    pub fn flat(&self) -> Place {
        self.reshaped([self.ty.elements()])
    }

    /// The same bytes as elements of another type, in one dimension.
    pub fn flat_as(&self, dtype: DType) -> Place {
        let ty = TensorType {
            shape: vec![self.ty.bytes() / dtype.bytes()],
            dtype,
        };
        Place { ty, ..self.clone() }
    }

    /// A part in one dimension: so many elements, from an element on.
    pub fn part(&self, start: usize, elements: usize) -> Place {
        let dtype = self.ty.dtype;
        Place {
            slot: self.slot,
            offset: self.offset + (start * dtype.bytes()) as u64,
            ty: TensorType {
                shape: vec![elements],
                dtype,
            },
        }
    }

    /// Bytes of which the address is known to be a multiple, at most [`ALIGNMENT`].
    pub fn alignment(&self) -> u64 {
        match self.offset {
            0 => ALIGNMENT,
            offset => ALIGNMENT.min(1 << offset.trailing_zeros()),
        }
    }

    /// An argument that a kernel reads.
    pub fn read(&self) -> Arg {
        self.arg(Access::Read)
    }

    /// An argument of which a kernel writes every byte.
    pub fn write(&self) -> Arg {
        self.arg(Access::Write)
    }

    /// An argument that a kernel reads and writes, or of which it writes some bytes.
    pub fn update(&self) -> Arg {
        self.arg(Access::ReadWrite)
    }

    fn arg(&self, access: Access) -> Arg {
        Arg {
            place: self.clone(),
            access,
        }
    }
}

/// An argument of a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arg {
    /// What it points to, and the type of the memref.
    pub place: Place,
    /// What is done there.
    pub access: Access,
}
