//! From PTX text to its statements. Nothing here knows what an instruction does.

pub mod lex;
mod operand;
pub mod parse;
pub mod syntax;

pub use parse::module;
pub use syntax::*;
