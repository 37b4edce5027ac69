//! Memory aligned as compiled code wants it: the state and the workspace of a program.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use hla_ir::{Diagnostic, Location};

/// Alignment of every buffer, in bytes: a cache line, and the widest vector of either CPU.
pub const ALIGNMENT: usize = 64;

/// Zeroed bytes at an address that is a multiple of [`ALIGNMENT`].
///
/// `pointer` came from `alloc_zeroed` with the layout `(len, ALIGNMENT)`, or dangles where `len`
/// is 0; the buffer owns it, and nobody frees it but `drop`.
#[derive(Debug)]
pub struct Buffer {
    pointer: NonNull<u8>,
    len: usize,
}

// SAFETY: a buffer owns its bytes alone, like `Vec<u8>`: moving it or sharing it between threads
// gives no access that `&` and `&mut` do not govern.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeroed bytes, or an error if the system has not so many.
    pub fn zeroed(len: usize) -> Result<Buffer, Diagnostic> {
        let refuse = || {
            Diagnostic::error(
                Location::unknown(),
                format!("{len} bytes of memory are needed, but the system does not give them"),
            )
            .help("compile the model for a smaller batch")
        };
        if len == 0 {
            // 64 is a well-aligned address that is never read.
            let pointer =
                NonNull::without_provenance(std::num::NonZero::new(ALIGNMENT).ok_or_else(refuse)?);
            return Ok(Buffer { pointer, len });
        }
        let layout = Layout::from_size_align(len, ALIGNMENT).map_err(|_| refuse())?;
        // SAFETY: the layout has a size above 0.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refuse)?;
        Ok(Buffer { pointer, len })
    }

    /// A copy of bytes.
    pub fn copy_of(bytes: &[u8]) -> Result<Buffer, Diagnostic> {
        let mut buffer = Buffer::zeroed(bytes.len())?;
        buffer.as_mut_slice().copy_from_slice(bytes);
        Ok(buffer)
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first byte's address.
    pub fn as_ptr(&self) -> *const u8 {
        self.pointer.as_ptr()
    }

    /// The first byte's address, for writing.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes belong to this buffer; `&self` forbids writing them.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }

    /// The bytes, for writing.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `len` initialised bytes belong to this buffer; `&mut self` forbids other access.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let (true, Ok(layout)) = (self.len > 0, Layout::from_size_align(self.len, ALIGNMENT)) {
            // SAFETY: the bytes came from `alloc_zeroed` with this very layout.
            unsafe { dealloc(self.pointer.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_zeroed_and_writable() {
        for len in [0, 1, 63, 64, 65, 4096] {
            let mut buffer = Buffer::zeroed(len).unwrap();
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(buffer.as_slice(), vec![0; len]);
            buffer.as_mut_slice().fill(7);
            assert_eq!(
                Buffer::copy_of(buffer.as_slice()).unwrap().as_ref(),
                vec![7; len]
            );
        }
    }

    #[test]
    fn impossible_sizes_are_errors() {
        for len in [usize::MAX, isize::MAX as usize, 1 << 60] {
            let error = Buffer::zeroed(len).unwrap_err();
            assert!(error.message.starts_with(&len.to_string()), "{error}");
        }
    }
}
