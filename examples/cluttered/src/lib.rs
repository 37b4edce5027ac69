//! Digits in clutter: 32x32 images drawn from a seed, each with one whole digit among pieces of
//! others. See README.md beside this package.

pub mod data;
pub mod difficulty;
pub mod digits;
pub mod draw;
pub mod random;
