//! Everything that needs MLIR, in one binary: each links some 200 MB of it.
#![allow(clippy::unwrap_used)]

#[path = "all/gpu.rs"]
mod gpu;
#[path = "all/hostile.rs"]
mod hostile;
#[path = "all/kernels.rs"]
mod kernels;
#[path = "all/parsing.rs"]
mod parsing;
#[path = "all/round_trip.rs"]
mod round_trip;
#[path = "all/specializing.rs"]
mod specializing;
#[path = "all/upstream.rs"]
mod upstream;
#[path = "all/weights.rs"]
mod weights;
