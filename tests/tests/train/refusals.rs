//! Bad input: refused with a message that says where the fault is and what to do, a status that is
//! not 0, and nothing written.

use super::*;

/// A `.npy` file of f32.
fn images(shape: &[usize], value: impl Fn(usize) -> f32) -> Vec<u8> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(value).collect();
    npy::to_bytes(&Tensor::from_f32s(shape.to_vec(), &values).unwrap()).unwrap()
}

/// A `.npy` file of i64.
fn labels(values: &[i64]) -> Vec<u8> {
    let ty = TensorType::new([values.len()], hla_ir::DType::I64);
    npy::to_bytes(&Tensor::from_i64s(ty, values).unwrap()).unwrap()
}

/// Must be refused: status 1 (2 if the command line itself is wrong), all of `says` in the message,
/// nothing new in the folder.
#[track_caller]
fn refused(place: &Place, model: &str, options: &str, status: i32, says: &[&str]) {
    let before = place.files();
    let outcome = place.train(model, options);
    assert_eq!(outcome.status, status, "{options}\n{}", outcome.stderr);
    for text in says {
        assert!(
            outcome.stderr.contains(text),
            "{options}: '{text}' is not in\n{}",
            outcome.stderr
        );
    }
    assert!(
        !outcome.stderr.contains("internal error"),
        "{}",
        outcome.stderr
    );
    let next = if status == 2 { "--help" } else { "help:" };
    assert!(
        outcome.stderr.contains(next),
        "{options}: no next step in\n{}",
        outcome.stderr
    );
    assert_eq!(place.files(), before, "{options}");
}

const QUICK: &str = "--epochs-per-t 1 --ternary-epochs 1 -o out.safetensors";

#[test]
fn bad_data() {
    let place = Place::new();
    let on = |data: &str, says: &[&str]| {
        refused(
            &place,
            "cnn.mlir",
            &format!("--data {data} {QUICK}"),
            1,
            says,
        );
    };
    on("nowhere.safetensors", &["nowhere.safetensors"]);
    on("nowhere/", &["nowhere"]);
    on("odd.npy", &["odd.npy", "two"]);

    place.write("a-images.npy", &images(&[64, 8, 8, 1], |_| 0.5));
    on("a-images.npy", &["a-labels.npy"]);
    place.write("a-labels.npy", &labels(&[3; 63]));
    on("a-images.npy", &["64 images, but 63 labels"]);
    let mut wrong = [3; 64];
    wrong[17] = 10;
    place.write("a-labels.npy", &labels(&wrong));
    on("a-images.npy", &["label 17 is 10", "10 classes"]);
    wrong[17] = -1;
    place.write("a-labels.npy", &labels(&wrong));
    on("a-images.npy", &["label 17 is -1"]);
    place.write("a-labels.npy", &images(&[64], |_| 1.0));
    on("a-images.npy", &["labels", "f32", "integers"]);

    place.write("a-labels.npy", &labels(&[3; 64]));
    place.write("a-images.npy", &images(&[64, 1, 9, 9], |_| 0.5));
    on("a-images.npy", &["[1, 9, 9]", "[8, 8, 1]"]);
    place.write(
        "a-images.npy",
        &images(&[64, 8, 8, 1], |i| if i == 99 { f32::NAN } else { 0.5 }),
    );
    on("a-images.npy", &["NaN"]);
    let whole = images(&[64, 8, 8, 1], |_| 0.5);
    place.write("a-images.npy", &whole[..whole.len() - 1]);
    on("a-images.npy", &["a-images.npy"]);
    place.write("a-images.npy", b"\x93NUMPY");
    on("a-images.npy", &["a-images.npy"]);
    place.write("b.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}");
    on("b.safetensors", &["b.safetensors"]);
    place.write("b.safetensors", b"");
    on("b.safetensors", &["b.safetensors"]);
    let header = br#"{"images":{"dtype":"F32","shape":[64,8,8,1],"data_offsets":[0,16384]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0; 16384]);
    place.write("b.safetensors", &file);
    on("b.safetensors", &["labels"]);
    place.write("b.safetensors", &file[..file.len() - 1]);
    on("b.safetensors", &["b.safetensors"]);
}

#[test]
fn a_batch_larger_than_the_data() {
    let place = Place::new();
    let options = format!("--data train-images.npy --batch 1000 {QUICK}");
    refused(&place, "cnn.mlir", &options, 1, &["160", "--batch"]);
}

#[test]
fn bad_evaluation_data_is_told_before_training() {
    let place = Place::new();
    place.write("eval-images.npy", &images(&[5, 7, 7, 1], |_| 0.5));
    place.write("eval-labels.npy", &labels(&[1; 5]));
    let options = format!("--data train-images.npy --eval eval-images.npy {QUICK}");
    refused(
        &place,
        "cnn.mlir",
        &options,
        1,
        &["eval-images.npy", "[7, 7, 1]"],
    );
}

