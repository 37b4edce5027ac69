//! Running one kernel on bytes.

use hla_runtime::device::{BoundArg, Device};
use hla_runtime::plan::Access;

use crate::device::Emulator;
use crate::fault::Fault;
use crate::options::{Landing, Options, Report, Schedule};

/// Runs an entry of a module: each parameter is a pointer to a buffer, which the kernel may read and
/// write. Bytes behind the end of a buffer are garbage, and
/// [a few](hla_runtime::plan::SLACK) may be read.
pub fn run_kernel(
    ptx: &str,
    entry: &str,
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
    buffers: &mut [Vec<u8>],
) -> Result<Report, Fault> {
    let access = vec![Access::ReadWrite; buffers.len()];
    run_kernel_with(
        Options::default(),
        ptx,
        entry,
        [grid, block],
        shared_bytes,
        buffers,
        &access,
    )
}

/// Runs an entry under given options, with given promises about each buffer: one that is only to be
/// written is garbage before.
pub fn run_kernel_with(
    options: Options,
    ptx: &str,
    entry: &str,
    [grid, block]: [[u32; 3]; 2],
    shared_bytes: u32,
    buffers: &mut [Vec<u8>],
    access: &[Access],
) -> Result<Report, Fault> {
    let mut emulator = Emulator::new(options);
    let kernel = emulator.kernel(ptx, entry, block, shared_bytes)?;
    let plain = |diagnostic: hla_ir::Diagnostic| Fault::new(diagnostic.message);
    let mut args = Vec::new();
    for (buffer, &access) in buffers.iter().zip(access) {
        let address = emulator.allocate(buffer.len() as u64).map_err(plain)?;
        if access != Access::Write {
            emulator.upload(address, buffer).map_err(plain)?;
        }
        args.push(BoundArg {
            address,
            bytes: buffer.len() as u64,
            access,
        });
    }
    let report = emulator.launch(kernel, grid, &args)?;
    for (buffer, arg) in buffers.iter_mut().zip(&args) {
        emulator.download(arg.address, buffer).map_err(plain)?;
    }
    Ok(report)
}

/// Orders and landings that a right kernel must not feel.
pub fn every_way() -> Vec<Options> {
    let mut ways = Vec::new();
    let schedules = [
        Schedule::InOrder,
        Schedule::Reverse,
        Schedule::Random(1),
        Schedule::Random(2),
    ];
    for (i, schedule) in schedules.into_iter().enumerate() {
        let landing = if i % 2 == 0 {
            Landing::Late
        } else {
            Landing::Early
        };
        ways.push(Options {
            schedule,
            landing,
            ..Options::default()
        });
    }
    ways
}

/// Runs an entry [every way](every_way) and compares all buffers byte by byte.
pub fn run_every_way(
    ptx: &str,
    entry: &str,
    [grid, block]: [[u32; 3]; 2],
    shared_bytes: u32,
    buffers: &mut [Vec<u8>],
    access: &[Access],
) -> Result<Report, Fault> {
    let before = buffers.to_vec();
    let mut first: Option<(Report, Vec<Vec<u8>>)> = None;
    for options in every_way() {
        let mut own = before.clone();
        let report = run_kernel_with(
            options,
            ptx,
            entry,
            [grid, block],
            shared_bytes,
            &mut own,
            access,
        )?;
        match &first {
            None => first = Some((report, own)),
            Some((_, expected)) => {
                for (i, (a, b)) in expected.iter().zip(&own).enumerate() {
                    if let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) {
                        return Err(Fault::new(format!(
                            "kernel `{entry}`: byte {at} of argument {i} depends on the order: {:?}, {:?}",
                            options.schedule, options.landing
                        )));
                    }
                }
            }
        }
    }
    let (report, result) = first.unwrap_or_default();
    buffers.clone_from_slice(&result);
    Ok(report)
}
