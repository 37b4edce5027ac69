//! Bad input is normal input: every case must be refused with a message that says where the fault
//! is and what to do, exit status 1 (2 for the command line itself), no panic, and nothing written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use hlac_tests::process::{Outcome, hlac, run_in};

/// A model of one convolution with a parameter for its weights.
const MODEL: &str = r#"func.func @main(%x: tensor<1x4x4x2xf32> {hla.name = "x"}, %w: tensor<3x3x3x2xf32> {hla.param = "conv.weight"}) -> tensor<1x4x4x3xf32> {
  %b = "tosa.const"() {values = dense<0.0> : tensor<3xf32>} : () -> tensor<3xf32>
  %zp = "tosa.const"() {values = dense<0.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %y = tosa.conv2d %x, %w, %b, %zp, %zp {acc_type = f32, pad = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>} : (tensor<1x4x4x2xf32>, tensor<3x3x3x2xf32>, tensor<3xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x4x4x3xf32>
  return %y : tensor<1x4x4x3xf32>
}
"#;

/// A model without parameters, around some lines over `%x : tensor<2x3xf32>` that define `%y`.
fn small(body: &str, result: &str) -> String {
    format!(
        "func.func @main(%x: tensor<2x3xf32>) -> {result} {{\n{body}\n  return %y : {result}\n}}\n"
    )
}

/// A safetensors file: header, then data.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// One f32 tensor of 3x3x3x2 under a name.
fn weights(name: &str, value: impl Fn(usize) -> f32) -> Vec<u8> {
    let header =
        format!(r#"{{"{name}":{{"dtype":"F32","shape":[3,3,3,2],"data_offsets":[0,216]}}}}"#);
    let data: Vec<u8> = (0..54).flat_map(|i| value(i).to_le_bytes()).collect();
    safetensors(&header, &data)
}

fn ramp(i: usize) -> f32 {
    i as f32 - 26.5
}

/// A version 1 .npy file.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.to_owned();
    while (10 + header.len()) % 64 != 63 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn image(shape: &str, count: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    npy(&header, &vec![0; 4 * count])
}

/// A case in a folder of its own, where `m.mlir` and `w.safetensors` stand and are sound unless
/// the case says otherwise.
struct Case {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    args: &'static str,
    status: i32,
    /// What standard error must hold.
    says: &'static [&'static str],
}

impl Case {
    fn new(name: &'static str, args: &'static str, says: &'static [&'static str]) -> Case {
        Case {
            name,
            files: Vec::new(),
            args,
            status: 1,
            says,
        }
    }

    fn file(mut self, name: &'static str, contents: impl Into<Vec<u8>>) -> Case {
        self.files.push((name, contents.into()));
        self
    }

    fn model(self, text: impl Into<Vec<u8>>) -> Case {
        self.file("m.mlir", text)
    }

    fn weights(self, bytes: Vec<u8>) -> Case {
        self.file("w.safetensors", bytes)
    }

    fn usage(mut self) -> Case {
        self.status = 2;
        self
    }

    /// What is wrong with how the case went, if anything.
    fn fault(&self, folder: &Path, outcome: &Outcome, before: &[String]) -> Option<String> {
        let err = &outcome.stderr;
        if outcome.status != self.status {
            return Some(format!(
                "exit status {} instead of {}",
                outcome.status, self.status
            ));
        }
        if err.contains("panicked")
            || err.contains("internal error")
            || err.contains("mistake in hlac")
        {
            return Some("hlac blames itself".to_owned());
        }
        let next = if self.status == 2 { "--help" } else { "help:" };
        if !err.contains(next) {
            return Some("no next step is told".to_owned());
        }
        if let Some(missing) = self.says.iter().find(|s| !err.contains(**s)) {
            return Some(format!("the message lacks {missing:?}"));
        }
        let after = listing(folder);
        (after != before).then(|| format!("the folder holds {after:?} instead of {before:?}"))
    }
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const COMPILE: &str = "compile m.mlir --weights w.safetensors -o out.o";

fn models() -> Vec<Case> {
    let parse = "compile m.mlir -o out.o";
    vec![
        Case::new("empty model", parse, &["m.mlir"]).model(""),
        Case::new("truncated text", parse, &["m.mlir:3:"]).model(&MODEL[..MODEL.len() / 2]),
        Case::new("not MLIR", parse, &["m.mlir:1:"]).model("PK\u{3}\u{4} a zip file"),
        Case::new("not UTF-8", parse, &["m.mlir"]).model(b"func.func @main(\xff\xfe) {".to_vec()),
        Case::new("NUL bytes", parse, &["m.mlir"]).model(vec![0; 300]),
        Case::new("deep nesting", parse, &["m.mlir"]).model("(".repeat(20_000)),
        Case::new("deeply nested attribute", parse, &["m.mlir"])
            .model(format!("module attributes {{a = {}}} {{}}", "[".repeat(5_000))),
        Case::new("bytecode magic only", parse, &["m.mlir"]).model(b"ML\xefR".to_vec()),
        Case::new("bytecode of a newer version", parse, &["m.mlir"]).model(b"ML\xefR\xff\x01MLIR99.0\0".to_vec()),
        Case::new("bytecode with hostile sizes", parse, &["m.mlir"])
            .model([b"ML\xefR\x0dMLIR22\0".as_slice(), &[0xff; 64]].concat()),
        Case::new("undefined value", parse, &["m.mlir:2:", "%z"])
            .model(small("  %y = tosa.abs %z : (tensor<2x3xf32>) -> tensor<2x3xf32>", "tensor<2x3xf32>")),
        Case::new("wrong operand type", parse, &["m.mlir:2:"])
            .model(small("  %y = tosa.logical_not %x : (tensor<2x3xf32>) -> tensor<2x3xf32>", "tensor<2x3xf32>")),
        Case::new("shapes that do not broadcast", parse, &["m.mlir:3:"]).model(small(
            "  %c = \"tosa.const\"() {values = dense<1.0> : tensor<2x2xf32>} : () -> tensor<2x2xf32>\n  %y = tosa.add %x, %c : (tensor<2x3xf32>, tensor<2x2xf32>) -> tensor<2x3xf32>",
            "tensor<2x3xf32>",
        )),
        Case::new("result of a wrong shape", parse, &["m.mlir:2:"])
            .model(small("  %y = tosa.abs %x : (tensor<2x3xf32>) -> tensor<3x2xf32>", "tensor<3x2xf32>")),
        Case::new("reshape to another size", parse, &["m.mlir:3:"]).model(small(
            "  %s = tosa.const_shape {values = dense<[7]> : tensor<1xindex>} : () -> !tosa.shape<1>\n  %y = tosa.reshape %x, %s : (tensor<2x3xf32>, !tosa.shape<1>) -> tensor<7xf32>",
            "tensor<7xf32>",
        )),
        Case::new("axis out of range", parse, &["m.mlir:2:"])
            .model(small("  %y = tosa.reduce_sum %x {axis = 5 : i32} : (tensor<2x3xf32>) -> tensor<2x1xf32>", "tensor<2x1xf32>")),
        Case::new("negative stride", parse, &["m.mlir:4:"])
            .model(MODEL.replace("stride = array<i64: 1, 1>", "stride = array<i64: -1, 1>")),
        Case::new("zero stride", parse, &["m.mlir:4:"])
            .model(MODEL.replace("stride = array<i64: 1, 1>", "stride = array<i64: 0, 0>")),
        Case::new("pad beyond 64 bits", parse, &["m.mlir:4:"])
            .model(MODEL.replace("pad = array<i64: 1, 1, 1, 1>", "pad = array<i64: 1, 1, 1, 99999999999999999999>")),
        Case::new("huge pad", parse, &["m.mlir:4:"]).model(
            MODEL.replace("pad = array<i64: 1, 1, 1, 1>", "pad = array<i64: 9223372036854775807, 9223372036854775807, 1, 1>"),
        ),
        Case::new("zero-sized weights", parse, &["m.mlir:"])
            .model(MODEL.replace("3x3x3x2xf32", "3x0x0x2xf32")),
        Case::new("overflowing shape", parse, &["m.mlir:"]).model(
            "func.func @main(%x: tensor<4294967296x4294967296x4294967296xf32>) -> tensor<4294967296x4294967296x4294967296xf32> {\n  %y = tosa.abs %x : (tensor<4294967296x4294967296x4294967296xf32>) -> tensor<4294967296x4294967296x4294967296xf32>\n  return %y : tensor<4294967296x4294967296x4294967296xf32>\n}\n",
        ),
        Case::new("huge constant", parse, &["m.mlir:2:"]).model(small(
            "  %c = \"tosa.const\"() {values = dense<1.0> : tensor<1048576x1048576x2xf32>} : () -> tensor<1048576x1048576x2xf32>\n  %y = tosa.abs %x : (tensor<2x3xf32>) -> tensor<2x3xf32>",
            "tensor<2x3xf32>",
        )),
        Case::new("dynamic shape", parse, &["m.mlir:1:", "--input-shape"]).model(
            "func.func @main(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {\n  %y = tosa.abs %x : (tensor<?x3xf32>) -> tensor<?x3xf32>\n  return %y : tensor<?x3xf32>\n}\n",
        ),
        Case::new("unsupported element type", parse, &["m.mlir:"]).model(
            "func.func @main(%x: tensor<3xf64>) -> tensor<3xf64> {\n  %y = \"my.op\"(%x) : (tensor<3xf64>) -> tensor<3xf64>\n  return %y : tensor<3xf64>\n}\n",
        ),
        Case::new("unsupported ops, all named", parse, &["m.mlir:2:", "'my.first'", "m.mlir:3:", "'my.second'"]).model(small(
            "  %z = \"my.first\"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>\n  %y = \"my.second\"(%z) : (tensor<2x3xf32>) -> tensor<2x3xf32>",
            "tensor<2x3xf32>",
        )),
        Case::new("no function", parse, &["m.mlir"]).model("module {}\n"),
        Case::new("function without a body", parse, &["m.mlir"])
            .model("func.func private @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32>\n"),
        Case::new("unknown function", "compile m.mlir --weights w.safetensors --function infer -o out.o", &["infer", "main"]),
        Case::new("two functions of a name", parse, &["m.mlir:"]).model(
            "func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> { return %x : tensor<1xf32> }\nfunc.func @f(%x: tensor<1xf32>) -> tensor<1xf32> { return %x : tensor<1xf32> }\n",
        ),
        Case::new("invalid 2-bit code", parse, &["m.mlir:3:", "11"]).model(small(
            "  %p = \"tosa.const\"() {values = dense<[3]> : tensor<1xi8>} : () -> tensor<1xi8>\n  %y = \"hla.unpack\"(%p) {shape = array<i64: 1, 2>, layout_version = 1 : i64} : (tensor<1xi8>) -> tensor<1x2xi8>",
            "tensor<1x2xi8>",
        )),
        Case::new("newer packed layout", parse, &["m.mlir:3:", "version 7"]).model(small(
            "  %p = \"tosa.const\"() {values = dense<[1]> : tensor<1xi8>} : () -> tensor<1xi8>\n  %y = \"hla.unpack\"(%p) {shape = array<i64: 1, 2>, layout_version = 7 : i64} : (tensor<1xi8>) -> tensor<1x2xi8>",
            "tensor<1x2xi8>",
        )),
        Case::new("missing model", "compile none.mlir -o out.o", &["none.mlir"]),
        Case::new("an attribute that MLIR refuses without a word", parse, &["m.mlir:4"])
            .model(MODEL.replace("acc_type = f32", "? = f32")),
        Case::new("an object for a model", parse, &["m.mlir", "object file"]).model(b"\x7fELF\x02\x01\x01\0".to_vec()),
        Case::new("a GPU's program for a model", parse, &["m.mlir", "hla-run"]).model(b"HLACPROG\x01\0\0\0".to_vec()),
        Case::new("model is a folder", "compile . -o out.o", &["."]),
    ]
}

fn weight_files() -> Vec<Case> {
    let entry = |shape: &str, end: &str| {
        format!(r#"{{"conv.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let says: &[&str] = &["w.safetensors"];
    vec![
        Case::new(
            "no weights given",
            "compile m.mlir -o out.o",
            &["conv.weight", "--weights"],
        ),
        Case::new(
            "missing weight file",
            "compile m.mlir --weights none.safetensors -o out.o",
            &["none.safetensors"],
        ),
        Case::new("empty weight file", COMPILE, says).weights(Vec::new()),
        Case::new("truncated header length", COMPILE, says).weights(vec![5, 0, 0]),
        Case::new("header longer than the file", COMPILE, says)
            .weights(u64::MAX.to_le_bytes().to_vec()),
        Case::new("header of 2^40 bytes", COMPILE, says)
            .weights((1u64 << 40).to_le_bytes().to_vec()),
        Case::new("header that is no JSON", COMPILE, says).weights(safetensors("{{{{", &[0; 64])),
        Case::new("offsets beyond the file", COMPILE, says)
            .weights(safetensors(&entry("[3,3,3,2]", "216"), &[0; 100])),
        Case::new("offsets backwards", COMPILE, says).weights(safetensors(
            r#"{"conv.weight":{"dtype":"F32","shape":[3,3,3,2],"data_offsets":[216,0]}}"#,
            &[0; 216],
        )),
        Case::new("offsets that overflow", COMPILE, says).weights(safetensors(
            &entry("[3,3,3,2]", "18446744073709551615"),
            &[0; 216],
        )),
        Case::new("shape that overflows", COMPILE, says).weights(safetensors(
            &entry("[4294967296,4294967296,4294967296]", "216"),
            &[0; 216],
        )),
        Case::new("size that is not the shape's", COMPILE, says)
            .weights(safetensors(&entry("[3,3,3,3]", "216"), &[0; 216])),
        Case::new("unknown element type", COMPILE, says).weights(safetensors(
            r#"{"conv.weight":{"dtype":"Q7","shape":[216],"data_offsets":[0,216]}}"#,
            &[0; 216],
        )),
        Case::new("misnamed weight", COMPILE, &["conv.weight", "conv.wieght"])
            .weights(weights("conv.wieght", ramp)),
        Case::new("wrong shape", COMPILE, &["conv.weight", "3x3x3x2"])
            .weights(safetensors(&entry("[2,3,3,3]", "216"), &[0; 216])),
        Case::new("wrong element type", COMPILE, &["conv.weight", "f32"]).weights(safetensors(
            r#"{"conv.weight":{"dtype":"I32","shape":[3,3,3,2],"data_offsets":[0,216]}}"#,
            &[0; 216],
        )),
        Case::new("NaN weight", COMPILE, &["conv.weight", "[0, 2, 2, 1]"]).weights(weights(
            "conv.weight",
            |i| {
                if i == 17 { f32::NAN } else { ramp(i) }
            },
        )),
        Case::new("infinite weight", COMPILE, &["conv.weight", "[2, 2, 2, 1]"]).weights(weights(
            "conv.weight",
            |i| {
                if i == 53 { f32::INFINITY } else { ramp(i) }
            },
        )),
        Case::new(
            "weights are a folder",
            "compile m.mlir --weights . -o out.o",
            &["."],
        ),
    ]
}

fn command_line() -> Vec<Case> {
    vec![
        Case::new(
            "unknown target",
            "compile m.mlir --weights w.safetensors --target vax -o out.o",
            &["vax", "x86_64", "aarch64"],
        ),
        Case::new(
            "target without a backend",
            "compile m.mlir --weights w.safetensors --target riscv64gc-unknown-linux-gnu -o out.o",
            &["riscv64", "aarch64"],
        ),
        Case::new(
            "target with other objects than ELF",
            "compile m.mlir --weights w.safetensors --target aarch64-apple-darwin -o out.o",
            &["ELF", "aarch64-unknown-linux-gnu"],
        ),
        Case::new(
            "output over the weights",
            "compile m.mlir --weights w.safetensors --emit obj -o w.safetensors",
            &["w.safetensors", "input"],
        ),
        Case::new(
            "output over the model, by its extension",
            "compile m.mlir --weights w.safetensors --emit obj,mlir -o m.o",
            &["m.mlir", "input"],
        ),
        Case::new(
            "output over sample inputs",
            "opt m.mlir --calibrate x.npy -o x.npy",
            &["x.npy", "input"],
        )
        .file("x.npy", image("(1, 4, 4, 2)", 32)),
        Case::new(
            "unknown processor feature",
            "compile m.mlir --weights w.safetensors --target x86_64 --cpu avx9 -o out.o",
            &["avx9"],
        ),
        Case::new(
            "feature of another processor",
            "compile m.mlir --weights w.safetensors --target aarch64 --cpu avx2 -o out.o",
            &["avx2"],
        ),
        Case::new(
            "sparsity above 1",
            "compile m.mlir --weights w.safetensors --sparsity 1.5 -o out.o",
            &["1.5"],
        )
        .usage(),
        Case::new(
            "sparsity NaN",
            "compile m.mlir --weights w.safetensors --sparsity nan -o out.o",
            &["nan"],
        )
        .usage(),
        Case::new(
            "batch 0",
            "compile m.mlir --weights w.safetensors --batch 0 -o out.o",
            &["0"],
        )
        .usage(),
        Case::new(
            "unknown activations",
            "compile m.mlir --weights w.safetensors --activations int3 -o out.o",
            &["int3", "int8"],
        )
        .usage(),
        Case::new(
            "unknown kind of output",
            "compile m.mlir --weights w.safetensors --emit elf -o out.o",
            &["elf", "obj"],
        )
        .usage(),
        Case::new("no model", "compile", &["MODEL"]).usage(),
        Case::new("unknown command", "complie m.mlir", &["complie", "compile"]).usage(),
        Case::new(
            "unwritable output",
            "compile m.mlir --weights w.safetensors -o /proc/none/out.o",
            &["/proc/none"],
        ),
        Case::new(
            "output is a missing folder",
            "compile m.mlir --weights w.safetensors -o none/out.o",
            &["none"],
        ),
        Case::new(
            "unknown pass",
            "opt m.mlir --pass-pipeline=builtin.module(hla-ternarise)",
            &["hla-ternarise", "hla-ternarize"],
        ),
        Case::new(
            "unknown pass option",
            "opt m.mlir --pass-pipeline=builtin.module(hla-ternarize{sparsty=0.7})",
            &["sparsty", "sparsity"],
        ),
        Case::new(
            "pass option of a wrong kind",
            "opt m.mlir --pass-pipeline=builtin.module(hla-ternarize{sparsity=much})",
            &["much"],
        ),
        Case::new(
            "unbalanced pipeline",
            "opt m.mlir --pass-pipeline=builtin.module(hla-cse",
            &["hla-cse"],
        ),
        Case::new(
            "unknown upstream pass",
            "opt m.mlir --pass-pipeline=builtin.module(no-such-pass)",
            &["no-such-pass"],
        ),
        Case::new(
            "inspect of nothing known",
            "inspect junk.bin",
            &["junk.bin"],
        )
        .file("junk.bin", vec![7; 100]),
        Case::new(
            "inspect of a truncated object",
            "inspect junk.o --count-multiplies",
            &["junk.o"],
        )
        .file("junk.o", b"\x7fELF\x02\x01\x01".to_vec()),
    ]
}

fn inputs() -> Vec<Case> {
    let run = "run m.mlir --weights w.safetensors --input @x.npy --output @y.npy";
    vec![
        Case::new(
            "no input",
            "run m.mlir --weights w.safetensors --output @y.npy",
            &["x", "--input"],
        ),
        Case::new("missing input file", run, &["x.npy"]),
        Case::new("empty input file", run, &["x.npy"]).file("x.npy", Vec::new()),
        Case::new("truncated input data", run, &["x.npy"])
            .file("x.npy", image("(1, 4, 4, 2)", 32)[..150].to_vec()),
        Case::new("input header without an end", run, &["x.npy"])
            .file("x.npy", b"\x93NUMPY\x01\x00\xff\xff{".to_vec()),
        Case::new("input shape that overflows", run, &["x.npy"])
            .file("x.npy", image("(4294967296, 4294967296, 4294967296)", 1)),
        Case::new("input with a negative extent", run, &["x.npy"])
            .file("x.npy", image("(-1, 4, 4, 2)", 32)),
        Case::new("input of objects", run, &["x.npy"]).file(
            "x.npy",
            npy(
                "{'descr': '|O', 'fortran_order': False, 'shape': (1, 4, 4, 2), }",
                &[0; 256],
            ),
        ),
        Case::new("input of a wrong shape", run, &["x", "1x4x4x2"])
            .file("x.npy", image("(1, 5, 4, 2)", 40)),
        Case::new("input of a wrong type", run, &["x", "f32"]).file(
            "x.npy",
            npy(
                "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 4, 4, 2), }",
                &[0; 128],
            ),
        ),
        Case::new(
            "input under an unknown name",
            "run m.mlir --weights w.safetensors --input y=@x.npy",
            &["'y'", "(x: "],
        )
        .file("x.npy", image("(1, 4, 4, 2)", 32)),
        Case::new(
            "too many inputs",
            "run m.mlir --weights w.safetensors --input @x.npy --input @x.npy",
            &["input"],
        )
        .file("x.npy", image("(1, 4, 4, 2)", 32)),
        Case::new(
            "expectation of a wrong shape",
            "run m.mlir --weights w.safetensors --input @x.npy --expect @x.npy",
            &["1x4x4x3"],
        )
        .file("x.npy", image("(1, 4, 4, 2)", 32)),
        Case::new(
            "no threads",
            "run m.mlir --weights w.safetensors --input @x.npy --threads 0",
            &["0"],
        )
        .file("x.npy", image("(1, 4, 4, 2)", 32))
        .usage(),
    ]
}

fn check(cases: Vec<Case>) {
    let program = hlac();
    let mut faults = Vec::new();
    let count = cases.len();
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("m.mlir", MODEL.as_bytes());
        write("w.safetensors", &weights("conv.weight", ramp));
        for (name, bytes) in &case.files {
            write(name, bytes);
        }
        let before = listing(folder.path());
        let args: Vec<&str> = case.args.split(' ').collect();
        let outcome = run_in(folder.path(), &program, &args, b"");
        if let Some(fault) = case.fault(folder.path(), &outcome, &before) {
            faults.push(format!(
                "== {}: {fault}\n$ hlac {}\n{}",
                case.name, case.args, outcome.stderr
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {count} cases:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The sound model compiles and runs: otherwise every case below would pass for a wrong reason.
#[test]
fn the_model_that_cases_are_made_from_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.mlir"), MODEL).unwrap();
    fs::write(
        folder.path().join("w.safetensors"),
        weights("conv.weight", ramp),
    )
    .unwrap();
    fs::write(folder.path().join("x.npy"), image("(1, 4, 4, 2)", 32)).unwrap();
    for args in [
        COMPILE,
        "run m.mlir --weights w.safetensors --input @x.npy --output @y.npy",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        run_in(folder.path(), &hlac(), &args, b"").success();
    }
    assert!(listing(folder.path()).contains(&"out.o".to_owned()));
    assert!(listing(folder.path()).contains(&"y.npy".to_owned()));
}

#[test]
fn bad_models_are_refused() {
    check(models());
}

#[test]
fn bad_weights_are_refused() {
    check(weight_files());
}

#[test]
fn bad_command_lines_are_refused() {
    check(command_line());
}

#[test]
fn bad_inputs_are_refused() {
    check(inputs());
}
