//! The checkpoint format: what is written is read, and nothing else is.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use hla_ir::{DType, Tensor, TensorType};
use hla_runtime::State;
use hla_train::checkpoint::{self, Position, Record, VERSION, decode, encode};
use hla_train::config::TrainConfig;
use hla_train::metrics::{EpochRecord, Evaluation, Event, History, Stage};
use hla_train::schedule::Convergence;
use proptest::prelude::*;

fn record(numbers: [f64; 3], epochs: u64) -> Record {
    let event = Event::Epoch(EpochRecord {
        epoch: epochs as usize,
        stage: Stage::Ternarize,
        t: None,
        learning_rate: numbers[0],
        steps: 3,
        loss: numbers[1],
        loss_aware: numbers[2],
        train_accuracy: 0.25,
        eval: Some(Evaluation {
            loss: numbers[2],
            correct: 1,
            count: 4,
        }),
        eval_ternary: None,
        layers: Vec::new(),
        seconds: numbers[0],
        images_per_second: 1.0,
    });
    Record {
        config: TrainConfig {
            learning_rate: numbers[0],
            augment: "noise=0.1,rotate=0.3".parse().unwrap(),
            graph_options: BTreeMap::from([("quantizer".to_owned(), "hla".to_owned())]),
            ..TrainConfig::default()
        },
        graphs: u64::MAX - epochs,
        position: Position {
            phase: 2,
            epoch: 3,
            epochs,
            steps: 17,
            convergence: Convergence {
                best: Some(numbers[1]),
                stale: 1,
            },
        },
        history: History {
            events: vec![event],
        },
    }
}

fn state() -> State {
    let mut state = State::new();
    let weights = [1.0, -2.5, f32::NAN, -0.0, f32::INFINITY, 1e-45];
    let weights = Tensor::from_f32s([2, 3], &weights).unwrap();
    state.set("conv.weight", &weights).unwrap();
    let empty = TensorType::f32([0, 4]);
    state.set("empty", &Tensor::splat(empty, 0.0)).unwrap();
    let count = TensorType::new([], DType::I64);
    state
        .set("a \"count\"", &Tensor::splat(count, -3.0))
        .unwrap();
    state
}

/// As [`decode`] refuses it.
fn message(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().0
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let bytes = encode(&record([0.1, 0.2, 0.3], 5), &state());
    assert!(decode(&bytes).is_ok());
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            let message = message(&changed);
            let expected = match at {
                0..8 => "this is no checkpoint",
                8..12 => "but this hlac reads version 1",
                _ => "the checkpoint is damaged",
            };
            assert!(message.contains(expected), "byte {at}: {message}");
        }
    }
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(message(&longer).contains("damaged"));
}

#[test]
fn a_newer_version_is_refused_before_anything_else() {
    let mut bytes = encode(&record([0.1, 0.2, 0.3], 5), &state());
    bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    bytes.truncate(20);
    assert_eq!(
        message(&bytes),
        "the checkpoint has version 2, but this hlac reads version 1"
    );
}

#[test]
fn the_latest_and_the_previous_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new").join("run");
    assert_eq!(checkpoint::find(&folder), None);
    for epochs in 1..=3 {
        let path = checkpoint::write(&folder, &record([0.1, 0.2, 0.3], epochs), &state()).unwrap();
        assert_eq!(checkpoint::find(&folder), Some(path));
    }
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["latest.checkpoint", "previous.checkpoint"]);
    let epochs = |name: &str| {
        let (record, _) = checkpoint::read(&folder.join(name)).unwrap();
        record.position.epochs
    };
    assert_eq!(epochs("latest.checkpoint"), 3);
    assert_eq!(epochs("previous.checkpoint"), 2);
    // What a kill while writing leaves.
    fs::write(folder.join(".checkpoint-abc"), b"HLACC").unwrap();
    checkpoint::clean(&folder);
    assert_eq!(names(), ["latest.checkpoint", "previous.checkpoint"]);
    // A kill between the two renamings.
    fs::remove_file(folder.join("latest.checkpoint")).unwrap();
    let found = checkpoint::find(&folder).unwrap();
    assert_eq!(found, folder.join("previous.checkpoint"));
    // A damaged one is refused, and the other one named.
    fs::write(folder.join("latest.checkpoint"), b"HLACCKPT").unwrap();
    let error = checkpoint::read(&folder.join("latest.checkpoint")).unwrap_err();
    assert!(error.message.contains("ends early"), "{error}");
    assert!(error.help.unwrap().contains("previous.checkpoint"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        numbers in prop::array::uniform3(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL),
        epochs: u64,
        tensors in prop::collection::btree_map(".{0,6}", prop::collection::vec(any::<u32>(), 0..9), 0..5),
    ) {
        let mut state = State::new();
        for (name, bits) in &tensors {
            let values: Vec<f32> = bits.iter().map(|&b| f32::from_bits(b)).collect();
            state.set(name, &Tensor::from_f32s([values.len()], &values).unwrap()).unwrap();
        }
        let record = record(numbers, epochs >> 1);
        let bytes = encode(&record, &state);
        let (read, back) = decode(&bytes).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(&back, &state);
        prop_assert_eq!(encode(&read, &back), bytes);
    }
}
