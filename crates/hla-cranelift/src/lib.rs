//! Code generation for x86-64 and aarch64 through Cranelift.
//!
//! A function is lowered to a list of kernels over planned buffers (`lower`), each kernel is one
//! internal function over the items of its parallel dimension ([`kernel`]), and the whole becomes
//! an object with a C header ([`compile`]) or code in memory ([`jit`](mod@jit)).
//!
//! - `map`: fused elementwise ops;
//! - `copy`: ops that only move data;
//! - `reduce`, `window`: reductions and pooling;
//! - `quantize`: quantization at run time, 2-bit codes;
//! - `contraction`: float convolutions and matrix products; `ternary`: those with ternary
//!   weights;
//! - [`target`]: processors and their features; [`options`]: what the user may choose;
//! - `codegen`, [`object`], `header`, [`report`], [`metadata`]: what comes out.
//!
//! Generated code calls no library, allocates nothing, and gives the same bits on both processors
//! and for any number of threads (the bits of a NaN excepted).

mod codegen;
mod contraction;
mod copy;
mod header;
pub mod jit;
pub mod kernel;
mod lower;
mod map;
mod math;
pub mod metadata;
pub mod object;
pub mod options;
mod quantize;
mod reduce;
pub mod report;
pub mod target;
mod ternary;
mod window;

pub use jit::{JitProgram, StepJit, jit, jit_step};
pub use lower::Lowering;
pub use object::{Artifact, compile};
pub use options::{CodegenOptions, TernaryStrategy};
pub use report::CompileReport;
pub use target::Target;
