//! Negative tests as in mlir-opt: `--split-input-file` and `--verify-diagnostics`.

use hla_ir::{Diagnostic, Location, Severity};

/// What separates the parts of a file.
const SEPARATOR: &str = "// -----";

/// The parts of a text, each preceded by empty lines so that its lines keep their numbers.
pub fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (number, line) in text.lines().enumerate() {
        if line.starts_with(SEPARATOR) {
            parts.push("\n".repeat(number + 1));
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

/// A diagnostic that a comment promises: `// expected-error @+1 {{text}}`.
#[derive(PartialEq, Eq, Debug)]
struct Expected {
    /// `None` for a note.
    severity: Option<Severity>,
    /// The line it is expected at; `None` where any will do.
    line: Option<u32>,
    text: String,
    /// The line of the comment.
    written: u32,
}

const MARK: &str = "expected-";

/// Reads the promises in a text; an error points at a comment that cannot be read.
fn expectations(file: &str, text: &str) -> Result<Vec<Expected>, Diagnostic> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut rest = *line;
        while let Some(at) = rest.find(MARK) {
            let column = (line.len() - rest.len() + at + 1) as u32;
            let number = index as u32 + 1;
            rest = &rest[at + MARK.len()..];
            let refuse = |message: &str| {
                Diagnostic::error(Location::file(file, number, column), message)
                    .help("write expected-error @+1 {{part of the message}}")
            };
            let (severity, after) = [
                ("error", Some(Severity::Error)),
                ("warning", Some(Severity::Warning)),
                ("remark", Some(Severity::Remark)),
                ("note", None),
            ]
            .into_iter()
            .find_map(|(word, severity)| Some((severity, rest.strip_prefix(word)?)))
            .ok_or_else(|| refuse("this is no kind of diagnostic"))?;
            let (place, after) = after
                .split_once("{{")
                .ok_or_else(|| refuse("the text of the diagnostic is missing"))?;
            let (message, after) = after
                .split_once("}}")
                .ok_or_else(|| refuse("the text of the diagnostic has no end"))?;
            let plain = |i: &usize| !lines.get(*i).is_some_and(|l| l.contains(MARK));
            let line =
                match place.trim() {
                    "" => Some(number),
                    "@unknown" => None,
                    "@above" => (0..index).rev().find(plain).map(|i| i as u32 + 1),
                    "@below" => (index + 1..lines.len()).find(plain).map(|i| i as u32 + 1),
                    offset => {
                        let offset = offset.strip_prefix('@').and_then(|o| o.parse::<i32>().ok());
                        let line = offset.and_then(|o| number.checked_add_signed(o));
                        Some(line.ok_or_else(|| {
                            refuse("the place of the diagnostic is not @+N or @-N")
                        })?)
                    }
                };
            found.push(Expected {
                severity,
                line,
                text: message.to_owned(),
                written: number,
            });
            rest = after;
        }
    }
    Ok(found)
}

/// Compares what was told with what the text promises. Errors and warnings must all be promised,
/// remarks and notes may be; each promise must be kept.
pub fn check(file: &str, text: &str, told: &[Diagnostic]) -> Result<(), Vec<Diagnostic>> {
    let mut promises = expectations(file, text).map_err(|d| vec![d])?;
    let mut wrong = Vec::new();
    for diagnostic in told {
        let main = (
            Some(diagnostic.severity),
            &diagnostic.location,
            &diagnostic.message,
        );
        let notes = diagnostic.notes.iter().map(|(l, m)| (None, l, m));
        for (severity, location, message) in std::iter::once(main).chain(notes) {
            let kept = promises.iter().position(|p| {
                p.severity == severity
                    && p.line.is_none_or(|l| l == location.line)
                    && message.contains(&p.text)
            });
            match (kept, severity) {
                (Some(index), _) => {
                    promises.remove(index);
                }
                (None, Some(Severity::Error | Severity::Warning)) => {
                    let mut unexpected = diagnostic.clone();
                    unexpected.message = format!("unexpected: {}", diagnostic.message);
                    unexpected.severity = Severity::Error;
                    wrong.push(unexpected);
                }
                (None, _) => {}
            }
        }
    }
    wrong.extend(promises.into_iter().map(|p| {
        Diagnostic::error(
            Location::file(file, p.written, 1),
            format!("this diagnostic was not told: {}", p.text),
        )
    }));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_line_numbers() {
        let parts = split("a\nb\n// -----\nc\n");
        assert_eq!(parts, ["a\nb\n", "\n\n\nc\n"]);
        assert_eq!(split("a"), ["a\n"]);
    }

    fn error(line: u32, message: &str) -> Diagnostic {
        Diagnostic::error(Location::file("m", line, 3), message)
    }

    #[test]
    fn promises_are_kept_or_told() {
        let text = "x // expected-error {{bad x}}\n// expected-warning @below {{odd}}\n// expected-error@+1 {{bad y}}\ny\n";
        let warning = Diagnostic {
            severity: Severity::Warning,
            ..error(4, "very odd")
        };
        let told = [error(1, "a bad x"), warning, error(4, "bad y")];
        assert_eq!(check("m", text, &told), Ok(()));
        let wrong = check("m", text, &told[..2]).unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].message.contains("not told: bad y"));
        assert_eq!(wrong[0].location.line, 3);
        // A diagnostic on another line keeps no promise.
        let wrong = check("m", "x // expected-error {{bad}}", &[error(2, "bad")]).unwrap_err();
        assert_eq!(wrong.len(), 2);
    }

    #[test]
    fn a_note_keeps_a_promise_and_remarks_need_none() {
        let told = [
            error(1, "bad").note(Location::file("m", 2, 1), "because of this"),
            Diagnostic {
                severity: Severity::Remark,
                ..error(2, "by the way")
            },
        ];
        let text = "x // expected-error {{bad}}\ny // expected-note {{because}}\n";
        assert_eq!(check("m", text, &told), Ok(()));
    }

    #[test]
    fn unreadable_promises_are_errors() {
        for text in [
            "// expected-horror {{x}}",
            "// expected-error",
            "// expected-error {{x",
            "// expected-error @x {{x}}",
        ] {
            assert_eq!(check("m", text, &[]).unwrap_err().len(), 1, "{text}");
        }
    }
}
