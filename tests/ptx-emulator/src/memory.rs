//! Device memory: allocations, and the windows through which a launch sees them.

use std::collections::BTreeMap;

use hla_runtime::plan::{ALIGNMENT, Access, SLACK};

use crate::fault::Fault;
use crate::shadow::Shadow;

/// An allocation.
#[derive(Debug)]
pub struct Allocation {
    /// Its bytes and [`SLACK`] more.
    pub data: Vec<u8>,
    /// Without the slack.
    pub bytes: u64,
    /// For each grain of accesses, a power of two: who touched it.
    pub shadows: [Shadow; 5],
}

/// All memory of a device.
#[derive(Default, Debug)]
pub struct Memory {
    slots: Vec<Option<Allocation>>,
    by_address: BTreeMap<u64, usize>,
    next: u64,
}

/// Addresses of device memory start here: one that lost its upper half is not among them.
const START: u64 = 1 << 33;

impl Memory {
    /// Memory filled with a byte; its address.
    pub fn allocate(&mut self, bytes: u64, garbage: u8) -> Result<u64, Fault> {
        let total = bytes
            .checked_add(SLACK)
            .and_then(|total| usize::try_from(total).ok());
        let mut data = Vec::new();
        let fits = total.is_some_and(|total| data.try_reserve_exact(total).is_ok());
        let Some(total) = total.filter(|_| fits) else {
            return Err(Fault::new(format!("there is no memory for {bytes} bytes")));
        };
        data.resize(total, garbage);
        let address = self.next.max(START);
        self.next = (address + total as u64).next_multiple_of(ALIGNMENT) + (1 << 16);
        self.by_address.insert(address, self.slots.len());
        self.slots.push(Some(Allocation {
            data,
            bytes,
            shadows: Default::default(),
        }));
        Ok(address)
    }

    /// Gives memory back; whether it was there.
    pub fn free(&mut self, address: u64) -> bool {
        match self.by_address.remove(&address) {
            Some(slot) => {
                self.slots[slot] = None;
                true
            }
            None => false,
        }
    }

    /// The slot of the allocation that has so many bytes at an address, and where in it they are.
    pub fn find(&self, address: u64, bytes: u64) -> Result<(usize, u64), Fault> {
        let found = self.by_address.range(..=address).next_back();
        if let Some((&base, &slot)) = found
            && let Some(allocation) = &self.slots[slot]
            && let Some(end) = (address - base).checked_add(bytes)
            && end <= allocation.bytes
        {
            return Ok((slot, address - base));
        }
        Err(Fault::new(format!(
            "there are no {bytes} bytes of memory at {address:#x}"
        )))
    }

    /// The bytes of a span.
    pub fn bytes(&self, address: u64, bytes: u64) -> Result<&[u8], Fault> {
        let (slot, at) = self.find(address, bytes)?;
        let data = self.slots[slot]
            .as_ref()
            .map_or(&[][..], |allocation| &allocation.data);
        Ok(&data[at as usize..(at + bytes) as usize])
    }

    /// The bytes of a span, to be changed.
    pub fn bytes_mut(&mut self, address: u64, bytes: u64) -> Result<&mut [u8], Fault> {
        let (slot, at) = self.find(address, bytes)?;
        let data = self.slots[slot]
            .as_mut()
            .map_or(&mut [][..], |allocation| &mut allocation.data);
        Ok(&mut data[at as usize..(at + bytes) as usize])
    }

    /// Copies between spans.
    pub fn copy(&mut self, source: u64, target: u64, bytes: u64) -> Result<(), Fault> {
        if source.abs_diff(target) < bytes {
            return Err(Fault::new("a copy between spans that overlap"));
        }
        let data = self.bytes(source, bytes)?.to_vec();
        self.bytes_mut(target, bytes)?.copy_from_slice(&data);
        Ok(())
    }

    /// The allocation of a slot that [`Memory::find`] gave.
    #[inline]
    pub fn slot(&mut self, slot: usize) -> Option<&mut Allocation> {
        self.slots[slot].as_mut()
    }
}

/// How far apart windows are.
pub const WINDOW_BITS: u32 = 40;

/// What a pointer leads to: a kernel is given addresses in windows, one for each pointer, so that
/// whoever goes too far does not arrive in another pointer's memory.
#[derive(Clone, Debug)]
pub struct Window {
    /// What it is, for messages.
    pub name: String,
    /// Address of its first byte.
    pub base: u64,
    /// The allocation.
    pub slot: usize,
    /// Where it begins there.
    pub start: u64,
    /// How long it is.
    pub bytes: u64,
    /// Bytes from its beginning that may be read.
    pub readable: u64,
    /// What may be done.
    pub access: Access,
    /// Whether accesses are noted, because something in the launch writes there.
    pub tracked: bool,
}

impl Window {
    /// The window of a number over a span, with as much slack as the allocation has.
    pub fn new(
        memory: &mut Memory,
        number: usize,
        name: String,
        [address, bytes]: [u64; 2],
        access: Access,
    ) -> Result<Window, Fault> {
        let (slot, start) = memory
            .find(address, bytes)
            .map_err(|fault| Fault::new(format!("{name}: {}", fault.message())))?;
        let total = memory
            .slot(slot)
            .map_or(0, |allocation| allocation.data.len() as u64);
        Ok(Window {
            name,
            // As aligned as the memory, up to what a plan promises.
            base: ((number as u64 + 1) << WINDOW_BITS) + address % ALIGNMENT,
            slot,
            start,
            bytes,
            readable: (bytes + SLACK).min(total - start),
            access,
            tracked: false,
        })
    }

    /// Marks the windows that share memory with one that is written.
    pub fn track(windows: &mut [Window]) {
        for i in 0..windows.len() {
            let w = &windows[i];
            let shared = windows.iter().any(|other| {
                other.access != Access::Read
                    && other.slot == w.slot
                    && other.start < w.start + w.bytes
                    && w.start < other.start + other.bytes
            });
            windows[i].tracked = shared;
        }
    }
}
