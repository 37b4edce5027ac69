//! Runs the linalg form of kernels: `mlir-opt-22` lowers it to loops, `mlir-runner-22` runs it.

use std::fmt::Write as _;
use std::process::Command;

use hla_gpu::text::{memref, stored};
use hla_ir::{DType, Tensor};

use crate::job::Job;

const PIPELINE: &str = "builtin.module(func.func(convert-linalg-to-loops),expand-strided-metadata,\
    lower-affine,convert-scf-to-cf,func.func(convert-math-to-llvm),convert-math-to-libm,\
    convert-arith-to-llvm,finalize-memref-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,\
    convert-index-to-llvm,reconcile-unrealized-casts)";

fn run_tool(command: &mut Command) -> String {
    let out = command.output().expect("MLIR 22 is installed (./x build)");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs jobs in one program; gives the result of each.
pub fn run(jobs: &[Job]) -> Vec<Tensor> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let source = directory.path().join("jobs.mlir");
    let lowered = directory.path().join("lowered.mlir");
    std::fs::write(&source, program(jobs)).expect("written");
    run_tool(
        Command::new("mlir-opt-22")
            .arg(&source)
            .arg(format!("--pass-pipeline={PIPELINE}"))
            .arg("-o")
            .arg(&lowered),
    );
    let libraries = "/usr/lib/llvm-22/lib/libmlir_runner_utils.so,/usr/lib/llvm-22/lib/libmlir_c_runner_utils.so";
    let printed = run_tool(
        Command::new("mlir-runner-22")
            .arg(&lowered)
            .args(["-e", "main", "-entry-point-result=void", "-O0"])
            .arg(format!("-shared-libs={libraries}")),
    );
    let results = printed.split("Unranked Memref").skip(1);
    let tensors: Vec<Tensor> = jobs
        .iter()
        .zip(results)
        .map(|(job, text)| parse(job, text))
        .collect();
    assert_eq!(tensors.len(), jobs.len());
    tensors
}

fn parse(job: &Job, text: &str) -> Tensor {
    let (_, data) = text.split_once("data =").expect("data");
    let ty = job.expected.ty();
    let mut bytes = Vec::new();
    for number in data
        .split(|c: char| !c.is_ascii_digit() && c != '-')
        .filter(|n| !n.is_empty())
    {
        let value: i64 = number.parse().expect("a number");
        bytes.extend_from_slice(&value.to_le_bytes()[..ty.dtype.bytes()]);
    }
    Tensor::from_bytes(ty.clone(), bytes).expect("as many elements as the result has")
}

fn program(jobs: &[Job]) -> String {
    let mut module = String::from(
        "func.func private @printMemrefI32(memref<*xi32>) attributes {llvm.emit_c_interface}\n",
    );
    let mut main = String::from("func.func @main() {\n");
    for (j, job) in jobs.iter().enumerate() {
        let _ = writeln!(main, "  call @job{j}() : () -> ()");
        let mut body = String::new();
        for (b, (ty, bytes)) in job.buffers.iter().enumerate() {
            let memref = memref(ty);
            match bytes {
                Some(bytes) => {
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                    let _ = writeln!(
                        module,
                        "memref.global \"private\" constant @data{j}_{b} : {memref} = dense<\"0x{hex}\">"
                    );
                    let _ = writeln!(body, "  %b{b} = memref.get_global @data{j}_{b} : {memref}");
                }
                // What nobody writes is seen: a pattern that no result holds.
                None => {
                    let element = stored(ty.dtype);
                    let junk = match ty.dtype.is_float() {
                        true => "-1234.0",
                        false => "77",
                    };
                    let _ = writeln!(
                        body,
                        "  %b{b} = memref.alloc() : {memref}\n  %junk{b} = arith.constant {junk} : {element}"
                    );
                    let _ = writeln!(
                        body,
                        "  linalg.fill ins(%junk{b} : {element}) outs(%b{b} : {memref})"
                    );
                }
            }
        }
        for (k, (kernel, arguments)) in job.launches.iter().enumerate() {
            let name = format!("@kernel{j}_{k}");
            module.push_str(&kernel.linalg.replace("@KERNEL", &name));
            let names: Vec<_> = arguments.iter().map(|b| format!("%b{b}")).collect();
            let types: Vec<_> = arguments
                .iter()
                .map(|&b| memref(&job.buffers[b].0))
                .collect();
            let _ = writeln!(
                body,
                "  call {name}({}) : ({}) -> ()",
                names.join(", "),
                types.join(", ")
            );
        }
        print(&mut body, job);
        let _ = writeln!(module, "func.func @job{j}() {{\n{body}  return\n}}");
    }
    format!("{module}{main}  return\n}}\n")
}

/// Prints a result as integers with the same bits.
fn print(body: &mut String, job: &Job) {
    let ty = &job.buffers[job.result].0;
    let (from, element) = (memref(ty), stored(ty.dtype));
    let to = from.replace(&format!("{element}>"), "i32>");
    let steps = match ty.dtype {
        DType::F32 => "    %i = arith.bitcast %x : f32 to i32\n".to_owned(),
        DType::F16 | DType::BF16 => format!(
            "    %s = arith.bitcast %x : {element} to i16\n    %i = arith.extsi %s : i16 to i32\n"
        ),
        DType::I32 => String::new(),
        _ => format!("    %i = arith.extsi %x : {element} to i32\n"),
    };
    let last = if steps.is_empty() { "%x" } else { "%i" };
    let dims: Vec<_> = (0..ty.rank()).map(|d| format!("d{d}")).collect();
    let map = format!("affine_map<({0}) -> ({0})>", dims.join(", "));
    let parallel = vec!["\"parallel\""; ty.rank()].join(", ");
    let _ = write!(
        body,
        "  %bits = memref.alloc() : {to}\n  \
         linalg.generic {{indexing_maps = [{map}, {map}], iterator_types = [{parallel}]}} ins(%b{} : {from}) outs(%bits : {to}) {{\n  \
         ^bb0(%x: {element}, %old: i32):\n{steps}    linalg.yield {last} : i32\n  }}\n  \
         %any = memref.cast %bits : {to} to memref<*xi32>\n  \
         call @printMemrefI32(%any) : (memref<*xi32>) -> ()\n",
        job.result
    );
}
