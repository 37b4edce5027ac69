//! The arithmetic of ternary quantization on arrays. It knows no graph.
//!
//! Equations are those of *Hyperspherical Loss-Aware Ternary Quantization* (arXiv 2212.12649).
//! A weight matrix W has n columns w_j, one for each output channel, of m entries, the fan-in. Here
//! it is an array of n **rows**: row j holds column w_j, which is how OHWI weights lie in memory.
//!
//! - [`threshold`]: where a weight becomes zero: T(t) of Eq. 8, for a layer or for many, and TWN's;
//! - [`ternary`]: the ternary quantizer of Eq. 4–5 and its scales;
//! - [`similarity`]: cosine similarity and the loss L_d of Eq. 7;
//! - [`pack`]: 2-bit codes; [`int8`]: symmetric 8-bit activations; [`entropy`]: bits per weight.

pub mod entropy;
pub mod int8;
pub mod pack;
pub mod similarity;
pub mod ternary;
pub mod threshold;

/// Why numbers cannot be quantized or codes cannot be read.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// A weight is NaN or infinite.
    #[error("weight {index} is {value}")]
    NotFinite {
        /// Index in row-major order.
        index: usize,
        /// The weight.
        value: f32,
    },
    /// A column's scale is beyond f32.
    #[error("the scale of column {column} is beyond what f32 can hold")]
    ScaleOverflow {
        /// Index of the column.
        column: usize,
    },
    /// A value to pack is not −1, 0 or 1.
    #[error("value {index} is {value}, which is not -1, 0 or 1")]
    NotTernary {
        /// Index in row-major order.
        index: usize,
        /// The value.
        value: i64,
    },
    /// A 2-bit code is 11.
    #[error("code {index} is 11, which stands for no value")]
    InvalidCode {
        /// Index in row-major order of the unpacked values.
        index: usize,
    },
    /// A bit after the last code of a row is set.
    #[error("row {row} has bits set after its last code")]
    DirtyPadding {
        /// Index of the row.
        row: usize,
    },
    /// The number of bytes or values does not fit the shape.
    #[error("{what}: {expected} are needed, but {found} are there")]
    WrongLength {
        /// What is counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}
