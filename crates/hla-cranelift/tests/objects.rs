//! Every case of the numeric suite as an object for each processor, linked into one program with a
//! C harness (aarch64 runs under QEMU): the results have the bits that code in memory gives on this
//! machine. Every buffer ends at a page that cannot be touched, so code that reads or writes past
//! its end is caught. Every object is whole: four exported functions, nothing undefined.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::Tensor;
use hla_reference::Tolerance;
use hla_reference::cases::{Case, cases, odd_cases, training_cases};
use hla_runtime::Signature;
use object::{Object, ObjectSymbol};

mod layers;

const HARNESS: &str = r#"
#define _DEFAULT_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
struct hlac_parallel;
struct model {
    size_t (*state_bytes)(void);
    void (*init)(void *);
    size_t (*workspace_bytes)(void);
    int (*run)(void *, char **, void *);
    size_t inputs, outputs;
    const size_t *bytes;
};
enum { PAGE = 65536 };
/* Bytes whose end is followed by a page that cannot be touched. */
static void *need(size_t bytes) {
    size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
    char *p = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + pages, PAGE, PROT_NONE)) exit(3);
    memset(p, 0x7f, pages);
    return p + pages - bytes;
}
static void give_back(void *end, size_t bytes) {
    size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
    munmap((char *)end + bytes - pages, pages + PAGE);
}
static int run(const struct model *m, FILE *in, FILE *out) {
    char *tensors[64];
    void *state = need(m->state_bytes()), *workspace = need(m->workspace_bytes());
    m->init(state);
    for (size_t i = 0; i < m->inputs + m->outputs; i++) {
        tensors[i] = need(m->bytes[i]);
        if (i < m->inputs && fread(tensors[i], 1, m->bytes[i], in) != m->bytes[i]) return 4;
    }
    int status = m->run(state, tensors, workspace);
    for (size_t i = m->inputs; i < m->inputs + m->outputs; i++)
        if (fwrite(tensors[i], 1, m->bytes[i], out) != m->bytes[i]) return 5;
    for (size_t i = 0; i < m->inputs + m->outputs; i++) give_back(tensors[i], m->bytes[i]);
    give_back(state, m->state_bytes());
    give_back(workspace, m->workspace_bytes());
    return status;
}
"#;

/// The part of the harness that knows one model.
fn describe(c: &mut String, name: &str, signature: &Signature) {
    let (inputs, outputs) = (signature.inputs.len(), signature.outputs.len());
    let slots = signature.inputs.iter().chain(&signature.outputs);
    let bytes: Vec<String> = slots.map(|s| s.ty.bytes().to_string()).collect();
    let count = inputs + outputs;
    let pointers = "void *, ".repeat(count);
    let arguments: String = (0..count).map(|i| format!("t[{i}], ")).collect();
    let _ = writeln!(
        c,
        "size_t {name}_state_bytes(void), {name}_workspace_bytes(void); void {name}_init(void *);\n\
         int {name}_run(const void *, {pointers}void *, const struct hlac_parallel *);\n\
         static int {name}_call(void *s, char **t, void *w) {{ return {name}_run(s, {arguments}w, NULL); }}\n\
         static const size_t {name}_bytes[] = {{ {} }};\n\
         static const struct model {name} = {{ {name}_state_bytes, {name}_init, {name}_workspace_bytes, \
         {name}_call, {inputs}, {outputs}, {name}_bytes }};",
        bytes.join(", ")
    );
}

fn check_symbols(object: &[u8], name: &str) {
    let file = object::File::parse(object).unwrap();
    let mut exported: Vec<&str> = Vec::new();
    for symbol in file.symbols() {
        let symbol_name = symbol.name().unwrap();
        let null = symbol.index().0 == 0;
        assert!(null || !symbol.is_undefined(), "{symbol_name} is undefined");
        if symbol.is_global() {
            exported.push(symbol_name);
        }
    }
    exported.sort_unstable();
    let expected =
        ["init", "run", "state_bytes", "workspace_bytes"].map(|what| format!("{name}_{what}"));
    assert_eq!(exported, expected);
}

