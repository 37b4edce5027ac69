//! Attributes: typed reading of those that hlac holds as data, text of the others.

use std::ffi::c_void;
use std::marker::PhantomData;

use hla_ir::{DType, Tensor, TensorType};
use mlir_sys::*;

use super::{Ir, Ty, bytes_of, printed_text};

/// An attribute.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    raw: MlirAttribute,
    life: PhantomData<&'a Ir>,
}

impl<'a> Attribute<'a> {
    pub(super) fn new(raw: MlirAttribute) -> Option<Attribute<'a>> {
        (!raw.ptr.is_null()).then_some(Attribute {
            raw,
            life: PhantomData,
        })
    }

    /// For accessors elsewhere in this module.
    pub(super) fn raw(self) -> MlirAttribute {
        self.raw
    }

    /// MLIR's spelling.
    pub(crate) fn text(self) -> String {
        // SAFETY: the attribute is alive.
        printed_text(|callback, data: *mut c_void| unsafe {
            mlirAttributePrint(self.raw, callback, data)
        })
    }

    /// A boolean.
    pub(crate) fn bool(self) -> Option<bool> {
        // SAFETY: the attribute is alive; the accessor follows its predicate.
        unsafe { mlirAttributeIsABool(self.raw).then(|| mlirBoolAttrGetValue(self.raw)) }
    }

    /// An integer of a supported element type, sign-extended.
    pub(crate) fn int(self) -> Option<(i64, DType)> {
        // SAFETY: as above; the type of an integer attribute is at most 64 bits wide here.
        unsafe {
            if !mlirAttributeIsAInteger(self.raw) {
                return None;
            }
            let dtype = self.ty().dtype()?;
            Some((mlirIntegerAttrGetValueInt(self.raw), dtype))
        }
    }

    /// A float of a supported element type; all of them are exact in `f32`.
    pub(crate) fn float(self) -> Option<(f32, DType)> {
        // SAFETY: as above.
        unsafe {
            if !mlirAttributeIsAFloat(self.raw) {
                return None;
            }
            let dtype = self.ty().dtype().filter(|d| d.is_float())?;
            let value = mlirFloatAttrGetValueDouble(self.raw) as f32;
            if value.is_nan() && dtype == DType::F32 {
                // The conversion to double quietens a NaN; the text has its bits.
                let text = self.text();
                let hex = text.split(' ').next().and_then(|t| t.strip_prefix("0x"));
                let bits = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                return Some((bits.map_or(value, f32::from_bits), dtype));
            }
            Some((value, dtype))
        }
    }

    /// The bytes of a string.
    pub(crate) fn string(self) -> Option<Vec<u8>> {
        // SAFETY: as above.
        unsafe {
            mlirAttributeIsAString(self.raw).then(|| bytes_of(mlirStringAttrGetValue(self.raw)))
        }
    }

    /// The type of a type attribute.
    pub(crate) fn type_value(self) -> Option<Ty<'a>> {
        // SAFETY: as above; a type attribute holds a type.
        unsafe { mlirAttributeIsAType(self.raw).then(|| Ty::new(mlirTypeAttrGetValue(self.raw))) }
    }

    /// `array<i64: …>`.
    pub(crate) fn i64s(self) -> Option<Vec<i64>> {
        // SAFETY: as above; positions are in range.
        unsafe {
            mlirAttributeIsADenseI64Array(self.raw).then(|| {
                (0..mlirDenseArrayGetNumElements(self.raw))
                    .map(|i| mlirDenseI64ArrayGetElement(self.raw, i))
                    .collect()
            })
        }
    }

    /// `array<i32: …>`, widened.
    pub(crate) fn i32s(self) -> Option<Vec<i64>> {
        // SAFETY: as above; positions are in range.
        unsafe {
            mlirAttributeIsADenseI32Array(self.raw).then(|| {
                (0..mlirDenseArrayGetNumElements(self.raw))
                    .map(|i| i64::from(mlirDenseI32ArrayGetElement(self.raw, i)))
                    .collect()
            })
        }
    }

    /// `array<f32: …>`.
    pub(crate) fn f32s(self) -> Option<Vec<f32>> {
        // SAFETY: as above; positions are in range.
        unsafe {
            mlirAttributeIsADenseF32Array(self.raw).then(|| {
                (0..mlirDenseArrayGetNumElements(self.raw))
                    .map(|i| mlirDenseF32ArrayGetElement(self.raw, i))
                    .collect()
            })
        }
    }

    /// The members of an array.
    pub(crate) fn array(self) -> Option<Vec<Attribute<'a>>> {
        // SAFETY: as above; positions are in range.
        unsafe {
            mlirAttributeIsAArray(self.raw).then(|| {
                (0..mlirArrayAttrGetNumElements(self.raw))
                    .filter_map(|i| Attribute::new(mlirArrayAttrGetElement(self.raw, i)))
                    .collect()
            })
        }
    }

    /// The members of a dictionary.
    pub(crate) fn dictionary(self) -> Option<Vec<(String, Attribute<'a>)>> {
        // SAFETY: as above; positions are in range.
        unsafe {
            mlirAttributeIsADictionary(self.raw).then(|| {
                (0..mlirDictionaryAttrGetNumElements(self.raw))
                    .filter_map(|i| super::named(mlirDictionaryAttrGetElement(self.raw, i)))
                    .collect()
            })
        }
    }

    /// The type of a typed attribute; `none` of another.
    pub(crate) fn ty(self) -> Ty<'a> {
        // SAFETY: the attribute is alive; an untyped one gives MLIR's none type.
        Ty::new(unsafe { mlirAttributeGetType(self.raw) })
    }

    /// The key and type of a `dense_resource<key>` of a supported type.
    pub(crate) fn resource(self) -> Option<(String, TensorType)> {
        // SAFETY: the attribute is alive.
        if !unsafe { mlirAttributeIsADenseResourceElements(self.raw) } {
            return None;
        }
        let ty = self.ty().ranked()?.fixed()?;
        let text = self.text();
        let key = text.strip_prefix("dense_resource<")?;
        let (key, _) = key.split_once("> : ")?;
        Some((key.trim_matches('"').to_owned(), ty))
    }

    /// The tensor of a `dense<…>` of a supported type: one copy of the data, none of a splat.
    pub(crate) fn dense(self) -> Option<Tensor> {
        // SAFETY: the attribute is alive. Raw data is asked only of the attribute that stores
        // numbers densely, and has as many elements as its type says, or one if it is a splat.
        unsafe {
            if !mlirTypeIDEqual(
                mlirAttributeGetTypeID(self.raw),
                mlirDenseIntOrFPElementsAttrGetTypeID(),
            ) {
                return None;
            }
            let ty = self.ty().ranked()?.fixed()?;
            let count = ty.elements();
            if count == 0 {
                return Tensor::from_bytes(ty, Vec::new()).ok();
            }
            let splat = mlirDenseElementsAttrIsSplat(self.raw);
            if ty.dtype == DType::I1 {
                // Their storage differs between versions of MLIR.
                if splat {
                    let value = mlirDenseElementsAttrGetBoolValue(self.raw, 0);
                    return Tensor::splat_bytes(ty, &[u8::from(value)]).ok();
                }
                let bytes = (0..count as isize)
                    .map(|i| u8::from(mlirDenseElementsAttrGetBoolValue(self.raw, i)))
                    .collect();
                return Tensor::from_bytes(ty, bytes).ok();
            }
            let data = mlirDenseElementsAttrGetRawData(self.raw).cast::<u8>();
            if data.is_null() {
                return None;
            }
            let width = ty.dtype.bytes();
            if splat {
                let element = std::slice::from_raw_parts(data, width).to_vec();
                return Tensor::splat_bytes(ty, &element).ok();
            }
            let bytes = std::slice::from_raw_parts(data, count * width).to_vec();
            Tensor::from_bytes(ty, bytes).ok()
        }
    }
}
