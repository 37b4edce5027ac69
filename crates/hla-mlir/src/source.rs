//! The bytes of a model before MLIR sees them: read, aligned, and checked for what MLIR's text parser
//! does not survive: nesting that would exhaust its stack, and `array<index: …>`.

use std::io::Read;
use std::path::Path;

use hla_ir::{Diagnostic, Location};

/// Bytecode begins with these bytes.
pub(crate) const BYTECODE_MAGIC: &[u8] = b"ML\xEFR";

/// MLIR wants bytecode aligned to the largest alignment of a section in it.
const ALIGNMENT: usize = 4096;

/// What is easily given in place of a model: how it begins, what it is, and what to do with it.
const OTHERS: [(&[u8], &str, &str); 3] = [
    (
        b"HLACPROG",
        "a compiled program",
        "hla-run runs it, and `hlac inspect` tells what is in it; a model is MLIR text or bytecode",
    ),
    (
        b"\x7fELF",
        "an object file or a program",
        "`hlac inspect` tells what is in an object of hlac; a model is MLIR text or bytecode",
    ),
    (
        b"\x93NUMPY",
        "a tensor",
        "give the model first and its inputs with --input; a model is MLIR text or bytecode",
    ),
];

/// Brackets may be nested this deeply: far more than any model, far less than the parser's stack
/// (see [`crate::parse`]) holds.
const MAX_NESTING: usize = 256;

/// A model's bytes, aligned, with a NUL behind them.
pub(crate) struct Source {
    storage: Vec<u8>,
    start: usize,
}

impl Source {
    /// Copies bytes.
    pub(crate) fn new(bytes: &[u8]) -> Source {
        let mut source = Source::empty(bytes.len());
        source.storage.extend_from_slice(bytes);
        source.storage.push(0);
        source
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Source, Diagnostic> {
        let read = || -> std::io::Result<Source> {
            let mut file = std::fs::File::open(path)?;
            let size = usize::try_from(file.metadata()?.len()).unwrap_or(0);
            let mut source = Source::empty(size);
            file.read_to_end(&mut source.storage)?;
            source.storage.push(0);
            Ok(source)
        };
        let source = read().map_err(|error| {
            Diagnostic::error(
                Location::file(path.to_string_lossy(), 0, 0),
                format!("the model cannot be read: {error}"),
            )
            .help("check the path and its permissions")
        })?;
        // A file that grew while it was read may have moved the storage.
        if source.storage.as_ptr().addr().wrapping_add(source.start) % ALIGNMENT != 0 {
            return Ok(Source::new(source.bytes()));
        }
        Ok(source)
    }

    fn empty(size: usize) -> Source {
        let mut storage: Vec<u8> = Vec::with_capacity(size + ALIGNMENT + 1);
        let start = storage.as_ptr().addr().next_multiple_of(ALIGNMENT) - storage.as_ptr().addr();
        storage.resize(start, 0);
        Source { storage, start }
    }

    /// The bytes with the NUL behind them.
    pub(crate) fn with_nul(&self) -> &[u8] {
        &self.storage[self.start..]
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.storage.len() - 1]
    }

    /// Whether it is bytecode.
    pub(crate) fn is_bytecode(&self) -> bool {
        self.bytes().starts_with(BYTECODE_MAGIC)
    }

    /// Refuses text that is empty, binary, nested beyond reason, or has an array of `index` elements.
    pub(crate) fn check(&self, name: &str) -> Result<(), Diagnostic> {
        let at = |line, column| Location::file(name, line, column);
        if self.bytes().iter().all(u8::is_ascii_whitespace) {
            return Err(Diagnostic::error(at(0, 0), "the model is empty")
                .help("a model is MLIR text or MLIR bytecode"));
        }
        if self.is_bytecode() {
            return Ok(());
        }
        if let Some((_, what, help)) = OTHERS.iter().find(|o| self.bytes().starts_with(o.0)) {
            let message = format!("this is {what}, not a model");
            return Err(Diagnostic::error(at(0, 0), message).help(*help));
        }
        let mut depth = 0_usize;
        // A chain of signs nests expressions without brackets.
        let mut signs = 0_usize;
        let (mut line, mut line_start) = (1, 0);
        let mut chars = self.bytes().iter().enumerate();
        let mut previous = 0;
        let mut array = Array::None;
        while let Some((i, &byte)) = chars.next() {
            array = array.next(self.bytes(), i);
            if array == Array::OfIndex {
                return Err(Diagnostic::error(
                    at(line, u32::try_from(i - line_start + 1).unwrap_or(0)),
                    "an array holds integers or floats whose type is written out, not this",
                )
                .help("MLIR's parser fails on it; write i64, as in array<i64: 1, 1>"));
            }
            signs = match byte {
                b'-' => signs + 1,
                byte if byte.is_ascii_whitespace() => signs,
                _ => 0,
            };
            match byte {
                b'\n' => (line, line_start) = (line + 1, i + 1),
                // Strings and comments end at the end of their line at the latest.
                b'"' => {
                    let mut escaped = false;
                    for (j, &c) in chars.by_ref() {
                        if c == b'\n' {
                            (line, line_start) = (line + 1, j + 1);
                            break;
                        }
                        if c == b'"' && !escaped {
                            break;
                        }
                        escaped = c == b'\\' && !escaped;
                    }
                }
                b'/' if previous == b'/' => {
                    if let Some((j, _)) = chars.by_ref().find(|(_, c)| **c == b'\n') {
                        (line, line_start) = (line + 1, j + 1);
                    }
                }
                b'(' | b'[' | b'{' | b'<' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                // The head of an arrow closes nothing, nor does a comparison.
                b'>' if previous != b'-' && self.bytes().get(i + 1) != Some(&b'=') => {
                    depth = depth.saturating_sub(1);
                }
                0 => {
                    return Err(Diagnostic::error(
                        at(line, u32::try_from(i - line_start + 1).unwrap_or(0)),
                        "there is a NUL byte in the text",
                    )
                    .help("a model is MLIR text or MLIR bytecode; is the file damaged?"));
                }
                _ => {}
            }
            if depth > MAX_NESTING || signs > MAX_NESTING {
                return Err(Diagnostic::error(
                    at(line, u32::try_from(i - line_start + 1).unwrap_or(0)),
                    format!("brackets or signs are nested more than {MAX_NESTING} deep"),
                )
                .help("no model needs this; is the file damaged?"));
            }
            previous = byte;
        }
        Ok(())
    }
}

