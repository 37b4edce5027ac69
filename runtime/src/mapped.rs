//! Files mapped into memory.
//!
//! # Contract
//! A mapping is read-only and private, and lives as long as the [`Mapped`] that owns it. Nothing
//! else can be promised: who shortens or rewrites the file while it is mapped changes the bytes
//! seen here, or ends the process. This is the usual bargain of memory-mapped weights and data; hlac maps only
//! files that the user names, and never writes to them.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

/// The bytes of a file, as a slice.
#[derive(Debug)]
pub struct Mapped(Option<memmap2::Mmap>);

impl Mapped {
    /// Maps a regular file.
    ///
    /// # Errors
    /// A file that cannot be opened or mapped, or is no regular one.
    pub fn open(path: &Path) -> std::io::Result<Mapped> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        if metadata.len() == 0 {
            return Ok(Mapped(None));
        }
        // SAFETY: see the contract above.
        Ok(Mapped(Some(unsafe { memmap2::Mmap::map(&file) }?)))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
