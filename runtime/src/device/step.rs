//! A function of a program on a device.

use std::cell::RefCell;
use std::rc::Rc;

use hla_ir::{Diagnostic, Tensor};

use super::memory::Places;
use super::session::{Shared, refuse};
use crate::executable::{Executable, Signature};
use crate::pool::ThreadPool;
use crate::state::State;
use crate::step::{Begun, Binding, Source, StepProgram, Target};

/// A function of a [session](super::DeviceSession): a [`StepProgram`] whose state stays on the device,
/// and an [`Executable`], to which everything is given anew each time. It has no use for a pool.
///
/// After a step, what it updated is [away](State::is_away) from the state until it is
/// [pulled](StepProgram::pull) or set anew. Only what was changed since is sent before a step. A step on
/// another state than the one before is refused where the values of that one would be lost.
///
/// An error of the device is the end of its session: later calls say so. What was away stays so, for
/// nothing on the device can be believed.
pub struct DeviceStep {
    shared: Rc<RefCell<Shared>>,
    signature: Signature,
    /// Why it cannot be stepped, if it cannot; it may still be run.
    binding: Result<Binding, Diagnostic>,
    places: Places,
    recording: usize,
    /// Whether it has begun and its outputs were not fetched yet.
    begun: bool,
}

impl DeviceStep {
    pub(super) fn new(
        shared: Rc<RefCell<Shared>>,
        signature: Signature,
        places: Places,
        recording: usize,
    ) -> DeviceStep {
        let binding = Binding::of(&signature);
        DeviceStep {
            shared,
            signature,
            binding,
            places,
            recording,
            begun: false,
        }
    }

    /// Steps once more on what is on the device: nothing is sent, no output is fetched, and it may
    /// still run when this returns. For who wants to know how long the device alone takes.
    ///
    /// # Errors
    /// A state whose newest values are not all on the device; what the device says.
    pub fn again(&mut self, state: &mut State) -> Result<(), Diagnostic> {
        let binding = self.binding.as_ref().map_err(Diagnostic::clone)?;
        let mut shared = self.shared.borrow_mut();
        check_idle(&shared)?;
        for source in &binding.sources {
            if let Source::State(name) = source
                && !shared.has_newest(state, name)
            {
                return Err(refuse(format!("'{name}' was changed since the last step")));
            }
        }
        self.replay(&mut shared, binding, state)
    }

    /// Runs the recording, and says what it changes.
    fn replay(
        &self,
        shared: &mut Shared,
        binding: &Binding,
        state: &mut State,
    ) -> Result<(), Diagnostic> {
        shared.attempt(|device| device.replay(self.recording))?;
        for target in &binding.targets {
            if let Target::Update(at) = target
                && let Source::State(name) = &binding.sources[*at]
            {
                shared.changed(state, name);
            }
        }
        Ok(())
    }

    /// Fetches an output.
    fn fetch(&self, shared: &mut Shared, output: usize) -> Result<Tensor, Diagnostic> {
        let ty = &self.signature.outputs[output].ty;
        let mut bytes = vec![0; ty.bytes()];
        let address = self.places.outputs[output];
        shared.attempt(|device| device.download(address, &mut bytes))?;
        Tensor::from_bytes(ty.clone(), bytes).map_err(refuse)
    }
}

fn check_idle(shared: &Shared) -> Result<(), Diagnostic> {
    match shared.running {
        false => Ok(()),
        true => Err(refuse("a step begins before the one before it is finished")),
    }
}

impl StepProgram for DeviceStep {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn step(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<(String, Tensor)>, Diagnostic> {
        let begun = self.begin(state, inputs, pool)?;
        self.finish(begun)
    }

    /// Sends what is needed and begins. Until the step is finished no function of the session can
    /// begin.
    fn begin(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        _: Option<&ThreadPool>,
    ) -> Result<Begun, Diagnostic> {
        let binding = self.binding.as_ref().map_err(Diagnostic::clone)?;
        let given = binding.check(&self.signature, state, inputs)?;
        let mut shared = self.shared.borrow_mut();
        check_idle(&shared)?;
        let names = binding.sources.iter().filter_map(|source| match source {
            Source::State(name) => Some(name),
            Source::Input(_) => None,
        });
        for name in names.clone() {
            shared.check_state(state, name)?;
        }
        for name in names {
            shared.send_state(state, name)?;
        }
        for (tensor, &address) in given.iter().zip(&self.places.inputs) {
            if let Some(tensor) = tensor {
                shared.attempt(|device| device.upload(address, &tensor.to_bytes()))?;
            }
        }
        self.replay(&mut shared, binding, state)?;
        shared.running = true;
        self.begun = true;
        Ok(Begun::Running)
    }

    fn finish(&mut self, _: Begun) -> Result<Vec<(String, Tensor)>, Diagnostic> {
        if !std::mem::take(&mut self.begun) {
            return Err(refuse("a step is to be finished that was not begun"));
        }
        let mut shared = self.shared.borrow_mut();
        shared.running = false;
        let binding = self.binding.as_ref().map_err(Diagnostic::clone)?;
        let mut outputs = Vec::new();
        for (i, target) in binding.targets.iter().enumerate() {
            if let Target::Output(name) = target {
                outputs.push((name.clone(), self.fetch(&mut shared, i)?));
            }
        }
        Ok(outputs)
    }

    fn pull(&mut self, state: &mut State, name: &str) -> Result<(), Diagnostic> {
        self.shared.borrow_mut().pull(state, name)
    }
}

impl Executable for DeviceStep {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[Tensor], _: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        self.signature.check(inputs)?;
        let mut shared = self.shared.borrow_mut();
        check_idle(&shared)?;
        let params = self.signature.inputs.iter().map(|s| s.param.as_deref());
        for name in params.clone().flatten() {
            shared.check_unwanted(name)?;
        }
        for ((tensor, param), &address) in inputs.iter().zip(params).zip(&self.places.inputs) {
            let bytes = tensor.to_bytes();
            match param {
                Some(name) => shared.send(name, &bytes, 0)?,
                None => shared.attempt(|device| device.upload(address, &bytes))?,
            }
        }
        shared.attempt(|device| device.replay(self.recording))?;
        let outputs = 0..self.signature.outputs.len();
        outputs.map(|i| self.fetch(&mut shared, i)).collect()
    }
}

impl Drop for DeviceStep {
    fn drop(&mut self) {
        if self.begun {
            self.shared.borrow_mut().running = false;
        }
    }
}
