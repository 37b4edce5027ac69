//! Runs the gpu form of kernels: upstream's passes make PTX of it, the emulator runs that.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use hla_gpu::KernelCode;
use hla_ir::Tensor;
use hla_runtime::plan::Access;
use ptx_emulator::{Fault, Options, run_kernel_with};

use crate::job::Job;

const LOWER: &str = "builtin.module(gpu.module(canonicalize,cse,loop-invariant-code-motion,\
    convert-nvgpu-to-nvvm,expand-strided-metadata,lower-affine,convert-scf-to-cf,\
    convert-vector-to-llvm{use-vector-alignment=1},\
    convert-gpu-to-nvvm{use-bare-ptr-memref-call-conv=1},canonicalize,cse,\
    reconcile-unrealized-casts))";

/// What upstream calls for mathematics.
const MATH: &str = include_str!("../../../hla-mlir/src/gpu/math.mlir");

fn opt(pipeline: &str, text: &str) -> String {
    let mut child = Command::new("mlir-opt-22")
        .arg(format!("--pass-pipeline={pipeline}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("MLIR 22 is installed (./x build)");
    let mut stdin = child.stdin.take().expect("piped");
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let out = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads all");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success(),
        "{}",
        &errors[..errors.len().min(4000)]
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// PTX of kernels, which are its entries `kernel0`, `kernel1` and so on.
pub fn compile(kernels: &[&KernelCode]) -> String {
    let mut text = format!(
        "gpu.module @kernels [#nvvm.target<O = 3, chip = \"sm_80\", features = \"+ptx70\">] {{\n{MATH}\n"
    );
    for (i, kernel) in kernels.iter().enumerate() {
        let _ = writeln!(
            text,
            "{}",
            kernel.gpu.replace("@KERNEL", &format!("@kernel{i}"))
        );
    }
    text.push_str("}\n");
    // Dynamic shared memory has no place of its own unless its symbol comes from outside.
    let lowered = opt(LOWER, &text).replace(
        "llvm.mlir.global internal @__dynamic_shmem__",
        "llvm.mlir.global external @__dynamic_shmem__",
    );
    let binary = opt("builtin.module(gpu-module-to-binary{format=isa})", &lowered);
    let (_, rest) = binary.split_once("assembly = \"").expect("PTX");
    unescape(rest)
}

/// The text of an MLIR string literal up to its end.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'"', _) => break,
            (b'\\', [a, b, tail @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |d: &u8| (*d as char).to_digit(16).unwrap_or(0) as u8;
                bytes.push(16 * digit(a) + digit(b));
                rest = tail;
            }
            (b'\\', [escaped, tail @ ..]) => {
                bytes.push(*escaped);
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\0')
        .to_owned()
}

/// Runs a job, whose kernels are entries of a module from a number on.
pub fn run(job: &Job, ptx: &str, first: usize, options: Options) -> Result<Tensor, Fault> {
    let mut buffers: Vec<Vec<u8>> = job
        .buffers
        .iter()
        .map(|(ty, bytes)| bytes.clone().unwrap_or_else(|| vec![0x5a; ty.bytes()]))
        .collect();
    for (i, (kernel, arguments)) in job.launches.iter().enumerate() {
        let mut given: Vec<Vec<u8>> = arguments.iter().map(|&b| buffers[b].clone()).collect();
        let mut access = vec![Access::Read; given.len()];
        access[given.len() - 1] = Access::Write;
        run_kernel_with(
            options,
            ptx,
            &format!("kernel{}", first + i),
            [kernel.grid, kernel.block],
            kernel.shared_bytes,
            &mut given,
            &access,
        )?;
        for (&b, bytes) in arguments.iter().zip(given) {
            buffers[b] = bytes;
        }
    }
    let bytes = buffers.swap_remove(job.result);
    Ok(Tensor::from_bytes(job.expected.ty().clone(), bytes).expect("the result's bytes"))
}

/// Runs jobs under some options; gives what went wrong.
pub fn check(jobs: &[Job], ways: &[Options]) -> Vec<String> {
    let kernels: Vec<&KernelCode> = jobs
        .iter()
        .flat_map(|j| &j.launches)
        .map(|(k, _)| k)
        .collect();
    let ptx = compile(&kernels);
    let mut wrong = Vec::new();
    let mut first = 0;
    for job in jobs {
        for &options in ways {
            let outcome = match run(job, &ptx, first, options) {
                Ok(result) => job.check(&result),
                Err(fault) => Err(fault.to_string()),
            };
            if let Err(error) = outcome {
                wrong.push(format!("{} {options:?}: {error}", job.name));
                break;
            }
        }
        first += job.launches.len();
    }
    wrong
}
