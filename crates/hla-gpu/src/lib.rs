//! From a function of the tensor IR to kernels for a GPU and the plan that launches them.
//!
//! Kernels are text: each in MLIR's gpu dialect, as it goes on to PTX, and in linalg on memrefs, as a
//! reader understands it and as any other tool can run it. Nothing here links LLVM; making PTX of
//! the text is the business of `hla-mlir`.
//!
//! - [`kernel`] is what every kernel is made of, [`text`] writes MLIR;
//! - [`body`] is the arithmetic of fused elementwise ops.

pub mod body;
pub mod kernel;
pub mod text;

pub use body::{Body, BodyOp, BodyValue};
pub use kernel::KernelCode;
pub use text::Text;
