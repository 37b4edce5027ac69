//! The blobs behind `dense_resource<key>`.
//!
//! MLIR's C API hands out single elements of a resource only, and without a check that the blob is
//! there. So the blobs are read from the file metadata of the text,
//! `{-# dialect_resources: { builtin: { key: "0x…" } } #-}`: hexadecimal bytes, of which the first
//! four give the alignment and the others the data. Bytecode is printed to text for that.

use std::cell::OnceCell;
use std::collections::HashMap;

use hla_ir::{DType, Tensor, TensorType, print};

use crate::ffi::{Ir, PrintForm};
use crate::source::Source;

/// The resources of a source, read when first asked for.
pub(super) struct Resources<'a> {
    ir: &'a Ir,
    source: Option<&'a Source>,
    blobs: OnceCell<HashMap<String, Tensor>>,
}

impl<'a> Resources<'a> {
    pub(super) fn new(ir: &'a Ir, source: Option<&'a Source>) -> Resources<'a> {
        Resources {
            ir,
            source,
            blobs: OnceCell::new(),
        }
    }

    /// The tensor of this type in the blob of this key.
    pub(super) fn tensor(&self, key: &str, ty: TensorType) -> Result<Tensor, String> {
        let blobs = self.blobs.get_or_init(|| match self.source {
            Some(text) if !text.is_bytecode() => read_blobs(text.bytes()),
            _ => read_blobs(self.ir.print(PrintForm::default()).as_bytes()),
        });
        let blob = blobs
            .get(key)
            .ok_or_else(|| format!("there is no resource '{key}' in the file"))?;
        let bytes = blob.shape()[0];
        if bytes != ty.bytes() {
            return Err(format!(
                "resource '{key}' has {bytes} bytes, but {ty} needs {}",
                ty.bytes()
            ));
        }
        blob.reinterpret(ty)
    }

    /// The same as `dense<…>` text, without the type.
    pub(super) fn dense_text(&self, key: &str, ty: &TensorType) -> Result<String, String> {
        Ok(print::dense_text(&self.tensor(key, ty.clone())?))
    }
}

/// All blobs in all metadata sections of a text; what is no such section is passed over.
fn read_blobs(text: &[u8]) -> HashMap<String, Tensor> {
    let mut blobs = HashMap::new();
    let mut at = 0;
    while let Some(found) = text[at..].windows(3).position(|w| w == b"{-#") {
        at += found + 3;
        let mut scanner = Scanner { text, at };
        let mut found = HashMap::new();
        if scanner.section(&mut found).is_some() {
            blobs.extend(found);
            at = scanner.at;
        }
    }
    blobs
}

/// Reads the grammar `name : { … }`, `name : value`, commas between, of a metadata section.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            if byte.is_ascii_whitespace() {
                self.at += 1;
            } else if self.text[self.at..].starts_with(b"//") {
                let rest = &self.text[self.at..];
                self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            } else {
                break;
            }
        }
    }

    fn eat(&mut self, token: &[u8]) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// A quoted string, raw, without its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.eat(b"\"") {
            return None;
        }
        let start = self.at;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at - 1])
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        if self.text.get(self.at) == Some(&b'"') {
            return self.string();
        }
        let start = self.at;
        while let Some(byte) = self.text.get(self.at) {
            if byte.is_ascii_alphanumeric() || b"_.$-".contains(byte) {
                self.at += 1;
            } else {
                break;
            }
        }
        (self.at > start).then(|| &self.text[start..self.at])
    }

    /// A section after its `{-#`.
    fn section(&mut self, blobs: &mut HashMap<String, Tensor>) -> Option<()> {
        while !self.eat(b"#-}") {
            let group = self.key()?;
            if !self.eat(b":") || !self.eat(b"{") {
                return None;
            }
            while !self.eat(b"}") {
                self.key()?;
                if !self.eat(b":") || !self.eat(b"{") {
                    return None;
                }
                while !self.eat(b"}") {
                    let key = self.key()?;
                    if !self.eat(b":") {
                        return None;
                    }
                    let value = self.value()?;
                    if group == b"dialect_resources"
                        && let Some(blob) = decode(value)
                    {
                        blobs.insert(String::from_utf8_lossy(key).into_owned(), blob);
                    }
                    self.eat(b",");
                }
                self.eat(b",");
            }
            self.eat(b",");
        }
        Some(())
    }

    /// A string, or a word such as `true`.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        match self.text.get(self.at)? {
            b'"' => self.string(),
            _ => self.key(),
        }
    }
}

/// `0x`, four bytes of alignment, data.
fn decode(value: &[u8]) -> Option<Tensor> {
    let digits = value.strip_prefix(b"0x")?;
    let nibble = |digit: u8| (digit as char).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() < 4 {
        return None;
    }
    let bytes: Vec<u8> = pairs[4..]
        .iter()
        .map(|&[high, low]| Some((nibble(high)? << 4 | nibble(low)?) as u8))
        .collect::<Option<_>>()?;
    let ty = TensorType::try_new([bytes.len()], DType::I8).ok()?;
    Tensor::from_bytes(ty, bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_and_impostors_passed_over() {
        let text = br#"
            module { "a"() {s = "{-# dialect_resources: {"} : () -> () }
            {-#
              dialect_resources: {   // a comment
                builtin: { a: "0x04000000010203", "b c": "0x04000000" }
              },
              external_resources: { mlir_reproducer: { verify: true, a: "0x0400000009" } }
            #-}"#;
        let blobs = read_blobs(text);
        assert_eq!(blobs.len(), 2);
        assert_eq!(blobs["a"].dense_bytes(), Some(&[1, 2, 3][..]));
        assert_eq!(blobs["b c"].ty().elements(), 0);
        for bad in [
            &b"{-# a"[..],
            b"{-# a: {b: {c: \"0x",
            b"{-#",
            b"{-# a: {b: {c: \"\\",
        ] {
            assert!(read_blobs(bad).is_empty());
        }
        assert!(decode(b"0x0400000").is_none());
        assert!(decode(b"0x040000000g").is_none());
    }
}
