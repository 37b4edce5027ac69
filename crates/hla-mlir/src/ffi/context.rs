//! Contexts, the operation that each holds, printing, bytecode and passes.

use std::sync::{Arc, Once};

use hla_ir::Diagnostic;
use melior::dialect::DialectRegistry;
use mlir_sys::*;

use crate::pipeline::PipelineOptions;
use crate::source::BYTECODE_MAGIC;

use super::{Op, Value, diagnostics, printed, printed_text, string_ref};

/// Which dialects a context offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialects {
    /// What models are made of: func, tosa, and what these need.
    Models,
    /// Everything upstream has.
    All,
    /// The same, and the way from LLVM's dialects to LLVM.
    Gpu,
}

/// How to print.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PrintForm {
    /// Generic form for every op.
    pub(crate) generic: bool,
    /// With `loc(…)`.
    pub(crate) locations: bool,
    /// Elements attributes with more elements than this are elided.
    pub(crate) elide_above: Option<usize>,
}

/// The file that MLIR names where it is not told a name.
pub(crate) const UNNAMED: &str = "-";

/// A context and the top-level operation parsed into it.
pub(crate) struct Ir {
    context: Context,
    root: MlirOperation,
}

/// A context that collects its diagnostics.
struct Context {
    raw: MlirContext,
    collected: Arc<diagnostics::Collected>,
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it is alive, and nothing of it outlives it.
        unsafe { mlirContextDestroy(self.raw) };
    }
}

impl Context {
    fn new(dialects: Dialects) -> Context {
        let registry = DialectRegistry::new();
        match dialects {
            // SAFETY: the registry is alive.
            Dialects::Models => unsafe {
                for handle in [
                    mlirGetDialectHandle__func__(),
                    mlirGetDialectHandle__tosa__(),
                    mlirGetDialectHandle__arith__(),
                    mlirGetDialectHandle__tensor__(),
                    mlirGetDialectHandle__linalg__(),
                    mlirGetDialectHandle__quant__(),
                ] {
                    mlirDialectHandleInsertDialect(handle, registry.to_raw());
                }
            },
            Dialects::All | Dialects::Gpu => melior::utility::register_all_dialects(&registry),
        }
        // SAFETY: the registry is alive while it is copied into the context.
        let raw = unsafe { mlirContextCreateWithRegistry(registry.to_raw(), false) };
        // SAFETY: the context is alive.
        unsafe { mlirContextSetAllowUnregisteredDialects(raw, true) };
        if dialects == Dialects::Gpu {
            // SAFETY: the context is alive.
            unsafe { mlirRegisterAllLLVMTranslations(raw) };
        }
        Context {
            raw,
            collected: diagnostics::attach(raw),
        }
    }
}

impl Drop for Ir {
    fn drop(&mut self) {
        // SAFETY: the operation is alive and owned; its context is destroyed after it.
        unsafe { mlirOperationDestroy(self.root) };
    }
}

impl Ir {
    /// Parses text or bytecode, and verifies it. `buffer` ends with a NUL that does not belong to
    /// the source, as MLIR's lexer looks one byte beyond it. An error is never without a message.
    pub(crate) fn parse(
        name: &str,
        buffer: &[u8],
        dialects: Dialects,
    ) -> Result<Ir, Vec<Diagnostic>> {
        let parsed = Ir::parse_once(name, buffer, dialects);
        if !is_mute(&parsed) {
            return parsed;
        }
        // Text that ends before the place is refused with a message: that it ends.
        let text = &buffer[..buffer.len() - 1];
        let line = match text.starts_with(BYTECODE_MAGIC) {
            true => 0,
            false => first_line(text, |part| {
                is_mute(&Ir::parse_once(name, &[part, b"\0"].concat(), dialects))
            }),
        };
        let place = hla_ir::Location::file(name, line, 0);
        Err(vec![
            Diagnostic::error(place, "MLIR's parser refuses this, and does not say why")
                .help("is a name, a bracket or an attribute misspelt here?"),
        ])
    }

    /// The same, with the messages of MLIR alone.
    ///
    /// Several operations at the top are put into a module; as only an entry point without a file
    /// name does that, their locations name the file [`UNNAMED`].
    fn parse_once(name: &str, buffer: &[u8], dialects: Dialects) -> Result<Ir, Vec<Diagnostic>> {
        assert_eq!(buffer.last(), Some(&0), "the buffer ends with a NUL");
        let context = Context::new(dialects);
        let text = string_ref(&buffer[..buffer.len() - 1]);
        // SAFETY: the context is alive, and so are the strings; a failure gives null.
        let mut root =
            unsafe { mlirOperationCreateParse(context.raw, text, string_ref(name.as_bytes())) };
        if root.ptr.is_null() {
            let errors = context.collected.take();
            let several = |e: &Diagnostic| e.message.contains("must contain a single top-level");
            if !errors.iter().any(several) {
                return Err(errors);
            }
            // SAFETY: as above; the operation of a module that is there is the module.
            unsafe {
                let module = mlirModuleCreateParse(context.raw, text);
                if module.ptr.is_null() {
                    return Err(context.collected.take());
                }
                root = mlirModuleGetOperation(module);
            }
        }
        Ok(Ir { context, root })
    }

