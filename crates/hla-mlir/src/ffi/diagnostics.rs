//! MLIR's locations and diagnostics as hlac's.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use hla_ir::{Diagnostic, Location, Severity};
use mlir_sys::*;

use super::{bytes_of, printed_text};

/// Nesting of locations beyond which nothing is looked for.
const MAX_DEPTH: usize = 64;

/// What the handler of a context has seen.
#[derive(Default)]
pub(super) struct Collected(Mutex<Vec<Diagnostic>>);

impl Collected {
    /// Takes all diagnostics so far.
    pub(super) fn take(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Collects the diagnostics of a context from now on.
pub(super) fn attach(context: MlirContext) -> Arc<Collected> {
    let collected = Arc::new(Collected::default());
    let data = Arc::into_raw(Arc::clone(&collected)).cast_mut().cast();
    // SAFETY: the context is alive; it calls `release` once when it is destroyed.
    unsafe { mlirContextAttachDiagnosticHandler(context, Some(handle), data, Some(release)) };
    collected
}

unsafe extern "C" fn release(data: *mut c_void) {
    // SAFETY: `data` is what `attach` gave away.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        drop(unsafe { Arc::from_raw(data.cast::<Collected>()) });
    }));
}

unsafe extern "C" fn handle(raw: MlirDiagnostic, data: *mut c_void) -> MlirLogicalResult {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `data` is what `attach` gave away, alive as long as the context.
        let collected = unsafe { &*data.cast::<Collected>() };
        let diagnostic = convert(raw);
        collected
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(diagnostic);
    }));
    MlirLogicalResult { value: 1 }
}

/// A diagnostic during its callback.
fn convert(raw: MlirDiagnostic) -> Diagnostic {
    let text = |raw| {
        // SAFETY: the diagnostic is alive during the callback.
        printed_text(|callback, data| unsafe { mlirDiagnosticPrint(raw, callback, data) })
    };
    // SAFETY: as above; notes are in range.
    unsafe {
        let severity = mlirDiagnosticGetSeverity(raw);
        let severity = if severity == MlirDiagnosticSeverity_MlirDiagnosticError {
            Severity::Error
        } else if severity == MlirDiagnosticSeverity_MlirDiagnosticWarning {
            Severity::Warning
        } else {
            Severity::Remark
        };
        let mut diagnostic = Diagnostic::error(location(mlirDiagnosticGetLocation(raw)), text(raw));
        diagnostic.severity = severity;
        for i in 0..mlirDiagnosticGetNumNotes(raw) {
            let note = mlirDiagnosticGetNote(raw, i);
            let message = text(note);
            // The dump of the operation repeats what stands in the source.
            if !message.starts_with("see current operation") {
                diagnostic = diagnostic.note(location(mlirDiagnosticGetLocation(note)), message);
            }
        }
        diagnostic
    }
}

/// The place a location means: of a call site the callee, of fused locations the first known one.
pub(super) fn location(raw: MlirLocation) -> Location {
    let mut out = Location::unknown();
    let mut raw = raw;
    for _ in 0..MAX_DEPTH {
        // SAFETY: locations live as long as their context; each accessor follows its predicate.
        unsafe {
            if raw.ptr.is_null() {
                break;
            } else if mlirLocationIsAFileLineColRange(raw) {
                let file = bytes_of(mlirIdentifierStr(mlirLocationFileLineColRangeGetFilename(
                    raw,
                )));
                out.file = Some(String::from_utf8_lossy(&file).into());
                out.line = u32::try_from(mlirLocationFileLineColRangeGetStartLine(raw))
                    .unwrap_or_default();
                out.column = u32::try_from(mlirLocationFileLineColRangeGetStartColumn(raw))
                    .unwrap_or_default();
                break;
            } else if mlirLocationIsAName(raw) {
                if out.name.is_none() {
                    let name = bytes_of(mlirIdentifierStr(mlirLocationNameGetName(raw)));
                    out.name = Some(String::from_utf8_lossy(&name).into());
                }
                raw = mlirLocationNameGetChildLoc(raw);
            } else if mlirLocationIsACallSite(raw) {
                raw = mlirLocationCallSiteGetCallee(raw);
            } else if mlirLocationIsAFused(raw) {
                let count = mlirLocationFusedGetNumLocations(raw) as usize;
                let mut parts = vec![
                    MlirLocation {
                        ptr: std::ptr::null()
                    };
                    count
                ];
                mlirLocationFusedGetLocations(raw, parts.as_mut_ptr());
                let unknown = |part: &MlirLocation| {
                    !mlirLocationIsAFileLineColRange(*part)
                        && !mlirLocationIsAName(*part)
                        && !mlirLocationIsACallSite(*part)
                        && !mlirLocationIsAFused(*part)
                };
                match parts.into_iter().find(|part| !unknown(part)) {
                    Some(part) => raw = part,
                    None => break,
                }
            } else {
                break;
            }
        }
    }
    out
}
