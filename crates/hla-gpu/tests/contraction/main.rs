//! Contractions of the numeric suite: their kernels, in both forms, against hla-reference.

mod chips;
mod controls;
mod edges;
mod gaps;
mod job;
mod large;
mod linalg;
mod ptx;
mod suite;
mod ternary;
