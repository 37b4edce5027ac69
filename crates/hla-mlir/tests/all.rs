//! Everything that needs MLIR, in one binary: each links some 200 MB of it.
#![allow(clippy::unwrap_used)]

#[path = "all/device.rs"]
mod device;
#[path = "all/gpu.rs"]
mod gpu;
#[path = "all/hostile.rs"]
mod hostile;
#[path = "all/kernels.rs"]
mod kernels;
#[path = "all/launches.rs"]
mod launches;
#[path = "all/networks.rs"]
mod networks;
#[path = "all/parsing.rs"]
mod parsing;
#[path = "all/programs.rs"]
mod programs;
#[path = "all/ptxas.rs"]
mod ptxas;
#[path = "all/round_trip.rs"]
mod round_trip;
#[path = "all/specializing.rs"]
mod specializing;
#[path = "all/upstream.rs"]
mod upstream;
#[path = "all/weights.rs"]
mod weights;
