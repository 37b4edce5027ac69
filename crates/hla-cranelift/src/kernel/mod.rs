//! What a kernel is: an internal function over the items of one parallel dimension, the buffers it
//! works on, and the builder with which it is written.
//!
//! Each kernel becomes `fn(ctx, begin, end)`: `ctx` points to a table of base addresses, and the
//! function works on the items `begin..end`. Items are independent of each other, so any division
//! of them among threads gives the same bits.

pub(crate) mod builder;
mod bytes;
mod halo;
mod lanes;
mod view;

use hla_ir::Diagnostic;

pub use builder::{KernelBuilder, READ, WRITE};
pub use halo::zero_halo;
pub use lanes::Width;
pub use view::View;

/// Bytes that may be read (never written) after the end of a state, temporary or rodata buffer:
/// a vector load may start at its last element.
pub const SLACK: u64 = 64;

/// Alignment in bytes of state, temporary and rodata buffers. Inputs and outputs have only that of
/// their elements.
pub const ALIGN: u64 = 64;

/// Where a buffer lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// In the state, which `NAME_init` fills once.
    State,
    /// In the workspace, at a place that the memory planner chooses.
    Temp(u32),
    /// An input tensor.
    Input(u32),
    /// An output tensor.
    Output(u32),
    /// Constant data in the object.
    Rodata(u32),
}

/// A place in memory: `offset` bytes after the start of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Buffer {
    /// What the offset counts from.
    pub slot: Slot,
    /// Bytes.
    pub offset: u64,
}

impl Buffer {
    /// The start of a slot.
    pub fn new(slot: Slot) -> Buffer {
        Buffer { slot, offset: 0 }
    }

    /// A place further on.
    pub fn at(self, bytes: u64) -> Buffer {
        Buffer {
            slot: self.slot,
            offset: self.offset + bytes,
        }
    }

    /// Whether the address is known to be a multiple of [`ALIGN`].
    pub fn is_aligned(self) -> bool {
        let sound = !matches!(self.slot, Slot::Input(_) | Slot::Output(_));
        sound && self.offset.is_multiple_of(ALIGN)
    }
}

/// A kernel before its machine code is written.
pub trait EmitKernel {
    /// A word for the symbol, such as `reduce_sum` or `sparse_add_conv2d`.
    fn name(&self) -> String;

    /// Extent of the parallel dimension. Items are computed independently.
    fn parallel_items(&self) -> u64;

    /// How many items are worth handing to a thread. With at most this many altogether the kernel
    /// is called directly.
    fn grain(&self) -> u64;

    /// Writes the body over the items `k.begin()..k.end()`. The builder stands in an open block,
    /// and must again when this returns.
    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic>;

    /// What it does and how, for `hlac inspect`.
    fn describe(&self) -> KernelReport;
}

/// What a kernel does and how.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct KernelReport {
    /// The local symbol of its machine code; the driver fills it in.
    pub symbol: String,
    /// What it computes: op names and shapes.
    pub computes: String,
    /// How: `sparse-add i16`, `look-up table`, `vector map`.
    pub strategy: String,
    /// Extent of the parallel dimension; the driver fills it in.
    pub items: u64,
    /// Whether it is large enough to be shared among threads; the driver fills it in.
    pub shared: bool,
    /// Bytes of state it reads.
    pub state_bytes: u64,
    /// Whether it claims that no instruction of its inner loops multiplies.
    pub multiply_free: bool,
    /// Further facts: slow fallbacks, figures of the weights.
    pub notes: Vec<String>,
}

impl KernelReport {
    /// A report of what is computed and how.
    pub fn new(computes: impl Into<String>, strategy: impl Into<String>) -> KernelReport {
        KernelReport {
            computes: computes.into(),
            strategy: strategy.into(),
            ..KernelReport::default()
        }
    }
}
