//! Diagnostics for people: the source line with a caret, notes, help. On a terminal miette draws
//! them; elsewhere they are plain lines that other tools can read (`file:line:col: error: …`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use hla_ir::{Diagnostic, Location, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

/// Source lines longer than this are shown only around the place that is meant.
const LINE: usize = 160;

/// Where diagnostics find the text they point into.
#[derive(Default)]
pub struct Sources {
    /// Texts that are no files: standard input, a pipeline given as an option.
    texts: HashMap<String, String>,
}

impl Sources {
    /// Remembers a text that is no file.
    pub fn remember(&mut self, name: &str, text: impl Into<String>) {
        self.texts.insert(name.to_owned(), text.into());
    }

    /// The line that a location points at, cut around its column.
    fn excerpt(&self, location: &Location) -> Option<Excerpt> {
        let file = location.file.as_deref()?;
        let index = location.line.checked_sub(1)? as usize;
        let read;
        let text = match self.texts.get(file) {
            Some(text) => text,
            None => {
                read = String::from_utf8(std::fs::read(file).ok()?).ok()?;
                &read
            }
        };
        let line: Vec<char> = text.lines().nth(index)?.chars().collect();
        let column = (location.column.saturating_sub(1) as usize).min(line.len());
        let start = if line.len() <= LINE {
            0
        } else {
            column.saturating_sub(LINE / 2)
        };
        let end = line.len().min(start + LINE);
        let token = line[column..end]
            .iter()
            .position(|c| c.is_whitespace() || "(){}<>,:".contains(*c))
            .unwrap_or(end - column)
            .max(1);
        Some(Excerpt {
            text: line[start..end]
                .iter()
                .map(|c| match *c {
                    '\t' => ' ',
                    // One character for one: the caret stays where it belongs.
                    c if steers(c) => char::REPLACEMENT_CHARACTER,
                    c => c,
                })
                .collect(),
            column: column - start,
            width: token,
        })
    }
}

struct Excerpt {
    text: String,
    /// In characters, from 0.
    column: usize,
    width: usize,
}