#[test]
fn bad_weights() {
    let place = Place::new();
    let on = |says: &[&str]| {
        let options = format!("--data train-images.npy --weights w.safetensors {QUICK}");
        refused(&place, "cnn.mlir", &options, 1, says);
    };
    on(&["w.safetensors"]);
    let whole = std::fs::read(digits("cnn.safetensors")).unwrap();
    place.write("w.safetensors", &whole[..whole.len() / 2]);
    on(&["w.safetensors"]);
    place.write(
        "w.safetensors",
        &std::fs::read(digits("mlp.safetensors")).unwrap(),
    );
    on(&["conv1.weight"]);
    let mut nan = whole.clone();
    let at = nan.len() - 4;
    nan[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("w.safetensors", &nan);
    on(&["NaN"]);
}

#[test]
fn outputs_that_cannot_be_written_are_told_before_training() {
    let place = Place::new();
    place.write("file", b"x");
    std::fs::create_dir(place.path("state")).unwrap();
    let base = "--data train-images.npy --epochs-per-t 1 --ternary-epochs 1";
    for (options, says) in [
        ("-o nowhere/out.safetensors", "nowhere/out.safetensors"),
        ("-o /proc/out.safetensors", "/proc/out.safetensors"),
        ("-o .", "directory"),
        ("-o train-images.npy", "another place with -o"),
        ("-o train-labels.npy", "is an input"),
        (
            "-o out --metrics train-labels.npy",
            "another place with --metrics",
        ),
        (
            "-o state/latest.checkpoint --checkpoint state",
            "lies in state",
        ),
        (
            "-o out --plots state --metrics state/training.svg",
            "lies in state",
        ),
        (
            "-o out --metrics nowhere/m.jsonl",
            "make the folder first, or choose another place with --metrics",
        ),
        ("-o out --metrics out", "two outputs"),
        ("-o out --plots file", "another place with --plots"),
        (
            "-o out --checkpoint nowhere/state",
            "another place with --checkpoint",
        ),
        ("-o out --checkpoint file", "no directory"),
    ] {
        refused(&place, "mlp.mlir", &format!("{base} {options}"), 1, &[says]);
    }
    assert_eq!(place.read("file"), b"x");
}

#[test]
fn hostile_options() {
    let place = Place::new();
    let base = "--data train-images.npy -o out";
    for options in [
        "--quantizer best",
        "--t1 0.8 --t2 0.5",
        "--t1 -0.1",
        "--t2 1",
        "--t-step 0",
        "--t-step nan",
        "--t2 0.95",
        "--epochs-per-t -1",
        "--epochs-per-t 99999999999",
        "--epochs-per-t 0 --ternary-epochs 0 --float-epochs 0",
        "--quantizer float --float-epochs 0",
        "--quantizer float --ternary-epochs 3",
        "--quantizer twn --t1 0.3",
        "--quantizer ste --epochs-per-t 3",
        "--lr 0",
        "--lr inf",
        "--lr -1",
        "--lr 1e99",
        "--momentum 1",
        "--momentum 0 --nesterov",
        "--weight-decay -1",
        "--batch 0",
        "--batch 99999999",
        "--threads 0",
        "--seed -1",
        "--seed 18446744073709551616",
        "--lambda nan",
        "--label-smoothing 1",
        "--loss mse --label-smoothing 0.1",
        "--loss hinge",
        "--sphere round",
        "--schedule linear",
        "--schedule restarts=0",
        "--augment flip=1",
        "--augment shift",
        "--early-stop 0",
        "--resume",
        "--tensors images",
        "--target gpu",
        "--json --quiet",
        "--quantize-all --skip conv1",
    ] {
        refused(&place, "mlp.mlir", &format!("{base} {options}"), 2, &[]);
    }
    refused(
        &place,
        "mlp.mlir",
        &format!("{base} --target cuda"),
        1,
        &["CUDA", "--target cpu"],
    );
    refused(&place, "mlp.mlir", "-o out", 2, &["--data"]);
    refused(
        &place,
        "mlp.mlir",
        "--data train-images.npy",
        2,
        &["--output"],
    );
    let skip = format!("{base} --skip conv9");
    refused(&place, "cnn.mlir", &skip, 1, &["conv9"]);
}

#[test]
fn models_that_cannot_be_trained() {
    let place = Place::new();
    let on = |model: &str, says: &[&str]| {
        place.write("m.mlir", model.as_bytes());
        let path = place.path("m.mlir").display().to_string();
        let options = format!("--data train-images.npy --float-epochs 1 {QUICK}");
        refused(&place, &path, &options, 1, says);
    };
    on("module {}", &["no function"]);
    on(
        "func.func @main(%x: tensor<1x8x8x1xf32>) -> tensor<1x8x8x1xf32> {\n  return %x : tensor<1x8x8x1xf32>\n}\n",
        &["hla.param"],
    );
}

#[test]
fn damaged_and_foreign_checkpoints() {
    let place = Place::new();
    let options = format!("{SHORT} --checkpoint state -o out.safetensors");
    place.train("mlp.mlir", &options).success();
    std::fs::remove_file(place.path("out.safetensors")).unwrap();
    let resume = format!("{options} --resume");
    let name = "state/latest.checkpoint";
    let whole = place.read(name);
    for at in [0, 9, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        place.write(name, &damaged);
        refused(&place, "mlp.mlir", &resume, 1, &[name]);
    }
    for length in [0, 10, whole.len() - 1] {
        place.write(name, &whole[..length]);
        refused(&place, "mlp.mlir", &resume, 1, &[name]);
    }
    // Bytes 8 to 11 are the version: see docs/checkpoint-format.md.
    let mut newer = whole.clone();
    newer[8] += 1;
    place.write(name, &newer);
    refused(&place, "mlp.mlir", &resume, 1, &[name, "version"]);
    place.write(name, &whole);
    // Of another model.
    refused(&place, "cnn.mlir", &resume, 1, &["state"]);
    // With another beginning, or evaluated on something.
    let (weights, test) = (digits("mlp.safetensors"), digits("test-images.npy"));
    let other = format!("{resume} --weights {weights}");
    refused(&place, "mlp.mlir", &other, 1, &["weights (\"none\", here"]);
    let other = format!("{resume} --eval {test}");
    refused(&place, "mlp.mlir", &other, 1, &["eval (\"none\", here"]);
}
