//! Programs for NVIDIA GPUs.
//!
//! - here: what is asked for, and the way from functions to a program;
//! - `plan` shows a program as text.

mod plan;

use std::fmt;
use std::time::Instant;

use hla_gpu::{GpuOptions, Lowered};
use hla_ir::{Diagnostic, Function, Location, Module};
use hla_mlir::gpu::{self, Chip};
use hla_passes::{fold_constants, mixed_precision, options::Options as PassOptions};
use hla_runtime::plan::DeviceProgram;
use hla_runtime::program;

use crate::compile::{self, Options, Phase};
use crate::summary::CudaSummary;
use crate::{Model, Result};

/// How convolutions and matrix products are computed on a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Precision {
    /// In f32, without tensor cores.
    F32,
    /// Factors rounded to tf32, sums in f32.
    #[default]
    Tf32,
    /// Factors and stored activations in bf16, sums in f32.
    Bf16,
    /// Factors and stored activations in f16, sums in f32.
    F16,
}

impl Precision {
    /// Its name: `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
        }
    }

    /// The option `precision` of `hla-mixed-precision`, which knows types that the graph names.
    pub fn half(self) -> &'static str {
        match self {
            Precision::F32 | Precision::Tf32 => "f32",
            Precision::Bf16 | Precision::F16 => self.name(),
        }
    }
}

/// What a program for a GPU is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CudaTarget {
    chip: Chip,
    precision: Precision,
}

impl CudaTarget {
    /// A target such as `cuda`, which is `cuda:sm_80`, or `cuda:sm_90`. `None` if it names no GPU at
    /// all.
    ///
    /// # Errors
    /// A chip that there is not, or one without `cuda:` before it.
    pub fn parse(target: &str, precision: Precision) -> Result<Option<CudaTarget>> {
        let chip = match target.split_once(':') {
            None if target == "cuda" => Chip::DEFAULT,
            Some(("cuda", chip)) => Chip::named(chip)?,
            None if target.starts_with("sm_") => {
                let error = format!("the target '{target}' is a GPU, and written otherwise");
                return Err(Diagnostic::error(Location::unknown(), error)
                    .help(format!("write cuda:{target}"))
                    .into());
            }
            _ => return Ok(None),
        };
        Ok(Some(CudaTarget { chip, precision }))
    }

    /// How contractions are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    fn gpu_options(&self) -> GpuOptions {
        GpuOptions {
            precision: match self.precision {
                Precision::F32 => hla_gpu::Precision::F32,
                _ => hla_gpu::Precision::Tf32,
            },
            ..GpuOptions::for_chip(self.chip.name()).unwrap_or_default()
        }
    }
}

impl fmt::Display for CudaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{}", self.chip.name())
    }
}

/// A compiled program for a GPU.
#[derive(Clone, Debug)]
pub struct CudaProgram {
    /// PTX, launch plans and constants.
    pub program: DeviceProgram,
    target: CudaTarget,
    lowered: Lowered,
    functions: Vec<Function>,
}

impl CudaProgram {
    /// Compiles functions whose arguments and results have names; equal kernels are shared. For bf16
    /// and f16 they are those that `hla-mixed-precision` made.
    ///
    /// # Errors
    /// Ops without a kernel, each with its place.
    pub fn compile(functions: Vec<Function>, target: CudaTarget) -> Result<CudaProgram> {
        let lowered = hla_gpu::lower_program(&functions, &target.gpu_options())?;
        let producer = concat!("hlac ", env!("CARGO_PKG_VERSION"));
        let precision = target.precision.name();
        let program = gpu::program(&lowered, target.chip, precision, producer)?;
        Ok(CudaProgram {
            program,
            target,
            lowered,
            functions,
        })
    }

    /// The file, see `docs/program-format.md`.
    pub fn bytes(&self) -> Vec<u8> {
        program::encode(&self.program)
    }

    /// The PTX of all modules.
    pub fn ptx(&self) -> String {
        self.program.modules.join("\n")
    }

    /// Three modules of MLIR: the functions that were lowered, their kernels and calls in linalg, and
    /// the kernels in the gpu dialect.
    ///
    /// # Errors
    /// What MLIR says of a function.
    pub fn mlir(&self) -> Result<String> {
        let module = Module {
            functions: self.functions.clone(),
            ..Default::default()
        };
        let mut text = hla_mlir::print_pretty(&module, Default::default())?;
        text.truncate(text.trim_end().len());
        text.push_str("\n\n// -----\n\n");
        text.push_str(&self.lowered.linalg());
        text.push_str("\n// -----\n\n");
        text.push_str(&gpu::gpu_module(&self.lowered.kernels, self.target.chip));
        Ok(text)
    }

    /// The launch plans, for people.
    pub fn plan(&self) -> String {
        plan::listing(&self.program)
    }
}

/// What came of a model.
#[derive(Clone, Debug)]
pub struct CompiledCuda {
    /// The program, with one function.
    pub program: CudaProgram,
    /// What was done.
    pub summary: CudaSummary,
}

/// Whether a target is a GPU, if it is anything.
pub(crate) fn names_gpu(target: &str) -> bool {
    target == "cuda" || target.starts_with("cuda:")
}

/// Compiles a model for a GPU: the passes are those of [`compile()`](crate::compile()), but that layouts
/// are for processors alone, and with `hla-mixed-precision` for bf16 and f16.
///
/// # Errors
/// As there; ops without a kernel for GPUs.
pub fn compile_cuda(
    model: &Model,
    options: &Options,
    target: CudaTarget,
    observe: &mut dyn FnMut(&Phase<'_>),
) -> Result<CompiledCuda> {
    let options = Options {
        target: target.to_string(),
        ..options.clone()
    };
    let (function, changes) = compile::changed(model, &options, observe)?;
    let start = Instant::now();
    let pass = mixed_precision::PASS;
    let precision =
        PassOptions::defaults(pass.options).with("precision", target.precision.half())?;
    let (function, _) = (pass.run)(&function, &precision)?;
    // Weights are rounded now, not at each run.
    let fold = fold_constants::PASS;
    let (mut function, _) = (fold.run)(&function, &PassOptions::defaults(fold.options))?;
    if let Some(name) = &options.name {
        function.name.clone_from(name);
    }
    let program = CudaProgram::compile(vec![function], target)?;
    observe(&Phase {
        name: "code generation",
        time: start.elapsed(),
        report: None,
    });
    let [multiplications_before, multiplications_after] = changes.multiplications;
    let [weight_bytes_before, weight_bytes_after] = changes.weight_bytes;
    let summary = CudaSummary {
        model: options.name.unwrap_or_else(|| model.name().to_owned()),
        target: options.target,
        tables: changes.tables,
        multiplications_before,
        multiplications_after,
        weight_bytes_before,
        weight_bytes_after,
        program: program.program.summary(),
        remarks: changes.remarks,
    };
    Ok(CompiledCuda { program, summary })
}
