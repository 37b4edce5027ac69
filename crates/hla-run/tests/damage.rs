//! Files that are no sound programs: an error with a place and a next step, never a panic.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Output;
use std::sync::OnceLock;

use common::{Bench, err, rising, training};
use hla_runtime::program::{VERSION, encode};
use proptest::prelude::*;
use twox_hash::XxHash3_64;

/// One folder for all cases: building the fake driver takes longer than running the command.
fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let bench = Bench::new();
        bench.save("x.npy", &rising(0.0));
        bench
    })
}

/// The file with a checksum that fits again.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len().saturating_sub(8);
    let sum = XxHash3_64::oneshot(&bytes[..end]);
    bytes.truncate(end);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// What the commands say of a file. None may fail other than with status 1, and a help.
fn tried(bytes: &[u8]) -> Vec<(&'static str, Output)> {
    let bench = bench();
    let name = format!("{}.hlaprog", XxHash3_64::oneshot(bytes));
    std::fs::write(bench.path(&name), bytes).unwrap();
    let commands: [(&str, Vec<&str>); 3] = [
        ("inspect", vec!["inspect", &name, "--json"]),
        (
            "infer",
            vec!["infer", &name, "--function", "main", "--input", "@x.npy"],
        ),
        (
            "train",
            vec!["train", &name, "--data", "x.npy", "-o", "out.safetensors"],
        ),
    ];
    let outputs: Vec<_> = commands
        .into_iter()
        .map(|(what, line)| {
            let output = bench.run(&line, &[]);
            let text = err(&output);
            match output.status.code() {
                Some(0) => {}
                Some(1) => assert!(
                    text.contains("error: ") && text.contains("help: "),
                    "{text}"
                ),
                status => panic!("{what} ends with {status:?}: {text}"),
            }
            (what, output)
        })
        .collect();
    std::fs::remove_file(bench.path(&name)).unwrap();
    outputs
}

fn refused(bytes: &[u8], says: &str) {
    for (what, output) in tried(bytes) {
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(err(&output).contains(says), "{what}: {}", err(&output));
    }
}

#[test]
fn damaged_and_newer_files_are_refused() {
    let whole = encode(&training());
    refused(b"", "this is no compiled program");
    refused(&whole[..whole.len() / 2], "its checksum does not fit");
    let mut newer = whole.clone();
    newer[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    refused(
        &sealed(newer),
        &format!("the program has version {}", VERSION + 1),
    );
    let mut flipped = whole;
    flipped[100] ^= 4;
    refused(&flipped, "its checksum does not fit");
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
    /// Repeats a part of the file.
    Again(prop::sample::Index, prop::sample::Index),
    /// Makes another number of one in the header.
    Digit(prop::sample::Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(i, b)| Change::Set(i, b)),
        (at(), at()).prop_map(|(i, j)| Change::Cut(i, j)),
        (at(), at()).prop_map(|(i, j)| Change::Again(i, j)),
        (at(), b'0'..=b'9').prop_map(|(i, b)| Change::Digit(i, b)),
        (at(), b'0'..=b'9').prop_map(|(i, b)| Change::Digit(i, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.len() < 40 {
        return;
    }
    let part = |i: &prop::sample::Index, j: &prop::sample::Index, n: usize| {
        let (i, j) = (i.index(n), j.index(n));
        (i.min(j), i.max(j).min(i.min(j) + 64))
    };
    let n = bytes.len();
    match change {
        Change::Set(i, b) => bytes[i.index(n)] = *b,
        Change::Cut(i, j) => {
            let (from, to) = part(i, j, n);
            bytes.drain(from..to);
        }
        Change::Again(i, j) => {
            let (from, to) = part(i, j, n);
            let copy = bytes[from..to].to_vec();
            bytes.splice(from..from, copy);
        }
        Change::Digit(i, b) => {
            let digits: Vec<usize> = (20..n).filter(|&i| bytes[i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                bytes[digits[i.index(digits.len())]] = *b;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// With a checksum that fits, so that what lies behind it is reached.
    #[test]
    fn no_file_makes_a_command_panic(
        trains in any::<bool>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let program = match trains {
            true => training(),
            false => common::example(),
        };
        let mut bytes = encode(&program);
        for change in &changes {
            apply(&mut bytes, change);
        }
        tried(&sealed(bytes));
    }
}
