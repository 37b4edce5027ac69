//! Attributes of MLIR as attributes of the IR.

use hla_ir::op::{AttrDef, AttrKind};
use hla_ir::{Attr, DType, Tensor};

use super::{Importer, opaque, utf8};
use crate::ffi::Attribute;

impl<'a> Importer<'a> {
    /// A tensor, dense or from a resource. `Ok(None)` if it is neither, or of a type hlac has not.
    pub(super) fn tensor(&self, value: Attribute<'a>) -> Result<Option<Tensor>, String> {
        if let Some((key, ty)) = value.resource() {
            return self.resources.tensor(&key, ty).map(Some);
        }
        Ok(value.dense())
    }

    /// An attribute that nothing declares: as data where that prints back the same, else as text.
    pub(super) fn attribute(&self, value: Attribute<'a>) -> Result<Attr, String> {
        if let Some(v) = value.bool() {
            return Ok(Attr::Bool(v));
        }
        if let Some((v, DType::I64)) = value.int() {
            return Ok(Attr::I64(v));
        }
        if let Some((v, DType::F32)) = value.float() {
            return Ok(Attr::F32(v));
        }
        if let Some(text) = value.string().and_then(utf8)
            && value.ty().text() == "none"
        {
            return Ok((&*text).into());
        }
        if let Some(v) = value.i64s() {
            return Ok(Attr::I64s(v));
        }
        if let Some(v) = value.f32s() {
            return Ok(Attr::F32s(v));
        }
        if let Some(v) = value.type_value().and_then(|ty| ty.dtype()) {
            return Ok(Attr::DType(v));
        }
        if let Some(tensor) = self.tensor(value)? {
            return Ok(Attr::Tensor(tensor));
        }
        self.without_resources(&value.text())
            .map(|text| Attr::Raw(text.into()))
    }

    /// A declared attribute; `Ok(None)` if the value is not of the declared kind.
    pub(super) fn declared(
        &self,
        def: &AttrDef,
        value: Attribute<'a>,
    ) -> Result<Option<Attr>, String> {
        Ok(match def.kind {
            AttrKind::Bool => value.bool().map(Attr::Bool),
            AttrKind::I32 => int_of(value, DType::I32),
            AttrKind::I64 => int_of(value, DType::I64),
            AttrKind::I8 => int_of(value, DType::I8),
            AttrKind::F32 => match value.float() {
                Some((v, DType::F32)) => Some(Attr::F32(v)),
                _ => None,
            },
            AttrKind::Scalar => match (value.bool(), value.float(), value.int()) {
                (Some(v), ..) => Some(Attr::I64(i64::from(v))),
                (_, Some((v, _)), _) => Some(Attr::F32(v)),
                (.., Some((v, _))) => Some(Attr::I64(v)),
                _ => None,
            },
            AttrKind::Str => value.string().and_then(utf8).map(|v| (&*v).into()),
            AttrKind::NanMode => {
                let text = value.text();
                text.strip_prefix("#tosa.nan_mode<")
                    .and_then(|v| v.strip_suffix('>'))
                    .map(Attr::from)
            }
            AttrKind::I32s => value.i32s().map(Attr::I64s),
            AttrKind::I64s => value.i64s().map(Attr::I64s),
            AttrKind::DType => value
                .type_value()
                .and_then(|ty| ty.dtype())
                .map(Attr::DType),
            AttrKind::Tensor => self.tensor(value)?.map(Attr::Tensor),
        })
    }

    /// Text of MLIR's with the blobs of resources put in their place.
    pub(super) fn without_resources(&self, text: &str) -> Result<String, String> {
        opaque::replace_resources(text, |key, ty| self.resources.dense_text(key, ty))
    }
}

fn int_of(value: Attribute<'_>, dtype: DType) -> Option<Attr> {
    match value.int() {
        Some((v, have)) if have == dtype => Some(Attr::I64(v)),
        _ => None,
    }
}
