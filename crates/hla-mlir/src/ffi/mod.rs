//! MLIR's C API behind a safe face: all `unsafe` of this crate but the memory map stands here.
//!
//! # Contract
//! - An [`Ir`] owns a context and one top-level operation in it, and destroys both in the right
//!   order. Everything else ([`Op`], [`Block`], [`Value`], [`Ty`], [`Attribute`]) is a copyable
//!   handle with the lifetime of a shared borrow of the [`Ir`].
//! - Nothing here changes IR while handles are alive: only [`Ir::run_passes`] and
//!   [`Ir::make_external`] do, and take the `Ir` mutably. So no handle can refer to an erased operation.
//! - Every position is checked before it reaches MLIR, and every result that may be null becomes an
//!   `Option`. Casting accessors are called only after the matching `IsA` predicate.
//! - Strings from MLIR may hold any bytes: they are handed out as bytes, or lossily decoded.
//! - Callbacks that MLIR calls never unwind: they run under `catch_unwind`.
#![allow(unsafe_code)]

mod attribute;
mod context;
mod diagnostics;
mod gpu;
mod sandbox;
mod types;

pub(crate) use attribute::Attribute;
pub(crate) use context::{Dialects, Ir, PrintForm, Printer, UNNAMED};
pub(crate) use sandbox::{Limits, Trial, in_use, trial};
pub(crate) use types::{RankedType, Ty};

use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hla_ir::Location;
use mlir_sys::*;

/// A string reference over Rust's bytes; they must outlive the call it is passed to.
fn string_ref(text: &[u8]) -> MlirStringRef {
    MlirStringRef {
        data: text.as_ptr().cast(),
        length: text.len(),
    }
}

/// Copies the bytes of a string of MLIR's.
///
/// # Safety
/// `raw` must be valid now.
unsafe fn bytes_of(raw: MlirStringRef) -> Vec<u8> {
    if raw.data.is_null() || raw.length == 0 {
        return Vec::new();
    }
    // SAFETY: MLIR's string references point at `length` readable bytes.
    unsafe { std::slice::from_raw_parts(raw.data.cast::<u8>(), raw.length) }.to_vec()
}

/// A [`MlirStringCallback`] that appends to the `Vec<u8>` it is given.
unsafe extern "C" fn append(text: MlirStringRef, data: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `data` is the vector that `printed` passes, and MLIR calls back synchronously.
        unsafe { (*data.cast::<Vec<u8>>()).extend_from_slice(&bytes_of(text)) }
    }));
}

/// What a printing function of MLIR's writes.
fn printed(print: impl FnOnce(MlirStringCallback, *mut c_void)) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    print(Some(append), (&raw mut out).cast());
    out
}

/// The same as text; bytes that are no UTF-8 are replaced.
fn printed_text(print: impl FnOnce(MlirStringCallback, *mut c_void)) -> String {
    String::from_utf8_lossy(&printed(print)).into_owned()
}

/// An operation.
#[derive(Clone, Copy)]
pub(crate) struct Op<'a> {
    raw: MlirOperation,
    life: PhantomData<&'a Ir>,
}

/// A block.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    raw: MlirBlock,
    life: PhantomData<&'a Ir>,
}

/// A value: a block argument or a result of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    raw: MlirValue,
    life: PhantomData<&'a Ir>,
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw.ptr == other.raw.ptr
    }
}

impl Eq for Value<'_> {}

impl std::hash::Hash for Value<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.raw.ptr.hash(state);
    }
}

