//! A kernel as it is executed: instructions whose operands are slots of the registers.

use std::collections::HashMap;

use crate::float::Short;
use crate::regs::Alu;

/// A kernel, decoded once.
pub struct Code {
    /// Its name.
    pub entry: String,
    /// Instructions.
    pub steps: Vec<Step>,
    /// The line of each.
    pub lines: Vec<u32>,
    /// How many registers of 32 bits, 64 bits, and predicates.
    pub registers: [usize; 3],
    /// Slots of 32 bits that always hold one number in every lane.
    pub constants32: Vec<(u16, u32)>,
    /// The same, of 64 bits.
    pub constants64: Vec<(u16, u64)>,
    /// Slots that hold a special register.
    pub specials: Vec<(u16, Special)>,
    /// Slots of the parameters, in order.
    pub params: Vec<u16>,
    /// Slots of addresses of variables in global memory, by their names.
    pub globals: HashMap<String, u16>,
    /// Bytes of shared memory that the code declares; dynamic memory follows.
    pub shared_bytes: u64,
    /// Bytes of each thread's own memory.
    pub local_bytes: u64,
    /// The narrowest access to shared memory in bytes; 16 if there is none.
    pub shared_grain: u64,
    /// The narrowest access to global memory in bytes; 16 if there is none.
    pub global_grain: u64,
    /// Most threads of a block, if the code says.
    pub threads: Option<u64>,
    /// Lines of atomic operations on floats: their results depend on the order of threads.
    pub float_atomics: Vec<u32>,
}

/// An instruction with its guard.
pub struct Step {
    /// When it runs.
    pub guard: Guard,
    /// What it does.
    pub op: Op,
}

/// When an instruction runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Always.
    Always,
    /// If the predicate is set.
    If(u16),
    /// If it is not.
    Unless(u16),
}

/// A special register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Special {
    /// Thread in the block; dimension.
    Tid(u8),
    /// Threads of the block.
    Ntid(u8),
    /// Block in the grid.
    Ctaid(u8),
    /// Blocks of the grid.
    Nctaid(u8),
    /// Lane in the warp.
    Lane,
    /// Warp in the block.
    Warp,
    /// Warps of the block.
    Warps,
    /// Lanes equal to, below, at most, above, at least this one.
    Mask(i8, bool),
    /// Bytes of dynamic shared memory.
    DynamicShared,
    /// Bytes of all shared memory.
    TotalShared,
}

/// What an instruction does.
pub enum Op {
    /// It computes.
    Alu(Alu),
    /// It goes elsewhere.
    Branch(u32),
    /// It reads memory.
    Load(Box<Access>),
    /// It writes memory.
    Store(Box<Access>),
    /// It changes memory in one go.
    Atomic(Box<Atomic>),
    /// It copies from global to shared memory, some time before it is waited for.
    Copy(Box<AsyncCopy>),
    /// It closes a group of copies.
    CopyCommit,
    /// It waits until at most so many groups are on their way; none: until all copies are done.
    CopyWait(Option<u32>),
    /// It waits for the other warps of the block: barrier and, if not all, threads.
    Barrier(u16, Option<u16>),
    /// It waits for other lanes; a slot with the mask.
    WarpSync(u16),
    /// It takes a value from another lane.
    Shuffle(Box<Shuffle>),
    /// It asks all lanes: predicate, whether negated, mask.
    Vote(Vote, u16, bool, u16),
    /// It reduces integers of all lanes: kind, d, a, mask.
    Redux(Redux, u16, u16, u16),
    /// It finds lanes of equal values.
    Match(Box<Match>),
    /// Lanes that run with this one.
    ActiveMask(u16),
    /// It loads matrices of 8 × 8.
    Ldmatrix(Box<Ldmatrix>),
    /// It multiplies matrices.
    Mma(Box<Mma>),
    /// A time: slot, and whether of 64 bits.
    Clock(u16, bool),
    /// The thread ends.
    Exit,
    /// The kernel fails.
    Trap,
    /// Nothing that matters here: a fence, a prefetch.
    Nothing,
}

/// An address: a slot and an offset.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The slot.
    pub base: u16,
    /// Whether it is one of 64 bits.
    pub wide: bool,
    /// What is added.
    pub offset: i64,
}

/// Where an access goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// The address tells.
    Generic,
    /// Device memory.
    Global,
    /// Block memory.
    Shared,
    /// Thread memory.
    Local,
}

