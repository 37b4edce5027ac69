//! Tests of the passes, one module a pass, with `hla-reference` as the oracle.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod build;
mod cse;
