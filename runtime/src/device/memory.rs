//! Where the places of a program are in a device's memory.

use std::collections::HashMap;
use std::sync::Arc;

use hla_ir::{Diagnostic, Location, TensorType};

use super::{Address, Bound, BoundArg, Device};
use crate::plan::{Command, DeviceProgram, KernelArg, Place, PlanFunction, SLACK, Span};
use crate::state::Lease;

/// A tensor of state on the device.
pub(super) struct Resident {
    pub address: Address,
    /// The [revision](crate::State::revision) that lies there; 0 is none.
    pub revision: u64,
    /// What a state knows it by, if it was changed here.
    pub lease: Option<Lease>,
}

/// All memory of a program.
#[derive(Default)]
pub(super) struct Memory {
    /// What was allocated, for giving it back.
    pub allocated: Vec<Address>,
    pub state: HashMap<Arc<str>, Resident>,
    constants: Address,
    arena: Address,
    /// Inputs and outputs, of which all functions use the same.
    buffers: Vec<Address>,
}

/// The addresses of a function's places.
pub(super) struct Places {
    pub inputs: Vec<Address>,
    /// An output that updates an input has the input's.
    pub outputs: Vec<Address>,
    constants: Address,
    arena: Address,
}

/// The slots that are no state, the largest first: input or output, index, bytes.
fn passing(function: &PlanFunction) -> Vec<(bool, usize, u64)> {
    let signature = &function.signature;
    let bytes = |ty: &TensorType| ty.bytes() as u64;
    let inputs = signature.inputs.iter().enumerate();
    let inputs = inputs.filter(|(_, slot)| slot.param.is_none());
    let outputs = signature.outputs.iter().enumerate();
    let outputs = outputs.filter(|(_, slot)| slot.updates.is_none());
    let mut slots: Vec<_> = inputs
        .map(|(i, slot)| (true, i, bytes(&slot.ty)))
        .chain(outputs.map(|(i, slot)| (false, i, bytes(&slot.ty))))
        .collect();
    slots.sort_by_key(|&(input, i, bytes)| (std::cmp::Reverse(bytes), !input, i));
    slots
}

/// Bytes of the buffers that hold the inputs and outputs of any function.
fn buffers(program: &DeviceProgram) -> Vec<u64> {
    let mut most: Vec<u64> = Vec::new();
    for function in &program.functions {
        for (i, (_, _, bytes)) in passing(function).into_iter().enumerate() {
            match most.get_mut(i) {
                Some(most) => *most = bytes.max(*most),
                None => most.push(bytes),
            }
        }
    }
    most
}

impl Memory {
    /// Allocates everything, and sends the constants. What was allocated before an error is in
    /// `allocated`.
    pub fn allocate(
        &mut self,
        device: &mut dyn Device,
        program: &DeviceProgram,
    ) -> Result<(), Diagnostic> {
        let constants = program.constants.len() as u64;
        let (arena, buffers) = (program.arena_bytes(), buffers(program));
        let mut take =
            |what: &str, bytes: u64| {
                let address = device.allocate(bytes.saturating_add(SLACK)).map_err(|e| {
                let note = format!(
                    "the program takes {constants} bytes of constants, {arena} of scratch memory, \
                     {} of inputs and outputs, {} of state; this was for its {what}",
                    buffers.iter().sum::<u64>(),
                    program.state().map(|(_, s)| s.ty.bytes() as u64).sum::<u64>()
                );
                e.note(Location::unknown(), note)
            })?;
                self.allocated.push(address);
                Ok(address)
            };
        self.constants = take("constants", constants)?;
        self.arena = take("scratch memory", arena)?;
        for &bytes in &buffers {
            self.buffers.push(take("inputs and outputs", bytes)?);
        }
        for (name, slot) in program.state() {
            let resident = Resident {
                address: take("state", slot.ty.bytes() as u64)?,
                revision: 0,
                lease: None,
            };
            self.state.insert(name.into(), resident);
        }
        device.upload(self.constants, &program.constants)
    }

    /// The places of a function.
    pub fn places(&self, function: &PlanFunction) -> Places {
        let signature = &function.signature;
        let state = |name: &Option<Arc<str>>| {
            let resident = name.as_ref().and_then(|name| self.state.get(name));
            resident.map_or(0, |r| r.address)
        };
        let mut inputs: Vec<Address> = signature.inputs.iter().map(|s| state(&s.param)).collect();
        let mut outputs: Vec<Address> = signature
            .outputs
            .iter()
            .map(|s| state(&s.updates))
            .collect();
        for ((input, i, _), &address) in passing(function).into_iter().zip(&self.buffers) {
            match input {
                true => inputs[i] = address,
                false => outputs[i] = address,
            }
        }
        Places {
            inputs,
            outputs,
            constants: self.constants,
            arena: self.arena,
        }
    }
}

impl Places {
    /// The commands of a function, which was [checked](crate::plan::check()), over these places;
    /// `kernels` are the numbers that the device gave.
    pub fn bind(&self, function: &PlanFunction, kernels: &[usize]) -> Vec<Bound> {
        let bind = |command: &Command| match command {
            Command::Launch { kernel, grid, args } => Bound::Launch {
                kernel: kernels[*kernel as usize],
                grid: *grid,
                args: args.iter().map(|arg| self.argument(arg)).collect(),
            },
            Command::Copy { source, target } => Bound::Copy {
                source: self.address(source),
                target: self.address(target),
                bytes: source.bytes,
            },
            Command::Fill { target, byte } => Bound::Fill {
                target: self.address(target),
                bytes: target.bytes,
                byte: *byte,
            },
        };
        function.commands.iter().map(bind).collect()
    }

    fn argument(&self, arg: &KernelArg) -> BoundArg {
        BoundArg {
            address: self.address(&arg.span),
            bytes: arg.span.bytes,
            access: arg.access,
        }
    }

    fn address(&self, span: &Span) -> Address {
        let place = match span.place {
            Place::Input(i) => self.inputs[i as usize],
            Place::Output(i) => self.outputs[i as usize],
            Place::Arena => self.arena,
            Place::Constants => self.constants,
        };
        place + span.offset
    }
}
