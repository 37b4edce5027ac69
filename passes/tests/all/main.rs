//! Tests of the passes, one module a pass, with `hla-reference` as the oracle.

#![allow(clippy::unwrap_used)]

mod agree;
mod autodiff;
mod build;
mod canonicalize;
mod cse;
mod eliminate_multiplies;
mod fold_constants;
mod freeze;
mod fuse;
mod generated;
mod layers;
mod networks;
mod oracle;
mod pack;
mod plan_layout;
mod quantize_activations;
mod ternarize;
mod training;
