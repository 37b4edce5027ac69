//! The file format, version 1. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `HLACPROG` |
//! | 4 | version, `u32`: 1 |
//! | 8 | n, `u64`: bytes of the header |
//! | n | the header in JSON |
//! | … | the PTX texts, in the order of the header, without gaps |
//! | … | the constants |
//! | 8 | XXH3-64 (seed 0) of all bytes before, `u64` |

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::plan::{DeviceProgram, Kernel, PlanFunction};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

pub(super) const MAGIC: &[u8; 8] = b"HLACPROG";

/// A message and the next step.
type Refusal = (String, String);

#[derive(Serialize)]
struct HeaderRef<'p> {
    chip: &'p str,
    precision: &'p str,
    producer: &'p str,
    modules: Vec<u64>,
    constants: u64,
    kernels: &'p [Kernel],
    functions: &'p [PlanFunction],
    driver: Option<&'p str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    chip: String,
    precision: String,
    producer: String,
    /// Bytes of each PTX text.
    modules: Vec<u64>,
    /// Bytes of the constants.
    constants: u64,
    kernels: Vec<Kernel>,
    functions: Vec<PlanFunction>,
    driver: Option<String>,
}

/// The bytes of a program file.
pub fn encode(program: &DeviceProgram) -> Vec<u8> {
    let header = HeaderRef {
        chip: &program.chip,
        precision: &program.precision,
        producer: &program.producer,
        modules: program.modules.iter().map(|m| m.len() as u64).collect(),
        constants: program.constants.len() as u64,
        kernels: &program.kernels,
        functions: &program.functions,
        driver: program.driver.as_deref(),
    };
    // Nothing in a header is without a JSON form.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    for module in &program.modules {
        bytes.extend_from_slice(module.as_bytes());
    }
    bytes.extend_from_slice(&program.constants);
    let checksum = XxHash3_64::oneshot(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn damaged(what: &str) -> Refusal {
    (
        format!("the program is damaged: {what}"),
        "copy it again, or compile it again".to_owned(),
    )
}

/// Reads the bytes of a program file. Whether its functions keep the rules of plans is left to
/// [`plan::check`](crate::plan::check()).
///
/// # Errors
/// A message and the next step for bytes that are no program, of another version, or changed since they
/// were written.
pub fn decode(bytes: &[u8]) -> Result<DeviceProgram, Refusal> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        (
            "this is no compiled program: it does not begin with HLACPROG".to_owned(),
            "give a file that hlac compiled for a GPU".to_owned(),
        )
    })?;
    let ends = || damaged("it ends early");
    let (version, rest) = rest.split_first_chunk().ok_or_else(ends)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err((
            format!("the program has version {version}, but this one reads version {VERSION}"),
            "run it with what comes with the hlac that compiled it, or compile it again".to_owned(),
        ));
    }
    let (rest, checksum) = rest.split_last_chunk().ok_or_else(ends)?;
    let covered = &bytes[..bytes.len() - checksum.len()];
    if XxHash3_64::oneshot(covered) != u64::from_le_bytes(*checksum) {
        return Err(damaged("its checksum does not fit"));
    }
    let (length, mut rest) = rest.split_first_chunk().ok_or_else(ends)?;
    let mut part = |length: u64| -> Result<&[u8], Refusal> {
        let length = usize::try_from(length).map_err(|_| ends())?;
        let (part, after) = rest.split_at_checked(length).ok_or_else(ends)?;
        rest = after;
        Ok(part)
    };
    let header: Header = serde_json::from_slice(part(u64::from_le_bytes(*length))?)
        .map_err(|e| damaged(&format!("its header cannot be read: {e}")))?;
    let mut modules = Vec::new();
    for &length in &header.modules {
        let text = str::from_utf8(part(length)?).map_err(|_| damaged("its code is no text"))?;
        modules.push(text.to_owned());
    }
    let constants = part(header.constants)?.to_vec();
    if !rest.is_empty() {
        return Err(damaged("bytes follow its constants"));
    }
    Ok(DeviceProgram {
        chip: header.chip,
        precision: header.precision,
        producer: header.producer,
        modules,
        kernels: header.kernels,
        constants,
        functions: header.functions,
        driver: header.driver,
    })
}
