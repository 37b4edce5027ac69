//! Checkpoints: everything a training needs to go on to the same bits, in one file.
//!
//! - `format` is the file, byte for byte as `docs/checkpoint-format.md` describes it;
//! - here is where files lie and how they appear: whole or not at all.
//!
//! A folder of checkpoints holds `latest.checkpoint` and the one before it, `previous.checkpoint`.
//! A new one is written beside them, forced to the disk, and takes the place of the latest by
//! renaming; so whenever a training is killed, one of the two is whole.

mod format;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Location};
use hla_runtime::State;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::metrics::History;
use crate::schedule::Convergence;

pub use format::{VERSION, decode, encode};

/// How far a training has come.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Position {
    /// The phase of the plan.
    pub phase: usize,
    /// Epochs of this phase that are over.
    pub epoch: u32,
    /// Epochs of the whole training that are over.
    pub epochs: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// What early stopping knows of this phase.
    pub convergence: Convergence,
}

/// What a checkpoint says besides the values of its tensors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The course of the training.
    pub config: TrainConfig,
    /// What tells the graphs from others: [`Blueprint::fingerprint`](crate::Blueprint::fingerprint).
    pub graphs: u64,
    /// How far it has come.
    pub position: Position,
    /// What it has told.
    pub history: History,
}

/// What the names of temporary files begin with.
const TEMPORARY: &str = ".checkpoint-";

/// The newest checkpoint of a folder.
fn latest(folder: &Path) -> PathBuf {
    folder.join("latest.checkpoint")
}

/// The one before it.
fn previous(folder: &Path) -> PathBuf {
    folder.join("previous.checkpoint")
}

/// The checkpoint that a training in this folder goes on from, if there is one: the latest, or the
/// previous where a kill came between the two renamings of [`write()`].
pub fn find(folder: &Path) -> Option<PathBuf> {
    [latest(folder), previous(folder)]
        .into_iter()
        .find(|path| path.exists())
}

/// Removes the temporary files that killed processes left in a folder, as far as it can.
pub fn clean(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// A file that cannot be read, is of another version, or is damaged.
pub fn read(path: &Path) -> Result<(Record, State), Diagnostic> {
    let place = Location::file(&*path.to_string_lossy(), 0, 0);
    let bytes = fs::read(path).map_err(|e| {
        Diagnostic::error(place.clone(), format!("the checkpoint cannot be read: {e}"))
            .help("check its permissions")
    })?;
    let other = previous(path.parent().unwrap_or(Path::new("")));
    decode(&bytes).map_err(|(message, help)| {
        let help = match path != other && other.exists() {
            true => format!("{help}; {} is the one before it", other.display()),
            false => help,
        };
        Diagnostic::error(place, message).help(help)
    })
}

/// Writes a checkpoint into a folder, which need not exist; gives its path.
///
/// # Errors
/// A folder or file that cannot be written; then the checkpoints that were there still are.
pub fn write(folder: &Path, record: &Record, state: &State) -> Result<PathBuf, Diagnostic> {
    let bytes = encode(record, state);
    let path = latest(folder);
    replace(folder, &path, &bytes).map_err(|e| {
        Diagnostic::error(
            Location::file(&*path.to_string_lossy(), 0, 0),
            format!("the checkpoint cannot be written: {e}"),
        )
        .help("check the folder's permissions and the space on its disk")
    })?;
    Ok(path)
}

fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match fs::rename(path, previous(folder)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    file.persist(path)?;
    // The names, too, are on the disk only now.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}
