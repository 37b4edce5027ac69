//! The `hlac` command from outside: what each command writes, prints and returns.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use hlac_tests::process::{Outcome, hlac, root, run_in};
use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own for one test, with the digits model at hand.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, b"")
    }

    fn run_with(&self, args: &[&str], input: &[u8]) -> Outcome {
        run_in(self.0.path(), &hlac(), args, input)
    }

    /// `hlac COMMAND cnn.mlir --weights cnn.safetensors …`.
    fn cnn(&self, command: &str, more: &[&str]) -> Outcome {
        let (model, weights) = (digits("cnn.mlir"), digits("cnn.safetensors"));
        let mut args = vec![command, &model, "--weights", &weights];
        args.extend(more);
        self.run(&args)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

fn digits(name: &str) -> String {
    root()
        .join("examples/digits")
        .join(name)
        .display()
        .to_string()
}

fn at(name: &str) -> String {
    format!("@{}", digits(name))
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap()
}

#[test]
fn help_teaches_and_usage_errors_have_status_2() {
    let place = Place::new();
    for command in [
        "compile",
        "train",
        "run",
        "opt",
        "passes",
        "inspect",
        "completions",
    ] {
        let help = place.run(&["--help"]).success().text();
        assert!(help.contains(command), "{command}");
        let own = place.run(&[command, "--help"]).success().text();
        assert!(own.contains("Usage: hlac"), "{own}");
    }
    for wrong in [
        &["frobnicate"][..],
        &["compile"],
        &["compile", "m.mlir", "--sparsity", "1.5"],
        &["compile", "m.mlir", "--emit", "poem"],
        &["compile", "m.mlir", "--batch", "0"],
        &["compile", "m.mlir", "-o", "-"],
        &["run", "m.mlir", "--input", "a.npy"],
        &["run", "m.mlir", "--rtol", "-1"],
        &["run", "m.mlir", "--input-shape", "x=1x?"],
        &["completions", "tcsh"],
    ] {
        let outcome = place.run(wrong);
        assert_eq!(outcome.status, 2, "{wrong:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("--help"),
            "{wrong:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn completions_and_version() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).success().text();
        assert!(script.contains("calibrate"), "{shell}");
    }
    assert!(
        place
            .run(&["--version"])
            .success()
            .text()
            .starts_with("hlac 0.")
    );
}

#[test]
fn compile_writes_what_is_asked_for_where_it_is_asked_for() {
    let place = Place::new();
    place.cnn("compile", &["-q"]).success();
    assert_eq!(place.files(), ["cnn.h", "cnn.o"]);
    std::fs::create_dir(place.path("build")).unwrap();
    place
        .cnn(
            "compile",
            &["-q", "-o", "build", "--emit", "obj,header,asm,clif,mlir"],
        )
        .success();
    let mut built: Vec<_> = std::fs::read_dir(place.path("build"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    built.sort();
    assert_eq!(built, ["cnn.clif", "cnn.h", "cnn.mlir", "cnn.o", "cnn.s"]);
    assert_eq!(
        place.read("cnn.o"),
        place.read("build/cnn.o"),
        "the same input gives the same object"
    );

    place.cnn("compile", &["-q", "-o", "net.o"]).success();
    let header = String::from_utf8(place.read("net.h")).unwrap();
    assert!(header.contains("net_run("), "{header}");
    place
        .cnn("compile", &["-q", "-o", "other.o", "--name", "digits"])
        .success();
    assert!(
        String::from_utf8(place.read("other.h"))
            .unwrap()
            .contains("digits_run(")
    );
    let mlir = place
        .cnn("compile", &["-q", "-o", "-", "--emit", "mlir"])
        .success();
    assert_eq!(mlir.stdout, place.read("build/cnn.mlir"));
    assert!(mlir.text().contains("hla.ternary_conv2d"));
}

#[test]
fn objects_need_no_other_symbol() {
    let place = Place::new();
    for target in ["x86_64", "aarch64"] {
        for more in [&[][..], &["--activations", "int8"]] {
            let mut args = vec!["-q", "-o", "cnn.o", "--target", target];
            args.extend(more);
            place.cnn("compile", &args).success();
            let nm = run_in(
                &place.path("."),
                Path::new("llvm-nm-22"),
                &["--undefined-only", "cnn.o"],
                b"",
            );
            assert_eq!(nm.success().text(), "", "{target} {more:?}");
        }
    }
}

#[test]
fn the_summary_tells_what_was_won() {
    let place = Place::new();
    let summary = json(&place.cnn("compile", &["--json"]).success());
    let number = |key: &str| summary[key].as_u64().unwrap();
    // Multiplications of the model's five convolutions alone: out · kernel.
    let convolutions =
        64 * 16 * 9 + 64 * 32 * 9 * 16 + 16 * 32 * 9 * 32 + 4 * 64 * 9 * 32 + 10 * 64;
    assert!(number("multiplications_before") > convolutions);
    assert!(number("multiplications_after") < convolutions / 20);
    // 33,626 values of 4 bytes; 32,256 ternary weights take 8,064 bytes.
    assert_eq!(number("weight_bytes_before"), 33_626 * 4);
    let after = number("weight_bytes_after");
    assert!((8_064..14_000).contains(&after), "{after}");
    assert_eq!(number("object_bytes"), place.read("cnn.o").len() as u64);
    let text = place.cnn("compile", &["--timing"]).success();
    assert!(text.text().contains("multiplications") && text.text().contains("conv4"));
    assert!(text.stderr.contains("code generation") && text.stderr.contains("peak MiB"));
}

#[test]
fn ternary_layers_do_not_multiply_on_either_cpu() {
    let place = Place::new();
    for target in ["x86_64", "aarch64"] {
        for more in [&[][..], &["--activations", "int8"]] {
            let mut args = vec!["-q", "-o", "cnn.o", "--target", target];
            args.extend(more);
            place.cnn("compile", &args).success();
            let found = json(
                &place
                    .run(&["inspect", "cnn.o", "--json", "--count-multiplies"])
                    .success(),
            );
            let kernels = found["program"]["kernels"].as_array().unwrap();
            let counts = found["multiplies"].as_array().unwrap();
            let of = |symbol: &Value| counts.iter().find(|c| c["symbol"] == *symbol).unwrap();
            let ternary: Vec<&Value> = kernels
                .iter()
                .filter(|k| k["strategy"].as_str().unwrap().starts_with("sparse-add"))
                .collect();
            assert_eq!(ternary.len(), 3, "{target} {more:?}");
            for kernel in ternary {
                let count = of(&kernel["symbol"]);
                assert_eq!(count["inner"], 0, "{target} {more:?}: {kernel}");
                assert!(count["inner_loops"].as_u64() > Some(0), "{count}");
                assert_eq!(kernel["multiply_free"], true);
            }
            // The float convolution multiplies, and is seen to.
            let float = kernels
                .iter()
                .find(|k| k["strategy"].as_str().unwrap().contains("FMA"))
                .unwrap();
            assert!(
                of(&float["symbol"])["inner"].as_u64() > Some(0),
                "{target} {more:?}"
            );
            assert_eq!(found["undefined_symbols"].as_array().unwrap().len(), 0);
        }
    }
}

#[test]
fn run_gives_what_pytorch_gave() {
    let place = Place::new();
    for model in ["cnn", "mlp"] {
        let (file, weights) = (
            digits(&format!("{model}.mlir")),
            digits(&format!("{model}.safetensors")),
        );
        let (input, expected) = (at("test-images.npy"), at(&format!("expected-{model}.npy")));
        let args = [
            "run",
            &file,
            "--weights",
            &weights,
            "--input",
            &input,
            "--expect",
            &expected,
            "--rtol",
            "1e-4",
            "--atol",
            "1e-4",
        ];
        place.run(&args).success();
    }
    let labels = at("test-labels.npy");
    let named = format!("image={}", at("test-images.npy"));
    let accuracy = place
        .cnn("run", &["--input", &named, "--labels", &labels])
        .success();
    assert_eq!(accuracy.text(), "accuracy 99.11 % (446 of 450)\n");
}

#[test]
fn a_mismatch_is_told_with_first_and_worst_place() {
    let place = Place::new();
    let (input, expected) = (at("test-images.npy"), at("expected-cnn.npy"));
    let outcome = place.cnn(
        "run",
        &["--ternary", "--input", &input, "--expect", &expected],
    );
    assert_eq!(outcome.status, 1);
    for part in ["4500 elements", "first at [0, 0]", "worst at [", "--rtol"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
}

#[test]
fn threads_and_the_reference_give_the_same_bits() {
    let place = Place::new();
    // Two images are enough for the slow evaluator.
    let bytes = std::fs::read(digits("test-images.npy")).unwrap();
    let all = hla_runtime::npy::parse("images", bytes).unwrap();
    let two = hla_ir::Tensor::from_f32s([2, 8, 8, 1], &all.to_f32s()[..128]).unwrap();
    std::fs::write(
        place.path("two.npy"),
        hla_runtime::npy::to_bytes(&two).unwrap(),
    )
    .unwrap();
    for activations in ["f32", "int8"] {
        let common = [
            "--ternary",
            "--activations",
            activations,
            "--input",
            "@two.npy",
        ];
        let with = |more: &[&str]| {
            let args = [&common[..], more].concat();
            place.cnn("run", &args).success();
        };
        with(&["--output", "@1.npy", "--threads", "1"]);
        with(&["--output", "@3.npy", "--threads", "3"]);
        assert_eq!(place.read("1.npy"), place.read("3.npy"));
        with(&["--reference", "--expect", "@1.npy", "--rtol", "1e-6"]);
    }
}

#[test]
fn opt_reads_and_writes_text_bytecode_and_standard_streams() {
    let place = Place::new();
    let text = place.cnn("opt", &["-o", "-"]).success();
    place.cnn("opt", &["-o", "cnn.mlir"]).success();
    assert_eq!(text.stdout, place.read("cnn.mlir"));
    place
        .run(&["opt", "cnn.mlir", "--emit-bytecode", "-o", "cnn.mlirbc"])
        .success();
    assert!(place.read("cnn.mlirbc").starts_with(b"ML\xefR"));
    assert_eq!(
        place.run(&["opt", "cnn.mlirbc"]).success().stdout,
        text.stdout
    );
    assert_eq!(
        place.run_with(&["opt"], &text.stdout).success().stdout,
        text.stdout
    );

    let pipeline = "--pass-pipeline=builtin.module(hla-freeze,canonicalize,hla-ternarize)";
    let dumped = place
        .run(&[
            "opt",
            "cnn.mlir",
            pipeline,
            "--mlir-print-ir-after-all",
            "--report",
            "-o",
            "x",
        ])
        .success();
    let order =
        ["After hla-freeze", "Canonicalizer", "After hla-ternarize"].map(|p| dumped.stderr.find(p));
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{order:?}"
    );
    assert!(dumped.stderr.contains("ternary layers"));
    let located = place
        .run(&["opt", "cnn.mlir", "--mlir-print-debuginfo"])
        .success();
    assert!(located.text().contains("loc("));
}

#[test]
fn opt_errors_point_into_the_pipeline() {
    let place = Place::new();
    let outcome = place.run(&[
        "opt",
        &digits("cnn.mlir"),
        "--pass-pipeline=builtin.module(hla-pakc)",
    ]);
    assert_eq!(outcome.status, 1);
    for part in [
        "--pass-pipeline:1:16",
        "^^^^^^^^",
        "did you mean 'hla-pack'",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
}

#[test]
fn verify_diagnostics_fails_on_what_was_not_promised() {
    let place = Place::new();
    let model = "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n  // expected-error @+1 {{PROMISE}}\n  %0 = tosa.add %x, %y : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>\n  return %0 : tensor<2xf32>\n}\n";
    let run = |promise: &str| {
        let text = model.replace("PROMISE", promise);
        place.run_with(&["opt", "--verify-diagnostics"], text.as_bytes())
    };
    run("undeclared").success();
    let wrong = run("something else");
    assert_eq!(wrong.status, 1);
    assert!(
        wrong.stderr.contains("was not told: something else"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn inspect_knows_every_kind_of_file() {
    let place = Place::new();
    let inspect = |name: &str| json(&place.run(&["inspect", &digits(name), "--json"]).success());
    assert_eq!(
        inspect("cnn.safetensors")["tensors"]
            .as_array()
            .unwrap()
            .len(),
        22
    );
    assert_eq!(
        inspect("test-images.npy")["shape"],
        serde_json::json!([450, 8, 8, 1])
    );
    let model = &inspect("cnn.mlir")["functions"][0];
    assert_eq!(model["parameters"].as_array().unwrap().len(), 22);
    assert_eq!(model["inputs"][0]["name"], "image");
    let list = place.run(&["passes"]).success().text();
    let passes = json(&place.run(&["passes", "--json"]).success());
    for pass in passes.as_array().unwrap() {
        assert!(list.contains(pass["name"].as_str().unwrap()));
    }
}

#[test]
fn a_target_without_fma_is_told() {
    let place = Place::new();
    for cpu in ["x86-64-v2", "-fma"] {
        let args = ["--target", "x86_64", "--cpu", cpu, "-o", "made/"];
        let text = place.cnn("compile", &args).success().text();
        assert!(text.contains("note: the target has no FMA"), "{text}");
        assert!(place.path("made/cnn.o").exists());
        let summary = json(
            &place
                .cnn("compile", &[&args[..], &["--json"]].concat())
                .success(),
        );
        assert_eq!(summary["notes"].as_array().unwrap().len(), 1);
    }
    let summary = json(
        &place
            .cnn("compile", &["--target", "x86_64", "--json"])
            .success(),
    );
    assert_eq!(summary["notes"], serde_json::json!([]));
}

#[test]
fn outputs_that_go_nowhere_are_told() {
    let place = Place::new();
    let model = b"func.func @main(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
        %0 = tosa.abs %x : (tensor<8x8xf32>) -> tensor<8x8xf32>
        return %0, %x : tensor<8x8xf32>, tensor<8x8xf32>
    }";
    // A .npy file with zeros.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8), }";
    let header = format!("{header:<117}\n");
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    npy.extend(header.as_bytes());
    npy.extend([0; 256]);
    std::fs::write(place.path("x.npy"), npy).unwrap();
    let run = |more: &[&str]| {
        let args = [&["run", "-", "--reference", "--input", "@x.npy"], more].concat();
        place.run_with(&args, model)
    };
    let one = run(&["--output", "@y.npy"]).success().stderr;
    assert!(
        one.contains("note: output 1, tensor<8x8xf32>, is neither"),
        "{one}"
    );
    assert_eq!(
        run(&["--output", "@y.npy", "--output", "@z.npy"])
            .success()
            .stderr,
        ""
    );
    assert_eq!(
        run(&[
            "--output", "@y.npy", "--expect", "@x.npy", "--expect", "@x.npy"
        ])
        .success()
        .stderr,
        ""
    );
    let twice = run(&["--output", "@w.npy", "--output", "@./w.npy"]);
    assert_eq!(twice.status, 2, "{}", twice.stderr);
    assert!(!place.path("w.npy").exists());
    run(&["--output", "@/dev/null", "--output", "@/dev/null"]).success();
}

#[test]
fn names_do_not_steer_the_terminal() {
    let place = Place::new();
    let model = b"func.func @\"a\\1B[2J\"(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }";
    let text = place.run_with(&["inspect", "-"], model).success().text();
    assert!(text.contains("@a\\u{1b}[2J"), "{text:?}");
}

#[test]
fn known_ops_of_unknown_types_are_told_with_their_types() {
    let place = Place::new();
    let model = b"func.func @main(%x: tensor<2xf64>) -> tensor<2xf64> {
        %0 = tosa.maximum %x, %x : (tensor<2xf64>, tensor<2xf64>) -> tensor<2xf64>
        return %0 : tensor<2xf64>
    }";
    let outcome = place.run_with(&["compile", "-"], model);
    let told = "'tosa.maximum' with these types or operands: (tensor<2xf64>, tensor<2xf64>) -> ";
    assert_eq!(outcome.status, 1);
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
}

#[test]
fn ops_are_listed() {
    let place = Place::new();
    let list = place.run(&["passes", "--ops"]).success().text();
    let ops = json(&place.run(&["passes", "--ops", "--json"]).success());
    for op in ops.as_array().unwrap() {
        assert!(list.contains(op["name"].as_str().unwrap()));
    }
    assert!(list.starts_with("tosa.const\n") && !list.contains("opaque"));
    let script = format!("{} passes --ops > /dev/full", hlac().display());
    let full = run_in(&root(), Path::new("sh"), &["-c", &script], b"");
    assert!(
        full.status == 1 && !full.stderr.contains("-o"),
        "{}",
        full.stderr
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let script = format!("{} passes | head -1", hlac().display());
    let outcome = run_in(&root(), Path::new("sh"), &["-c", &script], b"").success();
    assert_eq!(
        (outcome.text().lines().count(), outcome.stderr.as_str()),
        (1, "")
    );
}

#[test]
fn the_commands_of_the_readme_work() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let place = Place::new();
    std::fs::create_dir(place.path("examples")).unwrap();
    std::os::unix::fs::symlink(
        root().join("examples/digits"),
        place.path("examples/digits"),
    )
    .unwrap();
    for (from, to) in [
        ("cnn.mlir", "cnn.mlir"),
        ("cnn.safetensors", "cnn.safetensors"),
        ("test-images.npy", "images.npy"),
        ("train-images.npy", "train-images.npy"),
        ("train-labels.npy", "train-labels.npy"),
    ] {
        std::os::unix::fs::symlink(digits(from), place.path(to)).unwrap();
    }
    let mut commands: Vec<String> = Vec::new();
    for block in readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|b| b.split("```").next())
    {
        let joined = block.replace("\\\n", " ");
        commands.extend(
            joined
                .lines()
                .filter(|l| l.starts_with("hlac "))
                .map(str::to_owned),
        );
    }
    assert!(commands.len() >= 5, "{commands:?}");
    let folder = hlac().parent().unwrap().display().to_string();
    for command in commands {
        let script = format!("PATH={folder}:$PATH; {command}");
        let outcome = run_in(&place.path("."), Path::new("sh"), &["-c", &script], b"");
        assert_eq!(outcome.status, 0, "{command}\n{}", outcome.stderr);
    }
}
