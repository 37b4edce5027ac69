//! How the elements of a value lie in memory.

use hla_ir::types::row_major_strides;
use hla_ir::{DType, Layout, TensorType};

use super::Buffer;

/// A value in memory.
#[derive(Clone, PartialEq, Debug)]
pub struct View {
    /// Where its first byte is, that of the halo included.
    pub buffer: Buffer,
    /// Its logical type.
    pub ty: TensorType,
    /// How its bytes are arranged. Whoever writes a planar value writes its halo too.
    pub layout: Layout,
}

impl View {
    /// A dense row-major value.
    pub fn row_major(buffer: Buffer, ty: TensorType) -> View {
        View {
            buffer,
            ty,
            layout: Layout::RowMajor,
        }
    }

    /// Element type in memory.
    pub fn element(&self) -> DType {
        match self.layout {
            Layout::RowMajor => self.ty.dtype,
            Layout::Planar { element, .. } => element,
        }
    }

    /// Extents of the bytes in memory, halo included: as the type's, or [N, C, rows, columns].
    pub fn storage_shape(&self) -> Vec<usize> {
        match self.layout {
            Layout::RowMajor => self.ty.shape.clone(),
            Layout::Planar { halo, .. } => {
                let [t, b, l, r] = halo.map(usize::from);
                let s = &self.ty.shape;
                vec![s[0], s[3], t + s[1] + b, l + s[2] + r]
            }
        }
    }

    /// Elements in memory, halo included.
    pub fn storage_elements(&self) -> usize {
        self.storage_shape().iter().product()
    }

    /// Bytes in memory, halo included.
    pub fn bytes(&self) -> u64 {
        (self.storage_elements() * self.element().bytes()) as u64
    }

    /// Distance in elements between neighbours along each logical dimension.
    pub fn strides(&self) -> Vec<usize> {
        match self.layout {
            Layout::RowMajor => self.ty.strides(),
            Layout::Planar { .. } => {
                let s = row_major_strides(&self.storage_shape());
                vec![s[0], s[2], s[3], s[1]]
            }
        }
    }

    /// Where the first logical element is: past the halo above and to the left.
    pub fn origin(&self) -> Buffer {
        match self.layout {
            Layout::RowMajor => self.buffer,
            Layout::Planar { halo, element } => {
                let row = self.storage_shape()[3];
                let elements = usize::from(halo[0]) * row + usize::from(halo[2]);
                self.buffer.at((elements * element.bytes()) as u64)
            }
        }
    }
}
