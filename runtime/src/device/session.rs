//! A program on a device: code, memory, and the state that stays there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use hla_ir::{Diagnostic, Location};

use super::memory::{Memory, Places};
use super::step::DeviceStep;
use super::{Address, Device};
use crate::plan::{self, DeviceProgram};
use crate::state::State;

/// A program on a device. Its [functions](DeviceSession::function) share the device, scratch memory,
/// constants, and the state: a tensor of state is sent once, and stays there from step to step.
///
/// All functions share the buffers of their inputs and outputs too, so one runs at a time. The memory
/// is given back when the session and its functions are gone.
pub struct DeviceSession {
    shared: Rc<RefCell<Shared>>,
}

/// What the functions of a session share.
pub(super) struct Shared {
    pub device: Box<dyn Device>,
    pub memory: Memory,
    program: Rc<DeviceProgram>,
    kernels: Vec<usize>,
    recordings: HashMap<String, usize>,
    /// Whether a function has begun whose outputs were not fetched yet.
    pub running: bool,
    /// What the device failed of: nothing on it can be believed since.
    failed: Option<String>,
}

pub(super) fn refuse(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
}

impl DeviceSession {
    /// [Checks](plan::check()) a program and brings it onto a device.
    ///
    /// # Errors
    /// A program that breaks a rule; what the device says of its code, or of too little memory.
    pub fn new(
        device: Box<dyn Device>,
        program: impl Into<Rc<DeviceProgram>>,
    ) -> Result<DeviceSession, Diagnostic> {
        let program = program.into();
        plan::check(&program)?;
        let mut shared = Shared {
            device,
            memory: Memory::default(),
            program: Rc::clone(&program),
            kernels: Vec::new(),
            recordings: HashMap::new(),
            running: false,
            failed: None,
        };
        shared.kernels = shared.device.load(&program.modules, &program.kernels)?;
        if shared.kernels.len() != program.kernels.len() {
            return Err(refuse("the device has not found every kernel"));
        }
        let Shared { device, memory, .. } = &mut shared;
        memory.allocate(&mut **device, &program)?;
        Ok(DeviceSession {
            shared: Rc::new(RefCell::new(shared)),
        })
    }

    /// The program.
    pub fn program(&self) -> Rc<DeviceProgram> {
        Rc::clone(&self.shared.borrow().program)
    }

    /// What a person calls the device.
    pub fn device_name(&self) -> String {
        self.shared.borrow().device.name()
    }

    /// The most bytes of the device that were in use at one time, if it counts them.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.shared.borrow().device.peak_bytes()
    }

    /// A function, ready to run.
    ///
    /// # Errors
    /// No function of this name; what the device says.
    pub fn function(&self, name: &str) -> Result<DeviceStep, Diagnostic> {
        let mut shared = self.shared.borrow_mut();
        let program = Rc::clone(&shared.program);
        let function = program.function(name).ok_or_else(|| {
            let names = program.functions.iter().map(|f| &*f.name);
            refuse(format!("the program has no function '{name}'")).help(format!(
                "its functions are {}",
                names.collect::<Vec<_>>().join(", ")
            ))
        })?;
        let places: Places = shared.memory.places(function);
        let recording = match shared.recordings.get(name) {
            Some(&recording) => recording,
            None => {
                let commands = places.bind(function, &shared.kernels);
                let recording = shared.attempt(|device| device.record(&commands))?;
                shared.recordings.insert(name.to_owned(), recording);
                recording
            }
        };
        let shared = Rc::clone(&self.shared);
        Ok(DeviceStep::new(
            shared,
            function.signature.clone(),
            places,
            recording,
        ))
    }

    /// Waits until everything that was begun is done.
    ///
    /// # Errors
    /// What the device says.
    pub fn synchronize(&self) -> Result<(), Diagnostic> {
        let mut shared = self.shared.borrow_mut();
        shared.attempt(|device| device.synchronize())
    }
}

impl Shared {
    /// Has the device do something. After a failure it does nothing more.
    pub fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Device) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        if let Some(failed) = &self.failed {
            return Err(refuse(format!("the device failed before: {failed}"))
                .help("start again; what was written to files is as it was"));
        }
        work(&mut *self.device).inspect_err(|e| self.failed = Some(e.message.clone()))
    }

    /// Checks that a tensor of state can be brought up to date here: its newest value is in `state`
    /// or here already, and nothing would be lost.
    pub fn check_state(&self, state: &State, name: &str) -> Result<(), Diagnostic> {
        let Some(resident) = self.memory.state.get(name) else {
            return Err(refuse(format!("the program has no state '{name}'")));
        };
        if state.revision(name) == Some(resident.revision) {
            return Ok(());
        }
        state.check_here(name)?;
        self.check_unwanted(name)
    }

    /// Checks that nobody waits for what lies here.
    pub fn check_unwanted(&self, name: &str) -> Result<(), Diagnostic> {
        let lease = self.memory.state.get(name).and_then(|r| r.lease.as_ref());
        match lease.is_some_and(|lease| lease.is_wanted()) {
            false => Ok(()),
            true => Err(refuse(format!(
                "'{name}' on the device is the newest value of another state, and would be lost"
            ))
            .help("pull it into that state first")),
        }
    }

    /// Whether the newest value of a tensor of this state is here.
    pub fn has_newest(&self, state: &State, name: &str) -> bool {
        let resident = self.memory.state.get(name).map(|r| r.revision);
        resident.is_some_and(|revision| revision != 0 && state.revision(name) == Some(revision))
    }

    /// Sends a tensor of state, unless it is here already.
    pub fn send_state(&mut self, state: &State, name: &str) -> Result<(), Diagnostic> {
        let Some(resident) = self.memory.state.get(name) else {
            return Ok(());
        };
        let revision = state.revision(name).unwrap_or(0);
        if revision == resident.revision {
            return Ok(());
        }
        let bytes = state.bytes(name).unwrap_or_default();
        self.send(name, bytes, revision)
    }

    /// Sends the bytes of a tensor of state.
    pub fn send(&mut self, name: &str, bytes: &[u8], revision: u64) -> Result<(), Diagnostic> {
        let Some(resident) = self.memory.state.get_mut(name) else {
            return Ok(());
        };
        let address: Address = resident.address;
        // Until all bytes are there, nothing is.
        resident.revision = 0;
        resident.lease = None;
        self.attempt(|device| device.upload(address, bytes))?;
        if let Some(resident) = self.memory.state.get_mut(name) {
            resident.revision = revision;
        }
        Ok(())
    }

    /// Says that a tensor of state was changed here.
    pub fn changed(&mut self, state: &mut State, name: &str) {
        if let Some(resident) = self.memory.state.get_mut(name)
            && let Some(lease) = state.take_away(name)
        {
            resident.revision = lease.revision();
            resident.lease = Some(lease);
        }
    }

    /// Brings a tensor back into the state from which it was taken away.
    pub fn pull(&mut self, state: &mut State, name: &str) -> Result<(), Diagnostic> {
        let Some(resident) = self.memory.state.get(name) else {
            return Ok(());
        };
        let (address, Some(lease)) = (resident.address, resident.lease.clone()) else {
            return Ok(());
        };
        state.bring_back(name, &lease, |bytes| {
            self.attempt(|device| device.download(address, bytes))
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What still runs uses the memory; an error leaves nothing to do but to give it back.
        let _ = self.device.synchronize();
        for address in std::mem::take(&mut self.memory.allocated) {
            self.device.free(address);
        }
    }
}
