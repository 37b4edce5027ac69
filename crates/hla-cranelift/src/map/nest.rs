//! The loops over the elements of an elementwise kernel.
//!
//! Dimensions are sorted as they lie in the result's memory, and neighbours that every operand
//! walks through as if they were one are merged, so that most kernels have one or two loops.

use hla_ir::Layout;

use crate::kernel::View;

/// One loop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dim {
    /// Iterations.
    pub extent: i64,
    /// Bytes between neighbours, for each operand and then for each result; 0 where broadcast.
    pub strides: Vec<i64>,
}

/// The loops, outermost first; at least one, whose innermost strides are an element or 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Nest {
    pub dims: Vec<Dim>,
    /// How many outer loops count the planes of a planar result.
    pub plane_dims: usize,
}

impl Nest {
    /// The loops for operands broadcast to results of one shape and layout.
    pub fn new(operands: &[&View], results: &[&View]) -> Nest {
        let result = results[0];
        let rank = result.ty.rank();
        let views: Vec<&View> = operands.iter().chain(results).copied().collect();
        let strides: Vec<Vec<usize>> = views.iter().map(|v| v.strides()).collect();
        let mut order: Vec<usize> = (0..rank).collect();
        order.sort_by_key(|&d| (std::cmp::Reverse(strides[views.len() - 1][d]), d));
        let planar = result.layout != Layout::RowMajor;
        let is_spatial = |d: usize| planar && (d == 1 || d == 2);
        let mut dims: Vec<Dim> = Vec::new();
        let mut plane_dims = None;
        for d in order {
            if is_spatial(d) && plane_dims.is_none() {
                plane_dims = Some(dims.len());
            }
            let extent = result.ty.shape[d] as i64;
            if extent == 1 {
                continue;
            }
            let strides: Vec<i64> = views
                .iter()
                .zip(&strides)
                .map(|(v, s)| match v.ty.shape[d] {
                    1 => 0,
                    _ => (s[d] * v.element().bytes()) as i64,
                })
                .collect();
            // Merge with the loop outside if that one's stride is this whole loop, everywhere.
            if plane_dims != Some(dims.len())
                && let Some(outer) = dims.last_mut()
                && outer
                    .strides
                    .iter()
                    .zip(&strides)
                    .all(|(o, s)| *o == s * extent)
            {
                outer.extent *= extent;
                outer.strides = strides;
            } else {
                dims.push(Dim { extent, strides });
            }
        }
        let plane_dims = plane_dims.unwrap_or(0);
        if dims.len() == plane_dims {
            dims.push(Dim {
                extent: (result.ty.elements() as i64).min(1),
                strides: vec![0; views.len()],
            });
        }
        Nest { dims, plane_dims }
    }

    /// Whether operand `i` (or the result) walks element by element through the innermost loop.
    pub fn is_dense(&self, i: usize, bytes: usize) -> bool {
        self.dims
            .last()
            .is_some_and(|d| d.strides[i] == bytes as i64)
    }

    /// Whether operand `i` stays where it is in the innermost loop.
    pub fn is_fixed(&self, i: usize) -> bool {
        self.dims.last().is_some_and(|d| d.strides[i] == 0)
    }

    /// Extent of the innermost loop.
    pub fn inner(&self) -> &Dim {
        &self.dims[self.dims.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use hla_ir::TensorType;

    use super::*;
    use crate::kernel::{Buffer, Slot};

    fn view(shape: &[usize]) -> View {
        View::row_major(Buffer::new(Slot::State), TensorType::f32(shape))
    }

    fn extents(operands: &[&[usize]], result: &[usize]) -> Vec<i64> {
        let operands: Vec<View> = operands.iter().map(|s| view(s)).collect();
        let operands: Vec<&View> = operands.iter().collect();
        let nest = Nest::new(&operands, &[&view(result)]);
        nest.dims.iter().map(|d| d.extent).collect()
    }

    #[test]
    fn loops_merge() {
        assert_eq!(extents(&[&[2, 3, 4], &[2, 3, 4]], &[2, 3, 4]), [24]);
        assert_eq!(extents(&[&[2, 3, 4], &[1, 1, 4]], &[2, 3, 4]), [6, 4]);
        assert_eq!(extents(&[&[2, 3, 4], &[1, 3, 1]], &[2, 3, 4]), [2, 3, 4]);
        assert_eq!(extents(&[&[1, 1, 1]], &[1, 1, 1]), [1]);
        assert_eq!(extents(&[&[]], &[]), [1]);
    }
}
