//! Every case of the numeric suite compiled for aarch64, linked into one program with a C harness,
//! and run under QEMU: its results have the same bits as those of this machine. Also, every object
//! for either processor is whole: four exported functions, nothing undefined.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::Tensor;
use hla_reference::Tolerance;
use hla_reference::cases::{Case, cases};
use hla_runtime::Signature;
use object::{Object, ObjectSymbol};

const HARNESS: &str = r#"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
struct hlac_parallel;
struct model {
    size_t (*state_bytes)(void);
    void (*init)(void *);
    size_t (*workspace_bytes)(void);
    int (*run)(void *, char **, void *);
    size_t inputs, outputs;
    const size_t *bytes;
};
static void *need(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 127) & ~(size_t)63);
    if (!p) exit(3);
    return p;
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
    for (size_t i = 0; i < m->inputs + m->outputs; i++) free(tensors[i]);
    free(state);
    free(workspace);
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

#[test]
fn both_processors_give_the_same_bits() {
    let filter = std::env::var("CASE").unwrap_or_default();
    let arm = Target::parse("aarch64", &[]).unwrap();
    let intel = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
        .map(|level| Target::parse("x86_64", &[level.to_owned()]).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut harness = HARNESS.to_owned();
    let mut calls = String::new();
    let mut data = Vec::new();
    let mut objects = String::new();
    let mut expected: Vec<(Case, Vec<Tensor>)> = Vec::new();
    for case in cases().into_iter().filter(|c| c.name.contains(&filter)) {
        let name = format!("c{}", expected.len());
        let options = CodegenOptions {
            name: Some(name.clone()),
            ..CodegenOptions::default()
        };
        let program =
            jit(&case.function, &options).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let native = program.run(&case.inputs, None).unwrap();
        for target in &intel {
            let artifact = compile(&case.function, target, &options)
                .unwrap_or_else(|e| panic!("{}: {e}", case.name));
            check_symbols(&artifact.object, &name);
        }
        let object = compile(&case.function, &arm, &options)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name))
            .object;
        check_symbols(&object, &name);
        std::fs::write(path.join(format!("{name}.o")), object).unwrap();
        let _ = writeln!(objects, "{name}.o");
        describe(&mut harness, &name, &Signature::of(&case.function).unwrap());
        let _ = writeln!(
            calls,
            "    if ((status = run(&{name}, in, out))) return status;"
        );
        for input in &case.inputs {
            data.extend_from_slice(&input.to_bytes());
        }
        expected.push((case, native));
    }
    let _ = writeln!(
        harness,
        "int main(void) {{\n    int status;\n    FILE *in = fopen(\"in\", \"rb\"), *out = fopen(\"out\", \"wb\");\n{calls}    return fclose(out);\n}}"
    );
    std::fs::write(path.join("harness.c"), harness).unwrap();
    std::fs::write(path.join("objects"), objects).unwrap();
    std::fs::write(path.join("in"), data).unwrap();
    let arguments = ["-O0", "-static", "-o", "harness", "harness.c", "@objects"];
    command("aarch64-linux-gnu-gcc", &arguments, path);
    command("qemu-aarch64-static", &["./harness"], path);
    let out = std::fs::read(path.join("out")).unwrap();
    let mut rest = &out[..];
    let mut failures = Vec::new();
    for (case, native) in &expected {
        for native in native {
            let (bytes, tail) = rest.split_at(native.ty().bytes());
            rest = tail;
            let computed = Tensor::from_bytes(native.ty().clone(), bytes.to_vec()).unwrap();
            if let Err(e) = Tolerance::Exact.check(native, &computed) {
                failures.push(format!("{}: {e}", case.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases differ:\n{}",
        failures.len(),
        expected.len(),
        failures.join("\n")
    );
}