/// How much of `array<index` has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Array {
    None,
    /// The keyword `array`, which begins a dense array.
    Keyword,
    /// The bracket behind it.
    Open,
    /// An element type of no width, or an alias that may be one: MLIR divides by its width.
    OfIndex,
}

impl Array {
    /// The state behind the byte at `i`; space and comments change nothing.
    fn next(self, text: &[u8], i: usize) -> Array {
        let (before, rest) = text.split_at(i);
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || b"_$.-".contains(b);
        let ends = |word: &[u8]| rest.get(word.len()).is_none_or(|b| !is_word(b));
        match (self, rest[0]) {
            (_, byte) if byte.is_ascii_whitespace() => self,
            (_, b'/') if rest.starts_with(b"//") || before.ends_with(b"/") => self,
            (Array::Keyword, b'<') => Array::Open,
            (Array::Open, b'!') => Array::OfIndex,
            (Array::Open, b'i') if rest.starts_with(b"index") && ends(b"index") => Array::OfIndex,
            // The other letters of the keyword.
            (Array::Keyword, _) if before.last().is_some_and(is_word) && is_word(&rest[0]) => self,
            (_, b'a')
                if rest.starts_with(b"array")
                    && ends(b"array")
                    && !before
                        .last()
                        .is_some_and(|b| is_word(b) || b"#!%@".contains(b)) =>
            {
                Array::Keyword
            }
            _ => Array::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_indices_are_refused() {
        let check = |text: &str| Source::new(text.as_bytes()).check("m");
        let error = check("module\n  attributes {a = array<index: 1>}").unwrap_err();
        assert_eq!((error.location.line, error.location.column), (2, 25));
        for text in [
            "a = array< // c\n index>",
            "array // array<i8>\n <!t: 1>",
            "array<index>",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        for text in [
            "array<i64: 1, 2>",
            "array<indexed>",
            "my_array<index>",
            "!llvm.array<index>",
            "#array<index>",
            "array, <index>",
            "dense<1> : tensor<2xindex>",
            "\"array<index>\" // array<index>",
            "arrays<index>",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_files_are_recognised() {
        for (begin, what, help) in OTHERS {
            let error = Source::new(&[begin, b"\0\x01"].concat())
                .check("m")
                .unwrap_err();
            assert!(error.message.contains(what), "{}", error.message);
            assert_eq!(error.help.as_deref(), Some(help));
        }
    }

    #[test]
    fn alignment_and_nul() {
        for n in [0, 1, 4095, 5000] {
            let source = Source::new(&vec![7; n]);
            assert_eq!(source.bytes(), vec![7; n]);
            assert_eq!(source.with_nul().as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(source.with_nul().last(), Some(&0));
        }
    }

    #[test]
    fn nesting_is_counted_outside_strings_and_comments() {
        let check = |text: &str| Source::new(text.as_bytes()).check("m");
        assert!(check(&"(".repeat(256)).is_ok());
        let error = check(&format!("a\n {}", "(".repeat(257))).unwrap_err();
        assert_eq!((error.location.line, error.location.column), (2, 258));
        assert!(check(&format!("\"{}\"", "(".repeat(999))).is_ok());
        assert!(check(&format!("// {}\nx", "(".repeat(999))).is_ok());
        assert!(check(&"f() -> (i1)".repeat(999)).is_ok());
        // An unfinished string hides only the rest of its line.
        assert!(check(&format!("\"\n{}", "(".repeat(999))).is_err());
        assert!(check(&"- ".repeat(257)).is_err());
        assert!(check(&"->".repeat(999)).is_ok());
        assert!(check(&">= (".repeat(257)).is_err());
        assert!(check("a\0b").is_err());
        assert!(check(" \n").is_err());
    }
}
