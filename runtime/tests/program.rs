//! Program files: what is written comes back, and nothing else is taken for a program.
#![allow(clippy::unwrap_used)]

mod common;

use common::generate::programs;
use hla_runtime::plan;
use hla_runtime::program::{self, decode, encode};
use proptest::prelude::*;
use twox_hash::XxHash3_64;

/// The same bytes with a checksum that fits.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let checksum = XxHash3_64::oneshot(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn refusal(bytes: &[u8]) -> String {
    decode(bytes).unwrap_err().0
}

#[test]
fn the_layout_is_that_of_the_documentation() {
    let program = common::program();
    let bytes = encode(&program);
    assert_eq!(&bytes[..8], b"HLACPROG");
    assert_eq!(bytes[8..12], [1, 0, 0, 0]);
    let n = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[20..20 + n]).unwrap();
    assert_eq!(header["chip"], "sm_80");
    assert_eq!(header["modules"][0], program.modules[0].len());
    assert_eq!(header["constants"], 4);
    assert_eq!(header["driver"], serde_json::Value::Null);
    let function = &header["functions"][0];
    assert_eq!(
        function["signature"]["inputs"][1],
        serde_json::json!({"name": "w", "dtype": "f32", "shape": [64], "param": "w"})
    );
    assert_eq!(
        function["commands"][2],
        serde_json::json!({"launch": {"kernel": 2, "grid": [1, 1, 1], "args": [
            {"span": {"place": {"input": 1}, "offset": 0, "bytes": 256, "value": 4}, "access": "read"},
            {"span": {"place": {"output": 0}, "offset": 0, "bytes": 4, "value": 5}, "access": "write"},
        ]}})
    );
    assert_eq!(
        function["commands"][0]["launch"]["args"][2]["span"]["place"],
        "arena"
    );
    let text = program.modules.concat();
    let end = 20 + n + text.len();
    assert_eq!(&bytes[20 + n..end], text.as_bytes());
    assert_eq!(&bytes[end..end + 4], 3.0_f32.to_le_bytes());
    let checksum = XxHash3_64::oneshot(&bytes[..end + 4]);
    assert_eq!(bytes[end + 4..], checksum.to_le_bytes());
}

proptest! {
    #[test]
    fn what_is_written_comes_back(program in programs()) {
        prop_assert_eq!(plan::check(&program), Ok(()));
        let bytes = encode(&program);
        prop_assert_eq!(&bytes, &encode(&program.clone()));
        prop_assert_eq!(decode(&bytes), Ok(program));
    }

    /// Whoever also repairs the checksum gets an error or a program, which the check of plans sees
    /// next; never a panic, and never an allocation that the file has no bytes for.
    #[test]
    fn hostile_bytes_do_no_harm(
        program in programs(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&program);
        for (at, byte) in changes {
            let end = bytes.len() - 8;
            bytes[at.index(end)] = byte;
        }
        if let Ok(program) = decode(&signed(bytes)) {
            let _ = plan::check(&program);
            let _ = program.summary().to_string();
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = encode(&common::program());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let message = refusal(&changed);
            let expected = match at {
                0..8 => "this is no compiled program: it does not begin with HLACPROG",
                8..12 => "the program has version ",
                _ => "the program is damaged: its checksum does not fit",
            };
            assert!(message.starts_with(expected), "byte {at}: {message}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = encode(&common::program());
    for length in 0..bytes.len() {
        decode(&bytes[..length]).unwrap_err();
        if length >= 28 {
            // Even if it is signed.
            decode(&signed(bytes[..length].to_vec())).unwrap_err();
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(refusal(&signed(longer)).contains("bytes follow its constants"));
}

#[test]
fn hostile_lengths_are_refused() {
    let bytes = encode(&common::program());
    for length in [u64::MAX, 1 << 63, bytes.len() as u64] {
        let mut changed = bytes.clone();
        changed[12..20].copy_from_slice(&length.to_le_bytes());
        assert!(refusal(&signed(changed)).ends_with("it ends early"));
    }
    let n = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let header = str::from_utf8(&bytes[20..20 + n]).unwrap();
    let with = |from: &str, to: &str| {
        assert_eq!(header.matches(from).count(), 1, "{from}");
        let header = header.replace(from, to);
        let mut changed = bytes[..12].to_vec();
        changed.extend((header.len() as u64).to_le_bytes());
        changed.extend(header.as_bytes());
        changed.extend(&bytes[20 + n..]);
        refusal(&signed(changed))
    };
    let huge = u64::MAX.to_string();
    assert!(with("\"constants\":4", &format!("\"constants\":{huge}")).ends_with("it ends early"));
    assert!(with("\"modules\":[", &format!("\"modules\":[{huge},")).ends_with("it ends early"));
    assert!(with("\"constants\":4", "\"constants\":3").contains("bytes follow"));
    assert!(with("\"constants\":4", "\"constants\":-1").contains("cannot be read"));
    assert!(with("\"chip\":", "\"chop\":").contains("unknown field `chop`"));
    let shape = "\"shape\":[64],\"param\"";
    let wide = "\"shape\":[4294967296,4294967296],\"param\"";
    assert!(with(shape, wide).contains("more than 2^40 elements"));
}

#[test]
fn code_that_is_no_text_is_refused() {
    let mut bytes = encode(&common::program());
    let at = bytes.len() - 8 - 4 - 1;
    bytes[at] = 0xff;
    assert!(refusal(&signed(bytes)).ends_with("its code is no text"));
}

#[test]
fn files_are_whole_and_name_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.hlaprog");
    let error = program::read(&path).unwrap_err();
    assert!(
        error.message.starts_with("the program cannot be read"),
        "{error}"
    );
    assert!(!program::is_program(&path));
    let mut wanted = common::program();
    std::fs::write(&path, b"something else").unwrap();
    assert!(!program::is_program(&path));
    program::write(&path, &wanted).unwrap();
    assert!(program::is_program(&path));
    assert_eq!(program::read(&path).unwrap(), wanted);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    wanted.functions[0].arena_bytes = 511;
    program::write(&path, &wanted).unwrap();
    let error = program::read(&path).unwrap_err();
    assert_eq!(error.location.file.as_deref(), path.to_str());
    assert!(error.message.contains("not within the arena"), "{error}");
    let error = program::write(&folder.path().join("no/p.hlaprog"), &wanted).unwrap_err();
    assert!(
        error.message.starts_with("the program cannot be written"),
        "{error}"
    );
}

#[test]
fn the_summary_counts() {
    let mut program = common::program();
    program.functions[0].commands.extend_from_within(2..);
    let summary = program.summary();
    assert_eq!(summary.state_bytes, 256);
    assert_eq!(summary.arena_bytes, 512);
    // scale: x, k and k·x; add: w twice and k·x; sum, twice: w and the loss.
    let moved = (256 + 4 + 256) + 3 * 256 + 2 * (256 + 4);
    assert_eq!(summary.functions[0].moved_bytes, moved);
    assert_eq!(summary.kernels[2].launches, 2);
    assert_eq!(summary.kernels[2].grids, [[1, 1, 1]]);
    let text = summary.to_string();
    for line in [
        "program for sm_80, contractions in f32, by hlac 0.1.0",
        "function step(x: tensor<64xf32>) -> (loss: tensor<f32>)",
        "  1 parameters, 1 of them updated; 4 launches, 0 copies, 0 fills; 512 B of scratch memory; 1.8 KiB read and written",
        "       2  64x1x1                  0  1x1x1              sum: sum of all",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}
