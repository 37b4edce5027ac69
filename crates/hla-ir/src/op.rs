//! What an op declaration is made of. The declarations themselves stand in [`crate::ops`].

use std::fmt;

use crate::attr::{Attr, Attrs};
use crate::ops::Op;
use crate::types::{DType, TensorType};

/// The declaration of an op: printer, parser, builder, verifier and the op table of the manual
/// derive from it.
#[derive(Debug)]
pub struct OpDef {
    /// The op declared.
    pub op: Op,
    /// Full MLIR name, dialect included.
    pub name: &'static str,
    /// One sentence for the manual, with the equation.
    pub summary: &'static str,
    /// Tensor operands in order.
    pub operands: &'static [OperandDef],
    /// Attributes; those of operand form follow the tensor operands in this order in MLIR.
    pub attrs: &'static [AttrDef],
    /// Elementwise with broadcasting of unit extents: result element i depends on element i of
    /// each operand alone.
    pub elementwise: bool,
    /// The two operands may be exchanged without changing a bit of the result.
    pub commutative: bool,
    /// Shape inference and verification of operands and attributes.
    pub infer: fn(&Infer<'_>) -> Result<Vec<TensorType>, String>,
}

/// A tensor operand of an op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperandDef {
    /// Name in the manual and in error messages.
    pub name: &'static str,
    /// How many values it stands for.
    pub arity: Arity,
}

/// How many values an operand stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one; only as the last operand.
    Optional,
    /// One or more; only as the last operand.
    Variadic,
}

/// An attribute of an op.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AttrDef {
    /// Name in MLIR.
    pub name: &'static str,
    /// What values it takes.
    pub kind: AttrKind,
    /// How MLIR spells it.
    pub form: Form,
    /// The value meant when it is absent.
    pub default: Default,
}

/// What values an attribute takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttrKind {
    /// [`Attr::I64`], spelled with MLIR type `i32`.
    I32,
    /// [`Attr::I64`], spelled with MLIR type `i64`.
    I64,
    /// [`Attr::F32`].
    F32,
    /// A value of operand 0's element type: [`Attr::F32`] for a float, else [`Attr::I64`].
    Scalar,
    /// [`Attr::I64`], spelled with MLIR type `i8`.
    I8,
    /// [`Attr::Bool`].
    Bool,
    /// [`Attr::Str`].
    Str,
    /// [`Attr::Str`]: `PROPAGATE` or `IGNORE`, spelled `#tosa.nan_mode<…>`.
    NanMode,
    /// [`Attr::I64s`], spelled `array<i32: …>`.
    I32s,
    /// [`Attr::I64s`].
    I64s,
    /// [`Attr::DType`].
    DType,
    /// [`Attr::Tensor`].
    Tensor,
}

/// How MLIR spells an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As an attribute.
    Attribute,
    /// As a trailing operand of type `!tosa.shape<n>`, defined by `tosa.const_shape`.
    ShapeOperand,
    /// As a trailing operand of type `tensor<1xT>`, defined by `tosa.const`; T is the element type
    /// of the tensor operand with this index, or `i8` for kind [`AttrKind::I8`].
    ConstOperand(usize),
    /// Not at all: it is the element type of the result.
    ResultType,
}

/// The value meant when an attribute is absent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Default {
    /// It must be present.
    Required,
    /// It may be absent, with a meaning of its own.
    Absent,
    /// An integer.
    I64(i64),
    /// A float.
    F32(f32),
    /// Zero of the kind's type.
    Zero,
    /// A boolean.
    Bool(bool),
    /// A string.
    Str(&'static str),
}

impl Default {
    /// The value as an attribute; `Zero` is given as an integer.
    pub fn attr(self) -> Option<Attr> {
        match self {
            Default::Required | Default::Absent => None,
            Default::I64(v) => Some(Attr::I64(v)),
            Default::F32(v) => Some(Attr::F32(v)),
            Default::Zero => Some(Attr::I64(0)),
            Default::Bool(v) => Some(Attr::Bool(v)),
            Default::Str(v) => Some(v.into()),
        }
    }
}

/// What shape inference sees of an op.
pub struct Infer<'a> {
    /// The op's declaration.
    pub def: &'static OpDef,
    /// Types of the operands.
    pub operands: &'a [&'a TensorType],
    /// Attributes as given; defaults are applied by the accessors here.
    pub attrs: &'a Attrs,
}

impl Infer<'_> {
    /// Type of operand `i`.
    pub fn operand(&self, i: usize) -> &TensorType {
        self.operands[i]
    }

    /// A required integer array of a fixed length, every entry at least `min`.
    pub fn array<const N: usize>(&self, name: &str, min: i64) -> Result<[usize; N], String> {
        let values = self
            .attrs
            .i64s(name)
            .ok_or_else(|| format!("attribute '{name}' is missing"))?;
        let values: [i64; N] = values.try_into().map_err(|_| {
            format!(
                "attribute '{name}' must have {N} entries, not {}",
                values.len()
            )
        })?;
        let mut out = [0; N];
        for (o, v) in out.iter_mut().zip(values) {
            if v < min || v > i64::from(i32::MAX) {
                return Err(format!(
                    "attribute '{name}' has the entry {v}; at least {min} is needed"
                ));
            }
            *o = v as usize;
        }
        Ok(out)
    }

    /// A required axis of operand 0.
    pub fn axis(&self) -> Result<usize, String> {
        let axis = self
            .attrs
            .i64("axis")
            .ok_or("attribute 'axis' is missing")?;
        usize::try_from(axis)
            .ok()
            .filter(|&a| a < self.operand(0).rank())
            .ok_or_else(|| format!("axis {axis} is outside rank {}", self.operand(0).rank()))
    }

    /// The element type named by `out_type`, or else a default.
    pub fn out_type(&self, default: DType) -> DType {
        self.attrs.dtype("out_type").unwrap_or(default)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.def().name)
    }
}
