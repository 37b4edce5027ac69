//! Runs PTX on the CPU, so that what a compiler emits for a GPU can be tested where there is none. It
//! knows PTX and nothing of who wrote it.
//!
//! What is wrong is a [`Fault`] that names the instruction, the block and the thread: races in shared
//! and device memory, shared memory read before it is written, accesses out of bounds or misaligned,
//! writes to what is only to be read and bytes left unwritten, barriers and warp instructions that not
//! all lanes reach, asynchronous copies used before they are waited for, warps that wait for ever, and
//! any instruction that is not known.
//!
//! - [`Emulator`] is a [`Device`](hla_runtime::device::Device): whole programs run in it;
//! - [`run_kernel`] runs one kernel on bytes, [`run_every_way`] under all schedules, which must agree;
//! - [`read`] parses, [`code`] is what a kernel becomes, [`float`](mod@float) has the arithmetic;
//! - [`shadow`] finds races, [`memory`] knows bounds.
//!
//! # What differs from hardware
//! Approximate functions are computed in f64 and rounded once. A matrix instruction adds its products
//! in f64 in order and rounds once. Both are within the hardware's tolerance, not its bits. The clock
//! counts instructions. Special behaviour of subnormal numbers is that of the instruction (`.ftz`).

pub mod code;
mod decode;
mod device;
pub mod fault;
pub mod float;
mod kernel;
pub mod memory;
pub mod options;
pub mod read;
pub mod regs;
mod run;
pub mod shadow;

pub use device::Emulator;
pub use fault::Fault;
pub use kernel::{every_way, run_every_way, run_kernel, run_kernel_with};
pub use options::{Landing, Options, Report, Schedule};
