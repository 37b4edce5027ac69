//! Who last touched each place of memory: how races are found.
//!
//! Time is a vector clock of warps. A warp's own clock goes on at each barrier of its block and at each
//! `bar.warp.sync` of all its lanes; at a barrier each warp learns the clocks of the others. An access
//! is ordered before another if it is of the same thread, or if the other's warp has learned of a later
//! clock. Blocks of a launch are never ordered. Two accesses to a place of which one writes, not
//! ordered and not both atomic, are a race. Shuffles, votes and matrix instructions order nothing, as
//! in PTX's memory model.

/// An access.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stamp {
    /// Number of the block among all that ever ran; 0 is none.
    pub serial: u32,
    /// The warp's clock.
    pub clock: u32,
    /// Index of the instruction.
    pub step: u32,
    /// Thread in the block.
    pub thread: u16,
    /// What kind of access.
    pub kind: StampKind,
}

/// What kind of access.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum StampKind {
    /// A plain one.
    #[default]
    Plain,
    /// An atomic one.
    Atomic,
    /// An asynchronous copy that has not been waited for.
    Flying,
}

/// Accesses to a place: the last write, and of reads since then the last and one of another thread.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cell {
    /// The last write.
    pub write: Stamp,
    /// Reads.
    pub reads: [Stamp; 2],
}

/// Who accesses, and what its warp knows.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The stamp that it leaves.
    pub stamp: Stamp,
    /// The first block of the launch.
    pub first: u32,
    /// Clocks of all warps, as this one knows them.
    pub clocks: &'a [u32],
}

/// Another access that is not ordered with one.
#[derive(Clone, Copy, Debug)]
pub struct Conflict {
    /// The other access.
    pub other: Stamp,
    /// What both are.
    pub what: &'static str,
}

impl Who<'_> {
    /// Whether an access happened before this one for sure.
    #[inline]
    fn after(&self, stamp: &Stamp) -> bool {
        if stamp.serial < self.first {
            return true;
        }
        if stamp.serial != self.stamp.serial {
            return false;
        }
        if stamp.thread == self.stamp.thread {
            return true;
        }
        let warp = usize::from(stamp.thread / 32);
        self.clocks[warp] > stamp.clock
    }
}

impl Cell {
    /// Notes a read.
    #[inline]
    pub fn read(&mut self, who: &Who) -> Result<(), Conflict> {
        if !who.after(&self.write) || self.flying(who) {
            return Err(self.conflict(who, "a read races with a write"));
        }
        let slot = usize::from(!who.after(&self.reads[0]));
        self.reads[slot] = who.stamp;
        Ok(())
    }

    /// Notes a write.
    #[inline]
    pub fn write(&mut self, who: &Who) -> Result<(), Conflict> {
        let atomic = self.write.kind == StampKind::Atomic && who.stamp.kind == StampKind::Atomic;
        if !atomic && (!who.after(&self.write) || self.flying(who)) {
            return Err(self.conflict(who, "two writes race"));
        }
        for read in &self.reads {
            if !who.after(read) {
                return Err(Conflict {
                    other: *read,
                    what: "a write races with a read",
                });
            }
        }
        *self = Cell {
            write: who.stamp,
            ..Cell::default()
        };
        Ok(())
    }

    /// Whether another thread read the place since it was written, and that is not ordered.
    pub fn read_by_others(&self, who: &Who) -> bool {
        self.reads.iter().any(|read| !who.after(read))
    }

    fn flying(&self, who: &Who) -> bool {
        self.write.kind == StampKind::Flying && self.write.serial >= who.first
    }

    #[cold]
    fn conflict(&self, who: &Who, what: &'static str) -> Conflict {
        let what = if self.flying(who) {
            "memory is used while an asynchronous copy to it is on its way"
        } else {
            what
        };
        Conflict {
            other: self.write,
            what,
        }
    }
}

const PAGE: usize = 1024;

/// Cells for the bytes of an allocation, made where they are touched.
#[derive(Default, Debug)]
pub struct Shadow {
    pages: Vec<Option<Box<[Cell]>>>,
}

impl Shadow {
    /// The cell of a number.
    #[inline]
    pub fn cell(&mut self, number: usize) -> &mut Cell {
        let page = number / PAGE;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let cells = self.pages[page].get_or_insert_with(|| vec![Cell::default(); PAGE].into());
        &mut cells[number % PAGE]
    }
}
