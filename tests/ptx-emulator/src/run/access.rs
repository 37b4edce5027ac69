//! Loads, stores and atomic operations, each access checked.

use super::Machine;
use super::warp::{Warp, lanes};
use crate::code::{Access, Address, Atomic, AtomicKind, Where};
use crate::decode::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::fault::Fault;
use crate::memory::WINDOW_BITS;
use crate::shadow::{Stamp, StampKind};
use hla_runtime::plan::Access as Intent;

/// Bytes of an access; the longest has 16.
pub(super) type Bytes = [u8; 16];

impl Machine<'_> {
    #[inline]
    pub(super) fn address(&self, warp: &Warp, address: Address, lane: usize) -> u64 {
        let base = if address.wide {
            warp.regs.r64[address.base as usize][lane]
        } else {
            u64::from(warp.regs.r32[address.base as usize][lane])
        };
        base.wrapping_add(address.offset as u64)
    }

    pub(super) fn load(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        active: u32,
    ) -> Result<(), Fault> {
        let each = usize::from(access.bytes);
        let total = each * access.registers.len();
        for lane in lanes(active) {
            let address = self.address(warp, access.address, lane);
            let bytes = match self.read(warp, lane, access.space, address, total) {
                Ok(bytes) => bytes,
                Err(fault) => return Err(self.blame(fault, warp, lane)),
            };
            for (i, &(slot, wide)) in access.registers.iter().enumerate() {
                let part = &bytes[i * each..];
                let value = match (each, access.signed) {
                    (1, false) => u64::from(part[0]),
                    (1, true) => part[0] as i8 as u64,
                    (2, false) => u64::from(u16::from_le_bytes([part[0], part[1]])),
                    (2, true) => i16::from_le_bytes([part[0], part[1]]) as u64,
                    (4, signed) => {
                        let value = u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
                        if signed {
                            value as i32 as u64
                        } else {
                            u64::from(value)
                        }
                    }
                    _ => u64::from_le_bytes([
                        part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7],
                    ]),
                };
                if wide {
                    warp.regs.r64[slot as usize][lane] = value;
                } else {
                    warp.regs.r32[slot as usize][lane] = value as u32;
                }
            }
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        warp: &mut Warp,
        access: &Access,
        active: u32,
    ) -> Result<(), Fault> {
        let each = usize::from(access.bytes);
        let total = each * access.registers.len();
        for lane in lanes(active) {
            let address = self.address(warp, access.address, lane);
            let mut bytes = Bytes::default();
            for (i, &(slot, wide)) in access.registers.iter().enumerate() {
                let value = if wide {
                    warp.regs.r64[slot as usize][lane]
                } else {
                    u64::from(warp.regs.r32[slot as usize][lane])
                };
                bytes[i * each..(i + 1) * each].copy_from_slice(&value.to_le_bytes()[..each]);
            }
            if let Err(fault) = self.write(warp, lane, access.space, address, &bytes[..total]) {
                return Err(self.blame(fault, warp, lane));
            }
        }
        Ok(())
    }

    /// Reads some bytes.
    pub(super) fn read(
        &mut self,
        warp: &Warp,
        lane: usize,
        space: Where,
        address: u64,
        bytes: usize,
    ) -> Result<Bytes, Fault> {
        let mut out = Bytes::default();
        aligned(address, bytes)?;
        match resolve(space, address) {
            (Where::Shared, at) => {
                let at = self.shared_range(at, bytes)?;
                let stamp = self.plain(warp, lane);
                self.shared_read(warp, stamp, at, bytes)?;
                out[..bytes].copy_from_slice(&self.shared[at..at + bytes]);
            }
            (Where::Local, at) => {
                let at = local_range(warp, lane, at, bytes)?;
                out[..bytes].copy_from_slice(&warp.local[at..at + bytes]);
            }
            (_, address) => {
                let (slot, at) = self.global_read(warp, lane, address, bytes)?;
                if let Some(allocation) = self.launch.memory.slot(slot) {
                    out[..bytes].copy_from_slice(&allocation.data[at..at + bytes]);
                }
            }
        }
        Ok(out)
    }

    /// Writes some bytes.
    fn write(
        &mut self,
        warp: &mut Warp,
        lane: usize,
        space: Where,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        aligned(address, bytes.len())?;
        match resolve(space, address) {
            (Where::Shared, at) => {
                let at = self.shared_range(at, bytes.len())?;
                let stamp = self.plain(warp, lane);
                self.shared_write(warp, stamp, at, bytes.len(), Some(bytes))?;
                self.shared[at..at + bytes.len()].copy_from_slice(bytes);
            }
            (Where::Local, at) => {
                let at = local_range(warp, lane, at, bytes.len())?;
                warp.local[at..at + bytes.len()].copy_from_slice(bytes);
            }
            (_, address) => {
                let stamp = self.plain(warp, lane);
                let (slot, at) = self.global_write(warp, stamp, address, bytes.len())?;
                if let Some(allocation) = self.launch.memory.slot(slot) {
                    allocation.data[at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    /// Checks an access to shared memory; where it is.
    pub(super) fn shared_range(&self, at: u64, bytes: usize) -> Result<usize, Fault> {
        let end = at.checked_add(bytes as u64);
        if end.is_some_and(|end| end <= self.shared.len() as u64) {
            return Ok(at as usize);
        }
        Err(Fault::new(format!(
            "shared memory has {} bytes; {bytes} at {} are beyond",
            self.shared.len(),
            at as i64
        )))
    }

    /// Notes a read of shared memory.
    pub(super) fn shared_read(
        &mut self,
        warp: &Warp,
        stamp: Stamp,
        at: usize,
        bytes: usize,
    ) -> Result<(), Fault> {
        if !self.launch.options.races {
            return Ok(());
        }
        let who = self.who(stamp, warp, self.serial);
        let grain = self.launch.code.shared_grain as usize;
        for number in at / grain..(at + bytes).div_ceil(grain) {
            let cell = &mut self.cells[number];
            if cell.write.serial != self.serial {
                return Err(Fault::new(format!(
                    "byte {} of shared memory is read before it is written",
                    number * grain
                )));
            }
            if let Err(conflict) = cell.read(&who) {
                return Err(self.race(conflict, "shared memory"));
            }
        }
        Ok(())
    }

    /// Notes a write to shared memory. Threads may write the same value with the same instruction.
    pub(super) fn shared_write(
        &mut self,
        warp: &Warp,
        stamp: Stamp,
        at: usize,
        bytes: usize,
        value: Option<&[u8]>,
    ) -> Result<(), Fault> {
        if !self.launch.options.races {
            return Ok(());
        }
        let who = self.who(stamp, warp, self.serial);
        let grain = self.launch.code.shared_grain as usize;
        for number in at / grain..(at + bytes).div_ceil(grain) {
            if let Err(conflict) = self.cells[number].write(&who) {
                let same = conflict.other.step == stamp.step
                    && conflict.other.kind == StampKind::Plain
                    && value == Some(&self.shared[at..at + bytes])
                    && !self.cells[number].read_by_others(&who);
                if !same {
                    return Err(self.race(conflict, "shared memory"));
                }
            }
        }
        Ok(())
    }

    /// Checks a read of device memory; allocation and place.
    pub(super) fn global_read(
        &mut self,
        warp: &Warp,
        lane: usize,
        address: u64,
        bytes: usize,
    ) -> Result<(usize, usize), Fault> {
        self.report.bytes_read += bytes as u64;
        let window = self.window(address)?;
        let offset = address.wrapping_sub(window.base);
        if offset
            .checked_add(bytes as u64)
            .is_none_or(|end| end > window.readable)
        {
            return Err(beyond(window, offset, bytes));
        }
        let (slot, at) = (window.slot, (window.start + offset) as usize);
        // What lies behind the end may be anything, and is not counted as read.
        if window.tracked && self.launch.options.races && offset < window.bytes {
            let grain = self.launch.code.global_grain as usize;
            let fresh = window.access == Intent::Write;
            let who = self.who(self.plain(warp, lane), warp, self.first);
            let end = at + bytes.min((window.bytes - offset) as usize);
            let Some(allocation) = self.launch.memory.slot(slot) else {
                return Err(Fault::new("memory that was given back"));
            };
            let shadow = &mut allocation.shadows[grain.trailing_zeros() as usize];
            for number in at / grain..end.div_ceil(grain) {
                let cell = shadow.cell(number);
                if fresh && cell.write.serial < who.first {
                    let name = self.window(address)?.name.clone();
                    return Err(Fault::new(format!(
                        "byte {offset} of {name} is read before it is written, though it is only to be written"
                    )));
                }
                if let Err(conflict) = cell.read(&who) {
                    let name = self.window(address)?.name.clone();
                    return Err(self.race(conflict, &name));
                }
            }
        }
        Ok((slot, at))
    }

    /// Checks a write to device memory; allocation and place.
    fn global_write(
        &mut self,
        warp: &Warp,
        stamp: Stamp,
        address: u64,
        bytes: usize,
    ) -> Result<(usize, usize), Fault> {
        self.report.bytes_written += bytes as u64;
        let window = self.window(address)?;
        let offset = address.wrapping_sub(window.base);
        if offset
            .checked_add(bytes as u64)
            .is_none_or(|end| end > window.bytes)
        {
            return Err(beyond(window, offset, bytes));
        }
        if window.access == Intent::Read {
            return Err(Fault::new(format!(
                "{} is only to be read, but byte {offset} is written",
                window.name
            )));
        }
        let (slot, at) = (window.slot, (window.start + offset) as usize);
        if self.launch.options.races {
            let grain = self.launch.code.global_grain as usize;
            let who = self.who(stamp, warp, self.first);
            let Some(allocation) = self.launch.memory.slot(slot) else {
                return Err(Fault::new("memory that was given back"));
            };
            let shadow = &mut allocation.shadows[grain.trailing_zeros() as usize];
            for number in at / grain..(at + bytes).div_ceil(grain) {
                if let Err(conflict) = shadow.cell(number).write(&who) {
                    let name = self.window(address)?.name.clone();
                    return Err(self.race(conflict, &name));
                }
            }
        }
        Ok((slot, at))
    }

    #[inline]
    fn window(&self, address: u64) -> Result<&crate::memory::Window, Fault> {
        let number = (address >> WINDOW_BITS).wrapping_sub(1) as usize;
        match self.launch.windows.get(number) {
            Some(window) => Ok(window),
            None => Err(Fault::new(format!(
                "address {address:#x} is not in any argument"
            ))),
        }
    }

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

    fn atomic_lane(
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

/// Which memory a generic address is in, and the address there.
fn resolve(space: Where, address: u64) -> (Where, u64) {
    if space != Where::Generic {
        return (space, address);
    }
    match address >> 56 {
        1 => (Where::Shared, address - SHARED_WINDOW),
        2 => (Where::Local, address - LOCAL_WINDOW),
        _ => (Where::Global, address),
    }
}

#[inline]
pub(super) fn aligned(address: u64, bytes: usize) -> Result<(), Fault> {
    if address & (bytes as u64 - 1) == 0 {
        return Ok(());
    }
    Err(Fault::new(format!(
        "an access of {bytes} bytes at {address:#x}, which is no multiple of {bytes}"
    )))
}

fn local_range(warp: &Warp, lane: usize, at: u64, bytes: usize) -> Result<usize, Fault> {
    let each = (warp.local.len() / 32) as u64;
    if at.checked_add(bytes as u64).is_some_and(|end| end <= each) {
        return Ok(lane * each as usize + at as usize);
    }
    Err(Fault::new(format!(
        "a thread has {each} bytes of its own; {bytes} at {} are beyond",
        at as i64
    )))
}

#[cold]
fn beyond(window: &crate::memory::Window, offset: u64, bytes: usize) -> Fault {
    Fault::new(format!(
        "{} has {} bytes; {bytes} at {} are beyond",
        window.name, window.bytes, offset as i64
    ))
}
