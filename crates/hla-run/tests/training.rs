//! Trainings: graphs and pinned uploads are used, and whatever fails leaves checkpoints whole.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use common::{Bench, err, out, training};
use hla_ir::{DType, Tensor, TensorType};
use hla_runtime::program;
use safetensors::SafeTensors;

/// Samples, of which two are a step.
const SAMPLES: usize = 6;
const EPOCHS: usize = 2;

/// A program that trains, and data.
fn bench() -> Bench {
    let bench = Bench::new();
    program::write(&bench.path("t.hlaprog"), &training()).unwrap();
    std::fs::create_dir(bench.path("data")).unwrap();
    let images = Tensor::from_f32s([SAMPLES, 32], &pixels()).unwrap();
    let labels = (0..SAMPLES as i64).map(|i| i % 2).collect::<Vec<_>>();
    let labels = Tensor::from_i64s(TensorType::new([SAMPLES], DType::I32), &labels).unwrap();
    bench.save("data/images.npy", &images);
    bench.save("data/labels.npy", &labels);
    bench
}

/// Small integers: their sums are exact.
fn pixels() -> Vec<f32> {
    (0..SAMPLES * 32).map(|i| (i * 7 % 11) as f32).collect()
}

fn train(bench: &Bench, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let fixed = [
        "train",
        "t.hlaprog",
        "--data",
        "data",
        "--float-epochs",
        "2",
        "-o",
        "out.safetensors",
    ];
    bench.run(&[&fixed, more].concat(), variables)
}

/// Everything in a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|e| {
            (
                e.file_name().to_string_lossy().into_owned(),
                std::fs::read(e.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_step_is_a_graph_and_its_data_is_pinned() {
    let bench = bench();
    let log = bench.path("log");
    let log_to = [("FAKE_CUDA_LOG", log.to_str().unwrap())];
    let output = train(&bench, &["--metrics", "m.jsonl"], &log_to);
    assert!(output.status.success(), "{}", err(&output));
    let bytes = std::fs::read(bench.path("out.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let w = file.tensor("w").unwrap();
    let w: Vec<f32> = w
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let all: f32 = pixels().iter().sum();
    assert_eq!(w.iter().sum::<f32>(), 3.0 * EPOCHS as f32 * all);
    // Each epoch tells the mean of its losses, and the last loss is the sum of the weights.
    let metrics = std::fs::read_to_string(bench.path("m.jsonl")).unwrap();
    assert_eq!(
        metrics.matches("\"event\":\"epoch\"").count(),
        EPOCHS,
        "{metrics}"
    );
    // Every step replays one graph; nothing is launched by itself.
    let log = std::fs::read_to_string(log).unwrap();
    let count = |what: &str| log.lines().filter(|l| *l == what).count();
    assert_eq!(count("graph of 4"), 1, "{log}");
    assert_eq!(count("replay"), EPOCHS * SAMPLES / 2);
    assert!(!log.contains("launch"), "{log}");
    // Two halves of pinned memory for the data of all steps.
    let pinned = log.lines().filter(|l| l.starts_with("pin ")).count();
    assert_eq!(pinned, 2, "{log}");
}

#[test]
fn what_fails_leaves_checkpoints_whole() {
    let whole = bench();
    let output = train(&whole, &["-q"], &[]);
    assert!(output.status.success(), "{}", err(&output));
    let expected = std::fs::read(whole.path("out.safetensors")).unwrap();

    let bench = bench();
    let steps = SAMPLES / 2;
    let fault = format!("add@{}", steps + 2);
    let output = train(
        &bench,
        &["--checkpoint", "c"],
        &[("FAKE_CUDA_FAULT", &fault)],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(
        text.contains("a kernel failed on the GPU: an illegal memory access"),
        "{text}"
    );
    assert!(text.contains("checkpoints are as they were"), "{text}");
    assert!(!bench.path("out.safetensors").exists());
    let kept = files(&bench.path("c"));
    assert_eq!(kept.len(), 1);

    let resume = ["--checkpoint", "c", "--resume"];
    for (variable, says) in [
        (("FAKE_CUDA_BYTES", "700"), "the GPU has too little memory"),
        (
            ("FAKE_CUDA_CAPABILITY", "75"),
            "the program is for sm_80, but the GPU is sm_75",
        ),
        (
            ("FAKE_CUDA_VERSION", "11020"),
            "the NVIDIA driver is too old",
        ),
        (("FAKE_CUDA_FAULT", "sum"), "a kernel failed on the GPU"),
    ] {
        let output = train(&bench, &resume, &[variable]);
        assert_eq!(output.status.code(), Some(1), "{}", out(&output));
        let text = err(&output);
        assert!(text.contains(says) && text.contains("help: "), "{text}");
        assert_eq!(files(&bench.path("c")), kept, "{says}");
        assert!(!bench.path("out.safetensors").exists());
    }
    // And it goes on from there to the same bits.
    let output = train(&bench, &resume, &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(
        std::fs::read(bench.path("out.safetensors")).unwrap(),
        expected
    );
}

#[test]
fn the_programs_options_are_its_own() {
    let bench = bench();
    for (more, says) in [
        (&["--batch", "4"][..], "batch (2, here 4)"),
        (&["--momentum", "0.5"], "momentum (0.9, here 0.5)"),
    ] {
        let output = train(&bench, more, &[]);
        assert_eq!(output.status.code(), Some(1));
        let text = err(&output);
        assert!(text.contains("compiled with other options"), "{text}");
        assert!(text.contains(says), "{text}");
    }
}
