//! Locations and diagnostics: every error says whose fault it is, where, and what to do.

use std::fmt;
use std::sync::Arc;

/// Where something stands in the user's source.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Location {
    /// File as the user named it; `None` where unknown.
    pub file: Option<Arc<str>>,
    /// Line, from 1; 0 where unknown.
    pub line: u32,
    /// Column, from 1; 0 where unknown.
    pub column: u32,
    /// A name that the front end gave the op (`loc("conv1")`).
    pub name: Option<Arc<str>>,
}

impl Location {
    /// Nothing is known.
    pub fn unknown() -> Location {
        Location::default()
    }

    /// A place in a file.
    pub fn file(file: impl Into<Arc<str>>, line: u32, column: u32) -> Location {
        Location {
            file: Some(file.into()),
            line,
            column,
            name: None,
        }
    }

    /// Whether nothing at all is known.
    pub fn is_unknown(&self) -> bool {
        self.file.is_none() && self.name.is_none()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, &self.name) {
            (Some(file), _) if self.line > 0 => write!(f, "{file}:{}:{}", self.line, self.column),
            (Some(file), _) => write!(f, "{file}"),
            (None, Some(name)) => write!(f, "\"{name}\""),
            (None, None) => f.write_str("unknown location"),
        }
    }
}

/// How grave a diagnostic is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// For information.
    Remark,
    /// The result is usable, but probably not what was wanted.
    Warning,
    /// There is no result.
    Error,
}

/// A message to the user: what is wrong, where, and the next step.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// Where it is.
    pub location: Location,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Further places and facts. A report of several ops has one note each.
    pub notes: Vec<(Location, String)>,
    /// The next step.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(location: Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            location,
            message: message.into(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning at a place.
    pub fn warning(location: Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(location, message)
        }
    }

    /// Adds a note.
    pub fn note(mut self, location: Location, message: impl Into<String>) -> Diagnostic {
        self.notes.push((location, message.into()));
        self
    }

    /// Sets the next step.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Remark => "remark",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        if !self.location.is_unknown() {
            write!(f, "{}: ", self.location)?;
        }
        write!(f, "{word}: {}", self.message)?;
        for (location, note) in &self.notes {
            f.write_str("\n  ")?;
            if !location.is_unknown() {
                write!(f, "{location}: ")?;
            }
            f.write_str(note)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}
