//! Arithmetic on integers; that on f32 and f64 is in `floats`.

use super::Decoder;
use crate::fault::Fault;
use crate::read::{Kind, Operand, Type};
use crate::regs::{Alu, Lane, binary, ternary, unary};

/// Integers with PTX's arithmetic: sums wrap, and division by zero gives all ones.
pub(crate) trait Int: Lane + Ord {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn high(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn rem(self, other: Self) -> Self;
    fn abs(self) -> Self;
}

macro_rules! int {
    ($($ty:ident $wide:ident $abs:expr;)*) => {$(
        impl Int for $ty {
            fn add(self, other: $ty) -> $ty { self.wrapping_add(other) }
            fn sub(self, other: $ty) -> $ty { self.wrapping_sub(other) }
            fn mul(self, other: $ty) -> $ty { self.wrapping_mul(other) }
            fn high(self, other: $ty) -> $ty {
                ((self as $wide * other as $wide) >> $ty::BITS) as $ty
            }
            fn div(self, other: $ty) -> $ty {
                if other == 0 { !0 } else { self.wrapping_div(other) }
            }
            fn rem(self, other: $ty) -> $ty {
                if other == 0 { self } else { self.wrapping_rem(other) }
            }
            fn abs(self) -> $ty { $abs(self) }
        }
    )*};
}

int! {
    u16 u32 |x| x; i16 i32 i16::wrapping_abs;
    u32 u64 |x| x; i32 i64 i32::wrapping_abs;
    u64 u128 |x| x; i64 i128 i64::wrapping_abs;
}

/// Runs an expression with `$t` as the integer type of a PTX type.
macro_rules! by_int {
    ($ty:expr, $t:ident => $body:expr) => {
        match ($ty.signed(), $ty.bits) {
            (false, 16) => {
                type $t = u16;
                $body
            }
            (true, 16) => {
                type $t = i16;
                $body
            }
            (false, 32) => {
                type $t = u32;
                $body
            }
            (true, 32) => {
                type $t = i32;
                $body
            }
            (false, 64) => {
                type $t = u64;
                $body
            }
            (true, 64) => {
                type $t = i64;
                $body
            }
            _ => None,
        }
    };
}
pub(crate) use by_int;

impl Decoder<'_> {
    /// Slots of source operands of a type.
    pub(crate) fn sources<const N: usize>(
        &mut self,
        operands: &[Operand],
        ty: Type,
    ) -> Result<[u16; N], Fault> {
        if operands.len() != N {
            return self.fail(format!(
                "{N} source operands expected, not {}",
                operands.len()
            ));
        }
        let mut slots = [0; N];
        for (slot, operand) in slots.iter_mut().zip(operands) {
            *slot = self.source(operand, ty)?;
        }
        Ok(slots)
    }

    /// The slot of a source operand of a type.
    pub(crate) fn source(&mut self, operand: &Operand, ty: Type) -> Result<u16, Fault> {
        if ty.register_bits() == 64 {
            self.wide(operand)
        } else {
            self.narrow(operand, ty.register_bits())
        }
    }

    /// The slot of the destination of a type.
    pub(crate) fn target(&mut self, operands: &[Operand], ty: Type) -> Result<u16, Fault> {
        let Some(operand) = operands.first() else {
            return self.fail("an instruction without operands");
        };
        if ty.register_bits() == 64 {
            self.wide_target(operand)
        } else {
            self.narrow_target(operand)
        }
    }

    pub(crate) fn arith(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        const KNOWN: &[&str] = &[
            "add", "sub", "mul", "mad", "fma", "div", "rem", "min", "max", "abs", "neg", "rcp",
            "sqrt", "rsqrt", "ex2", "lg2", "tanh", "sin", "cos", "copysign", "sad",
        ];
        let name = opcode[0];
        if !KNOWN.contains(&name) {
            return Ok(false);
        }
        if opcode.contains(&"cc") || opcode.iter().any(|part| part.starts_with("xorsign")) {
            return Ok(false);
        }
        let ty = self.ty(opcode)?;
        let alu = match (ty.kind, ty.bits) {
            (Kind::F, 32) if ty.pair => self.singles(opcode, operands, ty)?,
            (Kind::F, 32) => self.single(opcode, operands, ty)?,
            (Kind::F, 64) => self.double(opcode, operands, ty)?,
            (Kind::U | Kind::S | Kind::B, _) if !ty.pair => self.integer(opcode, operands, ty)?,
            _ => None,
        };
        if let Some(alu) = alu {
            self.alu(alu);
            return Ok(true);
        }
        Ok(false)
    }

