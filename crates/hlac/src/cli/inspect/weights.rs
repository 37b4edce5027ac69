//! What is in a safetensors file.

use std::fmt::Write as _;

use hla_ir::{Diagnostic, Location};
use safetensors::SafeTensors;
use serde_json::json;

use super::Facts;
use crate::cli::Failure;

/// Whether a file is called or looks like safetensors: a length, then a JSON object.
pub(super) fn is_safetensors(name: &str, bytes: &[u8]) -> bool {
    name.ends_with(".safetensors") || (bytes.get(8) == Some(&b'{') && bytes.get(7) == Some(&0))
}

pub(super) fn inspect(name: &str, bytes: &[u8]) -> Result<Facts, Failure> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        Diagnostic::error(
            Location::file(name, 0, 0),
            format!("this is no sound safetensors file: {e}"),
        )
        .help("the file is damaged or was cut off: save it again")
    })?;
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let total: usize = tensors.iter().map(|(_, t)| t.data().len()).sum();
    let mut text = format!("{} tensors, {total} bytes\n", tensors.len());
    let width = tensors
        .iter()
        .map(|(n, _)| n.chars().count())
        .max()
        .unwrap_or(0);
    for (name, tensor) in &tensors {
        let _ = writeln!(
            text,
            "  {name:<width$}  {:?} {:?}",
            tensor.dtype(),
            tensor.shape()
        );
    }
    let list: Vec<_> = tensors
        .iter()
        .map(|(name, t)| json!({ "name": name, "type": format!("{:?}", t.dtype()), "shape": t.shape(), "bytes": t.data().len() }))
        .collect();
    let json = json!({ "kind": "weights", "bytes": total, "tensors": list });
    Ok(Facts { json, text })
}
