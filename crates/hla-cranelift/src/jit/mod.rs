//! Code in memory, ready to run.
//!
//! All `unsafe` of this crate lives here. The contract: generated code reads `bytes()` of each
//! input, writes `bytes()` of each output, and stays inside the state and the workspace whose sizes
//! it was compiled with (and, for reading, the [`SLACK`](crate::kernel::SLACK) after them, which
//! those sizes include); [`JitProgram::run`] checks the inputs against the signature and allocates
//! the rest itself. A step's output that updates an argument is written where the argument is read.
#![allow(unsafe_code)]

mod step;

use std::borrow::Cow;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift_module::default_libcall_names;
use hla_ir::{Diagnostic, Function, Location, Tensor, TensorType};
use hla_runtime::pool::CBody;
use hla_runtime::{Buffer, Executable, Signature, ThreadPool};

use crate::codegen;
use crate::kernel::builder::{CTX_INPUTS, CTX_STATE, CTX_STATUS, CTX_WORKSPACE};
use crate::lower::{self, Program};
use crate::options::CodegenOptions;
use crate::report::CompileReport;
use crate::target::Target;

pub use step::{StepJit, jit_step, jit_step_for};

/// Address space for the code of one program; constants come on top. Only what is used becomes
/// memory.
const CODE_SPACE: usize = 256 << 20;

/// A compiled function in memory.
pub struct JitProgram {
    module: ManuallyDrop<JITModule>,
    /// `NAME_call`: takes a table of the arguments of `NAME_run`, gives its status.
    call: unsafe extern "C" fn(*const *mut u8) -> i32,
    signature: Signature,
    state: Buffer,
    workspace_bytes: usize,
    report: CompileReport,
    /// What `NAME_run` runs, in order: for measuring.
    kernels: Vec<CBody>,
}

// SAFETY: after `finalize_definitions` the module is only memory that nobody writes; the state is
// written before a program exists, and each run has a workspace and outputs of its own.
unsafe impl Send for JitProgram {}
// SAFETY: as above.
unsafe impl Sync for JitProgram {}

/// Compiles a function for this machine and initialises its state.
pub fn jit(function: &Function, options: &CodegenOptions) -> Result<JitProgram, Diagnostic> {
    jit_for(function, &Target::native()?, options)
}

/// Like [`jit`], for chosen features of this machine's processor.
pub fn jit_for(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
) -> Result<JitProgram, Diagnostic> {
    check_target(target)?;
    let signature = Signature::of(function)?;
    let program = lower::lower(function, target, options)?;
    load(signature, &program, target, options)
}

fn failed(what: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), what)
}

/// Refuses code that this machine cannot run.
fn check_target(target: &Target) -> Result<(), Diagnostic> {
    let host = Target::native()?;
    if let Some(missing) = target.features().find(|f| !host.has(f)) {
        return Err(failed(format!("this machine lacks the feature {missing}")));
    }
    if host.arch() != target.arch() {
        return Err(failed(format!(
            "code for {} cannot run on this machine",
            target.triple()
        )));
    }
    Ok(())
}

/// Generates the code of a program, and initialises its state.
fn load(
    signature: Signature,
    program: &Program,
    target: &Target,
    options: &CodegenOptions,
) -> Result<JitProgram, Diagnostic> {
    let mut builder = JITBuilder::with_isa(target.isa(false, true)?, default_libcall_names());
    let constants: usize = program.rodata.iter().map(|t| t.ty().bytes() + 64).sum();
    let memory = ArenaMemoryProvider::new_with_size(CODE_SPACE + constants)
        .map_err(|e| failed(format!("no memory for generated code: {e}")))?;
    builder.memory_provider(Box::new(memory));
    let mut module = JITModule::new(builder);
    let functions = codegen::generate(&mut module, program, target, options.text)?;
    let call = codegen::generate_trampoline(&mut module, program, functions.run)?;
    module
        .finalize_definitions()
        .map_err(|e| failed(format!("the generated code could not be placed: {e}")))?;
    let call = module.get_finalized_function(call);
    let init = module.get_finalized_function(functions.init);
    // SAFETY: both are finalized functions of these signatures, which `codegen` gave them.
    let (init, call) = unsafe {
        (
            std::mem::transmute::<*const u8, unsafe extern "C" fn(*mut u8)>(init),
            std::mem::transmute::<*const u8, unsafe extern "C" fn(*const *mut u8) -> i32>(call),
        )
    };
    let kernels = functions.run_kernels.iter().map(|&id| {
        let kernel = module.get_finalized_function(id);
        // SAFETY: kernels have this signature, which `codegen` gave them.
        unsafe { std::mem::transmute::<*const u8, CBody>(kernel) }
    });
    let kernels = kernels.collect();
    let mut state = Buffer::zeroed(program.state_bytes as usize)?;
    // SAFETY: the state has the size that the program was compiled with, and is aligned.
    unsafe { init(state.as_mut_ptr()) };
    Ok(JitProgram {
        module: ManuallyDrop::new(module),
        call,
        signature,
        state,
        workspace_bytes: program.workspace_bytes as usize,
        report: CompileReport::new(program, target, functions.kernels, functions.init_kernels),
        kernels,
    })
}

impl JitProgram {
    /// What was generated.
    pub fn report(&self) -> &CompileReport {
        &self.report
    }

    /// The state, as `NAME_init` filled it.
    pub fn state(&self) -> &[u8] {
        self.state.as_slice()
    }

