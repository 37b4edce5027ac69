//! Atomic operations.

use super::Machine;
use super::access::{aligned, resolve};
use super::warp::{Warp, lanes};
use crate::code::{Atomic, AtomicKind, Where};
use crate::fault::Fault;
use crate::shadow::StampKind;

impl Machine<'_> {
    pub(super) fn atomic(
        &mut self,
        warp: &mut Warp,
        atomic: &Atomic,
        active: u32,
    ) -> Result<(), Fault> {
        let bytes = if atomic.wide { 8 } else { 4 };
        for lane in lanes(active) {
            self.report.atomics += 1;
            let address = self.address(warp, atomic.address, lane);
            if let Err(fault) = self.atomic_lane(warp, atomic, lane, address, bytes) {
                return Err(self.blame(fault, warp, lane));
            }
        }
        Ok(())
    }

    pub(super) fn atomic_lane(
        &mut self,
        warp: &mut Warp,
        atomic: &Atomic,
        lane: usize,
        address: u64,
        bytes: usize,
    ) -> Result<(), Fault> {
        aligned(address, bytes)?;
        let stamp = self.stamp(warp, lane, StampKind::Atomic);
        let operand = |i: usize| {
            let slot = atomic.operands[i] as usize;
            if atomic.wide {
                warp.regs.r64[slot][lane]
            } else {
                u64::from(warp.regs.r32[slot][lane])
            }
        };
        let (first, second) = (operand(0), atomic.operands.get(1).map(|_| operand(1)));
        let target = match resolve(atomic.space, address) {
            (Where::Shared, at) => {
                let at = self.shared_range(at, bytes)?;
                if self.launch.options.races
                    && self.cells[at / self.launch.code.shared_grain as usize]
                        .write
                        .serial
                        != self.serial
                {
                    return Err(Fault::new("shared memory is changed before it is written"));
                }
                self.shared_write(warp, stamp, at, bytes, None)?;
                &mut self.shared[at..at + bytes]
            }
            (Where::Local, _) => {
                return Err(Fault::new("an atomic operation on memory of a thread"));
            }
            (_, address) => {
                let (slot, at) = self.global_write(warp, stamp, address, bytes)?;
                match self.launch.memory.slot(slot) {
                    Some(allocation) => &mut allocation.data[at..at + bytes],
                    None => return Err(Fault::new("memory that was given back")),
                }
            }
        };
        let mut raw = [0; 8];
        raw[..bytes].copy_from_slice(target);
        let old = u64::from_le_bytes(raw);
        let new = combine(atomic.kind, atomic.wide, old, first, second);
        target.copy_from_slice(&new.to_le_bytes()[..bytes]);
        if let Some(slot) = atomic.result {
            if atomic.wide {
                warp.regs.r64[slot as usize][lane] = old;
            } else {
                warp.regs.r32[slot as usize][lane] = old as u32;
            }
        }
        Ok(())
    }
}

fn combine(kind: AtomicKind, wide: bool, old: u64, value: u64, second: Option<u64>) -> u64 {
    let signed = |x: u64| {
        if wide {
            x as i64
        } else {
            i64::from(x as u32 as i32)
        }
    };
    match kind {
        AtomicKind::Add => old.wrapping_add(value),
        AtomicKind::AddFloat if wide => (f64::from_bits(old) + f64::from_bits(value)).to_bits(),
        AtomicKind::AddFloat => {
            let sum = f32::from_bits(old as u32) + f32::from_bits(value as u32);
            u64::from(crate::float::canonical(sum).to_bits())
        }
        AtomicKind::MinU => old.min(value),
        AtomicKind::MaxU => old.max(value),
        AtomicKind::MinS => signed(old).min(signed(value)) as u64,
        AtomicKind::MaxS => signed(old).max(signed(value)) as u64,
        AtomicKind::And => old & value,
        AtomicKind::Or => old | value,
        AtomicKind::Xor => old ^ value,
        AtomicKind::Exchange => value,
        AtomicKind::CompareExchange => {
            if old == value {
                second.unwrap_or(old)
            } else {
                old
            }
        }
    }
}
