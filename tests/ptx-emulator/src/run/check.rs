//! What every access is checked for: bounds, promises about arguments, races.

use super::Machine;
use super::warp::Warp;
use crate::fault::Fault;
use crate::memory::{WINDOW_BITS, Window};
use crate::shadow::{Stamp, StampKind};
use hla_runtime::plan::Access as Intent;

impl Machine<'_> {
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
    pub(super) fn global_write(
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
    pub(super) fn window(&self, address: u64) -> Result<&Window, Fault> {
        let number = (address >> WINDOW_BITS).wrapping_sub(1) as usize;
        match self.launch.windows.get(number) {
            Some(window) => Ok(window),
            None => Err(Fault::new(format!(
                "address {address:#x} is not in any argument"
            ))),
        }
    }
}

#[cold]
fn beyond(window: &Window, offset: u64, bytes: usize) -> Fault {
    Fault::new(format!(
        "{} has {} bytes; {bytes} at {} are beyond",
        window.name, window.bytes, offset as i64
    ))
}