    /// Runs once; see [`Executable::run`].
    pub fn run(
        &self,
        inputs: &[Tensor],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let mut workspace = self.workspace()?;
        self.run_in(inputs, &mut workspace, pool)
    }

    /// A workspace for [`JitProgram::run_in`].
    pub fn workspace(&self) -> Result<Buffer, Diagnostic> {
        Buffer::zeroed(self.workspace_bytes)
    }

    /// Like [`JitProgram::run`] in a workspace that is kept between runs.
    pub fn run_in(
        &self,
        inputs: &[Tensor],
        workspace: &mut Buffer,
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        self.signature.check(inputs)?;
        if workspace.len() < self.workspace_bytes {
            return Err(failed(format!(
                "the workspace has {} bytes, but {} are needed",
                workspace.len(),
                self.workspace_bytes
            )));
        }
        let inputs: Vec<Cow<'_, [u8]>> = inputs.iter().map(Tensor::to_bytes).collect();
        let mut outputs = Vec::with_capacity(self.signature.outputs.len());
        for slot in &self.signature.outputs {
            outputs.push(bytes_for(&slot.ty)?);
        }
        let tensors = inputs
            .iter()
            .map(|i| i.as_ptr().cast_mut())
            .chain(outputs.iter_mut().map(Vec::as_mut_ptr));
        // SAFETY: inputs have the types of the signature and are not written; outputs and workspace
        // are large enough and borrowed mutably.
        unsafe { self.call(tensors, workspace.as_mut_ptr(), pool)? };
        outputs
            .into_iter()
            .zip(&self.signature.outputs)
            .map(|(bytes, slot)| Tensor::from_bytes(slot.ty.clone(), bytes).map_err(failed))
            .collect()
    }

    /// Calls the code.
    ///
    /// # Safety
    /// `tensors` are the addresses of the inputs and outputs in order, each with the bytes of its
    /// type; no output overlaps another tensor, unless the program was lowered so; the workspace has
    /// `workspace_bytes`. Nobody else uses the outputs and the workspace meanwhile.
    unsafe fn call(
        &self,
        tensors: impl Iterator<Item = *mut u8>,
        workspace: *mut u8,
        pool: Option<&ThreadPool>,
    ) -> Result<(), Diagnostic> {
        let parallel = pool.map(ThreadPool::as_c);
        let mut args: Vec<*mut u8> = vec![self.state.as_ptr().cast_mut()];
        args.extend(tensors);
        args.push(workspace);
        args.push(match &parallel {
            Some(c) => std::ptr::from_ref(c).cast_mut().cast(),
            None => std::ptr::null_mut(),
        });
        // SAFETY: the table holds the arguments of `NAME_run` in order, as the caller promises; the
        // pool outlives the call.
        let status = unsafe { (self.call)(args.as_ptr()) };
        check_status(status)
    }

    /// Like [`JitProgram::call`], one kernel after the other; gives the time of each.
    ///
    /// # Safety
    /// As for [`JitProgram::call`].
    unsafe fn profile(
        &self,
        tensors: impl Iterator<Item = *mut u8>,
        workspace: *mut u8,
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<Duration>, Diagnostic> {
        let mut status = 0i32;
        // The table that kernels find addresses in: see `kernel::builder`.
        let mut table: Vec<*mut u8> = vec![std::ptr::null_mut(); CTX_INPUTS];
        table[CTX_STATE] = self.state.as_ptr().cast_mut();
        table[CTX_WORKSPACE] = workspace;
        table[CTX_STATUS] = std::ptr::from_mut(&mut status).cast();
        table.extend(tensors);
        let ctx: *mut c_void = table.as_mut_ptr().cast();
        let mut times = Vec::with_capacity(self.kernels.len());
        for (&kernel, report) in self.kernels.iter().zip(&self.report.kernels) {
            let start = Instant::now();
            match pool.filter(|_| report.shared) {
                Some(pool) => {
                    let c = pool.as_c();
                    // SAFETY: the pool lives, and the kernel may be called from any thread for any
                    // range of its items; the table has what it reads, as the caller promises.
                    unsafe { (c.parallel_for)(c.pool, report.items as usize, kernel, ctx) }
                }
                // SAFETY: as above.
                None => unsafe { kernel(ctx, 0, report.items as usize) },
            }
            times.push(start.elapsed());
        }
        check_status(status)?;
        Ok(times)
    }
}

/// The error of a status that is not 0.
fn check_status(status: i32) -> Result<(), Diagnostic> {
    match status {
        0 => Ok(()),
        _ => Err(
            failed("a gather or scatter was asked for an index out of range".to_owned())
                .help("indices must be at least 0 and less than the extent of the values"),
        ),
    }
}

/// Zeroed bytes for a result.
fn bytes_for(ty: &TensorType) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes: Vec<u8> = Vec::new();
    bytes
        .try_reserve_exact(ty.bytes())
        .map_err(|_| failed(format!("there is no memory for a result of {ty}")))?;
    bytes.resize(ty.bytes(), 0);
    Ok(bytes)
}

impl Executable for JitProgram {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[Tensor], pool: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        JitProgram::run(self, inputs, pool)
    }
}

impl Drop for JitProgram {
    fn drop(&mut self) {
        // SAFETY: `module` is taken once, here; no pointer into its memory outlives the program.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() };
    }
}