    fn integer(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let name = opcode[0];
        let has = |part| opcode.contains(&part);
        if has("wide") {
            return self.wide_product(name, operands, ty);
        }
        if has("sat") {
            if (name, ty.kind, ty.bits) != ("add", Kind::S, 32)
                && (name, ty.kind, ty.bits) != ("sub", Kind::S, 32)
            {
                return Ok(None);
            }
            let d = self.target(operands, ty)?;
            let s = self.sources::<2>(&operands[1..], ty)?;
            return Ok(Some(if name == "add" {
                binary(d, s, |a: i32, b: i32| a.saturating_add(b))
            } else {
                binary(d, s, |a: i32, b: i32| a.saturating_sub(b))
            }));
        }
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        Ok(match name {
            "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" => {
                let s = self.sources::<2>(rest, ty)?;
                by_int!(ty, T => int_binary::<T>(name, has("hi"), d, s))
            }
            "mad" => {
                let s = self.sources::<3>(rest, ty)?;
                let high = has("hi");
                by_int!(ty, T => Some(if high {
                    ternary(d, s, |a: T, b: T, c: T| Int::add(a.high(b), c))
                } else {
                    ternary(d, s, |a: T, b: T, c: T| Int::add(Int::mul(a, b), c))
                }))
            }
            "sad" => {
                let s = self.sources::<3>(rest, ty)?;
                by_int!(ty, T => Some(ternary(d, s, |a: T, b: T, c: T| {
                    Int::add(c, Int::sub(a.max(b), a.min(b)))
                })))
            }
            "neg" | "abs" => {
                let [a] = self.sources::<1>(rest, ty)?;
                by_int!(ty, T => Some(if name == "neg" {
                    unary(d, a, |a: T| Int::sub(T::default(), a))
                } else {
                    unary(d, a, |a: T| Int::abs(a))
                }))
            }
            _ => None,
        })
    }

    fn wide_product(
        &mut self,
        name: &str,
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let result = Type {
            bits: ty.bits * 2,
            ..ty
        };
        let d = self.target(operands, result)?;
        if operands.len() < 3 {
            return self.fail("a product needs two operands");
        }
        let [a, b] = self.sources::<2>(&operands[1..3], ty)?;
        let c = match (name, operands.get(3)) {
            ("mad", Some(c)) => Some(self.source(c, result)?),
            ("mul", None) => None,
            _ => return Ok(None),
        };
        Ok(Some(match (ty.signed(), ty.bits, c) {
            (false, 32, None) => binary(d, [a, b], |a: u32, b: u32| u64::from(a) * u64::from(b)),
            (true, 32, None) => binary(d, [a, b], |a: i32, b: i32| i64::from(a) * i64::from(b)),
            (false, 16, None) => binary(d, [a, b], |a: u16, b: u16| u32::from(a) * u32::from(b)),
            (true, 16, None) => binary(d, [a, b], |a: i16, b: i16| i32::from(a) * i32::from(b)),
            (false, 32, Some(c)) => ternary(d, [a, b, c], |a: u32, b: u32, c: u64| {
                (u64::from(a) * u64::from(b)).wrapping_add(c)
            }),
            (true, 32, Some(c)) => ternary(d, [a, b, c], |a: i32, b: i32, c: i64| {
                (i64::from(a) * i64::from(b)).wrapping_add(c)
            }),
            (false, 16, Some(c)) => ternary(d, [a, b, c], |a: u16, b: u16, c: u32| {
                (u32::from(a) * u32::from(b)).wrapping_add(c)
            }),
            (true, 16, Some(c)) => ternary(d, [a, b, c], |a: i16, b: i16, c: i32| {
                (i32::from(a) * i32::from(b)).wrapping_add(c)
            }),
            _ => return Ok(None),
        }))
    }
}

fn int_binary<T: Int>(name: &str, high: bool, d: u16, s: [u16; 2]) -> Option<Alu> {
    Some(match name {
        "add" => binary(d, s, |a: T, b: T| a.add(b)),
        "sub" => binary(d, s, |a: T, b: T| a.sub(b)),
        "mul" if high => binary(d, s, |a: T, b: T| a.high(b)),
        "mul" => binary(d, s, |a: T, b: T| a.mul(b)),
        "div" => binary(d, s, |a: T, b: T| a.div(b)),
        "rem" => binary(d, s, |a: T, b: T| a.rem(b)),
        "min" => binary(d, s, |a: T, b: T| a.min(b)),
        "max" => binary(d, s, |a: T, b: T| a.max(b)),
        _ => return None,
    })
}
