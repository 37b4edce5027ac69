//! What runs a [launch plan](crate::plan): a GPU, or something that behaves like one.
//!
//! - here is what a device must do;
//! - `session` brings a program onto it, `memory` says what lies where there;
//! - `step` is a function of the program, to be stepped or run.

mod memory;
mod session;
mod step;

#[cfg(feature = "cuda")]
pub mod cuda;

use hla_ir::Diagnostic;

use crate::plan::{Access, Kernel};

pub use session::DeviceSession;
pub use step::DeviceStep;

/// An address in a device's memory.
pub type Address = u64;

/// A command with addresses in place of spans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Runs a kernel that was [loaded](Device::load).
    Launch {
        /// Its number, as [`Device::load`] gave it.
        kernel: usize,
        /// Blocks, x first.
        grid: [u32; 3],
        /// Pointers that it is given, in order.
        args: Vec<BoundArg>,
    },
    /// Copies within the device's memory.
    Copy {
        /// From here.
        source: Address,
        /// To here.
        target: Address,
        /// So many bytes.
        bytes: u64,
    },
    /// Sets bytes.
    Fill {
        /// Where.
        target: Address,
        /// So many bytes.
        bytes: u64,
        /// To what.
        byte: u8,
    },
}

/// A span with its address. A kernel is given the address alone; how far the kernel may go from
/// there, and what it may do, is for a device that checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoundArg {
    /// Where it begins.
    pub address: Address,
    /// How long it is. [`SLACK`](crate::plan::SLACK) bytes more may be read only where they are the
    /// device's to read: behind the end of an allocation, or where a further span lies.
    pub bytes: u64,
    /// What is done there.
    pub access: Access,
}

/// A device. Everything happens in order, as if on one stream.
///
/// Errors say what failed and what to do: too little memory, a kernel that faulted (with its name),
/// code for another chip.
pub trait Device {
    /// What a person calls it: `NVIDIA H100 80GB HBM3 (sm_90)`.
    fn name(&self) -> String;

    /// The most bytes that were allocated at one time, if it counts them.
    fn peak_bytes(&self) -> Option<u64> {
        None
    }

    /// Memory that begins at a multiple of [`ALIGNMENT`](crate::plan::ALIGNMENT); its contents are
    /// undefined. It lives until it is freed.
    fn allocate(&mut self, bytes: u64) -> Result<Address, Diagnostic>;

    /// Gives memory back. Only what [`Device::allocate`] gave, once, and when nothing uses it any
    /// longer.
    fn free(&mut self, address: Address);

    /// Loads modules of PTX and finds kernels in them: gives each one's number.
    fn load(&mut self, modules: &[String], kernels: &[Kernel]) -> Result<Vec<usize>, Diagnostic>;

    /// Keeps commands that are to be run more than once, ready to go; gives their number.
    fn record(&mut self, commands: &[Bound]) -> Result<usize, Diagnostic>;

    /// Runs recorded commands. They may still be running when this returns.
    fn replay(&mut self, recording: usize) -> Result<(), Diagnostic>;

    /// Copies to the device; the bytes may be changed as soon as this returns.
    fn upload(&mut self, target: Address, bytes: &[u8]) -> Result<(), Diagnostic>;

    /// Copies from the device, after everything before is done.
    fn download(&mut self, source: Address, bytes: &mut [u8]) -> Result<(), Diagnostic>;

    /// Waits until everything is done.
    fn synchronize(&mut self) -> Result<(), Diagnostic>;
}
