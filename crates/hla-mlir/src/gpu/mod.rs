//! From kernels in MLIR's gpu dialect to PTX, with upstream's passes and LLVM alone: no part of a
//! CUDA toolkit.
//!
//! - [`chip`] lists the GPUs;
//! - `math.mlir` defines the mathematical functions;
//! - [`to_ptx`] is the way: kernels → one `gpu.module` for some of them → NVVM → PTX;
//! - [`program`] makes a program of it that the runtime knows.
//!
//! The same kernels give the same bytes: how they are spread over modules depends on their number
//! alone, and each module is compiled by itself.

pub mod chip;
mod program;

use hla_gpu::KernelCode;
use hla_gpu::kernel::NAME;
use hla_ir::{Diagnostic, Location, Severity};
use hla_runtime::plan::Kernel;

pub use chip::Chip;
pub use program::program;

use crate::ffi::{Dialects, Ir, in_use};
use crate::pipeline::PipelineOptions;

/// Kernels of a module. A module costs some 20 ms by itself, and is what threads share work by.
const MODULE: usize = 16;

/// Passes from the gpu dialect to LLVM's.
const LOWER: &str = "builtin.module(gpu.module(canonicalize,cse,loop-invariant-code-motion,\
    convert-nvgpu-to-nvvm,expand-strided-metadata,lower-affine,convert-scf-to-cf,\
    convert-vector-to-llvm{use-vector-alignment=1},\
    convert-gpu-to-nvvm{use-bare-ptr-memref-call-conv=1},canonicalize,cse,\
    reconcile-unrealized-casts))";

/// From LLVM's dialect to PTX.
const ASSEMBLE: &str = "builtin.module(gpu-module-to-binary{format=isa})";

/// See `math.mlir`.
const MATH: &str = include_str!("math.mlir");

/// PTX and where the kernels are in it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ptx {
    /// PTX, each text a module of its own.
    pub modules: Vec<String>,
    /// The kernels, in the order of their codes.
    pub kernels: Vec<Kernel>,
}

/// Compiles kernels for a GPU.
///
/// # Errors
/// What MLIR says of a kernel, which is named. As kernels come from hlac itself, that is a mistake
/// in hlac.
pub fn to_ptx(codes: &[KernelCode], chip: Chip) -> Result<Ptx, Vec<Diagnostic>> {
    let batches: Vec<&[KernelCode]> = codes.chunks(MODULE).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let compile = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match batches.get(i) {
                Some(batch) => done.push((i, module(batch, i * MODULE, chip))),
                None => return done,
            }
        }
    };
    let mut modules = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads.min(batches.len()))
            .filter_map(|_| {
                let thread = std::thread::Builder::new().stack_size(STACK);
                thread.spawn_scoped(scope, compile).ok()
            })
            .collect();
        let mut all = compile();
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    modules.sort_by_key(|(i, _)| *i);
    let mut ptx = Ptx::default();
    let mut errors = Vec::new();
    for (_, module) in modules {
        match module {
            Ok(text) => ptx.modules.push(text),
            Err(more) => errors.extend(more),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    ptx.kernels = codes
        .iter()
        .enumerate()
        .map(|(i, code)| Kernel {
            entry: entry(i, code),
            module: (i / MODULE) as u32,
            block: code.block,
            shared_bytes: code.shared_bytes,
            computes: code.computes.clone(),
        })
        .collect();
    Ok(ptx)
}

/// Stack of a thread that compiles: LLVM recurses over expressions.
const STACK: usize = 64 << 20;

/// The kernels as one module in the gpu dialect, as [`to_ptx`] begins with them; for people.
pub fn gpu_module(codes: &[KernelCode], chip: Chip) -> String {
    source(codes, 0, chip, "").text
}

/// What a profiler shows: the kernel's number, and what it computes as far as that makes a name.
fn entry(index: usize, code: &KernelCode) -> String {
    const LONGEST: usize = 40;
    let mut name = format!("k{index}");
    for word in code
        .computes
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        if name.len() + word.len() >= LONGEST {
            break;
        }
        name.push('_');
        name.push_str(word);
    }
    name
}

