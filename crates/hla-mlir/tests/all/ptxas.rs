//! Every kernel of whole programs through NVIDIA's assembler, which says what it takes. It is not
//! part of hlac and nothing of it goes into hlac: `./x test` fetches it and sets `HLAC_PTXAS`; where it
//! cannot be had these tests count as skipped.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use hla_gpu::{GpuOptions, Precision, lower_program};
use hla_ir::Function;
use hla_mlir::gpu::{Chip, to_ptx};

use super::networks::{MODELS, RESNET18, inference, model, training};

/// What the assembler tells of a kernel.
#[derive(Default, Debug)]
struct Usage {
    spilled: u64,
    registers: u64,
}

/// Assembles a module; gives what each kernel uses.
fn assemble(ptx: &str, chip: &str) -> Result<BTreeMap<String, Usage>, String> {
    let ptxas = std::env::var("HLAC_PTXAS").expect("HLAC_PTXAS is the path of ptxas");
    let mut file = tempfile::Builder::new().suffix(".ptx").tempfile().unwrap();
    file.write_all(ptx.as_bytes()).unwrap();
    let output = Command::new(ptxas)
        .args(["-v", &format!("-arch={chip}"), "-o", "/dev/null"])
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(text);
    }
    let mut kernels: BTreeMap<String, Usage> = BTreeMap::new();
    let mut current = String::new();
    let number = |line: &str, before: &str| -> Option<u64> {
        line.split(before)
            .next()?
            .split(' ')
            .next_back()?
            .parse()
            .ok()
    };
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("Function properties for ") {
            name.clone_into(&mut current);
            kernels.entry(current.clone()).or_default();
        }
        if let Some(usage) = kernels.get_mut(&current) {
            if line.contains(" bytes spill stores") {
                usage.spilled = number(line, " bytes spill stores").unwrap_or(u64::MAX);
            }
            if line.contains(" registers") {
                usage.registers = number(line, " registers").unwrap_or_default();
            }
        }
    }
    Ok(kernels)
}

/// Kernels whose registers may not be spilled.
const SPARED: [&str; 3] = ["conv2d", "matmul", "reduce"];

/// Compiles functions for a chip and assembles all of it, on all processors; every kernel must be taken,
/// and no register of a contraction or of a reduction be spilled.
fn check(functions: &[Function], chip: &str) {
    let options = GpuOptions {
        precision: Precision::Tf32,
        ..GpuOptions::for_chip(chip).unwrap()
    };
    let lowered = lower_program(functions, &options).unwrap();
    let ptx = to_ptx(&lowered.kernels, Chip::named(chip).unwrap()).unwrap();
    let next = AtomicUsize::new(0);
    let assembled = || {
        let mut usage = BTreeMap::new();
        while let Some(module) = ptx.modules.get(next.fetch_add(1, Ordering::Relaxed)) {
            usage.extend(assemble(module, chip).unwrap_or_else(|e| panic!("{chip}: {e}")));
        }
        usage
    };
    let usage: BTreeMap<String, Usage> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(assembled)).collect();
        let found = workers.into_iter().map(|worker| worker.join().unwrap());
        found.flatten().collect()
    });
    assert_eq!(usage.len(), ptx.kernels.len());
    let mut spilling = Vec::new();
    for kernel in &ptx.kernels {
        let usage = &usage[&kernel.entry];
        assert!(usage.registers > 0, "{kernel:?}");
        if usage.spilled > 0 {
            let told = format!("{}: {} bytes", kernel.computes, usage.spilled);
            match SPARED.iter().any(|kind| kernel.computes.contains(kind)) {
                true => spilling.push(told),
                false => println!("{chip}: {told} spilled"),
            }
        }
    }
    assert!(spilling.is_empty(), "{chip}:\n{}", spilling.join("\n"));
    println!("{chip}: {} kernels", ptx.kernels.len());
}

/// Training and inference of all models in each precision, as functions of one program: equal kernels
/// are assembled once. f32 is tf32 on the tensor cores. Kernels in f16 are those in bf16 with another
/// type, so the largest model does without.
fn everything(chip: &str) {
    let mut functions = Vec::new();
    for (path, batch) in MODELS {
        for precision in ["bf16", "f16", "f32"] {
            if (path, precision) == (RESNET18, "f16") {
                continue;
            }
            functions.extend(training(&model(path, batch), precision));
            functions.push(inference(&model(path, 1), precision));
        }
    }
    check(&functions, chip);
}

#[test]
#[ignore = "needs ptxas, which ./x test fetches"]
fn ptxas_takes_every_kernel_for_sm_80() {
    everything("sm_80");
}

#[test]
#[ignore = "needs ptxas, which ./x test fetches"]
fn ptxas_takes_every_kernel_for_sm_90() {
    everything("sm_90");
}

#[test]
#[ignore = "needs ptxas, which ./x test fetches"]
fn ptxas_takes_every_kernel_for_sm_100() {
    everything("sm_100");
}

/// What is refused is seen.
#[test]
#[ignore = "needs ptxas, which ./x test fetches"]
fn ptxas_refuses_what_is_wrong() {
    let ptx = to_ptx(&[super::gpu::map("math.exp %0 : f32")], Chip::DEFAULT).unwrap();
    let module = &ptx.modules[0];
    assert!(assemble(module, "sm_80").is_ok());
    let error = assemble(&module.replace("rn.f32", "rq.f32"), "sm_80").unwrap_err();
    assert!(error.contains("error"), "{error}");
}
