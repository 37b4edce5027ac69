//! Bad input: a message that says what is wrong and what to do, a status that is not 0, and nothing
//! written.

use super::Place;

/// Must fail: each of `says` in the message, and no new file.
#[track_caller]
fn refused(place: &Place, line: &str, status: i32, says: &[&str]) {
    let before = place.files(".");
    let outcome = place.hlac(line);
    assert_eq!(outcome.status, status, "{line}\n{}", outcome.stderr);
    for text in says {
        assert!(
            outcome.stderr.contains(text),
            "{line}: '{text}' is not in\n{}",
            outcome.stderr
        );
    }
    let next = if status == 2 { "--help" } else { "help:" };
    assert!(outcome.stderr.contains(next), "{line}\n{}", outcome.stderr);
    for wrong in ["internal error", "mistake in hlac", "panicked"] {
        assert!(!outcome.stderr.contains(wrong), "{}", outcome.stderr);
    }
    assert_eq!(place.files("."), before, "{line}");
}

#[test]
fn targets_and_options_that_do_not_fit() {
    let place = Place::new();
    let compile = |more: &str, status: i32, says: &[&str]| {
        let line = format!("compile DIGITS/mlp.mlir --weights DIGITS/mlp.safetensors {more}");
        refused(&place, &line, status, says);
    };
    compile("--target cuda:sm_75", 1, &["sm_75", "too old", "sm_80"]);
    compile("--target cuda:sm_9000", 1, &["sm_9000", "sm_100"]);
    compile("--target cuda:", 1, &["sm_80"]);
    compile("--target sm_90", 1, &["cuda:sm_90"]);
    compile("--target cuda --cpu avx2", 2, &["--cpu"]);
    compile("--target cuda --strategy sparse-add", 2, &["--strategy"]);
    compile("--target cuda --precision fp8", 2, &["fp8", "bf16"]);
    compile("--precision bf16", 2, &["--precision", "--target cuda"]);
    compile("--target x86_64 --precision f32", 2, &["--precision"]);
    compile("--target cuda --emit obj", 2, &["obj", "cuda"]);
    compile("--target cuda --emit prog,header", 2, &["header"]);
    compile("--emit prog", 2, &["prog", "native"]);
    compile("--target cuda --emit prog,ptx -o -", 2, &["--emit"]);
    compile("--target cuda -o nowhere/net.hlaprog", 1, &["nowhere"]);
}

#[test]
fn models_that_a_gpu_cannot_run() {
    let place = Place::new();
    place.write(
        "m.mlir",
        "func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n  \
         %y = \"other.op\"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>\n  return %y : tensor<2x3xf32>\n}\n",
    );
    refused(
        &place,
        "compile m.mlir --target cuda",
        1,
        &["m.mlir:2", "other.op"],
    );
    // Parameters without values.
    refused(
        &place,
        "compile DIGITS/mlp.mlir --target cuda",
        1,
        &["fc1.weight", "--weights"],
    );
}

#[test]
fn programs_that_are_damaged() {
    let place = Place::new();
    place
        .hlac("compile DIGITS/mlp.mlir --weights DIGITS/mlp.safetensors --target cuda -q -o net.hlaprog")
        .success();
    let whole = place.read("net.hlaprog");
    place.hlac("inspect net.hlaprog").success();
    let inspect = |bytes: &[u8], says: &[&str]| {
        place.write("net.hlaprog", bytes);
        refused(
            &place,
            "inspect net.hlaprog",
            1,
            &[&["net.hlaprog"], says].concat(),
        );
    };
    for at in [20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        inspect(&damaged, &[]);
    }
    for length in [8, 12, 19, whole.len() - 1] {
        inspect(&whole[..length], &[]);
    }
    // Bytes 8 to 11 are the version: see docs/program-format.md.
    let mut newer = whole.clone();
    newer[8] += 1;
    inspect(&newer, &["version"]);
    place.write("net.hlaprog", &whole);
    refused(
        &place,
        "inspect net.hlaprog --count-multiplies",
        1,
        &["object"],
    );
    // A program is no model.
    refused(&place, "compile net.hlaprog -o out.o", 1, &["net.hlaprog"]);
}

#[test]
fn training_options_that_do_not_fit() {
    let place = Place::new();
    let base = "train DIGITS/mlp.mlir --data DIGITS/train-images.npy -o out.safetensors";
    for (more, says) in [
        ("--precision tf32", "f32, bf16 and f16"),
        ("--device 1", "--device"),
        ("--emit-program p.hlaprog", "--emit-program"),
        ("--target gpu", "cuda"),
        ("--target x86_64", "cpu"),
        ("--target cuda --precision f64", "f64"),
        ("--target cuda --device one", "--device"),
    ] {
        refused(&place, &format!("{base} {more}"), 2, &[says]);
    }
    refused(
        &place,
        &format!("{base} --target cuda:sm_70"),
        1,
        &["too old"],
    );
    // Without --emit-program, what a training needs is asked for.
    refused(
        &place,
        "train DIGITS/mlp.mlir --target cuda",
        2,
        &["--data"],
    );
    let emit = "train DIGITS/mlp.mlir --target cuda --emit-program";
    refused(
        &place,
        &format!("{emit} nowhere/p.hlaprog"),
        1,
        &["nowhere"],
    );
    refused(&place, &format!("{emit} ."), 1, &["directory"]);
    place.write("m.mlir", "module {}");
    refused(
        &place,
        "train m.mlir --target cuda --emit-program p.hlaprog",
        1,
        &["m.mlir", "no function"],
    );
    place.write("m.mlir", std::fs::read(super::digits("mlp.mlir")).unwrap());
    refused(
        &place,
        "train m.mlir --target cuda --emit-program m.mlir",
        1,
        &["input"],
    );
}

/// Tests run where there is no GPU; where there is one, there is nothing to refuse.
#[test]
fn a_machine_without_a_gpu() {
    let place = Place::new();
    let line = "train DIGITS/mlp.mlir --data DIGITS/train-images.npy --target cuda \
                --epochs-per-t 0 --ternary-epochs 1 -o out.safetensors";
    if hla_runtime::device::cuda::devices().is_ok_and(|found| !found.is_empty()) {
        place.hlac(line).success();
        return;
    }
    refused(
        &place,
        line,
        1,
        &["NVIDIA", "--target cpu", "--emit-program"],
    );
}
