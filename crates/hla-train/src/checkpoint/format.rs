//! The file format, version 1. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `HLACCKPT` |
//! | 4 | version, `u32`: 1 |
//! | 8 | n, `u64`: bytes of the header |
//! | n | the header in JSON |
//! | … | the elements of each tensor, row-major, in the order of the header, without gaps |
//! | 8 | XXH3-64 (seed 0) of all bytes before, `u64` |

use hla_ir::{DType, Tensor, TensorType};
use hla_runtime::State;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::Record;

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"HLACCKPT";

/// A message and the next step.
type Refusal = (String, String);

#[derive(Serialize)]
struct HeaderRef<'a> {
    #[serde(flatten)]
    record: &'a Record,
    tensors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(flatten)]
    record: Record,
    tensors: Vec<Entry>,
}

/// A tensor.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

/// The bytes of a checkpoint.
pub fn encode(record: &Record, state: &State) -> Vec<u8> {
    let tensors = state.names().filter_map(|name| {
        let ty = state.ty(name)?;
        Some(Entry {
            name: name.to_owned(),
            dtype: ty.dtype.name().to_owned(),
            shape: ty.shape.clone(),
        })
    });
    let header = HeaderRef {
        record,
        tensors: tensors.collect(),
    };
    // Nothing in a header is without a JSON form.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    for name in state.names() {
        bytes.extend_from_slice(state.bytes(name).unwrap_or_default());
    }
    let checksum = XxHash3_64::oneshot(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn damaged(what: &str) -> Refusal {
    (
        format!("the checkpoint is damaged: {what}"),
        "go on from another one, or begin again without --resume".to_owned(),
    )
}

/// Reads the bytes of a checkpoint.
///
/// # Errors
/// Bytes that are no checkpoint, of another version, or changed since they were written.
pub fn decode(bytes: &[u8]) -> Result<(Record, State), Refusal> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        (
            "this is no checkpoint: it does not begin with HLACCKPT".to_owned(),
            "give the folder that a training with --checkpoint wrote".to_owned(),
        )
    })?;
    let ends = || damaged("it ends early");
    let (version, rest) = rest.split_first_chunk().ok_or_else(ends)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err((
            format!("the checkpoint has version {version}, but this hlac reads version {VERSION}"),
            "go on with the hlac that wrote it, or begin again without --resume".to_owned(),
        ));
    }
    let (rest, checksum) = rest.split_last_chunk().ok_or_else(ends)?;
    let covered = &bytes[..bytes.len() - checksum.len()];
    if XxHash3_64::oneshot(covered) != u64::from_le_bytes(*checksum) {
        return Err(damaged("its checksum does not fit"));
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(ends)?;
    let (header, mut data) = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|n| rest.split_at_checked(n))
        .ok_or_else(ends)?;
    let header: Header = serde_json::from_slice(header)
        .map_err(|e| damaged(&format!("its header cannot be read: {e}")))?;
    let mut state = State::new();
    for entry in header.tensors {
        let name = &entry.name;
        let wrong = || damaged(&format!("the tensor '{name}' is not sound"));
        let dtype = DType::from_name(&entry.dtype).ok_or_else(wrong)?;
        let ty = TensorType::try_new(entry.shape, dtype).map_err(|_| wrong())?;
        let (elements, rest) = data.split_at_checked(ty.bytes()).ok_or_else(ends)?;
        data = rest;
        let tensor = Tensor::from_bytes(ty, elements.to_vec()).map_err(|_| wrong())?;
        if state.ty(name).is_some() || state.set(name, &tensor).is_err() {
            return Err(wrong());
        }
    }
    match data {
        [] => Ok((header.record, state)),
        _ => Err(damaged("bytes follow its tensors")),
    }
}
