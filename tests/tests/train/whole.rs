//! Training from the first epoch to the compiled network.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use super::*;

/// `accuracy 97.78 % (440 of 450)`.
fn right_of(text: &str) -> (u64, u64) {
    let inside = text.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let (right, all) = inside.split_once(" of ").unwrap();
    (right.parse().unwrap(), all.parse().unwrap())
}

#[test]
fn the_compiled_network_is_as_right_as_training_said() {
    for model in ["cnn", "mlp"] {
        let place = Place::new();
        let (source, test) = (digits(&format!("{model}.mlir")), digits("test-images.npy"));
        let options = format!("{SHORT} --eval {test} --json -o out.safetensors");
        let trained = place.train(&format!("{model}.mlir"), &options).success();
        let summary: Value = serde_json::from_slice(&trained.stdout).unwrap();
        let ternary = &summary["evaluation"]["ternary"];
        let told = (
            ternary["correct"].as_u64().unwrap(),
            ternary["count"].as_u64().unwrap(),
        );
        assert!(told.0 > told.1 / 2, "{model} has learned nothing: {told:?}");

        let input = format!("image=@{test}");
        let labels = format!("@{}", digits("test-labels.npy"));
        let run = [
            "run",
            &source,
            "--weights",
            "out.safetensors",
            "--input",
            &input,
            "--labels",
            &labels,
        ];
        // As floats that take three values, and as ternary code.
        let float = place.hlac(&run).success().text();
        assert_eq!(right_of(&float), told, "{model}");
        let ternary = [&run[..], &["--ternary"]].concat();
        assert_eq!(
            right_of(&place.hlac(&ternary).success().text()),
            told,
            "{model}"
        );

        let compiled = place
            .hlac(&[
                "compile",
                &source,
                "--weights",
                "out.safetensors",
                "--json",
                "-o",
                "out.o",
            ])
            .success();
        let compiled: Value = serde_json::from_slice(&compiled.stdout).unwrap();
        assert!(place.path("out.o").exists());
        // The layers that training made ternary are those that the compiler takes as such.
        let layers = summary["layers"].as_array().unwrap();
        let text = compiled.to_string();
        assert!(!layers.is_empty());
        for layer in layers {
            let name = layer["name"].as_str().unwrap().trim_end_matches(".weight");
            assert!(text.contains(name), "{name} is not in {text}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let place = Place::new();
    for threads in ["1", "2", "3"] {
        let options = format!("{SHORT} --threads {threads} --metrics m{threads} -o o{threads}");
        place.train("cnn.mlir", &options).success();
    }
    assert_eq!(place.read("o1"), place.read("o2"));
    assert_eq!(place.read("o1"), place.read("o3"));
    same_metrics(&place.metrics("m1"), &place.metrics("m2"));
    same_metrics(&place.metrics("m1"), &place.metrics("m3"));
}

/// Numbers stay finite, so training goes on to its end; but nobody should take the result for one.
#[test]
fn a_network_that_died_is_told() {
    let place = Place::new();
    let never = "in no epoch did it do better";
    for (model, options, says) in [
        (
            "cnn.mlir",
            format!("{SHORT} --lambda 1e30"),
            "since epoch 4 of 7 (stage fine-tune, t = 0.50)",
        ),
        ("cnn.mlir", SHORT.replace("--lr 0.05", "--lr 100"), never),
        (
            "mlp.mlir",
            "--data train-images.npy --quantizer float --float-epochs 1 --lr 1e-9".to_owned(),
            never,
        ),
    ] {
        let outcome = place.train(model, &format!("{options} -o out")).success();
        let told: Vec<&str> = outcome
            .stderr
            .split_whitespace()
            .filter(|w| *w != "│")
            .collect();
        let told = told.join(" ");
        for text in [
            "the trained network tells no classes apart: ",
            says,
            "help: ",
            "--lr",
        ] {
            assert!(
                told.contains(text),
                "{options}: '{text}' is not in\n{}",
                outcome.stderr
            );
        }
    }
    let well = place
        .train("cnn.mlir", &format!("{SHORT} -o out"))
        .success();
    assert!(
        !well.stderr.contains("tells no classes apart"),
        "{}",
        well.stderr
    );
}

#[test]
fn every_quantizer_trains_and_feeds_the_compiler() {
    let place = Place::new();
    let common = "--data train-images.npy --float-epochs 2 --batch 32 --lr 0.05 -o out.safetensors";
    for (quantizer, more) in [
        ("hla", "--t1 0.7 --epochs-per-t 1 --ternary-epochs 1"),
        ("ste", "--ternary-epochs 2"),
        ("twn", "--ternary-epochs 2"),
        ("ttq", "--ternary-epochs 2"),
        ("float", ""),
    ] {
        let options = format!("{common} --quantizer {quantizer} {more}");
        place.train("mlp.mlir", &options).success();
        let test = format!("image=@{}", digits("test-images.npy"));
        let labels = format!("@{}", digits("test-labels.npy"));
        let model = digits("mlp.mlir");
        let run = [
            "run",
            &model,
            "--weights",
            "out.safetensors",
            "--input",
            &test,
            "--labels",
            &labels,
        ];
        let (right, all) = right_of(&place.hlac(&run).success().text());
        assert!(right > all / 4, "{quantizer}: {right} of {all}");
    }
}

#[test]
fn every_reading_of_what_the_paper_leaves_open_trains() {
    let place = Place::new();
    let test = digits("test-images.npy");
    for options in [
        "--rescale alpha --sphere project --threshold-gradient symmetric",
        "--rescale none --sphere off --threshold-scope layer --loss mse",
        "--threshold sparsity --sparsity 0.6 --quantize-all --nesterov --no-unit-start",
        "--threshold fixed --t2-inclusive --lambda-last 1 --settle-epochs 1 --reestimate 2",
        "--quantizer ste --lambda 0.5 --label-smoothing 0.1 --schedule cosine",
        "--quantizer twn --twn-scale column --augment shift=1,noise=0.1 --early-stop 1",
    ] {
        let hla = match options.contains("--quantizer") {
            true => "",
            false => "--t1 0.5 --epochs-per-t 1",
        };
        let all = format!(
            "--data train-images.npy --eval {test} --float-epochs 1 --ternary-epochs 1 {hla} \
             --batch 32 --lr 0.05 --json -o out.safetensors {options}"
        );
        let trained = place.train("cnn.mlir", &all).success();
        let summary: Value = serde_json::from_slice(&trained.stdout).unwrap();
        let told = &summary["evaluation"]["ternary"]["correct"];
        let (model, images) = (digits("cnn.mlir"), format!("image=@{test}"));
        let labels = format!("@{}", digits("test-labels.npy"));
        let run = [
            "run",
            &model,
            "--weights",
            "out.safetensors",
            "--input",
            &images,
        ];
        let run = place.hlac(&[&run[..], &["--labels", &labels, "--ternary"]].concat());
        let (right, _) = right_of(&run.success().text());
        assert_eq!(Some(right), told.as_u64(), "{options}");
    }
}

/// Waits for a line on standard error that holds a text.
fn wait_for(child: &mut Child, text: &str) -> String {
    let mut read = String::new();
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap());
    while lines.read_line(&mut read).unwrap() > 0 {
        if read.contains(text) {
            return read;
        }
    }
    panic!("'{text}' never came: {read}");
}

/// Interrupts a training as Ctrl-C does, and gives the rest of what it says.
#[track_caller]
fn interrupt(mut child: Child) -> String {
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(kill.success());
    let mut rest = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    rest
}

#[test]
fn an_interrupted_training_says_how_to_go_on_and_goes_on_to_the_same_bits() {
    let place = Place::new();
    place
        .train(
            "cnn.mlir",
            &format!("{SHORT} --metrics whole.jsonl -o whole.safetensors"),
        )
        .success();
    let files = place.files();

    let options = format!("{SHORT} --checkpoint state --metrics m.jsonl -o out.safetensors");
    let mut child = place.start("cnn.mlir", &options);
    wait_for(&mut child, "epoch 3/7");
    let rest = interrupt(child);
    assert!(rest.contains("--resume"), "{rest}");
    assert!(!place.path("out.safetensors").exists());

    // The checkpoint is not thrown away by accident.
    let again = place.train("cnn.mlir", &options);
    assert_eq!(again.status, 1, "{}", again.stderr);
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    // Nor mixed with another training.
    let other = place.train("cnn.mlir", &format!("{options} --resume --lambda 2"));
    assert_eq!(other.status, 1, "{}", other.stderr);
    assert!(
        other.stderr.contains("loss-aware-weight (0.1, here 2.0)"),
        "{}",
        other.stderr
    );

    place
        .train("cnn.mlir", &format!("{options} --resume --threads 2"))
        .success();
    assert_eq!(
        place.read("out.safetensors"),
        place.read("whole.safetensors")
    );
    same_metrics(&place.metrics("m.jsonl"), &place.metrics("whole.jsonl"));
    // Resuming what is complete changes nothing.
    place
        .train("cnn.mlir", &format!("{options} --resume"))
        .success();
    assert_eq!(
        place.read("out.safetensors"),
        place.read("whole.safetensors")
    );
    let mut expected = files;
    expected.extend(["m.jsonl", "out.safetensors", "state"].map(str::to_owned));
    expected.sort();
    assert_eq!(place.files(), expected);
}

#[test]
fn an_interruption_before_the_first_checkpoint_is_told_as_one() {
    let place = Place::new();
    // Enough images that the first epoch runs when the signal comes; files of zeros take no space.
    let count: u64 = 1 << 21;
    for (name, shape, bytes) in [
        ("z-images.npy", format!("({count}, 8, 8, 1)"), 64 * count),
        ("z-labels.npy", format!("({count},)"), count),
    ] {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let header = [
            b"\x93NUMPY\x01\x00v\x00",
            format!("{header:<117}\n").as_bytes(),
        ]
        .concat();
        place.write(name, &header);
        let file = File::options().append(true).open(place.path(name)).unwrap();
        file.set_len(128 + bytes).unwrap();
    }
    let options = "--data z-images.npy --epochs-per-t 1 --ternary-epochs 1 --checkpoint state --resume -o out.safetensors";
    let mut child = place.start("cnn.mlir", options);
    wait_for(&mut child, "no checkpoint yet");
    let rest = interrupt(child);
    assert!(rest.contains("none was complete"), "{rest}");
    assert!(!place.path("out.safetensors").exists());
}

#[test]
fn plots_and_metrics_show_the_run() {
    let place = Place::new();
    let test = digits("test-images.npy");
    let options =
        format!("{SHORT} --eval {test} --plots plots --metrics m.jsonl -o out.safetensors");
    let outcome = place.train("cnn.mlir", &options).success();
    for name in ["training", "sparsity", "cosine", "weights"] {
        let svg = String::from_utf8(place.read(&format!("plots/{name}.svg"))).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
        let png = place.read(&format!("plots/{name}.png"));
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
    }
    let lines = place.metrics("m.jsonl");
    let epochs: Vec<&Value> = lines.iter().filter(|l| l["event"] == "epoch").collect();
    assert_eq!(epochs.len(), 7);
    let stages: Vec<&str> = epochs
        .iter()
        .map(|e| e["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        [
            "float",
            "float",
            "fine-tune",
            "fine-tune",
            "ternarize",
            "ternarize",
            "ternarize"
        ]
    );
    assert_eq!(epochs[2]["t"], 0.3);
    assert!(lines.iter().any(|l| l["event"] == "weights"));
    // Without a terminal progress is plain lines, one for each epoch, and nothing steers.
    let told = outcome
        .stderr
        .lines()
        .filter(|l| l.contains("epoch "))
        .count();
    assert_eq!(told, 7, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains('\u{1b}') && !outcome.stderr.contains('\r'));
    let quiet = place
        .train("cnn.mlir", &format!("{SHORT} -q -o out.safetensors"))
        .success();
    assert_eq!((quiet.stderr.as_str(), quiet.text().as_str()), ("", ""));
}

/// Progress that nobody can read is no reason to lose a training.
#[test]
fn a_full_standard_error_does_not_matter() {
    let place = Place::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = std::process::Command::new(hlac())
        .current_dir(place.0.path())
        .args(["train", &digits("mlp.mlir")])
        .args(SHORT.split_whitespace())
        .args(["-o", "out.safetensors"])
        .stdout(std::process::Stdio::null())
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(place.path("out.safetensors").is_file());
}