    /// The top-level operation.
    pub(crate) fn root(&self) -> Op<'_> {
        Op {
            raw: self.root,
            life: std::marker::PhantomData,
        }
    }

    /// Diagnostics since the last time.
    pub(crate) fn take_diagnostics(&self) -> Vec<Diagnostic> {
        self.context.collected.take()
    }

    /// The top-level operation as text.
    pub(crate) fn print(&self, form: PrintForm) -> String {
        Printer::new(self, form).print(self.root())
    }

    /// The top-level operation as bytecode.
    pub(crate) fn bytecode(&self) -> Vec<u8> {
        // SAFETY: the operation is alive.
        printed(|callback, data| unsafe { mlirOperationWriteBytecode(self.root, callback, data) })
    }

    /// Runs a textual pipeline such as `builtin.module(canonicalize)`. On failure the operation is
    /// in an unknown, but destroyable, state.
    pub(crate) fn run_passes(
        &mut self,
        pipeline: &str,
        options: PipelineOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        static REGISTER: Once = Once::new();
        // SAFETY: registration happens once in the process.
        REGISTER.call_once(|| unsafe { mlirRegisterAllPasses() });
        let mut failure = None;
        // SAFETY: context and operation are alive; the manager is destroyed before both.
        unsafe {
            let anchor = mlirIdentifierStr(mlirOperationGetName(self.root));
            let manager = mlirPassManagerCreateOnOperation(self.context.raw, anchor);
            let mut parsed = MlirLogicalResult { value: 0 };
            let message = printed_text(|callback, data| {
                parsed = mlirParsePassPipeline(
                    mlirPassManagerGetAsOpPassManager(manager),
                    string_ref(pipeline.as_bytes()),
                    callback,
                    data,
                );
            });
            mlirPassManagerEnableVerifier(manager, options.verify_each);
            if options.print_ir_after_all {
                let flags = mlirOpPrintingFlagsCreate();
                mlirPassManagerEnableIRPrinting(
                    manager,
                    false,
                    true,
                    true,
                    false,
                    false,
                    flags,
                    string_ref(b""),
                );
                mlirOpPrintingFlagsDestroy(flags);
            }
            if parsed.value == 0 {
                failure = Some(Diagnostic::error(
                    hla_ir::Location::unknown(),
                    message.trim().to_owned(),
                ));
            } else if mlirPassManagerRunOnOp(manager, self.root).value == 0 {
                failure = Some(Diagnostic::error(
                    hla_ir::Location::unknown(),
                    format!("the pipeline '{pipeline}' failed"),
                ));
            }
            mlirPassManagerDestroy(manager);
        }
        match failure {
            None => Ok(()),
            Some(failure) => {
                let mut all = self.take_diagnostics();
                if all.iter().all(|d| d.severity != hla_ir::Severity::Error) {
                    all.push(failure);
                }
                Err(all)
            }
        }
    }
}

/// Prints operations and values with one numbering.
pub(crate) struct Printer<'a> {
    state: MlirAsmState,
    flags: MlirOpPrintingFlags,
    life: std::marker::PhantomData<&'a Ir>,
}

impl<'a> Printer<'a> {
    /// A printer for everything in an `Ir`; numbering costs a walk over all of it.
    pub(crate) fn new(ir: &'a Ir, form: PrintForm) -> Printer<'a> {
        // SAFETY: the flags live until the printer is dropped, the operation longer.
        unsafe {
            let flags = mlirOpPrintingFlagsCreate();
            // It was verified when it was parsed.
            mlirOpPrintingFlagsAssumeVerified(flags);
            if form.generic {
                mlirOpPrintingFlagsPrintGenericOpForm(flags);
                mlirOpPrintingFlagsUseLocalScope(flags);
            }
            if form.locations {
                mlirOpPrintingFlagsEnableDebugInfo(flags, true, false);
            }
            if let Some(limit) = form.elide_above {
                let limit = isize::try_from(limit).unwrap_or(isize::MAX);
                mlirOpPrintingFlagsElideLargeElementsAttrs(flags, limit);
                mlirOpPrintingFlagsElideLargeResourceString(flags, limit);
            }
            Printer {
                state: mlirAsmStateCreateForOperation(ir.root, flags),
                flags,
                life: std::marker::PhantomData,
            }
        }
    }

    /// An operation.
    pub(crate) fn print(&self, op: Op<'a>) -> String {
        // SAFETY: state and operation are alive.
        printed_text(|callback, data| unsafe {
            mlirOperationPrintWithState(op.raw, self.state, callback, data)
        })
    }

    /// A value's name, sigil included.
    pub(crate) fn value(&self, value: Value<'a>) -> String {
        // SAFETY: state and value are alive.
        printed_text(|callback, data| unsafe {
            mlirValuePrintAsOperand(value.raw, self.state, callback, data)
        })
    }
}

impl Drop for Printer<'_> {
    fn drop(&mut self) {
        // SAFETY: both are alive, and destroyed once.
        unsafe {
            mlirAsmStateDestroy(self.state);
            mlirOpPrintingFlagsDestroy(self.flags);
        }
    }
}

/// Whether a parser failed without a word.
fn is_mute(parsed: &Result<Ir, Vec<Diagnostic>>) -> bool {
    let says = |e: &Diagnostic| e.severity == hla_ir::Severity::Error;
    parsed
        .as_ref()
        .is_err_and(|errors| !errors.iter().any(says))
}

/// The number of the first line, from 1, with which text up to its end is `wrong`, if that holds for
/// every longer text too.
fn first_line(text: &[u8], wrong: impl Fn(&[u8]) -> bool) -> u32 {
    let breaks = text.iter().enumerate().filter(|(_, b)| **b == b'\n');
    let ends: Vec<usize> = breaks.map(|(i, _)| i + 1).collect();
    let before = ends.partition_point(|&end| !wrong(&text[..end]));
    u32::try_from(before + 1).unwrap_or(0)
}
