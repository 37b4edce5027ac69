//! Upstream MLIR as an independent oracle: a function is printed, lowered from TOSA to LLVM by
//! `mlir-opt-22`, and run by `mlir-runner-22`. Both are processes; nothing here links LLVM.
//!
//! Results come back as integers with the bits of the elements, so nothing is lost in printing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hla_ir::print::dense_text;
use hla_ir::{DType, Function, Tensor, TensorType};

/// TOSA to LLVM: upstream's default TOSA pipeline without its profile check, which knows neither
/// i64 nor mixed profiles; then bufferization and loops.
const PIPELINE: &str = "builtin.module(\
    func.func(tosa-optional-decompositions),canonicalize,\
    func.func(tosa-infer-shapes,tosa-make-broadcastable,tosa-to-linalg-named),canonicalize,\
    func.func(tosa-layerwise-constant-fold,tosa-make-broadcastable),\
    func.func(tosa-to-linalg,tosa-to-tensor,tosa-to-arith{include-apply-rescale=true},tosa-to-scf),\
    func.func(convert-elementwise-to-linalg),\
    one-shot-bufferize{bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map},\
    func.func(convert-linalg-to-loops),expand-strided-metadata,lower-affine,convert-scf-to-cf,\
    func.func(convert-math-to-llvm),convert-math-to-libm,convert-arith-to-llvm,\
    finalize-memref-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,\
    convert-ub-to-llvm,reconcile-unrealized-casts)";

/// A call of a function.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The function; it may hold TOSA ops only.
    pub function: &'a Function,
    /// Its arguments.
    pub inputs: &'a [Tensor],
}

/// The tools of one installation of MLIR 22.
#[derive(Clone, Debug)]
pub struct Upstream {
    opt: PathBuf,
    runner: PathBuf,
    libraries: String,
}

impl Upstream {
    /// Finds the tools and the runner's libraries.
    ///
    /// # Errors
    /// If one is missing; the message says how to install it.
    pub fn find() -> Result<Upstream, String> {
        let prefix =
            std::env::var("MLIR_SYS_220_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".to_owned());
        let prefix = Path::new(&prefix);
        let need = |path: PathBuf| {
            if path.exists() {
                return Ok(path);
            }
            Err(format!(
                "{} is missing: run `./x build`, which installs MLIR 22 (apt-get install mlir-22-tools libmlir-22-dev)",
                path.display()
            ))
        };
        let library =
            |name: &str| need(prefix.join("lib").join(name)).map(|p| p.display().to_string());
        Ok(Upstream {
            opt: need(prefix.join("bin/mlir-opt"))?,
            runner: need(prefix.join("bin/mlir-runner"))?,
            libraries: [
                library("libmlir_runner_utils.so")?,
                library("libmlir_c_runner_utils.so")?,
            ]
            .join(","),
        })
    }

