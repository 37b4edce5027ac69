//! What a reduction runs over: a value seen as [outer, axis, inner].

use std::ops::Range;

use hla_ir::types::row_major_strides;
use hla_ir::{Function, Node, TensorType};

/// Extents of a value around the axis of a reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain {
    /// Elements before the axis.
    pub outer: i64,
    /// Elements along the axis.
    pub axis: i64,
    /// Elements after the axis.
    pub inner: i64,
}

impl Domain {
    /// The domain of a node that reduces along an axis.
    pub fn of(function: &Function, node: &Node) -> Option<Domain> {
        let shape = &function.ty(node.operands[0]).tensor()?.shape;
        let axis = usize::try_from(node.attrs.i64("axis").unwrap_or(0)).ok()?;
        let product = |shape: &[usize]| shape.iter().product::<usize>() as i64;
        Some(Domain {
            outer: product(shape.get(..axis)?),
            axis: *shape.get(axis)? as i64,
            inner: product(shape.get(axis + 1..)?),
        })
    }

    /// How many elements there are.
    pub fn elements(&self) -> i64 {
        self.outer * self.axis * self.inner
    }

    /// The dimensions of a tensor of as many elements that make up outer, axis and inner; `None` if
    /// one of them crosses a border.
    fn regions(&self, shape: &[usize]) -> Option<[Range<usize>; 3]> {
        let mut start = shape.len();
        let mut take = |extent: i64| {
            let end = start;
            let mut product = 1;
            while product < extent {
                start = start.checked_sub(1)?;
                product *= shape[start] as i64;
            }
            (product == extent).then_some(start..end)
        };
        let inner = take(self.inner)?;
        let axis = take(self.axis)?;
        let outer = 0..start;
        let rest: usize = shape[outer.clone()].iter().product();
        (self.elements() > 0 && rest as i64 == self.outer).then_some([outer, axis, inner])
    }

    /// Whether a tensor of this shape can be walked through as the domain.
    pub fn fits(&self, shape: &[usize]) -> bool {
        self.regions(shape).is_some()
    }

    /// Bytes between neighbours along outer, axis and inner of an operand that broadcasts to a
    /// shape; `None` if a single stride does not say it.
    pub fn strides(&self, shape: &[usize], operand: &TensorType) -> Option<[i64; 3]> {
        let bytes = operand.dtype.bytes();
        if operand.elements() as i64 == self.elements() {
            return Some(self.dense(bytes));
        }
        let own = row_major_strides(&operand.shape);
        let regions = self.regions(shape)?;
        if operand.rank() != shape.len() {
            return None;
        }
        let mut strides = [0; 3];
        for (stride, region) in strides.iter_mut().zip(regions) {
            let mut dims = region.filter(|&d| shape[d] > 1).peekable();
            let broadcast = dims.peek().is_none_or(|&d| operand.shape[d] == 1);
            for d in dims {
                if broadcast != (operand.shape[d] == 1) {
                    return None;
                }
                if !broadcast {
                    *stride = (own[d] * bytes) as i64;
                }
            }
        }
        Some(strides)
    }

    /// Strides of a dense value.
    pub fn dense(&self, bytes: usize) -> [i64; 3] {
        let bytes = bytes as i64;
        [self.axis * self.inner * bytes, self.inner * bytes, bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strides(domain: [i64; 3], shape: &[usize], operand: &[usize]) -> Option<[i64; 3]> {
        let [outer, axis, inner] = domain;
        Domain { outer, axis, inner }.strides(shape, &TensorType::f32(operand))
    }

    #[test]
    fn broadcast_operands_have_one_stride_in_each_region() {
        // Sums over the pixels of an image.
        let pixels = [1, 2 * 3 * 5, 8];
        let image = [2, 3, 5, 8];
        assert_eq!(strides(pixels, &image, &image), Some([960, 32, 4]));
        assert_eq!(strides(pixels, &image, &[1, 1, 1, 8]), Some([0, 0, 4]));
        assert_eq!(strides(pixels, &image, &[1, 1, 1, 1]), Some([0, 0, 0]));
        assert_eq!(strides(pixels, &image, &[2, 3, 5, 1]), Some([0, 4, 0]));
        // One number an image: not one stride along all pixels.
        assert_eq!(strides(pixels, &image, &[2, 1, 1, 8]), None);
        // Sums over the entries of columns.
        let rows = [16, 36, 1];
        assert_eq!(
            strides(rows, &[16, 3, 3, 4], &[16, 1, 1, 1]),
            Some([4, 0, 0])
        );
    }

    #[test]
    fn dimensions_that_cross_a_border_do_not_fit() {
        let domain = Domain {
            outer: 2,
            axis: 6,
            inner: 2,
        };
        assert!(domain.fits(&[2, 2, 3, 2]));
        assert!(domain.fits(&[1, 2, 6, 1, 2]));
        assert!(!domain.fits(&[4, 6]));
        assert!(!domain.fits(&[2, 6, 3]));
    }
}
