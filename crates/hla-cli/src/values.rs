//! Values of options.

use std::path::Path;

use clap::ValueEnum;

/// Over what a share of zeros holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Scope {
    /// Each layer has its own
    Layer,
    /// All layers together
    Global,
}

/// What a user writes for a value.
pub fn value_name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |v| v.get_name().to_owned())
}

/// A path as text.
pub fn display(path: &Path) -> String {
    path.display().to_string()
}
