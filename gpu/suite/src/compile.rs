//! Functions as a program for a GPU.

use hla_gpu::{GpuOptions, Precision, lower_program};
use hla_ir::{Diagnostic, Function, Location};
use hla_mlir::gpu::{Chip, to_ptx};
use hla_passes::options::Options;
use hla_passes::registry;
use hla_runtime::plan::DeviceProgram;
use hla_runtime::program::encode;

/// What programs are compiled for.
#[derive(Clone, Copy)]
pub struct Target {
    chip: Chip,
}

impl Target {
    /// A chip such as `sm_80`; `cuda` and `cuda:sm_80` are understood too.
    ///
    /// # Errors
    /// No such chip.
    pub fn parse(text: &str) -> Result<Target, Diagnostic> {
        let chip = match text.strip_prefix("cuda").map(|rest| rest.strip_prefix(':')) {
            Some(None) => Chip::DEFAULT,
            Some(Some(chip)) => Chip::named(chip)?,
            None => Chip::named(text)?,
        };
        Ok(Target { chip })
    }

    /// Compiles functions, contractions computed in this precision. Gives the file.
    ///
    /// # Errors
    /// Ops without a kernel; an unknown precision.
    pub fn compile(
        self,
        functions: &[&Function],
        precision: &str,
    ) -> Result<Vec<u8>, Vec<Diagnostic>> {
        let functions = functions
            .iter()
            .map(|function| with_precision(function, precision))
            .collect::<Result<Vec<Function>, Diagnostic>>()
            .map_err(|e| vec![e])?;
        let options = GpuOptions {
            precision: match precision {
                "f32" => Precision::F32,
                _ => Precision::Tf32,
            },
            ..GpuOptions::for_chip(self.chip.name()).unwrap_or_default()
        };
        let lowered = lower_program(&functions, &options).map_err(|e| vec![e])?;
        let ptx = to_ptx(&lowered.kernels, self.chip)?;
        Ok(encode(&DeviceProgram {
            chip: self.chip.name().to_owned(),
            precision: precision.to_owned(),
            producer: concat!("gpu-suite ", env!("CARGO_PKG_VERSION")).to_owned(),
            modules: ptx.modules,
            kernels: ptx.kernels,
            constants: lowered.constants,
            functions: lowered.functions,
            driver: None,
        }))
    }
}

/// Refuses a precision that there is no way to.
///
/// # Errors
/// It is unknown.
pub fn check_precision(precision: &str) -> Result<(), Diagnostic> {
    with_precision(&Function::new("empty"), precision).map(drop)
}

/// The function with its contractions, and what is stored between them, in 16 bits if that is asked
/// for.
fn with_precision(function: &Function, precision: &str) -> Result<Function, Diagnostic> {
    const PASS: &str = "hla-mixed-precision";
    match precision {
        "f32" | "tf32" => Ok(function.clone()),
        "bf16" | "f16" => {
            let pass = registry::find(PASS)?;
            let options = Options::defaults(pass.options).with("precision", precision)?;
            Ok((pass.run)(function, &options)?.0)
        }
        _ => Err(Diagnostic::error(
            Location::unknown(),
            format!("there is no precision '{precision}': f32, tf32, bf16 or f16"),
        )),
    }
}
