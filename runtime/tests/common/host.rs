//! A device made of the memory of this process, whose kernels are closures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hla_ir::{Diagnostic, Location};
use hla_runtime::device::{Address, Bound, BoundArg, Device};
use hla_runtime::plan::{ALIGNMENT, Access, Kernel, SLACK};

/// What a kernel computes: floats of its arguments, of which it changes those that it may write.
pub type Compute = fn(&mut [Vec<f32>]);

/// What happened on a device, and what is to go wrong.
#[derive(Default)]
pub struct Journal {
    /// `upload 256`, `replay 0`, `download 4`, …
    pub events: Vec<String>,
    /// Allocations that were not given back.
    pub alive: usize,
    /// The call, such as `replay`, that is to fail next.
    pub fail: Option<&'static str>,
    /// Bytes that may be allocated.
    pub capacity: Option<u64>,
}

impl Journal {
    /// What happened since this was asked last.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }
}

pub struct HostDevice {
    kernels: BTreeMap<&'static str, Compute>,
    loaded: Vec<Compute>,
    memory: BTreeMap<Address, Vec<u8>>,
    next: Address,
    recordings: Vec<Vec<Bound>>,
    journal: Rc<RefCell<Journal>>,
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
}

impl HostDevice {
    pub fn new(
        kernels: impl IntoIterator<Item = (&'static str, Compute)>,
    ) -> (HostDevice, Rc<RefCell<Journal>>) {
        let journal = Rc::new(RefCell::new(Journal::default()));
        let device = HostDevice {
            kernels: kernels.into_iter().collect(),
            loaded: Vec::new(),
            memory: BTreeMap::new(),
            next: 1 << 20,
            recordings: Vec::new(),
            journal: Rc::clone(&journal),
        };
        (device, journal)
    }

    fn event(&self, call: &'static str, what: u64) -> Result<(), Diagnostic> {
        let mut journal = self.journal.borrow_mut();
        journal.events.push(format!("{call} {what}"));
        match journal.fail.take_if(|f| *f == call) {
            Some(call) => Err(refuse(format!("{call} failed"))),
            None => Ok(()),
        }
    }

    /// Bytes that lie in one allocation; the slack behind it is none of them.
    fn bytes(&mut self, address: Address, bytes: u64) -> &mut [u8] {
        let (begin, memory) = self
            .memory
            .range_mut(..=address)
            .next_back()
            .expect("no memory");
        let at = (address - begin) as usize;
        let end = memory.len() - SLACK as usize;
        &mut memory[..end][at..at + bytes as usize]
    }

    fn floats(&mut self, arg: &BoundArg) -> Vec<f32> {
        let bytes = self.bytes(arg.address, arg.bytes).as_chunks::<4>().0;
        bytes.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn run(&mut self, command: &Bound) {
        match command {
            Bound::Launch { kernel, args, .. } => {
                let mut floats: Vec<Vec<f32>> = args.iter().map(|a| self.floats(a)).collect();
                let before = floats.clone();
                self.loaded[*kernel](&mut floats);
                for ((arg, before), after) in args.iter().zip(before).zip(floats) {
                    let bytes: Vec<u8> = after.iter().flat_map(|v| v.to_le_bytes()).collect();
                    match arg.access {
                        Access::Read => assert!(
                            before
                                .iter()
                                .map(|v| v.to_bits())
                                .eq(after.iter().map(|v| v.to_bits()))
                        ),
                        _ => self.bytes(arg.address, arg.bytes).copy_from_slice(&bytes),
                    }
                }
            }
            Bound::Copy {
                source,
                target,
                bytes,
            } => {
                let copied = self.bytes(*source, *bytes).to_vec();
                self.bytes(*target, *bytes).copy_from_slice(&copied);
            }
            Bound::Fill {
                target,
                bytes,
                byte,
            } => self.bytes(*target, *bytes).fill(*byte),
        }
    }
}

impl Device for HostDevice {
    fn name(&self) -> String {
        "host".to_owned()
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address, Diagnostic> {
        let used: u64 = self.memory.values().map(|m| m.len() as u64).sum();
        let capacity = self.journal.borrow().capacity;
        if capacity.is_some_and(|c| used.saturating_add(bytes) > c) {
            return Err(refuse(format!("{bytes} bytes are not free")));
        }
        // NaN wherever nothing was written.
        self.memory.insert(self.next, vec![0xff; bytes as usize]);
        let address = self.next;
        self.next += bytes.next_multiple_of(ALIGNMENT) + ALIGNMENT;
        self.journal.borrow_mut().alive += 1;
        Ok(address)
    }

    fn free(&mut self, address: Address) {
        assert!(self.memory.remove(&address).is_some(), "freed twice");
        self.journal.borrow_mut().alive -= 1;
    }

    fn load(&mut self, _: &[String], kernels: &[Kernel]) -> Result<Vec<usize>, Diagnostic> {
        self.event("load", kernels.len() as u64)?;
        let find = |kernel: &Kernel| {
            let found = self.kernels.get(&*kernel.entry).copied();
            found.ok_or_else(|| refuse(format!("no kernel '{}'", kernel.entry)))
        };
        // Numbers in another order than the program's.
        let found = kernels.iter().rev().map(find);
        self.loaded = found.collect::<Result<_, _>>()?;
        Ok((0..kernels.len()).rev().collect())
    }

    fn record(&mut self, commands: &[Bound]) -> Result<usize, Diagnostic> {
        self.event("record", commands.len() as u64)?;
        self.recordings.push(commands.to_vec());
        Ok(self.recordings.len() - 1)
    }

    fn replay(&mut self, recording: usize) -> Result<(), Diagnostic> {
        self.event("replay", recording as u64)?;
        for command in self.recordings[recording].clone() {
            self.run(&command);
        }
        Ok(())
    }

    fn upload(&mut self, target: Address, bytes: &[u8]) -> Result<(), Diagnostic> {
        self.event("upload", bytes.len() as u64)?;
        self.bytes(target, bytes.len() as u64)
            .copy_from_slice(bytes);
        Ok(())
    }

    fn download(&mut self, source: Address, bytes: &mut [u8]) -> Result<(), Diagnostic> {
        self.event("download", bytes.len() as u64)?;
        bytes.copy_from_slice(self.bytes(source, bytes.len() as u64));
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), Diagnostic> {
        self.event("synchronize", 0)
    }
}
