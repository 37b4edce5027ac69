//! Types.

use std::marker::PhantomData;

use hla_ir::types::MAX_RANK;
use hla_ir::{DType, TensorType, Type};
use mlir_sys::*;

use super::{Ir, printed_text};

/// A type.
#[derive(Clone, Copy)]
pub(crate) struct Ty<'a> {
    raw: MlirType,
    life: PhantomData<&'a Ir>,
}

/// A ranked tensor type of a supported element type, as MLIR has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RankedType {
    /// Extents; `None` where dynamic.
    pub(crate) shape: Vec<Option<usize>>,
    /// Element type.
    pub(crate) dtype: DType,
}

impl<'a> Ty<'a> {
    /// `raw` must not be null.
    pub(super) fn new(raw: MlirType) -> Ty<'a> {
        Ty {
            raw,
            life: PhantomData,
        }
    }

    /// MLIR's spelling.
    pub(crate) fn text(self) -> String {
        // SAFETY: the type is alive.
        printed_text(|callback, data| unsafe { mlirTypePrint(self.raw, callback, data) })
    }

    /// Whether it is a function type, which MLIR puts into parentheses as a result.
    pub(crate) fn is_function(self) -> bool {
        // SAFETY: the type is alive.
        unsafe { mlirTypeIsAFunction(self.raw) }
    }

    /// The element type this is, if hlac has it.
    pub(crate) fn dtype(self) -> Option<DType> {
        // SAFETY: the type is alive; the width is asked of integers only.
        unsafe {
            if mlirTypeIsAInteger(self.raw) {
                if !mlirIntegerTypeIsSignless(self.raw) {
                    return None;
                }
                return match mlirIntegerTypeGetWidth(self.raw) {
                    1 => Some(DType::I1),
                    8 => Some(DType::I8),
                    16 => Some(DType::I16),
                    32 => Some(DType::I32),
                    64 => Some(DType::I64),
                    _ => None,
                };
            }
            if mlirTypeIsAF32(self.raw) {
                Some(DType::F32)
            } else if mlirTypeIsAF16(self.raw) {
                Some(DType::F16)
            } else if mlirTypeIsABF16(self.raw) {
                Some(DType::BF16)
            } else if mlirTypeIsAIndex(self.raw) {
                Some(DType::Index)
            } else {
                None
            }
        }
    }

    /// The ranked tensor type this is, if hlac has its element type, it has no encoding, and its
    /// rank and size are within hlac's limits.
    pub(crate) fn ranked(self) -> Option<RankedType> {
        // SAFETY: the type is alive; shape and encoding are asked of ranked tensors only.
        unsafe {
            if !mlirTypeIsARankedTensor(self.raw)
                || mlirShapedTypeGetRank(self.raw) as usize > MAX_RANK
                || !mlirRankedTensorTypeGetEncoding(self.raw).ptr.is_null()
            {
                return None;
            }
            let dtype = Ty::new(mlirShapedTypeGetElementType(self.raw)).dtype()?;
            let shape: Vec<Option<usize>> = (0..mlirShapedTypeGetRank(self.raw))
                .map(|i| {
                    let extent = mlirShapedTypeGetDimSize(self.raw, i as isize);
                    usize::try_from(extent).ok()
                })
                .collect();
            // Static or not, the known part must be within the limits.
            let known: Vec<usize> = shape.iter().flatten().copied().collect();
            TensorType::try_new(known, dtype).ok()?;
            Some(RankedType { shape, dtype })
        }
    }

    /// As a type of the IR; dynamic tensors are opaque.
    pub(crate) fn import(self) -> Type {
        match self.ranked().and_then(|ranked| ranked.fixed()) {
            Some(ty) => Type::Tensor(ty),
            None => Type::Opaque(self.text()),
        }
    }
}

impl RankedType {
    /// The static type, if no extent is dynamic.
    pub(crate) fn fixed(&self) -> Option<TensorType> {
        let shape: Option<Vec<usize>> = self.shape.iter().copied().collect();
        TensorType::try_new(shape?, self.dtype).ok()
    }

    /// Whether a static type is an instance of this one.
    pub(crate) fn admits(&self, ty: &TensorType) -> bool {
        self.dtype == ty.dtype
            && self.shape.len() == ty.rank()
            && self
                .shape
                .iter()
                .zip(&ty.shape)
                .all(|(want, have)| want.is_none_or(|want| want == *have))
    }
}