impl<'a> Op<'a> {
    fn new(raw: MlirOperation) -> Option<Op<'a>> {
        (!raw.ptr.is_null()).then_some(Op {
            raw,
            life: PhantomData,
        })
    }

    /// Full name, dialect included.
    pub(crate) fn name(self) -> String {
        // SAFETY: the operation is alive; its identifier lives as long as the context.
        let bytes = unsafe { bytes_of(mlirIdentifierStr(mlirOperationGetName(self.raw))) };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where it stands.
    pub(crate) fn location(self) -> Location {
        // SAFETY: the operation is alive.
        diagnostics::location(unsafe { mlirOperationGetLocation(self.raw) })
    }

    /// Operands in order.
    pub(crate) fn operands(self) -> Vec<Value<'a>> {
        // SAFETY: the operation is alive and the positions are in range.
        unsafe {
            (0..mlirOperationGetNumOperands(self.raw))
                .map(|i| Value::new(mlirOperationGetOperand(self.raw, i)))
                .collect()
        }
    }

    /// Results in order.
    pub(crate) fn results(self) -> Vec<Value<'a>> {
        // SAFETY: the operation is alive and the positions are in range.
        unsafe {
            (0..mlirOperationGetNumResults(self.raw))
                .map(|i| Value::new(mlirOperationGetResult(self.raw, i)))
                .collect()
        }
    }

    /// The attribute of this name, inherent or discardable.
    pub(crate) fn attribute(self, name: &str) -> Option<Attribute<'a>> {
        // SAFETY: the operation is alive; a missing attribute is null.
        Attribute::new(unsafe {
            mlirOperationGetAttributeByName(self.raw, string_ref(name.as_bytes()))
        })
    }

    /// All attributes, inherent ones included.
    pub(crate) fn attributes(self) -> Vec<(String, Attribute<'a>)> {
        // SAFETY: the operation is alive and the positions are in range.
        unsafe {
            (0..mlirOperationGetNumAttributes(self.raw))
                .filter_map(|i| named(mlirOperationGetAttribute(self.raw, i)))
                .collect()
        }
    }

    /// Discardable attributes only.
    pub(crate) fn discardable_attributes(self) -> Vec<(String, Attribute<'a>)> {
        // SAFETY: the operation is alive and the positions are in range.
        unsafe {
            (0..mlirOperationGetNumDiscardableAttributes(self.raw))
                .filter_map(|i| named(mlirOperationGetDiscardableAttribute(self.raw, i)))
                .collect()
        }
    }

    /// The blocks of each region.
    pub(crate) fn regions(self) -> Vec<Vec<Block<'a>>> {
        let mut regions = Vec::new();
        // SAFETY: the operation is alive, regions are in range, and the block list ends with null.
        unsafe {
            for i in 0..mlirOperationGetNumRegions(self.raw) {
                let mut blocks = Vec::new();
                let mut raw = mlirRegionGetFirstBlock(mlirOperationGetRegion(self.raw, i));
                while !raw.ptr.is_null() {
                    blocks.push(Block {
                        raw,
                        life: PhantomData,
                    });
                    raw = mlirBlockGetNextInRegion(raw);
                }
                regions.push(blocks);
            }
        }
        regions
    }
}

/// Name and value of a named attribute.
fn named<'a>(raw: MlirNamedAttribute) -> Option<(String, Attribute<'a>)> {
    // SAFETY: identifiers live as long as the context.
    let name = unsafe { bytes_of(mlirIdentifierStr(raw.name)) };
    Some((
        String::from_utf8_lossy(&name).into_owned(),
        Attribute::new(raw.attribute)?,
    ))
}

impl<'a> Block<'a> {
    /// Arguments in order.
    pub(crate) fn arguments(self) -> Vec<Value<'a>> {
        // SAFETY: the block is alive and the positions are in range.
        unsafe {
            (0..mlirBlockGetNumArguments(self.raw))
                .map(|i| Value::new(mlirBlockGetArgument(self.raw, i)))
                .collect()
        }
    }

    /// Operations in order.
    pub(crate) fn operations(self) -> Vec<Op<'a>> {
        let mut operations = Vec::new();
        // SAFETY: the block is alive and the list of its operations ends with null.
        let mut next = unsafe { Op::new(mlirBlockGetFirstOperation(self.raw)) };
        while let Some(op) = next {
            operations.push(op);
            // SAFETY: `op` is alive.
            next = unsafe { Op::new(mlirOperationGetNextInBlock(op.raw)) };
        }
        operations
    }
}

impl<'a> Value<'a> {
    fn new(raw: MlirValue) -> Value<'a> {
        Value {
            raw,
            life: PhantomData,
        }
    }

    /// Its type.
    pub(crate) fn ty(self) -> Ty<'a> {
        // SAFETY: the value is alive, and every value has a type.
        Ty::new(unsafe { mlirValueGetType(self.raw) })
    }

    /// Where it was written.
    pub(crate) fn location(self) -> Location {
        // SAFETY: the value is alive.
        diagnostics::location(unsafe { mlirValueGetLocation(self.raw) })
    }

    /// Whether anything uses it.
    pub(crate) fn is_used(self) -> bool {
        // SAFETY: the value is alive; no use is null.
        unsafe { !mlirValueGetFirstUse(self.raw).ptr.is_null() }
    }
}
