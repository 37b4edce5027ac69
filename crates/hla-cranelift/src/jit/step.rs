//! Steps in memory: code that updates a state in place.

use std::borrow::Cow;
use std::time::Duration;

use hla_ir::{Diagnostic, Function, Tensor};
use hla_runtime::step::{Binding, Source, Target as Place};
use hla_runtime::{Buffer, Signature, State, StepProgram, ThreadPool};

use super::{JitProgram, bytes_for, check_target, failed, load};
use crate::lower;
use crate::options::CodegenOptions;
use crate::report::CompileReport;
use crate::target::Target;

/// A compiled step: its workspace is kept, and the state is updated where it lies.
pub struct StepJit {
    program: JitProgram,
    binding: Binding,
    workspace: Buffer,
}

/// Compiles a step for this machine: a function whose results with `hla.updates` are the new values
/// of its arguments with that `hla.param`.
pub fn jit_step(function: &Function, options: &CodegenOptions) -> Result<StepJit, Diagnostic> {
    jit_step_for(function, &Target::native()?, options)
}

/// Like [`jit_step`], for chosen features of this machine's processor.
pub fn jit_step_for(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
) -> Result<StepJit, Diagnostic> {
    check_target(target)?;
    let signature = Signature::of(function)?;
    let binding = Binding::of(&signature)?;
    let updates: Vec<Option<usize>> = binding
        .targets
        .iter()
        .map(|target| match target {
            Place::Update(argument) => Some(*argument),
            Place::Output(_) => None,
        })
        .collect();
    let program = lower::lower_step(function, target, options, &updates)?;
    let program = load(signature, &program, target, options)?;
    Ok(StepJit {
        workspace: program.workspace()?,
        program,
        binding,
    })
}

/// What one run of a step works on.
struct Call<'t> {
    /// The bytes of inputs that are no state.
    _inputs: Vec<Option<Cow<'t, [u8]>>>,
    /// Addresses of inputs and outputs.
    tensors: Vec<*mut u8>,
    /// The outputs that are no state.
    results: Vec<Vec<u8>>,
}

impl StepJit {
    /// What was generated.
    pub fn report(&self) -> &CompileReport {
        self.program.report()
    }

    /// Runs a step as [`StepProgram::step`] does, and gives the time that each kernel of
    /// [`StepJit::report`] took.
    pub fn profile(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<Duration>, Diagnostic> {
        let call = self.call(state, inputs)?;
        let workspace = self.workspace.as_mut_ptr();
        // SAFETY: see `StepJit::call`; the workspace is the program's own.
        unsafe {
            self.program
                .profile(call.tensors.into_iter(), workspace, pool)
        }
    }

    /// Checks a state and inputs and finds the addresses of all tensors: each has the type of its
    /// slot. Buffers of the state are apart from each other and borrowed mutably; the only outputs
    /// that overlap an input are those that update it, as the program was lowered for.
    fn call<'t>(
        &self,
        state: &mut State,
        inputs: &[(&str, &'t Tensor)],
    ) -> Result<Call<'t>, Diagnostic> {
        let signature = &self.program.signature;
        let given = self.binding.check(signature, state, inputs)?;
        let given: Vec<Option<Cow<'_, [u8]>>> = given
            .into_iter()
            .map(|tensor| tensor.map(Tensor::to_bytes))
            .collect();
        let mut tensors = Vec::with_capacity(given.len() + self.binding.targets.len());
        for (bytes, source) in given.iter().zip(&self.binding.sources) {
            let at = match (bytes, source) {
                (Some(bytes), _) => bytes.as_ptr().cast_mut(),
                (None, Source::State(name) | Source::Input(name)) => {
                    state.check_here(name)?;
                    state
                        .bytes_mut(name)
                        .ok_or_else(|| failed(format!("the state has no '{name}'")))?
                        .as_mut_ptr()
                }
            };
            tensors.push(at);
        }
        let mut results: Vec<Vec<u8>> = Vec::with_capacity(self.binding.targets.len());
        for (target, slot) in self.binding.targets.iter().zip(&signature.outputs) {
            match target {
                Place::Update(argument) => tensors.push(tensors[*argument]),
                Place::Output(_) => {
                    let mut bytes = bytes_for(&slot.ty)?;
                    tensors.push(bytes.as_mut_ptr());
                    results.push(bytes);
                }
            }
        }
        Ok(Call {
            _inputs: given,
            tensors,
            results,
        })
    }
}

impl StepProgram for StepJit {
    fn signature(&self) -> &Signature {
        &self.program.signature
    }

    fn step(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<(String, Tensor)>, Diagnostic> {
        let call = self.call(state, inputs)?;
        let workspace = self.workspace.as_mut_ptr();
        // SAFETY: see `StepJit::call`; the workspace is the program's own.
        unsafe {
            self.program
                .call(call.tensors.iter().copied(), workspace, pool)?;
        }
        let outputs = self
            .binding
            .targets
            .iter()
            .zip(&self.program.signature.outputs);
        let named = outputs.filter_map(|(target, slot)| match target {
            Place::Output(name) => Some((name, slot)),
            Place::Update(_) => None,
        });
        named
            .zip(call.results)
            .map(|((name, slot), bytes)| {
                let tensor = Tensor::from_bytes(slot.ty.clone(), bytes).map_err(failed)?;
                Ok((name.clone(), tensor))
            })
            .collect()
    }
}
