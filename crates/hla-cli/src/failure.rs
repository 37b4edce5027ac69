//! What a command fails with.

use hla_ir::Diagnostic;

/// What a command fails with.
#[derive(Debug)]
pub enum Failure {
    /// The input cannot be used: status 1.
    Input(Vec<Diagnostic>),
    /// The options contradict each other, told as clap tells it: status 2.
    Usage(String),
    /// The user interrupted it; this is what they should know: status 130.
    Stopped(String),
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::Input(vec![diagnostic])
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Failure {
        Failure::Input(diagnostics)
    }
}
