//! The numeric suite: small functions with inputs, which every backend runs and compares with
//! [`crate::evaluate`].
//!
//! Each op stands in every element type that backends must support, with odd extents, strides,
//! dilations, asymmetric padding, batches, broadcasting on either side, ranks 0 to 5, and special
//! values where TOSA defines the result; whole small networks come last. Inputs are pseudo-random
//! from fixed seeds. *Grid* inputs are multiples of ¼ between −2 and 2: sums and products of a few
//! hundred of them are exact in f32, so such a case is held to the bit whatever the order of
//! summation.

mod contraction;
mod conversion;
mod elementwise;
mod generate;
mod gradient;
mod movement;
mod networks;
mod pooling;
mod quantization;
mod random;
mod random_network;
mod reduction;
mod special;
mod ternary;
mod training;

use hla_ir::{Function, Tensor};

pub use random::random_case;
pub use random_network::random_network;

use crate::tolerance::Tolerance;

/// A function, what to call it with, and how near the result must be.
#[derive(Clone, Debug)]
pub struct Case {
    /// A unique name: op, element type, what is special.
    pub name: String,
    /// The function; its name is the case's.
    pub function: Function,
    /// Arguments.
    pub inputs: Vec<Tensor>,
    /// How near each result must be.
    pub tolerance: Tolerance,
}

/// All cases, always the same.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    elementwise::add_to(&mut cases);
    special::add_to(&mut cases);
    conversion::add_to(&mut cases);
    contraction::add_to(&mut cases);
    pooling::add_to(&mut cases);
    reduction::add_to(&mut cases);
    movement::add_to(&mut cases);
    ternary::add_to(&mut cases);
    quantization::add_to(&mut cases);
    networks::add_to(&mut cases);
    cases
}

/// All cases of the ops of training, always the same: what a backend that can train must also run.
pub fn training_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    training::add_to(&mut cases);
    gradient::add_to(&mut cases);
    cases
}

/// Selection, 2-bit codes and quantization of many values, of none, and of odd ones: where work is
/// divided among blocks of a GPU.
pub fn odd_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    training::add_many_to(&mut cases);
    quantization::add_odd_to(&mut cases);
    cases
}
