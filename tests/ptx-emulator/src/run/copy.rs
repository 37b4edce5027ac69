//! Asynchronous copies. Until the thread that asked for one has waited for it, nobody may touch where
//! it goes; when the data arrives is up to the run's options.

use super::Machine;
use super::access::aligned;
use super::warp::{Warp, lanes};
use crate::code::AsyncCopy;
use crate::fault::Fault;
use crate::options::Landing;
use crate::regs::LANES;
use crate::shadow::StampKind;

/// A copy that lanes have asked for and not waited for.
pub(super) struct Pending {
    lanes: u32,
    step: u32,
    bytes: usize,
    /// The group of each lane that it belongs to.
    group: [u32; LANES],
    target: [usize; LANES],
    /// Allocation, place and how many bytes.
    source: [(usize, usize, usize); LANES],
}

impl Machine<'_> {
    pub(super) fn copy(
        &mut self,
        warp: &mut Warp,
        copy: &AsyncCopy,
        active: u32,
    ) -> Result<(), Fault> {
        let bytes = copy.bytes as usize;
        let mut pending = Pending {
            lanes: active,
            step: self.step,
            bytes,
            group: warp.groups_closed,
            target: [0; LANES],
            source: [(0, 0, 0); LANES],
        };
        for lane in lanes(active) {
            let to = self.address(warp, copy.target, lane);
            let from = self.address(warp, copy.source, lane);
            let given = match copy.given {
                Some(slot) => warp.regs.r32[slot as usize][lane] as usize,
                None => bytes,
            };
            match self.copy_lane(warp, lane, [to, from], [bytes, given]) {
                Ok((target, source)) => {
                    pending.target[lane] = target;
                    pending.source[lane] = source;
                }
                Err(fault) => return Err(self.blame(fault, warp, lane)),
            }
        }
        if self.launch.options.landing == Landing::Early {
            self.land(&pending, active);
        }
        warp.pending.push(pending);
        Ok(())
    }

    fn copy_lane(
        &mut self,
        warp: &Warp,
        lane: usize,
        [to, from]: [u64; 2],
        [bytes, given]: [usize; 2],
    ) -> Result<(usize, (usize, usize, usize)), Fault> {
        if given > bytes {
            return Err(Fault::new(format!("a copy of {bytes} bytes from {given}")));
        }
        aligned(to, bytes)?;
        aligned(from, bytes)?;
        let source = if given == 0 {
            (0, 0, 0)
        } else {
            let (slot, at) = self.global_read(warp, lane, from, given)?;
            (slot, at, given)
        };
        let target = self.shared_range(to, bytes)?;
        let stamp = self.stamp(warp, lane, StampKind::Flying);
        self.shared_write(warp, stamp, target, bytes, None)?;
        Ok((target, source))
    }

    /// Writes the data of some lanes.
    fn land(&mut self, pending: &Pending, mask: u32) {
        for lane in lanes(mask) {
            let (slot, at, given) = pending.source[lane];
            let target = &mut self.shared[pending.target[lane]..][..pending.bytes];
            target[given..].fill(0);
            if let (true, Some(allocation)) = (given > 0, self.launch.memory.slot(slot)) {
                target[..given].copy_from_slice(&allocation.data[at..at + given]);
            }
        }
    }

    /// Completes copies of some lanes: all but those of the last so many closed groups, or all.
    pub(super) fn copies_done(
        &mut self,
        warp: &mut Warp,
        active: u32,
        but: Option<u32>,
    ) -> Result<(), Fault> {
        let mut pending = std::mem::take(&mut warp.pending);
        for copy in &mut pending {
            let mut done = 0;
            for lane in lanes(active & copy.lanes) {
                let closed = warp.groups_closed[lane];
                // A copy is in a closed group if its lane has closed one since.
                if but
                    .is_none_or(|but| copy.group[lane] < closed && copy.group[lane] + but < closed)
                {
                    done |= 1 << lane;
                }
            }
            if done == 0 {
                continue;
            }
            if self.launch.options.landing == Landing::Late {
                self.land(copy, done);
            }
            self.mark_landed(warp, copy, done);
            copy.lanes &= !done;
        }
        pending.retain(|copy| copy.lanes != 0);
        warp.pending = pending;
        Ok(())
    }

    /// From now on the data is as if the lane had written it.
    fn mark_landed(&mut self, warp: &Warp, copy: &Pending, done: u32) {
        if !self.launch.options.races {
            return;
        }
        let grain = self.launch.code.shared_grain as usize;
        for lane in lanes(done) {
            let mut stamp = self.plain(warp, lane);
            stamp.step = copy.step;
            let at = copy.target[lane];
            for cell in &mut self.cells[at / grain..(at + copy.bytes).div_ceil(grain)] {
                cell.write = stamp;
            }
        }
    }
}
