//! Program files, `.hlaprog`: a [`DeviceProgram`] on the disk.
//!
//! - `format` is the file, byte for byte as `docs/program-format.md` describes it;
//! - [`summary`] is what a person wants to know of a program;
//! - here is how files are read and how they appear: whole or not at all.

mod format;
pub mod summary;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use hla_ir::{Diagnostic, Location};

use crate::plan::{self, DeviceProgram};

pub use format::{VERSION, decode, encode};
pub use summary::Summary;

/// The ending of a program's file name.
pub const EXTENSION: &str = "hlaprog";

/// Whether a file begins as a program does. False where it cannot be read.
pub fn is_program(path: &Path) -> bool {
    let mut begin = [0; format::MAGIC.len()];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin == *format::MAGIC
}

/// Reads a program, and [checks](plan::check()) it.
///
/// # Errors
/// A file that cannot be read, is of another version, is damaged, or breaks a rule of plans.
pub fn read(path: &Path) -> Result<DeviceProgram, Diagnostic> {
    let place = Location::file(&*path.to_string_lossy(), 0, 0);
    let bytes = fs::read(path).map_err(|e| {
        Diagnostic::error(place.clone(), format!("the program cannot be read: {e}"))
            .help("check the path and its permissions")
    })?;
    parse(&path.to_string_lossy(), &bytes)
}

/// Whether these bytes begin as a program does.
pub fn begins_program(bytes: &[u8]) -> bool {
    bytes.starts_with(format::MAGIC)
}

/// A program of bytes that came from a file of this name: see [`read`].
///
/// # Errors
/// As there.
pub fn parse(name: &str, bytes: &[u8]) -> Result<DeviceProgram, Diagnostic> {
    let place = Location::file(name, 0, 0);
    let program = decode(bytes)
        .map_err(|(message, help)| Diagnostic::error(place.clone(), message).help(help))?;
    plan::check(&program).map_err(|e| Diagnostic {
        location: place,
        ..e
    })?;
    Ok(program)
}

/// Writes a program: a file that was there stays whole until the new one is.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, program: &DeviceProgram) -> Result<(), Diagnostic> {
    replace(path, &encode(program)).map_err(|e| {
        Diagnostic::error(
            Location::file(&*path.to_string_lossy(), 0, 0),
            format!("the program cannot be written: {e}"),
        )
        .help("check the folder's permissions and the space on its disk")
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".program-");
    // As a file that is simply created; a temporary one is its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
