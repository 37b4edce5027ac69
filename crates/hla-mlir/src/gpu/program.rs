//! Programs for a GPU from lowered functions.

use hla_gpu::Lowered;
use hla_ir::Diagnostic;
use hla_runtime::plan::DeviceProgram;

use super::{Chip, to_ptx};

/// Makes a program of lowered functions: compiles their kernels for a chip. `precision` tells how
/// contractions are computed (`f32`, `tf32`, `bf16` or `f16`), `producer` who compiles; both are for
/// people.
///
/// # Errors
/// As [`to_ptx`].
pub fn program(
    lowered: &Lowered,
    chip: Chip,
    precision: &str,
    producer: &str,
) -> Result<DeviceProgram, Vec<Diagnostic>> {
    let ptx = to_ptx(&lowered.kernels, chip)?;
    Ok(DeviceProgram {
        chip: chip.name().to_owned(),
        precision: precision.to_owned(),
        producer: producer.to_owned(),
        modules: ptx.modules,
        kernels: ptx.kernels,
        constants: lowered.constants.clone(),
        functions: lowered.functions.clone(),
        driver: None,
    })
}
