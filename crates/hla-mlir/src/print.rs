//! Writing a module through MLIR: pretty text, and bytecode. MLIR verifies what is written.

use hla_ir::{Diagnostic, Module, print};

use crate::ffi::{Dialects, Ir, PrintForm, in_use};
use crate::parse::on_large_stack;
use crate::source::Source;

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PrintOptions {
    /// With `loc(…)` for every op.
    pub locations: bool,
    /// Every op in generic form.
    pub generic: bool,
    /// Constants of more elements than this are elided; such text cannot be read back.
    pub elide_above: Option<usize>,
}

/// The module as MLIR prints it: tosa and func in their own syntax.
///
/// # Errors
/// If MLIR does not accept the module, which is hlac's fault or that of an opaque op's text.
pub fn print_pretty(module: &Module, options: PrintOptions) -> Result<String, Diagnostic> {
    let form = PrintForm {
        generic: options.generic,
        locations: options.locations,
        elide_above: options.elide_above,
    };
    with_ir(module, options.locations, |ir| ir.print(form))
}

/// The module as MLIR bytecode, locations included.
///
/// # Errors
/// As [`print_pretty`].
pub fn to_bytecode(module: &Module) -> Result<Vec<u8>, Diagnostic> {
    with_ir(module, true, Ir::bytecode)
}

fn with_ir<T: Send>(
    module: &Module,
    locations: bool,
    run: impl FnOnce(&Ir) -> T + Send,
) -> Result<T, Diagnostic> {
    on_large_stack(|| {
        let _guard = in_use();
        Ok(run(&to_ir(module, locations, Dialects::Models)?))
    })
    .map_err(first)
}

/// The module in a context of MLIR.
pub(crate) fn to_ir(
    module: &Module,
    locations: bool,
    dialects: Dialects,
) -> Result<Ir, Vec<Diagnostic>> {
    let text = print::module(module, print::Options { locations });
    let source = Source::new(text.as_bytes());
    drop(text);
    Ir::parse("<printed by hlac>", source.with_nul(), dialects)
}

/// One diagnostic for several.
fn first(errors: Vec<Diagnostic>) -> Diagnostic {
    let mut errors = errors.into_iter();
    let mut first = errors
        .next()
        .unwrap_or_else(|| Diagnostic::error(hla_ir::Location::unknown(), "MLIR gives no reason"));
    first.message = format!("MLIR does not accept what hlac printed: {}", first.message);
    for error in errors {
        first = first.note(error.location, error.message);
    }
    first
}
