//! Instructions that are not control flow, each to whoever runs it.

use super::Machine;
use super::warp::{Warp, lanes};
use crate::code::Op;
use crate::fault::Fault;

impl Machine<'_> {
    /// Everything that is not control flow.
    pub(super) fn other(&mut self, warp: &mut Warp, op: &Op, active: u32) -> Result<(), Fault> {
        match op {
            Op::Load(access) => self.load(warp, access, active),
            Op::Store(access) => self.store(warp, access, active),
            Op::Atomic(atomic) => self.atomic(warp, atomic, active),
            Op::Copy(copy) => self.copy(warp, copy, active),
            Op::CopyCommit => {
                for lane in lanes(active) {
                    warp.groups_closed[lane] += 1;
                }
                Ok(())
            }
            Op::CopyWait(groups) => self.copies_done(warp, active, *groups),
            Op::WarpSync(_) => {
                if active == warp.live {
                    warp.clocks[warp.number as usize] += 1;
                }
                Ok(())
            }
            Op::Shuffle(shuffle) => self.shuffle(warp, shuffle, active),
            Op::Vote(vote, predicate, negated, _) => {
                self.vote(warp, *vote, *predicate, *negated, active);
                Ok(())
            }
            Op::Redux(kind, d, a, _) => {
                self.redux(warp, *kind, *d, *a, active);
                Ok(())
            }
            Op::Match(op) => {
                self.matching(warp, op, active);
                Ok(())
            }
            Op::ActiveMask(d) => {
                for lane in lanes(active) {
                    warp.regs.r32[*d as usize][lane] = active;
                }
                Ok(())
            }
            Op::Ldmatrix(op) => self.ldmatrix(warp, op),
            Op::Mma(op) => {
                self.mma(warp, op);
                Ok(())
            }
            Op::Clock(d, wide) => {
                for lane in lanes(active) {
                    if *wide {
                        warp.regs.r64[*d as usize][lane] = warp.steps;
                    } else {
                        warp.regs.r32[*d as usize][lane] = warp.steps as u32;
                    }
                }
                Ok(())
            }
            Op::Trap => {
                let fault = Fault::new("the kernel stops itself");
                Err(self.blame(fault, warp, lanes(active).next().unwrap_or(0)))
            }
            Op::Nothing | Op::Alu(_) | Op::Branch(_) | Op::Exit | Op::Barrier(..) => Ok(()),
        }
    }
}

/// The slot with the mask of lanes that an instruction needs, or that it needs all.
pub(super) fn members(op: &Op) -> Option<Option<u16>> {
    match op {
        Op::WarpSync(mask) | Op::Vote(.., mask) | Op::Redux(.., mask) => Some(Some(*mask)),
        Op::Shuffle(shuffle) => Some(Some(shuffle.mask)),
        Op::Match(op) => Some(Some(op.mask)),
        Op::Ldmatrix(_) | Op::Mma(_) => Some(None),
        _ => None,
    }
}
