//! The tensor IR of hlac: TOSA plus the `hla` dialect, held as Rust data.
//!
//! - [`ops`] declares every op once; [`op`] says what a declaration is made of;
//! - [`graph`] holds modules and functions, [`rewrite`] builds new functions from old ones;
//! - [`infer`] infers shapes, [`verify`] checks functions, [`cost`] counts multiplications;
//! - [`mod@decompose`] rewrites ops of training into TOSA;
//! - [`mod@print`] writes a module as MLIR text in generic form, without any MLIR library;
//! - [`types`], [`tensor`], [`attr`], [`layout`], [`diagnostic`] are what these are made of.
//!
//! With the feature `testing`, `testing` makes functions for property tests.
//!
//! Nothing here links LLVM. Reading MLIR is the business of `hla-mlir`.

pub mod attr;
pub mod cost;
pub mod decompose;
pub mod diagnostic;
pub mod graph;
pub mod infer;
pub mod layout;
pub mod op;
pub mod ops;
pub mod print;
pub mod rewrite;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod types;
pub mod verify;

pub use attr::{Attr, Attrs};
pub use diagnostic::{Diagnostic, Location, Severity};
pub use graph::{Arg, Def, Function, Module, Node, NodeId, Value, ValueId};
pub use layout::Layout;
pub use ops::Op;
pub use rewrite::Rewriter;
pub use tensor::Tensor;
pub use types::{DType, TensorType, Type};
