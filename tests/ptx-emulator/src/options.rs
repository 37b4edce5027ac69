//! How a run goes, and what is told about it.

/// In which order blocks and warps run. All are legal, so a program that is right gives the same
/// under each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// The first block first; in it each warp until it must wait, the first first.
    InOrder,
    /// The same from the last to the first.
    Reverse,
    /// By chance, a few instructions at a time; the same for the same seed.
    Random(u64),
}

/// When the data of an asynchronous copy lands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landing {
    /// As soon as it is asked for.
    Early,
    /// When it is waited for.
    Late,
}

/// How a run goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Order of blocks and warps.
    pub schedule: Schedule,
    /// When asynchronous copies land.
    pub landing: Landing,
    /// Whether accesses are checked against each other. Bounds, alignment and divergence always are.
    pub races: bool,
    /// Whether atomic operations on floats are a fault: their results depend on the order of threads.
    pub float_atomics: bool,
    /// What memory is filled with that nobody has written: all ones are a NaN in every type.
    pub garbage: u8,
    /// Most instructions of a warp, after which it is taken to run for ever.
    pub steps: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            schedule: Schedule::InOrder,
            landing: Landing::Late,
            races: true,
            float_atomics: false,
            garbage: 0xff,
            steps: 1 << 32,
        }
    }
}

/// What was run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// Launches.
    pub launches: u64,
    /// Blocks.
    pub blocks: u64,
    /// Instructions, each counted once for a warp.
    pub instructions: u64,
    /// Matrix multiplications of warps among them.
    pub mma: u64,
    /// Barriers that blocks passed.
    pub barriers: u64,
    /// Atomic operations of threads.
    pub atomics: u64,
    /// Bytes that threads read from device memory.
    pub bytes_read: u64,
    /// Bytes that threads wrote there.
    pub bytes_written: u64,
}

impl Report {
    /// Both together.
    pub fn add(&mut self, other: &Report) {
        self.launches += other.launches;
        self.blocks += other.blocks;
        self.instructions += other.instructions;
        self.mma += other.mma;
        self.barriers += other.barriers;
        self.atomics += other.atomics;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
    }
}
