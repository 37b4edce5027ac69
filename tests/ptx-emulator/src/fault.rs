//! What is wrong with a module or a run.

use std::fmt;

use hla_ir::Diagnostic;

/// What went wrong, and where. It is boxed: results stay small.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault(Box<Parts>);

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Parts {
    message: String,
    entry: Option<String>,
    line: Option<(u32, String)>,
    place: Option<([u32; 3], [u32; 3])>,
    other: Option<(u32, String)>,
}

/// A fault at a line of a module, without more context yet.
pub fn at_line(line: u32, message: impl Into<String>) -> Fault {
    let mut fault = Fault::new(message);
    fault.0.line = Some((line, String::new()));
    fault
}

impl Fault {
    /// A fault of no known place.
    pub fn new(message: impl Into<String>) -> Fault {
        Fault(Box::new(Parts {
            message: message.into(),
            ..Parts::default()
        }))
    }

    /// What is wrong, without its place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line of the instruction, from 1.
    pub fn line(&self) -> Option<u32> {
        self.0.line.as_ref().map(|(line, _)| *line)
    }

    /// The line of the other instruction of a race.
    pub fn other_line(&self) -> Option<u32> {
        self.0.other.as_ref().map(|(line, _)| *line)
    }

    /// The block and the thread in it.
    pub fn place(&self) -> Option<([u32; 3], [u32; 3])> {
        self.0.place
    }

    /// Names the other instruction of a race.
    pub(crate) fn with_other(mut self, line: u32) -> Fault {
        self.0.other = Some((line, String::new()));
        self
    }

    /// Says where it happened, unless that is known.
    pub(crate) fn with_line(mut self, line: u32) -> Fault {
        self.0.line.get_or_insert((line, String::new()));
        self
    }

    /// Says in which thread it happened.
    pub(crate) fn with_place(mut self, block: [u32; 3], thread: [u32; 3]) -> Fault {
        self.0.place.get_or_insert((block, thread));
        self
    }

    /// Adds the entry's name and the text of the lines.
    pub(crate) fn with_source(mut self, entry: &str, source: &[String]) -> Fault {
        self.0.entry.get_or_insert_with(|| entry.to_string());
        for (line, text) in [&mut self.0.line, &mut self.0.other].into_iter().flatten() {
            if let Some(found) = source.get((*line as usize).wrapping_sub(1)) {
                text.clone_from(found);
            }
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        if let Some(entry) = &parts.entry {
            write!(f, "kernel `{entry}`: ")?;
        }
        f.write_str(&parts.message)?;
        if let Some((line, text)) = &parts.line {
            write!(f, ", at line {line}")?;
            if !text.is_empty() {
                write!(f, " `{text}`")?;
            }
        }
        if let Some((line, text)) = &parts.other {
            write!(f, ", against line {line} `{text}`")?;
        }
        if let Some((block, thread)) = parts.place {
            write!(f, ", block {block:?}, thread {thread:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Diagnostic {
        Diagnostic::error(hla_ir::Location::unknown(), fault.to_string())
            .help("the fault is in the kernel's code: look at the PTX of this line")
    }
}