    /// Lowers and runs calls, all in one program; gives the results of each.
    ///
    /// # Errors
    /// What the tools reported, if they refused any of the functions or the program failed.
    pub fn run(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>, String> {
        parse(calls, self.run_text(&program(calls), PIPELINE)?)
    }

    /// Lowers a module by a pipeline and runs its `@main`; gives what that printed.
    ///
    /// # Errors
    /// What the tools reported.
    pub fn run_text(&self, text: &str, pipeline: &str) -> Result<String, String> {
        let lowered = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
        std::fs::write(lowered.path(), self.optimize(text, pipeline)?)
            .map_err(|e| e.to_string())?;
        let mut runner = Command::new(&self.runner);
        runner
            .arg(lowered.path())
            .args(["-e", "main", "-entry-point-result=void", "-O0"])
            .arg(format!("-shared-libs={}", self.libraries));
        let out = output("mlir-runner", runner)?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs a pipeline on a module, and the verifier before and after each pass.
    ///
    /// # Errors
    /// What the tool reported.
    pub fn optimize(&self, text: &str, pipeline: &str) -> Result<String, String> {
        let source = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
        std::fs::write(source.path(), text).map_err(|e| e.to_string())?;
        let mut opt = Command::new(&self.opt);
        opt.arg(source.path())
            .arg(format!("--pass-pipeline={pipeline}"));
        let out = output("mlir-opt", opt)?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

fn output(what: &str, mut command: Command) -> Result<Output, String> {
    let out = command
        .output()
        .map_err(|e| format!("{what} cannot be started: {e}"))?;
    if out.status.success() {
        return Ok(out);
    }
    let text = String::from_utf8_lossy(&out.stderr);
    let first: Vec<&str> = text
        .lines()
        .filter(|l| !l.trim().is_empty())
        .take(3)
        .collect();
    Err(format!("{what}: {}: {}", out.status, first.join(" | ")))
}

/// How a result is printed: the conversions that bring it to i32 or i64, and the printer.
fn printing(dtype: DType) -> (&'static [&'static str], DType) {
    match dtype {
        DType::F32 => (&["arith.bitcast i32"], DType::I32),
        DType::F16 | DType::BF16 => (&["arith.bitcast i16", "arith.extsi i32"], DType::I32),
        DType::I1 => (&["arith.extui i32"], DType::I32),
        DType::I8 | DType::I16 => (&["arith.extsi i32"], DType::I32),
        DType::I32 => (&[], DType::I32),
        DType::I64 | DType::Index => (&[], DType::I64),
    }
}

/// The text of a module whose `main` makes the calls and prints the results.
fn program(calls: &[Call<'_>]) -> String {
    let mut text = String::from(
        "module {\n  func.func private @printMemrefI32(tensor<*xi32>)\n  func.func private @printMemrefI64(tensor<*xi64>)\n",
    );
    let mut main = String::from("  func.func @main() {\n");
    for (i, call) in calls.iter().enumerate() {
        let mut function = call.function.clone();
        function.name = format!("function{i}");
        let _ = write!(text, "{function}");
        let _ = writeln!(main, "    func.call @call{i}() : () -> ()");
        write_call(&mut text, i, call);
    }
    main.push_str("    func.return\n  }\n");
    text + &main + "}\n"
}

/// The function `@call{i}`, which calls `@function{i}` and prints what it returns.
fn write_call(text: &mut String, i: usize, call: &Call<'_>) {
    let _ = writeln!(text, "  func.func @call{i}() {{");
    for (k, input) in call.inputs.iter().enumerate() {
        let _ = writeln!(
            text,
            "    %x{k} = arith.constant {} : {}",
            dense_text(input),
            input.ty()
        );
    }
    let list = |n: usize, name: &str| {
        (0..n)
            .map(|k| format!("%{name}{k}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let types = |all: Vec<String>| all.join(", ");
    let inputs = types(call.inputs.iter().map(|t| t.ty().to_string()).collect());
    let results: Vec<&TensorType> = call
        .function
        .results
        .iter()
        .map(|&id| call.function.tensor_ty(id))
        .collect();
    let result_types = types(results.iter().map(ToString::to_string).collect());
    let _ = writeln!(
        text,
        "    {} = func.call @function{i}({}) : ({inputs}) -> ({result_types})",
        list(results.len(), "r"),
        list(call.inputs.len(), "x"),
    );
    for (k, ty) in results.iter().enumerate() {
        let (steps, printed) = printing(ty.dtype);
        let (mut value, mut from) = (format!("%r{k}"), (*ty).clone());
        for (s, step) in steps.iter().enumerate() {
            let (op, dtype) = step.split_once(' ').unwrap_or((step, ""));
            let to = from.with_dtype(DType::from_name(dtype).unwrap_or(from.dtype));
            let _ = writeln!(text, "    %r{k}_{s} = {op} {value} : {from} to {to}");
            (value, from) = (format!("%r{k}_{s}"), to);
        }
        let suffix = if printed == DType::I64 { "I64" } else { "I32" };
        let _ = writeln!(
            text,
            "    %u{k} = tensor.cast {value} : {from} to tensor<*x{printed}>"
        );
        let _ = writeln!(
            text,
            "    func.call @printMemref{suffix}(%u{k}) : (tensor<*x{printed}>) -> ()"
        );
    }
    text.push_str("    func.return\n  }\n");
}

/// What `printMemref…` wrote.
#[derive(Clone, Debug)]
pub struct Printed {
    text: String,
    /// Where what was not read yet begins.
    at: usize,
}

/// What precedes each memref.
const MARK: &str = "Unranked Memref";

impl Printed {
    /// The output of a program.
    pub fn new(text: String) -> Printed {
        Printed { text, at: 0 }
    }

    /// The numbers of the next memref.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(&mut self) -> Result<Vec<i64>, String> {
        let rest = &self.text[self.at..];
        let start = rest
            .find(MARK)
            .ok_or("the program printed too few results")?
            + MARK.len();
        let end = rest[start..].find(MARK).map_or(rest.len(), |n| start + n);
        self.at += end;
        let (_, data) = rest[start..end]
            .split_once("data =")
            .ok_or("a result was printed without data")?;
        let numbers = data
            .split(|c: char| !c.is_ascii_digit() && c != '-')
            .filter(|n| !n.is_empty());
        numbers
            .map(|n| n.parse().map_err(|e| format!("'{n}': {e}")))
            .collect()
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// If there is another memref.
    pub fn end(&self) -> Result<(), String> {
        match self.text[self.at..].contains(MARK) {
            false => Ok(()),
            true => Err("the program printed too many results".to_owned()),
        }
    }
}

/// The results of calls, from what was printed.
fn parse(calls: &[Call<'_>], text: String) -> Result<Vec<Vec<Tensor>>, String> {
    let mut printed = Printed::new(text);
    let mut all = Vec::with_capacity(calls.len());
    for call in calls {
        let mut results = Vec::new();
        for &id in &call.function.results {
            let ty = call.function.tensor_ty(id);
            let mut bytes = Vec::with_capacity(ty.bytes());
            for value in printed.read()? {
                bytes.extend_from_slice(&value.to_le_bytes()[..ty.dtype.bytes()]);
            }
            results.push(Tensor::from_bytes(ty.clone(), bytes)?);
        }
        all.push(results);
    }
    printed.end()?;
    Ok(all)
}
