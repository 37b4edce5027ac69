//! Loads, stores and atomic operations, each access checked.

use super::Machine;
use super::warp::{Warp, lanes};
use crate::code::{Access, Address, Where};
use crate::decode::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::fault::Fault;

/// Bytes of an access; the longest has 32.
pub(super) type Bytes = [u8; 32];

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
}

/// Which memory a generic address is in, and the address there.
pub(super) fn resolve(space: Where, address: u64) -> (Where, u64) {
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