/// A load or a store.
#[derive(Debug)]
pub struct Access {
    /// Where.
    pub space: Where,
    /// The address.
    pub address: Address,
    /// Bytes of an element.
    pub bytes: u8,
    /// Whether a loaded element is extended by its sign.
    pub signed: bool,
    /// Registers: slot, and whether of 64 bits. A lane's elements in order.
    pub registers: Vec<(u16, bool)>,
}

/// What an atomic operation computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtomicKind {
    /// Sum of integers.
    Add,
    /// Sum of floats.
    AddFloat,
    /// Smaller, unsigned.
    MinU,
    /// Smaller, signed.
    MinS,
    /// Larger, unsigned.
    MaxU,
    /// Larger, signed.
    MaxS,
    /// Bits of both.
    And,
    /// Bits of either.
    Or,
    /// Bits of one.
    Xor,
    /// The new value.
    Exchange,
    /// The new value, if the old one is as expected.
    CompareExchange,
}

/// `atom` or `red`.
#[derive(Debug)]
pub struct Atomic {
    /// Where.
    pub space: Where,
    /// The address.
    pub address: Address,
    /// What it computes.
    pub kind: AtomicKind,
    /// Whether on 64 bits.
    pub wide: bool,
    /// Where the old value goes.
    pub result: Option<u16>,
    /// Operands.
    pub operands: Vec<u16>,
}

/// `cp.async`.
#[derive(Debug)]
pub struct AsyncCopy {
    /// In shared memory.
    pub target: Address,
    /// In global memory.
    pub source: Address,
    /// 4, 8 or 16.
    pub bytes: u64,
    /// A slot with how many bytes are read; the others are zero.
    pub given: Option<u16>,
}

/// The lane that a shuffle reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShuffleKind {
    /// A given one.
    Index,
    /// One with other bits.
    Butterfly,
    /// One below.
    Up,
    /// One above.
    Down,
}

/// `shfl.sync`.
#[derive(Debug)]
pub struct Shuffle {
    /// Which lane.
    pub kind: ShuffleKind,
    /// The result.
    pub result: u16,
    /// Whether the lane was there.
    pub valid: Option<u16>,
    /// The value.
    pub value: u16,
    /// Distance, lane or bits.
    pub lane: u16,
    /// Clamp and segment.
    pub clamp: u16,
    /// Lanes that take part.
    pub mask: u16,
}

/// What a vote gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vote {
    /// Predicate slot: whether all.
    All(u16),
    /// Predicate slot: whether any.
    Any(u16),
    /// Predicate slot: whether all are equal.
    Uniform(u16),
    /// Slot of 32 bits: which.
    Ballot(u16),
}

/// What `redux.sync` computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redux {
    /// Sum.
    Add,
    /// Smallest, unsigned.
    MinU,
    /// Smallest, signed.
    MinS,
    /// Largest, unsigned.
    MaxU,
    /// Largest, signed.
    MaxS,
    /// Bits of all.
    And,
    /// Bits of any.
    Or,
    /// Parity of bits.
    Xor,
}

/// `match.sync`.
#[derive(Debug)]
pub struct Match {
    /// Whether all must be equal.
    pub all: bool,
    /// Which lanes are equal.
    pub result: u16,
    /// Whether all are.
    pub valid: Option<u16>,
    /// The value; whether of 64 bits.
    pub value: (u16, bool),
    /// Lanes that take part.
    pub mask: u16,
}

/// `ldmatrix`.
#[derive(Debug)]
pub struct Ldmatrix {
    /// A register for each matrix.
    pub registers: Vec<u16>,
    /// Whether they are transposed.
    pub transposed: bool,
    /// Addresses of rows.
    pub address: Address,
}

/// Element types of a matrix multiplication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmaType {
    /// 16 bits each.
    Short(Short),
    /// 32 bits, of which 19 count.
    Tf32,
    /// 8 bits: whether A and B are signed.
    Int8(bool, bool),
}

/// `mma.sync`.
#[derive(Debug)]
pub struct Mma {
    /// Of A and B.
    pub ty: MmaType,
    /// Extent of the sum.
    pub k: usize,
    /// Whether C and D are halves, two in a register.
    pub half: bool,
    /// Whether integers saturate.
    pub saturate: bool,
    /// Registers of D.
    pub d: Vec<u16>,
    /// Registers of A.
    pub a: Vec<u16>,
    /// Registers of B.
    pub b: Vec<u16>,
    /// Registers of C.
    pub c: Vec<u16>,
}
