//! Pooling over windows of an NHWC image, and its gradients.
//!
//! Each thread has a few channels of one element of the result and visits what that depends on: a
//! pool its window, a gradient all windows that its element lies in. So nothing is added to by two
//! threads, and sums run in the order of the reference. Where the windows of a max-pool overlap, its
//! gradient has two kernels: the first notes which tap of each window is the maximum.

mod average;
mod geometry;
mod gradient;
mod pool;
mod winner;

pub(crate) use gradient::lower as lower_gradient;
pub(crate) use pool::lower;
