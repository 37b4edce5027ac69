//! See the library: the command on NVIDIA's GPUs.

use std::process::ExitCode;

use hla_runtime::device::cuda::Cuda;

fn main() -> ExitCode {
    hla_run::main(|device, synchronous| Ok(Box::new(Cuda::open(device, synchronous)?)))
}