/// A module under construction.
struct Source {
    text: String,
    /// The line that each kernel begins at.
    lines: Vec<u32>,
}

fn source(codes: &[KernelCode], first: usize, chip: Chip, library: &str) -> Source {
    let mut text = format!(
        "module attributes {{gpu.container_module}} {{\ngpu.module @kernels \
         [#nvvm.target<O = 3, chip = \"{}\", features = \"+ptx{}\">] {{\n{library}",
        chip.name(),
        chip.ptx_version()
    );
    let mut lines = Vec::with_capacity(codes.len());
    let mut line = 1 + text.matches('\n').count() as u32;
    for (i, code) in codes.iter().enumerate() {
        lines.push(line);
        let name = format!("@{}", entry(first + i, code));
        let start = text.len();
        text.push_str("// ");
        text.push_str(&code.computes.replace(['\n', '\r'], " "));
        text.push('\n');
        text.push_str(code.gpu.replace(NAME, &name).trim_end());
        text.push('\n');
        line += text[start..].matches('\n').count() as u32;
    }
    text.push_str("}\n}\n");
    Source { text, lines }
}

/// PTX of some kernels, of which the first has this number.
fn module(codes: &[KernelCode], first: usize, chip: Chip) -> Result<String, Vec<Diagnostic>> {
    let Source { text, lines } = source(codes, first, chip, MATH);
    let named = |errors: Vec<Diagnostic>| -> Vec<Diagnostic> {
        let errors = errors.into_iter();
        let errors = errors.filter(|e| e.severity == Severity::Error);
        errors.map(|e| name(e, codes, &lines)).collect()
    };
    let _guard = in_use();
    let mut buffer = text.into_bytes();
    if buffer.contains(&0) {
        let message = "there is a NUL character in a kernel";
        return Err(vec![mistake(message.to_owned())]);
    }
    buffer.push(0);
    let mut ir = Ir::parse("kernels", &buffer, Dialects::Gpu).map_err(named)?;
    let options = PipelineOptions {
        verify_each: cfg!(debug_assertions),
        ..PipelineOptions::default()
    };
    ir.run_passes(LOWER, options).map_err(named)?;
    ir.make_external("__dynamic_shmem__");
    ir.run_passes(ASSEMBLE, options).map_err(named)?;
    let objects = ir.gpu_objects();
    let [object] = objects.as_slice() else {
        let message = format!("MLIR gave {} objects for a module", objects.len());
        return Err(vec![mistake(message)]);
    };
    let ptx = String::from_utf8_lossy(object);
    let ptx = ptx.trim_end_matches('\0').to_owned();
    if let Some(line) = ptx.lines().find(|line| line.starts_with(".extern .func")) {
        let message = format!("kernels call a function that is not defined: {line}");
        return Err(vec![
            mistake(message).help("define it in crates/hla-mlir/src/gpu/math.mlir"),
        ]);
    }
    Ok(ptx)
}

fn mistake(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
}

/// The error of a line as that of the kernel there.
fn name(mut error: Diagnostic, codes: &[KernelCode], lines: &[u32]) -> Diagnostic {
    let line = error.location.line;
    let after = lines.partition_point(|&start| start <= line);
    if let Some(code) = after.checked_sub(1).and_then(|i| codes.get(i)) {
        let within = line - lines[after - 1];
        let text = code.gpu.lines().nth((within as usize).saturating_sub(1));
        error.message = format!("the kernel '{}': {}", code.computes, error.message);
        if let Some(text) = text {
            error = error.note(
                Location::unknown(),
                format!("line {within} of it: {}", text.trim()),
            );
        }
    }
    error.location = Location::unknown();
    error.help("this is a mistake in hlac, not in your model; please report it")
}
