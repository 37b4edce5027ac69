//! Typed options of passes: declared beside the pass, parsed from `{name=value …}`, checked here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hla_ir::{Diagnostic, Function, Location, ValueId};

use crate::calibration::Calibration;

/// An option of a pass.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OptionInfo {
    /// Name as in `{name=value}`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: OptionKind,
    /// Default, spelled as a user would spell it.
    pub default: &'static str,
    /// One line for `hlac passes`.
    pub help: &'static str,
}

/// What values an option takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum OptionKind {
    /// `true` or `false`; the bare name means true.
    Flag,
    /// An integer between two bounds, both included.
    Int(i64, i64),
    /// A finite number between two bounds, both included.
    Float(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// Texts separated by commas; empty for none.
    List,
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionKind::Flag => f.write_str("true or false"),
            OptionKind::Int(i64::MIN, i64::MAX) => f.write_str("an integer"),
            OptionKind::Int(min, i64::MAX) => write!(f, "an integer of at least {min}"),
            OptionKind::Int(min, max) => write!(f, "an integer from {min} to {max}"),
            OptionKind::Float(min, f64::MAX) => write!(f, "a number of at least {min}"),
            OptionKind::Float(min, max) => write!(f, "a number from {min} to {max}"),
            OptionKind::Choice(words) => match words.split_last() {
                Some((last, [])) => f.write_str(last),
                Some((last, rest)) => write!(f, "{} or {last}", rest.join(", ")),
                None => Ok(()),
            },
            OptionKind::Text => f.write_str("text"),
            OptionKind::List => f.write_str("a list separated by commas"),
        }
    }
}

/// A value of an option.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Of [`OptionKind::Flag`].
    Flag(bool),
    /// Of [`OptionKind::Int`].
    Int(i64),
    /// Of [`OptionKind::Float`].
    Float(f64),
    /// Of [`OptionKind::Choice`] and [`OptionKind::Text`].
    Text(String),
    /// Of [`OptionKind::List`].
    List(Vec<String>),
}

impl OptionKind {
    /// Reads a value; the error says what is wanted.
    fn parse(self, text: &str) -> Result<Value, String> {
        let wanted = || format!("'{text}' is not {self}");
        match self {
            OptionKind::Flag => match text {
                "" | "true" | "1" => Ok(Value::Flag(true)),
                "false" | "0" => Ok(Value::Flag(false)),
                _ => Err(wanted()),
            },
            OptionKind::Int(min, max) => match text.parse() {
                Ok(v) if (min..=max).contains(&v) => Ok(Value::Int(v)),
                _ => Err(wanted()),
            },
            OptionKind::Float(min, max) => match text.parse::<f64>() {
                Ok(v) if v.is_finite() && (min..=max).contains(&v) => Ok(Value::Float(v)),
                _ => Err(wanted()),
            },
            OptionKind::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            OptionKind::Choice(words) => Err(match did_you_mean(text, words.iter().copied()) {
                Some(close) => format!("{}; did you mean '{close}'?", wanted()),
                None => wanted(),
            }),
            OptionKind::Text => Ok(Value::Text(text.to_owned())),
            OptionKind::List => Ok(Value::List(
                text.split(',')
                    .map(str::trim)
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )),
        }
    }
}

/// Measures the ranges of some values of a function; made by who has samples and an evaluator, with
/// [`crate::calibration::calibrate`].
pub type Calibrator =
    Arc<dyn Fn(&Function, &[ValueId]) -> Result<Calibration, Diagnostic> + Send + Sync>;

/// The options of one run of a pass: every declared one has a value.
#[derive(Clone)]
pub struct Options {
    declared: &'static [OptionInfo],
    values: BTreeMap<&'static str, Value>,
    calibrator: Option<Calibrator>,
}

impl Options {
    /// Every option at its default.
    ///
    /// # Panics
    /// If a default is no value of its option: a mistake in the pass's declaration.
    pub fn defaults(declared: &'static [OptionInfo]) -> Options {
        let values = declared
            .iter()
            .map(|o| match o.kind.parse(o.default) {
                Ok(value) => (o.name, value),
                Err(message) => panic!("default of option '{}': {message}", o.name),
            })
            .collect();
        Options {
            declared,
            values,
            calibrator: None,
        }
    }

