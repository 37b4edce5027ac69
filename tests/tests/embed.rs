//! Compiled models inside C programs, on both processors: the example `embed-in-c`, and a program
//! that has no C library at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hla_runtime::npy;
use hlac_tests::process::{hlac, root, run_in};

/// A whole program: no header but the generated one, no library, no start files. It runs the model
/// on the images in `images.h` and writes the logits to standard output.
const PROGRAM: &str = r#"
#include "cnn.h"
#include "images.h"

static _Alignas(64) unsigned char state[STATE], workspace[WORKSPACE];
static float logits[IMAGES][10];

static long call(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}
#if defined(__x86_64__)
enum { WRITE = 1, EXIT = 60 };
__attribute__((force_align_arg_pointer))
#else
enum { WRITE = 64, EXIT = 93 };
#endif
void _start(void) {
    if (cnn_state_bytes() > STATE || cnn_workspace_bytes() > WORKSPACE) call(EXIT, 2, 0, 0);
    cnn_init(state);
    for (int i = 0; i < IMAGES; i++)
        if (cnn_run(state, images[i], logits[i], workspace, NULL)) call(EXIT, 3, 0, 0);
    call(EXIT, call(WRITE, 1, (long)logits, sizeof logits) == sizeof logits ? 0 : 4, 0, 0);
}
"#;

const IMAGES: usize = 20;

/// How programs for a target are linked and run.
const MACHINES: [(&str, &str, Option<&str>); 2] = [
    ("x86_64", "gcc", None),
    (
        "aarch64",
        "aarch64-linux-gnu-gcc",
        Some("qemu-aarch64-static"),
    ),
];

fn digits(name: &str) -> String {
    root()
        .join("examples/digits")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn the_example_builds_and_both_cpus_agree() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "HLAC='{}' '{}' '{}'",
        hlac().display(),
        root().join("examples/embed-in-c/build.sh").display(),
        folder.path().display()
    );
    let outcome = run_in(&root(), Path::new("sh"), &["-c", &script], b"").success();
    let text = outcome.text();
    let told: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_once("thread(s): ").map(|(_, told)| told))
        .collect();
    assert_eq!(told.len(), 4, "{text}");
    assert!(told.iter().all(|t| t == &told[0]), "{text}");
    assert!(text.ends_with("all logits have the same bits\n"), "{text}");
}

#[test]
fn a_model_runs_without_a_c_library() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let (model, weights) = (digits("cnn.mlir"), digits("cnn.safetensors"));
    let common = [model.as_str(), "--weights", weights.as_str()];

    let all = fs::read(digits("test-images.npy")).unwrap();
    let pixels = npy::parse("images", all).unwrap().to_f32s();
    let mut header =
        format!("enum {{ IMAGES = {IMAGES}, STATE = 1 << 17, WORKSPACE = 1 << 17 }};\n");
    header.push_str("static const float images[IMAGES][64] = {\n");
    for image in pixels.chunks(64).take(IMAGES) {
        // Digits enough to be read back to the same bits.
        let numbers: Vec<String> = image.iter().map(|x| format!("{x:?}f")).collect();
        let _ = writeln!(header, "{{ {} }},", numbers.join(", "));
    }
    header.push_str("};\n");
    fs::write(place.join("images.h"), header).unwrap();
    fs::write(place.join("main.c"), PROGRAM).unwrap();

    let images = format!("@{}", digits("test-images.npy"));
    let args = [
        &["run"],
        &common[..],
        &["--ternary", "--input", &images, "--output", "@all.npy"],
    ]
    .concat();
    run_in(place, &hlac(), &args, b"").success();
    let expected = npy::parse("logits", fs::read(place.join("all.npy")).unwrap()).unwrap();
    let expected = &expected.to_bytes()[..IMAGES * 40];

    for (target, compiler, runner) in MACHINES {
        let args = [
            &["compile"],
            &common[..],
            &["-q", "--target", target, "-o", "cnn.o"],
        ]
        .concat();
        run_in(place, &hlac(), &args, b"").success();
        let args = "-std=c11 -O1 -Wall -Werror -ffreestanding -fno-stack-protector -nostdlib -static main.c cnn.o -o program";
        let args: Vec<&str> = args.split(' ').collect();
        run_in(place, Path::new(compiler), &args, b"").success();
        let outcome = match runner {
            Some(runner) => run_in(place, Path::new(runner), &["./program"], b""),
            None => run_in(place, &place.join("program"), &[""; 0], b""),
        };
        assert!(outcome.success().stdout == expected, "{target}");
    }
}
