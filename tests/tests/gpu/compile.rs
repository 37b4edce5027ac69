//! `hlac compile --target cuda` and `hlac inspect`.

use hla_reference::Tolerance;
use hla_runtime::{Executable, npy};
use hlac_tests::process::mlir_opt;
use serde_json::Value;

use super::{Place, digits, first, session};

const CNN: &str = "DIGITS/cnn.mlir --weights DIGITS/cnn.safetensors";

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_program_and_what_it_is_made_of_are_written() {
    let place = Place::new();
    let told = place
        .hlac(&format!("compile {CNN} --target cuda"))
        .success();
    assert_eq!(place.files("."), ["cnn.hlaprog"]);
    for part in [
        "cuda:sm_80",
        "conv4",
        "weight bytes",
        "launches",
        "wrote cnn.hlaprog",
    ] {
        assert!(told.text().contains(part), "{part}: {}", told.text());
    }
    place
        .hlac(&format!(
            "compile {CNN} --target cuda:sm_90 --emit prog,mlir,ptx,plan -q -o gpu/"
        ))
        .success();
    assert_eq!(
        place.files("gpu"),
        ["cnn.hlaprog", "cnn.mlir", "cnn.plan", "cnn.ptx"]
    );
    let program = place.program("gpu/cnn.hlaprog");
    assert_eq!((&*program.chip, &*program.precision), ("sm_90", "tf32"));
    let ptx = place.text("gpu/cnn.ptx");
    assert!(ptx.contains(".target sm_90"));
    let plan = place.text("gpu/cnn.plan");
    for kernel in &program.kernels {
        assert!(ptx.contains(&format!(".entry {}(", kernel.entry)));
        assert!(plan.contains(&format!("{} <<<", kernel.entry)), "{plan}");
    }
    // Three modules: the function, its kernels in linalg, its kernels in the gpu dialect.
    let mlir = place.read("gpu/cnn.mlir");
    let text = String::from_utf8(mlir.clone()).unwrap();
    assert_eq!(text.matches("// -----").count(), 2);
    for part in ["hla.ternary_conv2d", "linalg.generic", "gpu.func"] {
        assert!(text.contains(part), "{part}");
    }
    mlir_opt(&mlir, &["--split-input-file", "-o", "/dev/null"]).success();
}

/// A name with folders in it is written as a name, where outputs go.
#[test]
fn a_name_leads_nowhere_else() {
    let place = Place::new();
    place
        .hlac(&format!(
            "compile {CNN} --target cuda --name ../x --emit prog,plan -q -o net/"
        ))
        .success();
    assert_eq!(place.files("net"), ["_.._x.hlaprog", "_.._x.plan"]);
    assert_eq!(place.files("."), ["net"]);
}

#[test]
fn the_same_input_gives_the_same_program() {
    let place = Place::new();
    for name in ["a", "b"] {
        let line = format!("compile {CNN} --target cuda --name net -q -o {name}.hlaprog");
        place.hlac(&line).success();
    }
    assert!(place.read("a.hlaprog") == place.read("b.hlaprog"));
}

/// Constants are rounded when they are compiled: a run casts the image and what it computes, no weight.
#[test]
fn weights_are_rounded_once() {
    let place = Place::new();
    place
        .hlac(&format!(
            "compile {CNN} --target cuda --precision bf16 --batch 3 -q -o net.hlaprog"
        ))
        .success();
    let program = place.program("net.hlaprog");
    let casts = program
        .kernels
        .iter()
        .filter(|k| k.computes.starts_with("map: cast over"));
    let casts: Vec<&str> = casts.map(|k| &*k.computes).collect();
    assert!(!casts.is_empty());
    // The leading extent of each is the batch's.
    assert!(casts.iter().all(|c| c.contains("over [3, ")), "{casts:?}");
    assert!(
        program
            .kernels
            .iter()
            .any(|k| k.computes.contains("ternary_conv2d") && k.computes.contains("bf16"))
    );
}

#[test]
fn one_kind_of_output_goes_to_standard_output() {
    let place = Place::new();
    let ptx = place
        .hlac(&format!("compile {CNN} --target cuda --emit ptx -q -o -"))
        .success();
    assert!(ptx.text().contains(".version 7.0\n.target sm_80"));
    assert!(place.files(".").is_empty());
}

#[test]
fn inspect_tells_what_is_in_a_program() {
    let place = Place::new();
    let compiled = place
        .hlac(&format!(
            "compile {CNN} --target cuda --precision f32 --json -o net.hlaprog"
        ))
        .success();
    let compiled = json(&compiled.stdout);
    let told = json(&place.hlac("inspect net.hlaprog --json").success().stdout);
    assert_eq!(told["kind"], "program");
    for key in ["chip", "precision", "functions", "kernels", "arena_bytes"] {
        assert_eq!(told[key], compiled["program"][key], "{key}");
    }
    assert_eq!(told["precision"], "f32");
    assert_eq!(told["functions"][0]["name"], "net");
    assert!(told["functions"][0]["launches"].as_u64() > Some(4));
    assert_eq!(compiled["target"], "cuda:sm_80");
    let before = compiled["multiplications_before"].as_u64().unwrap();
    assert!(compiled["multiplications_after"].as_u64().unwrap() < before / 20);
    let text = place.hlac("inspect net.hlaprog").success().text();
    for part in [
        "program for sm_80",
        "function net(",
        "tensor<1x8x8x1xf32>",
        "ternary",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// What the PTX computes is what the processor computes.
#[test]
fn a_program_computes_what_the_processor_does() {
    let place = Place::new();
    let images = first(&digits("test-images.npy"), 4);
    place.write("images.npy", npy::to_bytes(&images).unwrap());
    for (more, precisions) in [
        (
            "",
            &[("f32", 1e-5), ("tf32", 2e-3), ("bf16", 2e-2), ("f16", 2e-3)][..],
        ),
        ("--activations int8", &[("f32", 1e-5)]),
        (
            "--activations int8 --calibrate images.npy",
            &[("f32", 1e-5)],
        ),
        ("--quantize-all --sparsity 0.4", &[("f32", 1e-5)]),
    ] {
        let expected = "--input @images.npy --output @expected.npy";
        place
            .hlac(&format!("run {CNN} --batch 4 --ternary {more} {expected}"))
            .success();
        let expected = npy::read(&place.path("expected.npy")).unwrap();
        let largest = expected.iter_f64().fold(0.0_f64, |a, v| a.max(v.abs()));
        for &(precision, tolerance) in precisions {
            place
                .hlac(&format!(
                    "compile {CNN} --batch 4 {more} --target cuda --precision {precision} -q -o net.hlaprog"
                ))
                .success();
            let session = session(place.program("net.hlaprog"));
            let step = session.function("net").unwrap();
            let computed = step.run(std::slice::from_ref(&images), None).unwrap();
            let near = Tolerance::Relative {
                rtol: 0.0,
                atol: (tolerance * largest) as f32,
            };
            if let Err(error) = near.check(&expected, &computed[0]) {
                panic!("{precision} {more}: {error}");
            }
        }
    }
}