    /// Sets an option from its text. The diagnostic carries no location: the caller knows it.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), Diagnostic> {
        let error = |message| Diagnostic::error(Location::unknown(), message);
        let Some(option) = self.declared.iter().find(|o| o.name == name) else {
            let hint = did_you_mean(name, self.declared.iter().map(|o| o.name));
            let all: Vec<&str> = self.declared.iter().map(|o| o.name).collect();
            return Err(error(format!("there is no option '{name}'")).help(
                match (hint, &all[..]) {
                    (Some(close), _) => format!("did you mean '{close}'?"),
                    (None, []) => "this pass takes no options".to_owned(),
                    (None, all) => format!("the options are {}", all.join(", ")),
                },
            ));
        };
        match option.kind.parse(text) {
            Ok(value) => {
                self.values.insert(option.name, value);
                Ok(())
            }
            Err(message) => Err(error(format!("option '{name}': {message}")).help(format!(
                "{name} is {}, {} by default: {}",
                option.kind,
                if option.default.is_empty() {
                    "empty"
                } else {
                    option.default
                },
                option.help
            ))),
        }
    }

    /// [`Options::set`] for chaining.
    pub fn with(mut self, name: &str, text: impl fmt::Display) -> Result<Options, Diagnostic> {
        self.set(name, &text.to_string())?;
        Ok(self)
    }

    /// Sets who measures ranges for `hla-quantize-activations`.
    pub fn with_calibrator(mut self, calibrator: Option<Calibrator>) -> Options {
        self.calibrator = calibrator;
        self
    }

    /// Who measures ranges.
    pub fn calibrator(&self) -> Option<&Calibrator> {
        self.calibrator.as_ref()
    }

    /// The value of an option, if it is declared.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A flag.
    ///
    /// # Panics
    /// Like the other accessors, if the pass declares no such option of that kind.
    pub fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Flag(v)) => *v,
            other => undeclared(name, other),
        }
    }

    /// An integer.
    pub fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Value::Int(v)) => *v,
            other => undeclared(name, other),
        }
    }

    /// A number.
    pub fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Float(v)) => *v,
            other => undeclared(name, other),
        }
    }

    /// A word or a text.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(v)) => v,
            other => undeclared(name, other),
        }
    }

    /// A list.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::List(v)) => v,
            other => undeclared(name, other),
        }
    }
}

fn undeclared(name: &str, found: Option<&Value>) -> ! {
    panic!("the pass reads option '{name}', which it does not declare so: {found:?}")
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.values).finish()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(v) => v.fmt(f),
            Value::Int(v) => v.fmt(f),
            Value::Float(v) => v.fmt(f),
            Value::Text(v) => f.write_str(v),
            Value::List(v) => f.write_str(&v.join(",")),
        }
    }
}

/// What differs from the defaults, as `{a=1 b=x,y}`; empty if nothing does.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for option in self.declared {
            if let Some(value) = self.get(option.name)
                && option.kind.parse(option.default).as_ref() != Ok(value)
            {
                let text = value.to_string();
                let plain = !text.is_empty() && !text.contains([' ', '{', '}', '\'', '"']);
                parts.push(if plain {
                    format!("{}={text}", option.name)
                } else {
                    format!("{}={{{text}}}", option.name)
                });
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", parts.join(" "))
    }
}

/// The candidate closest to a misspelled name, if one is close.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (edit_distance(name, c), c))
        .filter(|&(distance, c)| distance <= (c.chars().count() / 3).max(1))
        .min()
        .map(|(_, c)| c)
}

/// Levenshtein's distance: the fewest insertions, deletions and replacements of characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[OptionInfo] = &[
        OptionInfo {
            name: "sparsity",
            kind: OptionKind::Float(0.0, 1.0),
            default: "0.7",
            help: "share of zeros",
        },
        OptionInfo {
            name: "scope",
            kind: OptionKind::Choice(&["layer", "global"]),
            default: "layer",
            help: "what one threshold covers",
        },
        OptionInfo {
            name: "skip",
            kind: OptionKind::List,
            default: "",
            help: "layers to leave",
        },
        OptionInfo {
            name: "quantize-all",
            kind: OptionKind::Flag,
            default: "false",
            help: "skip none",
        },
        OptionInfo {
            name: "max",
            kind: OptionKind::Int(1, i64::MAX),
            default: "8",
            help: "limit",
        },
    ];

    #[test]
    fn values_are_typed_and_checked() {
        let mut options = Options::defaults(DECLARED);
        assert_eq!(options.float("sparsity"), 0.7);
        options.set("sparsity", "0.25").unwrap();
        options.set("skip", "conv1, fc").unwrap();
        options.set("quantize-all", "").unwrap();
        assert_eq!(options.float("sparsity"), 0.25);
        assert_eq!(options.list("skip"), ["conv1", "fc"]);
        assert!(options.flag("quantize-all"));
        assert_eq!(
            options.to_string(),
            "{sparsity=0.25 skip=conv1,fc quantize-all=true}"
        );
        for (name, text, wanted) in [
            ("sparsity", "1.5", "'1.5' is not a number from 0 to 1"),
            ("sparsity", "nan", "'nan' is not a number"),
            ("scope", "layr", "did you mean 'layer'?"),
            ("max", "0", "an integer of at least 1"),
            ("quantize-all", "maybe", "true or false"),
            ("sparsitty", "1", "did you mean 'sparsity'?"),
            ("zzz", "1", "the options are sparsity, scope"),
        ] {
            let error = options.set(name, text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn edit_distance_is_levenshteins() {
        for (a, b, d) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(edit_distance(a, b), d);
            assert_eq!(edit_distance(b, a), d);
        }
    }
}
