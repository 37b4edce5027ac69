//! Contractions of the numeric suite: their kernels, in both forms, against hla-reference.

mod job;
mod linalg;
mod suite;
