//! The command as a process, with a driver that needs no GPU.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::{Bench, all, command, err, example, out, rising};
use hla_ir::Tensor;
use hla_runtime::{npy, program};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

/// Neither a compiler nor MLIR: who only runs programs needs nothing else.
#[test]
fn it_links_neither_mlir_nor_cranelift() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--package", "hla-run", "--format", "{p}"])
        .output()
        .unwrap();
    let tree = out(&tree);
    let names: Vec<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    assert!(
        names.contains(&"cudarc") && names.contains(&"hla-train"),
        "{tree}"
    );
    for name in names {
        let heavy = ["melior", "mlir", "cranelift", "llvm", "hlac"];
        assert!(!heavy.iter().any(|part| name.contains(part)), "{name}");
    }
}

#[test]
fn without_a_driver_it_says_so() {
    let bench = Bench::new();
    let empty = tempfile::tempdir().unwrap();
    if command().arg("devices").output().unwrap().status.success() {
        // This machine has a driver: the others tests here do not use it.
        return;
    }
    let output = command()
        .args(["infer", "p.hlaprog", "--input", "@x.npy"])
        .current_dir(bench.folder.path())
        .env("LD_LIBRARY_PATH", empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(text.contains("there is no NVIDIA driver"), "{text}");
    assert!(text.contains("help: install NVIDIA's driver"), "{text}");
}

#[test]
fn a_driver_that_is_of_no_use_is_told() {
    let bench = Bench::new();
    for (name, value, says) in [
        (
            "FAKE_CUDA_VERSION",
            "11020",
            "too old: it is of CUDA 11.2, but 11.4 is needed",
        ),
        (
            "FAKE_CUDA_INIT",
            "100",
            "no CUDA-capable device is detected (cuInit gives 100)",
        ),
    ] {
        let output = bench.run(&["devices"], &[(name, value)]);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(says), "{}", err(&output));
    }
    let output = bench.run(&["devices"], &[("FAKE_CUDA_DEVICES", "2")]);
    assert_eq!(
        out(&output),
        "cuda:0  Fake GPU 0  sm_80  1.0 GiB  driver of CUDA 12.4\n\
         cuda:1  Fake GPU 1  sm_80  1.0 GiB  driver of CUDA 12.4\n"
    );
    let output = bench.run(
        &["bench", "p.hlaprog", "--device", "cuda:2"],
        &[("FAKE_CUDA_DEVICES", "2")],
    );
    let text = err(&output);
    assert!(text.contains("there is no CUDA device 2"), "{text}");
    assert!(text.contains("1: Fake GPU 1"), "{text}");
}

#[test]
fn a_function_is_run_on_files() {
    let bench = Bench::new();
    bench.save("x.npy", &rising(-3.0));
    let args = ["infer", "p.hlaprog", "--input", "x=@x.npy"];
    let outputs = [
        "--output",
        "@y.npy",
        "--output",
        "@same.npy",
        "--output",
        "@zero.npy",
    ];
    for how in [&[][..], &["--synchronous"]] {
        let output = bench.run(&[&args[..], &outputs, how].concat(), &[]);
        assert!(output.status.success(), "{}", err(&output));
        let read = |name| npy::read(&bench.path(name)).unwrap().to_f32s();
        let tripled: Vec<f32> = rising(-3.0).to_f32s().iter().map(|x| 3.0 * x).collect();
        assert_eq!(read("y.npy"), tripled);
        assert_eq!(read("same.npy"), rising(-3.0).to_f32s());
        assert_eq!(read("zero.npy"), [0.0; 64]);
        std::fs::remove_file(bench.path("y.npy")).unwrap();
    }
    // The state of a step comes from a file of weights; its updates are outputs too.
    let bytes = all(1.0).to_bytes().into_owned();
    let w = TensorView::new(Dtype::F32, vec![64], &bytes).unwrap();
    serialize_to_file([("w", w)], None, &bench.path("w.safetensors")).unwrap();
    bench.save(
        "loss.npy",
        &Tensor::from_f32s([], &[64.0 + 3.0 * (63.0 * 32.0)]).unwrap(),
    );
    bench.save("x.npy", &rising(0.0));
    let step = ["--function", "step", "--weights", "w.safetensors"];
    let output = bench.run(
        &[&args[..], &step, &["--expect", "@loss.npy"]].concat(),
        &[],
    );
    assert!(output.status.success(), "{}", err(&output));
    bench.save("loss.npy", &Tensor::from_f32s([], &[64.0]).unwrap());
    let output = bench.run(
        &[&args[..], &step, &["--expect", "@loss.npy"]].concat(),
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("6112 instead of 64"),
        "{}",
        err(&output)
    );
}

#[test]
fn outputs_are_compared_with_a_reference() {
    let bench = Bench::new();
    let write = |w: &Tensor, loss: f32| {
        let [x, old] = [2.0, 1.0].map(|v| all(v).to_bytes().into_owned());
        let (w, loss) = (w.to_bytes(), loss.to_le_bytes());
        let vector = |bytes| TensorView::new(Dtype::F32, vec![64], bytes).unwrap();
        let scalar = TensorView::new(Dtype::F32, vec![], &loss).unwrap();
        let tensors = [
            ("step/in/x", vector(&x)),
            ("step/in/w", vector(&old)),
            ("step/out/w", vector(&w)),
            ("step/out/loss", scalar),
        ];
        serialize_to_file(tensors, None, &bench.path("r.safetensors")).unwrap();
    };
    let check = || bench.run(&["check", "p.hlaprog", "--against", "r.safetensors"], &[]);
    write(&all(7.0), 448.0);
    let output = check();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output).matches("fits").count(), 2, "{}", out(&output));
    write(&all(7.0), 449.0);
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("WRONG  step/loss: worst difference 1.000e0"),
        "{}",
        out(&output)
    );
    assert!(
        err(&output).contains("1 of 2 outputs are beyond"),
        "{}",
        err(&output)
    );
}

