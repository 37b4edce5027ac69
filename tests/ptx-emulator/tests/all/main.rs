//! The emulator against values worked by hand and against kernels with mistakes.

mod common;
mod faults;
mod lanes;
mod matrix;
mod pipelined;
mod rounding;
mod schedules;
mod whole;