/// Whether a character steers a terminal instead of being shown: control characters, and those
/// that turn the direction of writing.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a line to standard error. If that is closed or full, nobody is left to tell.
pub fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Text that may come from a file, fit for a terminal: what would steer it is escaped.
pub fn visible(text: &str) -> Cow<'_, str> {
    let escaped = |c: char| steers(c) && c != '\n' && c != '\t';
    if !text.contains(escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match escaped(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Prints diagnostics on standard error.
pub fn print(diagnostics: &[Diagnostic], sources: &Sources) {
    let stderr = std::io::stderr();
    let mut out = String::new();
    for diagnostic in diagnostics {
        match stderr.is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb") {
            true => drawn(&mut out, diagnostic, sources),
            false => plain(&mut out, diagnostic, sources),
        }
    }
    // Nobody is left to tell if standard error is closed.
    let _ = stderr.lock().write_all(out.as_bytes());
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Remark => "remark",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// As plain lines.
pub fn plain(out: &mut String, diagnostic: &Diagnostic, sources: &Sources) {
    let mut entry = |location: &Location, word: &str, message: &str| {
        if !location.is_unknown() {
            let _ = write!(out, "{}: ", visible(&location.to_string()));
        }
        let _ = writeln!(out, "{word}: {}", visible(message));
        if let Some(excerpt) = sources.excerpt(location) {
            let number = location.line.to_string();
            let _ = writeln!(out, " {number} | {}", excerpt.text);
            let _ = writeln!(
                out,
                " {:1$} | {2:3$}{4}",
                "",
                number.len(),
                "",
                excerpt.column,
                "^".repeat(excerpt.width)
            );
        }
    };
    entry(
        &diagnostic.location,
        word(diagnostic.severity),
        &diagnostic.message,
    );
    for (location, note) in &diagnostic.notes {
        entry(location, "note", note);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "help: {}", visible(help));
    }
}

/// As miette draws them.
fn drawn(out: &mut String, diagnostic: &Diagnostic, sources: &Sources) {
    let color = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let theme = match color {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let mut draw = |location: &Location, severity, message: &str, help: Option<&str>| {
        let message = &*visible(message);
        let mut report = miette::MietteDiagnostic::new(message).with_severity(severity);
        if let Some(help) = help {
            report = report.with_help(visible(help));
        }
        let excerpt = sources.excerpt(location);
        let mut source = None;
        if let Some(excerpt) = &excerpt {
            let offset = excerpt
                .text
                .chars()
                .take(excerpt.column)
                .map(char::len_utf8)
                .sum();
            let width = excerpt.text[offset..]
                .chars()
                .take(excerpt.width)
                .map(char::len_utf8)
                .sum();
            report = report.with_label(LabeledSpan::new_primary_with_span(
                None,
                miette::SourceSpan::new(miette::SourceOffset::from(offset), width),
            ));
            source = Some(NamedSource::new(
                visible(location.file.as_deref().unwrap_or_default()),
                excerpt.text.clone(),
            ));
        } else if !location.is_unknown() {
            report.message = format!("{}: {message}", visible(&location.to_string()));
        }
        let report = miette::Report::new(report);
        let report = match source {
            Some(source) => report.with_source_code(Line {
                source,
                line: location.line as usize - 1,
            }),
            None => report,
        };
        if handler.render_report(out, report.as_ref()).is_err() {
            let _ = writeln!(out, "{message}");
        }
    };
    let severity = match diagnostic.severity {
        Severity::Remark => miette::Severity::Advice,
        Severity::Warning => miette::Severity::Warning,
        Severity::Error => miette::Severity::Error,
    };
    let (location, help) = (&diagnostic.location, diagnostic.help.as_deref());
    draw(location, severity, &diagnostic.message, help);
    for (location, note) in &diagnostic.notes {
        draw(location, miette::Severity::Advice, note, None);
    }
}

/// One line of a file, which knows its number.
#[derive(Debug)]
struct Line {
    source: NamedSource<String>,
    line: usize,
}

impl miette::SourceCode for Line {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let inner = self.source.inner().read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.source.name().to_owned(),
            inner.data(),
            *inner.span(),
            self.line,
            inner.column(),
            1,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        sources.remember(
            "m.mlir",
            "func.func @main() {\n  %0 = \"tosa.abs\"(%x)\n}\n",
        );
        sources
    }

    fn diagnostic() -> Diagnostic {
        Diagnostic::error(Location::file("m.mlir", 2, 8), "%x is not defined")
            .note(Location::file("m.mlir", 1, 1), "in this function")
            .help("define it")
    }

    #[test]
    fn plain_lines_have_a_caret_under_the_token() {
        let mut out = String::new();
        plain(&mut out, &diagnostic(), &sources());
        assert_eq!(
            out,
            "m.mlir:2:8: error: %x is not defined\n \
             2 |   %0 = \"tosa.abs\"(%x)\n   \
             |        ^^^^^^^^^^\n\
             m.mlir:1:1: note: in this function\n \
             1 | func.func @main() {\n   \
             | ^^^^^^^^^\n\
             help: define it\n"
        );
    }

    #[test]
    fn drawn_reports_have_the_line_and_the_help() {
        let mut out = String::new();
        drawn(&mut out, &diagnostic(), &sources());
        for part in [
            "m.mlir:2:8",
            "%0 = \"tosa.abs\"(%x)",
            "define it",
            "in this function",
        ] {
            assert!(out.contains(part), "{part} is missing in\n{out}");
        }
    }

    #[test]
    fn nothing_from_a_file_steers_the_terminal() {
        let mut sources = Sources::default();
        sources.remember("m\u{1b}.mlir", "a\u{1b}[2Jb\n");
        let d = Diagnostic::error(Location::file("m\u{1b}.mlir", 1, 1), "no \u{1b}[31m\r")
            .note(Location::file("m\u{1b}.mlir", 0, 0), "\u{202e}x")
            .help("not \u{7}");
        let mut out = String::new();
        plain(&mut out, &d, &sources);
        assert!(!out.contains(|c| steers(c) && c != '\n'), "{out:?}");
        assert!(out.contains("no \\u{1b}[31m\\r"), "{out}");
        out.clear();
        drawn(&mut out, &d, &sources);
        for raw in [
            "\u{1b}[2J",
            "\u{1b}[31m\r",
            "\u{1b}.mlir",
            "\u{202e}",
            "\u{7}",
        ] {
            assert!(!out.contains(raw), "{out:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_strange_places_do_no_harm() {
        let mut sources = Sources::default();
        sources.remember("m.mlir", format!("é{}", "x".repeat(100_000)));
        for (line, column) in [
            (1, 50_000),
            (1, 100_001),
            (1, 4_000_000),
            (1, 0),
            (2, 1),
            (0, 0),
        ] {
            let d = Diagnostic::error(Location::file("m.mlir", line, column), "wrong");
            let mut out = String::new();
            plain(&mut out, &d, &sources);
            drawn(&mut out, &d, &sources);
            assert!(out.len() < 3000, "{line}:{column}: {} bytes", out.len());
        }
    }
}
