//! The table of all passes, one row each.

use hla_ir::{Diagnostic, Function, Location};

use crate::options::{OptionInfo, Options, did_you_mean};
use crate::report::Report;

/// What a pass does: it builds a new function and tells about it.
pub type RunPass = fn(&Function, &Options) -> Result<(Function, Report), Diagnostic>;

/// A pass, as its file declares it.
#[derive(Clone, Copy, Debug)]
pub struct PassInfo {
    /// Name in a textual pipeline; begins with `hla-`.
    pub name: &'static str,
    /// One line for `hlac passes` and the manual.
    pub summary: &'static str,
    /// Options it takes.
    pub options: &'static [OptionInfo],
    /// The pass itself.
    pub run: RunPass,
}

impl PassInfo {
    /// The pass with all options at their defaults.
    pub fn with_defaults(self) -> (PassInfo, Options) {
        (self, Options::defaults(self.options))
    }
}

static REGISTRY: &[PassInfo] = &[
    crate::freeze::PASS,
    crate::fold_constants::PASS,
    crate::canonicalize::PASS,
    crate::cse::PASS,
    crate::ternarize::PASS,
    crate::eliminate_multiplies::PASS,
    crate::quantize_activations::PASS,
    crate::fuse::PASS,
    crate::pack::PASS,
    crate::plan_layout::PASS,
    crate::train_mode::PASS,
    crate::hyperspherical::PASS,
    crate::ste::PASS,
    crate::loss::PASS,
    crate::loss_aware::PASS,
    crate::autodiff::PASS,
    crate::sgd::PASS,
    crate::mixed_precision::PASS,
    crate::training::steps::FINETUNE_STEP,
    crate::training::steps::TERNARY_STEP,
    crate::training::steps::EVALUATE,
];

/// All passes: those of a compilation in its order, then those of training.
pub fn registry() -> &'static [PassInfo] {
    REGISTRY
}

/// The pass of this name.
pub fn find(name: &str) -> Result<PassInfo, Diagnostic> {
    if let Some(pass) = REGISTRY.iter().find(|p| p.name == name) {
        return Ok(*pass);
    }
    let hint = did_you_mean(name, REGISTRY.iter().map(|p| p.name));
    Err(
        Diagnostic::error(Location::unknown(), format!("there is no pass '{name}'")).help(
            match hint {
                Some(close) => format!("did you mean '{close}'? `hlac passes` lists all"),
                None => "`hlac passes` lists all".to_owned(),
            },
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_parse() {
        for (i, pass) in registry().iter().enumerate() {
            assert!(pass.name.starts_with("hla-"), "{}", pass.name);
            assert!(registry()[..i].iter().all(|p| p.name != pass.name));
            assert!(!pass.summary.is_empty() && !pass.summary.ends_with('.'));
            let options = Options::defaults(pass.options);
            for option in pass.options {
                assert!(
                    options.get(option.name).is_some(),
                    "{}: {}",
                    pass.name,
                    option.name
                );
            }
        }
    }

    #[test]
    fn a_misspelled_pass_gets_a_hint() {
        let error = find("hla-cze").unwrap_err();
        assert!(
            error.to_string().contains("did you mean 'hla-cse'"),
            "{error}"
        );
        let error = find("hla-quite-another-thing").unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }
}
