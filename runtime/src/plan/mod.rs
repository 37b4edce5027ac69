//! Launch plans: what a program for a device with its own memory is made of.
//!
//! A [`DeviceProgram`] holds code (PTX), constants and functions. A [`PlanFunction`] is straight-line:
//! its [`Command`]s run in order, each as soon as the one before is done, over memory whose places
//! were all decided when it was compiled. There is no control flow and no allocation, so that a
//! device may record a function once and replay it.
//!
//! # Places
//! Each [`Span`] lies within one [`Place`]: an input, an output, the arena (scratch memory, whose
//! contents are undefined when a function begins), or the constants of the program. All begin at
//! addresses that are multiples of [`ALIGNMENT`], and a tensor lies row-major without gaps, `i1` as one
//! byte; after the end of every place [`SLACK`] bytes may be read, never written.
//!
//! An input with [`Slot::param`](crate::Slot::param) is state: it stays on the device from call to
//! call. An output with [`Slot::updates`](crate::Slot::updates) is the new value of that input, and
//! by the end of the function it lies in the *input's* place, which commands may write for this
//! reason alone; nothing refers to such an output's own place.
//!
//! [`check()`] holds a program against all of this.

pub mod check;
mod signature;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::executable::{Signature, Slot};

pub use check::check;

/// Where every place and every buffer of the arena begins: at a multiple of so many bytes.
pub const ALIGNMENT: u64 = 256;

/// Bytes after the end of every place that kernels may read, but never write.
pub const SLACK: u64 = 256;

/// A compiled program: functions over shared code and constants.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceProgram {
    /// What it is compiled for: `sm_80`.
    pub chip: String,
    /// How contractions are computed: `f32`, `tf32`, `bf16` or `f16`.
    pub precision: String,
    /// What compiled it: `hlac 0.1.0`.
    pub producer: String,
    /// PTX, each text a module of its own.
    pub modules: Vec<String>,
    /// The kernels in them.
    pub kernels: Vec<Kernel>,
    /// All constants, each at a multiple of [`ALIGNMENT`].
    pub constants: Vec<u8>,
    /// The functions.
    pub functions: Vec<PlanFunction>,
    /// What a driver of these functions needs to know besides, as JSON; how a training goes on, for
    /// one. The runtime does not look inside.
    pub driver: Option<String>,
}

impl DeviceProgram {
    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&PlanFunction> {
        self.functions.iter().find(|f| f.name == name)
    }

    /// Bytes of an arena that is large enough for every function.
    pub fn arena_bytes(&self) -> u64 {
        let bytes = self.functions.iter().map(|f| f.arena_bytes);
        bytes.max().unwrap_or(0)
    }

    /// All state that its functions know, by name: the first input of each `hla.param`.
    pub fn state(&self) -> impl Iterator<Item = (&str, &Slot)> {
        let mut seen = HashSet::new();
        let inputs = self.functions.iter().flat_map(|f| &f.signature.inputs);
        let named = inputs.filter_map(|slot| Some((slot.param.as_deref()?, slot)));
        named.filter(move |(name, _)| seen.insert(*name))
    }
}

/// An entry point of a module.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Its `.entry` in the PTX.
    pub entry: String,
    /// Index into [`DeviceProgram::modules`].
    pub module: u32,
    /// Threads of a block, x first.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// What it computes, for people: `conv2d 3x3 bf16, + add, clamp`.
    pub computes: String,
}

/// A function: what it takes and gives, how much scratch memory, what is done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFunction {
    /// Its name.
    pub name: String,
    /// What it takes and gives.
    #[serde(with = "signature")]
    pub signature: Signature,
    /// Bytes of the arena, without [`SLACK`].
    pub arena_bytes: u64,
    /// Products that its contractions sum up, of ternary weights as many as of dense ones, or 0 if whoever
    /// compiled it did not count. For people.
    #[serde(default)]
    pub macs: u64,
    /// What is done, in order.
    pub commands: Vec<Command>,
}

impl PlanFunction {
    /// Bytes that its commands read and write, each span that a command is given once for either: what
    /// the memory of a device must move at least, if its caches keep nothing from one command to the next.
    pub fn moved_bytes(&self) -> u64 {
        let moved = |command: &Command| match command {
            Command::Launch { args, .. } => {
                let bytes = args.iter().map(|arg| match arg.access {
                    Access::Read | Access::Write => arg.span.bytes,
                    Access::ReadWrite => arg.span.bytes.saturating_mul(2),
                });
                bytes.fold(0, u64::saturating_add)
            }
            Command::Copy { target, .. } => target.bytes.saturating_mul(2),
            Command::Fill { target, .. } => target.bytes,
        };
        let all = self.commands.iter().map(moved);
        all.fold(0, u64::saturating_add)
    }
}

/// Where memory is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Input i of the signature.
    Input(u32),
    /// Output i of the signature; never one that updates an input.
    Output(u32),
    /// Scratch memory.
    Arena,
    /// The constants of the program.
    Constants,
}

/// A run of bytes within a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The place.
    pub place: Place,
    /// Where it begins in the place.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Which value lies there: a number that each value of the function has for itself; a part or
    /// another shape of a value has the number of the whole. Running does not need it. It is what
    /// a check of the plan knows a value by: what is read must have been written as the same value.
    pub value: u32,
}

/// What a kernel does with a span that it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It reads.
    Read,
    /// It writes every byte, and reads none before it has written it.
    Write,
    /// It reads, and writes some or all bytes. A byte is read, if at all, before another thread
    /// may write it.
    ReadWrite,
}

/// An argument of a kernel: the address of a span, as a 64-bit pointer. Sizes and strides are in
/// the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelArg {
    /// What the address points to.
    pub span: Span,
    /// What is done there.
    pub access: Access,
}

/// A step of a function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Runs a kernel. Spans of its arguments may overlap only where both are read, or where they are
    /// the same span, read element by element by the thread that then writes there.
    Launch {
        /// Index into [`DeviceProgram::kernels`].
        kernel: u32,
        /// Blocks, x first.
        grid: [u32; 3],
        /// Arguments in order.
        args: Vec<KernelArg>,
    },
    /// Copies bytes between spans of one length that do not overlap.
    Copy {
        /// From here.
        source: Span,
        /// To here.
        target: Span,
    },
    /// Sets every byte.
    Fill {
        /// Where.
        target: Span,
        /// To what.
        byte: u8,
    },
}
