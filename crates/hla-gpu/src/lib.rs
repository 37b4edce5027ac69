//! From a function of the tensor IR to kernels for a GPU and the plan that launches them.
//!
//! Kernels are text: each in MLIR's gpu dialect, as it goes on to PTX, and in linalg on memrefs, as a
//! reader understands it and as any other tool can run it. Nothing here links LLVM; making PTX of
//! the text is the business of `hla-mlir`.
//!
//! - [`lower`](mod@lower) is the whole way from functions to a program; its [`Lowering`] is what modules
//!   of kernels work with;
//! - [`kernel`] is what every kernel is made of, [`text`] writes MLIR;
//! - [`map`] computes elementwise ops, `reduce` reductions, [`contraction`] matrix products and
//!   convolutions, `movement` moves data;
//! - [`body`] is the arithmetic of fused elementwise ops, [`lower::chain`] where it reads from.
//!
//! # How a module of kernels is written
//! It has a function `lower(cx: &mut Lowering<'_>, …) -> Result<(), Diagnostic>` that
//! - asks for the [`Place`]s of operands ([`Lowering::operand`]) and results ([`Lowering::result`]),
//!   and for scratch memory ([`Lowering::temp`]);
//! - writes a [`KernelCode`] for the types of these places: a place may be reshaped, flattened, or cut
//!   into parts, and what it then is the kernel has as a memref;
//! - adds launches ([`Lowering::launch`]), copies and fills, which run in the order in which they are
//!   added.
//!
//! Elementwise ops come as a [`Chain`]: a [`Body`] over a domain, and for each of its inputs a place
//! with strides over the domain's dimensions. A reduction has one over its [`Domain`] (outer, axis,
//! inner), with one result for each reduction of the group; a contraction has one over the
//! dimensions of its result, in which input 0 of the body is its own result, rounded to its type.

pub mod body;
mod codes;
pub mod contraction;
mod function;
mod generic;
mod int;
pub mod kernel;
pub mod lower;
pub mod map;
mod movement;
pub mod options;
mod pointwise;
mod quantize;
mod reduce;
mod scatter;
pub mod text;
mod threshold;
mod window;

pub use body::{Body, BodyOp, BodyValue};
pub use hla_partition::{Domain, Group, Kind};
pub use kernel::KernelCode;
pub use lower::chain::{Chain, Strided};
pub use lower::{Arg, Lowered, Lowering, Place, Slot, lower, lower_program};
pub use options::{GpuOptions, Precision};
pub use text::Text;