fn command(what: &str, arguments: &[&str], directory: &Path) {
    let output = Command::new(what)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|e| {
            panic!("{what}: {e}; install gcc-aarch64-linux-gnu and qemu-user-static")
        });
    assert!(
        output.status.success(),
        "{what} {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The suite compiled for one target, and how to link and run it.
struct Machine {
    target: Target,
    compiler: &'static str,
    runner: Option<&'static str>,
}

struct Run {
    case: Case,
    name: String,
    expected: Vec<Tensor>,
}

/// The suite with its results on this machine.
static RUNS: LazyLock<Vec<Run>> = LazyLock::new(runs);

impl Run {
    fn options(&self) -> CodegenOptions {
        CodegenOptions {
            name: Some(self.name.clone()),
            ..CodegenOptions::default()
        }
    }

    fn object(&self, target: &Target) -> Vec<u8> {
        let artifact = compile(&self.case.function, target, &self.options())
            .unwrap_or_else(|e| panic!("{}: {e}", self.case.name));
        check_symbols(&artifact.object, &self.name);
        artifact.object
    }
}

/// Runs all cases on a machine; gives what differs.
fn differences(machine: &Machine, runs: &[Run]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut harness = HARNESS.to_owned();
    let mut calls = String::new();
    let mut data = Vec::new();
    let mut objects = String::new();
    for run in runs {
        let name = &run.name;
        std::fs::write(path.join(format!("{name}.o")), run.object(&machine.target)).unwrap();
        let _ = writeln!(objects, "{name}.o");
        describe(
            &mut harness,
            name,
            &Signature::of(&run.case.function).unwrap(),
        );
        let _ = writeln!(
            calls,
            "    fputs(\"{}\\n\", stderr);\n    if ((status = run(&{name}, in, out))) return status;",
            run.case.name
        );
        for input in &run.case.inputs {
            data.extend_from_slice(&input.to_bytes());
        }
    }
    let _ = writeln!(
        harness,
        "int main(void) {{\n    int status;\n    FILE *in = fopen(\"in\", \"rb\"), *out = fopen(\"out\", \"wb\");\n{calls}    return fclose(out);\n}}"
    );
    std::fs::write(path.join("harness.c"), harness).unwrap();
    std::fs::write(path.join("objects"), objects).unwrap();
    std::fs::write(path.join("in"), data).unwrap();
    let arguments = ["-O0", "-static", "-o", "harness", "harness.c", "@objects"];
    command(machine.compiler, &arguments, path);
    match machine.runner {
        Some(runner) => command(runner, &["./harness"], path),
        None => command("./harness", &[], path),
    }
    let out = std::fs::read(path.join("out")).unwrap();
    let mut rest = &out[..];
    let mut failures = Vec::new();
    for run in runs {
        for expected in &run.expected {
            let (bytes, tail) = rest.split_at(expected.ty().bytes());
            rest = tail;
            let computed = Tensor::from_bytes(expected.ty().clone(), bytes.to_vec()).unwrap();
            if let Err(e) = Tolerance::Exact.check(expected, &computed) {
                failures.push(format!("{}: {e}", run.case.name));
            }
        }
    }
    failures
}

fn runs() -> Vec<Run> {
    let filter = std::env::var("CASE").unwrap_or_default();
    let all = [
        cases(),
        training_cases(),
        odd_cases(),
        layers::cases(),
        layers::long_sums(),
    ]
    .concat()
    .into_iter();
    let cases = all.filter(|c| c.name.contains(&filter));
    cases
        .enumerate()
        .map(|(i, case)| {
            let program = jit(&case.function, &CodegenOptions::default())
                .unwrap_or_else(|e| panic!("{}: {e}", case.name));
            Run {
                name: format!("c{i}"),
                expected: program.run(&case.inputs, None).unwrap(),
                case,
            }
        })
        .collect()
}

fn check(machine: &Machine) {
    let runs = &*RUNS;
    let failures = differences(machine, runs);
    assert!(
        failures.is_empty(),
        "{} of {} cases differ:\n{}",
        failures.len(),
        runs.len(),
        failures.join("\n")
    );
}

#[test]
fn aarch64_gives_the_bits_of_this_machine() {
    check(&Machine {
        target: Target::parse("aarch64", &[]).unwrap(),
        compiler: "aarch64-linux-gnu-gcc",
        runner: Some("qemu-aarch64-static"),
    });
}

#[test]
#[cfg(target_arch = "x86_64")]
fn x86_64_gives_the_bits_of_code_in_memory() {
    check(&Machine {
        target: Target::parse("x86_64", &[]).unwrap(),
        compiler: "cc",
        runner: None,
    });
}

#[test]
fn every_level_has_whole_objects() {
    for level in ["x86-64-v2", "x86-64-v4"] {
        let target = Target::parse("x86_64", &[level.to_owned()]).unwrap();
        for run in &*RUNS {
            run.object(&target);
        }
    }
}
