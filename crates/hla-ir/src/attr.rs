//! Attributes: the compile-time arguments of an op.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::tensor::Tensor;
use crate::types::DType;

/// A compile-time argument.
#[derive(Clone, Debug)]
pub enum Attr {
    /// Any integer attribute.
    I64(i64),
    /// Any scalar floating-point attribute.
    F32(f32),
    /// `true` or `false`.
    Bool(bool),
    /// A string or an enumeration's case.
    Str(Arc<str>),
    /// `array<i64: …>`, or the contents of a `!tosa.shape`.
    I64s(Vec<i64>),
    /// `array<f32: …>`.
    F32s(Vec<f32>),
    /// An element type.
    DType(DType),
    /// `dense<…>` and its relatives.
    Tensor(Tensor),
    /// MLIR text of an attribute hlac does not know, kept verbatim.
    Raw(Arc<str>),
}

impl PartialEq for Attr {
    /// Floats compare by their bits, so that equality is reflexive and 0.0 differs from −0.0.
    fn eq(&self, other: &Attr) -> bool {
        match (self, other) {
            (Attr::I64(a), Attr::I64(b)) => a == b,
            (Attr::F32(a), Attr::F32(b)) => a.to_bits() == b.to_bits(),
            (Attr::Bool(a), Attr::Bool(b)) => a == b,
            (Attr::Str(a), Attr::Str(b)) | (Attr::Raw(a), Attr::Raw(b)) => a == b,
            (Attr::I64s(a), Attr::I64s(b)) => a == b,
            (Attr::F32s(a), Attr::F32s(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            (Attr::DType(a), Attr::DType(b)) => a == b,
            (Attr::Tensor(a), Attr::Tensor(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Attr {}

impl Hash for Attr {
    /// Tensors hash by their type and first bytes only: equal tensors hash alike, cheaply.
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Attr::I64(v) => v.hash(state),
            Attr::F32(v) => v.to_bits().hash(state),
            Attr::Bool(v) => v.hash(state),
            Attr::Str(v) | Attr::Raw(v) => v.hash(state),
            Attr::I64s(v) => v.hash(state),
            Attr::F32s(v) => v.iter().for_each(|v| v.to_bits().hash(state)),
            Attr::DType(v) => v.hash(state),
            Attr::Tensor(v) => {
                v.ty().hash(state);
                for value in v.iter_f64().take(16) {
                    value.to_bits().hash(state);
                }
            }
        }
    }
}

macro_rules! from_attr {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Attr {
            fn from(value: $from) -> Attr { Attr::$variant(value.into()) }
        })*
    };
}
from_attr!(i64 => I64, f32 => F32, bool => Bool, &str => Str, Vec<i64> => I64s, Vec<f32> => F32s,
    DType => DType, Tensor => Tensor);

/// The attributes of one op, sorted by name.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Attrs(BTreeMap<Arc<str>, Attr>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Attrs {
        Attrs::default()
    }

    /// Adds or replaces an attribute; for chaining.
    pub fn with(mut self, name: &str, value: impl Into<Attr>) -> Attrs {
        self.set(name, value);
        self
    }

    /// Adds or replaces an attribute.
    pub fn set(&mut self, name: &str, value: impl Into<Attr>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes an attribute.
    pub fn remove(&mut self, name: &str) -> Option<Attr> {
        self.0.remove(name)
    }

    /// The attribute, if present.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.get(name)
    }

    /// All attributes in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(k, v)| (&**k, v))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An integer attribute.
    pub fn i64(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Attr::I64(v)) => Some(*v),
            _ => None,
        }
    }

    /// A floating-point attribute; an integer one is converted.
    pub fn f32(&self, name: &str) -> Option<f32> {
        match self.get(name) {
            Some(Attr::F32(v)) => Some(*v),
            Some(Attr::I64(v)) => Some(*v as f32),
            _ => None,
        }
    }

    /// A boolean attribute.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Attr::Bool(v)) => Some(*v),
            _ => None,
        }
    }

    /// A string attribute.
    pub fn str(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Attr::Str(v)) => Some(v),
            _ => None,
        }
    }

    /// An integer-array attribute.
    pub fn i64s(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Some(Attr::I64s(v)) => Some(v),
            _ => None,
        }
    }

    /// An element-type attribute.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        match self.get(name) {
            Some(Attr::DType(v)) => Some(*v),
            _ => None,
        }
    }

    /// A tensor attribute.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.get(name) {
            Some(Attr::Tensor(v)) => Some(v),
            _ => None,
        }
    }
}
