//! Chains of casts, and packing undone.

use hla_ir::{Attrs, DType, Diagnostic, Op, ValueId};

use super::{Cx, Rule};

type Found = Result<Option<ValueId>, Diagnostic>;

/// The rules of this file.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("cast-same", cast_same),
    ("cast-cast", cast_cast),
    ("unpack-pack", unpack_pack),
];

// cast(x: T → T) = x
fn cast_same(cx: &mut Cx<'_, '_>) -> Found {
    Ok(cx.is(Op::Cast).then(|| cx.operands[0]))
}

/// Whether every value of one type is a value of another.
fn widens(from: DType, to: DType) -> bool {
    use DType::{BF16, F16, F32, I1, I8, I16, I32, I64, Index};
    match from {
        I1 => true,
        I8 => !matches!(to, I1),
        I16 => matches!(to, I16 | I32 | I64 | Index | F32),
        I32 => matches!(to, I32 | I64 | Index),
        I64 | Index => matches!(to, I64 | Index),
        F16 => matches!(to, F16 | F32),
        BF16 => matches!(to, BF16 | F32),
        F32 => to == F32,
    }
}

// cast(cast(x: A → B) → C) = cast(x: A → C) where B holds all of A, and A → C rounds as B → C does
fn cast_cast(cx: &mut Cx<'_, '_>) -> Found {
    if !cx.is(Op::Cast) {
        return Ok(None);
    }
    let Some(inner) = cx.inner(0, Op::Cast) else {
        return Ok(None);
    };
    let x = inner.operands[0];
    let (a, b, c) = (cx.value_ty(x).dtype, cx.operand_ty(0).dtype, cx.ty.dtype);
    // Floats saturate on the way to integers, integers wrap: A → C must not need either, or A and
    // B must both be floats or both not.
    let alike = a.is_float() == b.is_float() || c.is_float() || widens(a, c);
    if !(widens(a, b) && alike) {
        return Ok(None);
    }
    cx.push(Op::Cast, &[x], Attrs::new().with("out_type", c))
}

// unpack(pack(x)) = x
fn unpack_pack(cx: &mut Cx<'_, '_>) -> Found {
    let inner = cx.inner(0, Op::Pack);
    Ok(inner.filter(|_| cx.is(Op::Unpack)).map(|n| n.operands[0]))
}