#[test]
fn steps_are_timed() {
    let bench = Bench::new();
    let args = [
        "bench",
        "p.hlaprog",
        "--steps",
        "3",
        "--warm-up",
        "2",
        "--json",
    ];
    let log = bench.path("log");
    let output = bench.run(&args, &[("FAKE_CUDA_LOG", log.to_str().unwrap())]);
    assert!(output.status.success(), "{}", err(&output));
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["device"], "Fake GPU 0 (sm_80)");
    assert_eq!(report["functions"][0]["function"], "step");
    assert!(
        report["functions"][1]["step"]["median_ms"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let step = &report["functions"][0];
    let ms = |time: &str| step["step"][time].as_f64().unwrap();
    assert!(ms("least_ms") <= ms("median_ms") && ms("median_ms") <= ms("p90_ms"));
    assert_eq!(step["macs"], 192);
    let tflops = 2.0 * 192.0 / (ms("median_ms") * 1e9);
    assert!((step["tflops"].as_f64().unwrap() / tflops - 1.0).abs() < 1e-9);
    assert!(report["functions"][1]["tflops"].is_null());
    let all = report["peak_bytes"].as_u64().unwrap();
    assert!(all > 256 * 4);
    // A function alone needs less memory.
    let alone = bench.run(&[&args[..], &["--function", "main"]].concat(), &[]);
    let alone: serde_json::Value = serde_json::from_str(&out(&alone)).unwrap();
    assert_eq!(alone["functions"].as_array().unwrap().len(), 1);
    assert!(alone["peak_bytes"].as_u64().unwrap() < all);
    let unknown = bench.run(&["bench", "p.hlaprog", "--function", "other"], &[]);
    assert!(
        err(&unknown).contains("no function 'other'"),
        "{}",
        err(&unknown)
    );
    assert!(err(&unknown).contains("its functions are step, main"));
    // Everything that was made is given back, the context last.
    let log = std::fs::read_to_string(log).unwrap();
    let count = |what: &str| log.lines().filter(|l| l.starts_with(what)).count();
    assert_eq!((count("graph of 3"), count("graph gone")), (2, 2), "{log}");
    assert_eq!(
        (count("module"), count("unload"), count("stream gone")),
        (2, 2, 1)
    );
    assert_eq!(log.lines().last(), Some("release 0"), "{log}");
}

#[test]
fn a_fault_is_told_and_named_on_demand() {
    let bench = Bench::new();
    let args = ["bench", "p.hlaprog", "--function", "step"];
    let fault = [("FAKE_CUDA_FAULT", "add")];
    let output = bench.run(&args, &fault);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(
        text.contains("a kernel failed on the GPU: an illegal memory access"),
        "{text}"
    );
    assert!(text.contains("--synchronous"), "{text}");
    let output = bench.run(&[&args[..], &["--synchronous"]].concat(), &fault);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(
        text.contains("the kernel 'add' (add of all) failed on the GPU"),
        "{text}"
    );
}

#[test]
fn too_little_memory_is_told_in_numbers() {
    let bench = Bench::new();
    let output = bench.run(&["bench", "p.hlaprog"], &[("FAKE_CUDA_BYTES", "600")]);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(text.contains("the GPU has too little memory: "), "{text}");
    assert!(text.contains("of 600 bytes are free"), "{text}");
    assert!(
        text.contains("help: compile the model for a smaller batch"),
        "{text}"
    );
}

#[test]
fn code_that_cannot_be_loaded_is_told_with_the_compilers_words() {
    let bench = Bench::new();
    let mut nonsense = example();
    nonsense.modules[1].push_str("nonsense");
    program::write(&bench.path("nonsense.hlaprog"), &nonsense).unwrap();
    let text = err(&bench.run(&["bench", "nonsense.hlaprog"], &[]));
    assert!(
        text.contains("the driver's compiler refuses its PTX"),
        "{text}"
    );
    assert!(
        text.contains("ptxas line 7; syntax error at 'nonsense'"),
        "{text}"
    );

    let mut newer = example();
    newer.modules[0] = newer.modules[0].replace("sm_80", "sm_90");
    program::write(&bench.path("newer.hlaprog"), &newer).unwrap();
    let text = err(&bench.run(&["bench", "newer.hlaprog"], &[]));
    assert!(
        text.contains("the program is for sm_90, but the GPU is sm_80"),
        "{text}"
    );
}

#[test]
fn a_program_that_is_no_training_is_not_trained() {
    let bench = Bench::new();
    let args = [
        "train",
        "p.hlaprog",
        "--data",
        "d.npy",
        "-o",
        "o.safetensors",
    ];
    let output = bench.run(&args, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("the program is no training"),
        "{}",
        err(&output)
    );
    let output = bench.run(&["inspect", "p.hlaprog"], &[]);
    assert!(out(&output).contains("scale of all"), "{}", out(&output));
}
