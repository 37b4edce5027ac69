//! What an object says about itself: the [`CompileReport`] as JSON in the section `.hlac`, which no
//! linker loads into memory. `hlac inspect` reads it.

use object::{File, Object, ObjectSection};
use serde::{Deserialize, Serialize};

use crate::report::CompileReport;

/// Name of the section.
pub const SECTION: &str = ".hlac";

/// Version of the format. A reader refuses every other.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    program: &'a CompileReport,
}

#[derive(Deserialize)]
struct Read {
    program: CompileReport,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The contents of the section.
pub(crate) fn to_bytes(report: &CompileReport) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written {
        version: VERSION,
        program: report,
    })
}

/// Reads the section of an object file; the error says what is wrong with the file.
pub fn read(file: &File<'_>) -> Result<CompileReport, String> {
    let section = file
        .section_by_name(SECTION)
        .ok_or("the object was not made by hlac: it has no section '.hlac'")?;
    let bytes = section
        .data()
        .map_err(|e| format!("the section '{SECTION}' cannot be read: {e}"))?;
    let damaged = |e| format!("the section '{SECTION}' is damaged: {e}");
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(format!(
            "the object was made by another version of hlac: its section '{SECTION}' has version {version}, not {VERSION}"
        ));
    }
    let Read { program } = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(program)
}
