//! The constants of a program, equal ones once.

use std::collections::HashMap;

use hla_ir::Tensor;
use hla_runtime::plan::ALIGNMENT;
use twox_hash::XxHash3_128;

/// The constants of a program.
#[derive(Clone, Default, Debug)]
pub struct Constants {
    bytes: Vec<u8>,
    /// Offset and length by what they hold.
    known: HashMap<u128, Vec<(u64, u64)>>,
    /// Offset and length by number.
    numbers: Vec<(u64, u64)>,
}

impl Constants {
    /// The number of a constant with these bytes; it is added, if there is none.
    pub fn add(&mut self, bytes: &[u8]) -> u32 {
        let key = XxHash3_128::oneshot(bytes);
        let candidates = self.known.entry(key).or_default();
        let found = candidates.iter().find(|&&(offset, length)| {
            length == bytes.len() as u64
                && self.bytes[offset as usize..(offset + length) as usize] == *bytes
        });
        let span = match found {
            Some(&span) => span,
            None => {
                let offset = (self.bytes.len() as u64).next_multiple_of(ALIGNMENT);
                self.bytes.resize(offset as usize, 0);
                self.bytes.extend_from_slice(bytes);
                let span = (offset, bytes.len() as u64);
                candidates.push(span);
                span
            }
        };
        let number = self.numbers.iter().position(|&s| s == span);
        number.unwrap_or_else(|| {
            self.numbers.push(span);
            self.numbers.len() - 1
        }) as u32
    }

    /// The number of a tensor's bytes.
    pub fn add_tensor(&mut self, tensor: &Tensor) -> u32 {
        self.add(&tensor.to_bytes())
    }

    /// Where a constant begins.
    pub fn offset(&self, number: u32) -> u64 {
        self.numbers[number as usize].0
    }

    /// All of them, each at a multiple of [`ALIGNMENT`].
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_constants_are_kept_once() {
        let mut constants = Constants::default();
        let a = constants.add(&[1, 2, 3]);
        let b = constants.add(&[1, 2]);
        assert_eq!(constants.add(&[1, 2, 3]), a);
        assert_ne!(a, b);
        assert_eq!(constants.offset(b), ALIGNMENT);
        assert_eq!(constants.into_bytes().len() as u64, ALIGNMENT + 2);
    }
}
