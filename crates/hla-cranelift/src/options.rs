//! What a user may choose about generated code.

/// Choices for code generation; the default chooses by shape and target.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CodegenOptions {
    /// What the symbols begin with; the function's name if absent. Characters that C does not
    /// allow in a name become `_`.
    pub name: Option<String>,
    /// The strategy for every ternary contraction that it can compute; the report says where it
    /// cannot.
    pub ternary: Option<TernaryStrategy>,
    /// Whether to record CLIF and assembly as text.
    pub text: bool,
}

/// How a ternary contraction is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TernaryStrategy {
    /// Additions and subtractions at the non-zero weights only.
    SparseAdd,
    /// Sums of groups of activations looked up by the codes of their weights.
    LookUpTable,
}

impl CodegenOptions {
    /// What symbols begin with.
    pub(crate) fn symbol_prefix(&self, function: &str) -> String {
        let mut name: String = self
            .name
            .as_deref()
            .unwrap_or(function)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.chars().next().is_none_or(|c| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        name
    }
}
