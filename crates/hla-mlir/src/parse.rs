//! Reading a model: bytes → MLIR → the tensor IR.

use std::path::Path;
use std::sync::Arc;

use hla_ir::{Diagnostic, Location, Module, Severity};

use crate::ffi::{Dialects, Ir, Limits, Trial, UNNAMED, in_use, trial};
use crate::import::{self, ControlFlow};
use crate::source::Source;
use crate::specialize::{ParseOptions, rebatch};

/// Stack of the thread that parses: MLIR's parser recurses, up to the nesting that
/// [`Source::check`] lets through. Only what is used becomes memory.
const STACK: usize = 256 << 20;

/// Bytecode is read at 100 times this speed; what takes longer never ends.
const BYTES_A_SECOND: u64 = 2 << 20;

/// Reads a model from a file, MLIR text or bytecode.
///
/// # Errors
/// All that MLIR and hlac have to say against it, each with file, line and column.
pub fn parse_file(path: &Path) -> Result<Module, Vec<Diagnostic>> {
    parse_file_with(path, &ParseOptions::default())
}

/// Reads a model from a file, and makes it static as the options say.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_file_with(path: &Path, options: &ParseOptions) -> Result<Module, Vec<Diagnostic>> {
    let source = Source::read(path).map_err(|error| vec![error])?;
    parse(&path.to_string_lossy(), source, options)
}

/// Reads a model from memory; locations and messages call it `name`.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_source(name: &str, bytes: &[u8]) -> Result<Module, Vec<Diagnostic>> {
    parse_source_with(name, bytes, &ParseOptions::default())
}

/// Reads a model from memory, and makes it static as the options say.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_source_with(
    name: &str,
    bytes: &[u8],
    options: &ParseOptions,
) -> Result<Module, Vec<Diagnostic>> {
    parse(name, Source::new(bytes), options)
}

fn parse(name: &str, source: Source, options: &ParseOptions) -> Result<Module, Vec<Diagnostic>> {
    source.check(name).map_err(|error| vec![error])?;
    let parsed = on_large_stack(|| {
        let read = || {
            let ir = Ir::parse(name, source.with_nul(), Dialects::Models).map_err(advise)?;
            import::import(&ir, Some(&source), options, ControlFlow::Refuse)
        };
        // MLIR's reader of bytecode trusts its input: a child tries it first.
        if source.is_bytecode() {
            let size = source.bytes().len() as u64;
            let limits = Limits {
                cpu_seconds: 2 + size / BYTES_A_SECOND,
                memory: (1 << 30) + 16 * size,
            };
            if trial(limits, || drop(read())) == Trial::Crashed {
                return Err(vec![damaged(name)]);
            }
        }
        let _guard = in_use();
        read()
    });
    let name: Arc<str> = name.into();
    let rename = |location: &mut Location| {
        if location.file.as_deref() == Some(UNNAMED) {
            location.file = Some(Arc::clone(&name));
        }
    };
    match parsed {
        Ok(mut module) => {
            for function in &mut module.functions {
                rename(&mut function.location);
                function
                    .args
                    .iter_mut()
                    .for_each(|a| rename(&mut a.location));
                function
                    .nodes
                    .iter_mut()
                    .for_each(|n| rename(&mut n.location));
            }
            for function in &mut module.functions {
                *function = rebatch(function, options).map_err(|error| vec![error])?;
            }
            Ok(module)
        }
        Err(mut errors) => {
            for error in &mut errors {
                rename(&mut error.location);
                error.notes.iter_mut().for_each(|(l, _)| rename(l));
            }
            Err(errors)
        }
    }
}

/// MLIR says what is wrong and where, but not what to do; the last of its errors does here.
fn advise(mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let last = errors
        .iter_mut()
        .rev()
        .find(|e| e.severity == Severity::Error);
    if let Some(last) = last.filter(|e| e.help.is_none()) {
        last.help = Some(
            "this is MLIR's verdict, mlir-opt's too: correct the model there, or write it again with \
             the tool it came from"
                .to_owned(),
        );
    }
    errors
}

fn damaged(name: &str) -> Diagnostic {
    Diagnostic::error(
        Location::file(name, 0, 0),
        "this bytecode is damaged: MLIR's reader fails on it",
    )
    .help("write it again with `mlir-opt --emit-bytecode` or `hlac opt --emit-bytecode`")
}

/// Runs a function that may recurse deeply.
pub(crate) fn on_large_stack<T: Send>(
    run: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send,
) -> Result<T, Vec<Diagnostic>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, run);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => Err(vec![Diagnostic::error(
                hla_ir::Location::unknown(),
                format!("no thread to read the model can be started: {error}"),
            )]),
        }
    })
}
