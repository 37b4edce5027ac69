//! Convolutions and matrix products, their gradients, and the ternary ones of inference.
//!
//! Every one but the depthwise ones is a matrix product over `view`s of its operands: what is
//! multiplied with what is a matter of where an element of a matrix lies.
//!
//! - `op` turns ops into matrix products, `epilogue` is what becomes of their sums;
//! - `tensor` multiplies on tensor cores: `tile` by tile, brought to shared memory by
//!   `staging`, from there to registers by `fragment`, and by `codes` if weights are packed;
//!   `phases` leaves out the products with zeros that strides put between pixels;
//! - `plain` multiplies any shape and type without them, `depthwise` is by itself;
//! - `combine` adds up the parts of sums that were divided among blocks;
//! - `lower` is where the lowering of a function calls in, `linalg` writes the same with ops of
//!   linalg;
//! - `index` and `memory` write arithmetic on places, loads and stores.
//!
//! Each sum has one order, whatever the device: no atomics. See `docs/gpu-kernels.md`.

mod codes;
mod combine;
mod depthwise;
mod epilogue;
mod fragment;
mod gemm;
mod index;
mod linalg;
mod lower;
mod memory;
mod op;
mod phases;
mod plain;
mod staging;
mod tensor;
mod tile;
mod view;

pub use epilogue::{Epilogue, Extra, Finish};
pub(crate) use lower::{can_follow, is_contraction, is_read_in_place, lower};
pub use op::{Contraction, Kernels, Values};
