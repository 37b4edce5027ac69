//! Selections, logic, shifts and dot products of bytes; moves and fields are beside.

use super::Decoder;
use crate::fault::Fault;
use crate::read::{Kind, Operand, Type};
use crate::regs::{Alu, binary, ternary, unary};

impl Decoder<'_> {
    pub(crate) fn bits(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let name = opcode[0];
        if name == "mov" {
            return self.mov(opcode, operands);
        }
        const KNOWN: &[&str] = &[
            "and", "or", "xor", "not", "cnot", "shl", "shr", "selp", "slct", "popc", "clz",
            "bfind", "brev", "bfe", "bfi", "prmt", "shf", "lop3", "dp4a", "dp2a",
        ];
        if !KNOWN.contains(&name) {
            return Ok(false);
        }
        let ty = self.ty(opcode)?;
        let alu = match name {
            _ if ty.kind == Kind::Pred => self.logic_of_predicates(name, operands)?,
            "selp" => Some(self.selp(operands, ty)?),
            "slct" => Some(self.slct(opcode, operands)?),
            "and" | "or" | "xor" | "not" | "cnot" => self.logic(name, operands, ty)?,
            "shl" | "shr" => self.shift(name, operands, ty)?,
            "shf" => self.funnel(opcode, operands, ty)?,
            "dp4a" | "dp2a" => self.dot(opcode, operands)?,
            _ => self.fields(opcode, operands, ty)?,
        };
        match alu {
            Some(alu) => self.alu(alu),
            None => return Ok(false),
        }
        Ok(true)
    }

    fn logic_of_predicates(
        &mut self,
        name: &str,
        operands: &[Operand],
    ) -> Result<Option<Alu>, Fault> {
        let Some((target, sources)) = operands.split_first() else {
            return self.fail("logic without operands");
        };
        let d = self.predicate_target(target)?;
        let mut slots = Vec::new();
        for source in sources {
            slots.push(self.predicate_or_not(source)?);
        }
        Ok(match (name, slots.as_slice()) {
            ("not", &[(a, n)]) => Some(unary(d, a, move |a: bool| !(a ^ n))),
            ("and", &[(a, n), (b, m)]) => {
                Some(binary(d, [a, b], move |a: bool, b: bool| (a ^ n) & (b ^ m)))
            }
            ("or", &[(a, n), (b, m)]) => {
                Some(binary(d, [a, b], move |a: bool, b: bool| (a ^ n) | (b ^ m)))
            }
            ("xor", &[(a, n), (b, m)]) => {
                Some(binary(d, [a, b], move |a: bool, b: bool| a ^ n ^ b ^ m))
            }
            _ => None,
        })
    }

    fn logic(&mut self, name: &str, operands: &[Operand], ty: Type) -> Result<Option<Alu>, Fault> {
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        let mask = (u64::MAX >> (64 - ty.bits)) as u32;
        if ty.bits == 64 {
            if name == "not" || name == "cnot" {
                let [a] = self.sources(rest, ty)?;
                return Ok(Some(if name == "not" {
                    unary(d, a, |a: u64| !a)
                } else {
                    unary(d, a, |a: u64| u64::from(a == 0))
                }));
            }
            let s = self.sources(rest, ty)?;
            return Ok(Some(match name {
                "and" => binary(d, s, |a: u64, b: u64| a & b),
                "or" => binary(d, s, |a: u64, b: u64| a | b),
                _ => binary(d, s, |a: u64, b: u64| a ^ b),
            }));
        }
        if name == "not" || name == "cnot" {
            let [a] = self.sources(rest, ty)?;
            return Ok(Some(if name == "not" {
                unary(d, a, move |a: u32| !a & mask)
            } else {
                unary(d, a, move |a: u32| u32::from(a & mask == 0))
            }));
        }
        let s = self.sources(rest, ty)?;
        Ok(Some(match name {
            "and" => binary(d, s, |a: u32, b: u32| a & b),
            "or" => binary(d, s, |a: u32, b: u32| a | b),
            _ => binary(d, s, |a: u32, b: u32| a ^ b),
        }))
    }

    /// Shifts clamp their amount to the width.
    fn shift(&mut self, name: &str, operands: &[Operand], ty: Type) -> Result<Option<Alu>, Fault> {
        let d = self.target(operands, ty)?;
        let [_, a, b] = operands else {
            return self.fail("a shift has three operands");
        };
        let (a, b) = (self.source(a, ty)?, self.narrow(b, 32)?);
        let s = [a, b];
        if name == "shl" {
            return Ok(match ty.bits {
                64 => Some(binary(d, s, |a: u64, n: u32| a.checked_shl(n).unwrap_or(0))),
                32 => Some(binary(d, s, |a: u32, n: u32| a.checked_shl(n).unwrap_or(0))),
                _ => Some(binary(d, s, |a: u16, n: u32| a.checked_shl(n).unwrap_or(0))),
            });
        }
        Ok(match (ty.signed(), ty.bits) {
            (true, 64) => Some(binary(d, s, |a: i64, n: u32| a >> n.min(63))),
            (true, 32) => Some(binary(d, s, |a: i32, n: u32| a >> n.min(31))),
            (true, _) => Some(binary(d, s, |a: i16, n: u32| a >> n.min(15))),
            (false, 64) => Some(binary(d, s, |a: u64, n: u32| a.checked_shr(n).unwrap_or(0))),
            (false, 32) => Some(binary(d, s, |a: u32, n: u32| a.checked_shr(n).unwrap_or(0))),
            (false, _) => Some(binary(d, s, |a: u16, n: u32| a.checked_shr(n).unwrap_or(0))),
        })
    }

    fn funnel(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let d = self.target(operands, ty)?;
        let s = self.sources::<3>(&operands[1..], ty)?;
        let wrap = opcode.contains(&"wrap");
        let amount = move |n: u32| if wrap { n & 31 } else { n.min(32) };
        let joined = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        Ok(Some(if opcode.contains(&"l") {
            ternary(d, s, move |low: u32, high: u32, n: u32| {
                (joined(low, high) << amount(n) >> 32) as u32
            })
        } else {
            ternary(d, s, move |low: u32, high: u32, n: u32| {
                (joined(low, high) >> amount(n)) as u32
            })
        }))
    }

    fn selp(&mut self, operands: &[Operand], ty: Type) -> Result<Alu, Fault> {
        let d = self.target(operands, ty)?;
        let [_, a, b, p] = operands else {
            return self.fail("a selection has four operands");
        };
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        let (p, negated) = self.predicate_or_not(p)?;
        Ok(if ty.register_bits() == 64 {
            ternary(
                d,
                [a, b, p],
                move |a: u64, b: u64, p: bool| if p ^ negated { a } else { b },
            )
        } else {
            ternary(
                d,
                [a, b, p],
                move |a: u32, b: u32, p: bool| if p ^ negated { a } else { b },
            )
        })
    }

    fn slct(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<Alu, Fault> {
        let types = Self::types(opcode);
        let ([ty, by], [_, a, b, c]) = (types.as_slice(), operands) else {
            return self.fail("slct has two types and four operands");
        };
        let d = self.target(operands, *ty)?;
        let (a, b, c) = (
            self.source(a, *ty)?,
            self.source(b, *ty)?,
            self.source(c, *by)?,
        );
        Ok(match (ty.register_bits(), by.kind) {
            (64, Kind::F) => ternary(
                d,
                [a, b, c],
                |a: u64, b: u64, c: f32| if c >= 0.0 { a } else { b },
            ),
            (64, _) => ternary(
                d,
                [a, b, c],
                |a: u64, b: u64, c: i32| if c >= 0 { a } else { b },
            ),
            (_, Kind::F) => ternary(
                d,
                [a, b, c],
                |a: u32, b: u32, c: f32| if c >= 0.0 { a } else { b },
            ),
            _ => ternary(
                d,
                [a, b, c],
                |a: u32, b: u32, c: i32| if c >= 0 { a } else { b },
            ),
        })
    }

    fn dot(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<Option<Alu>, Fault> {
        let types = Self::types(opcode);
        let [a, b] = types.as_slice() else {
            return self.fail("a dot product has two types");
        };
        let (sa, sb) = (a.signed(), b.signed());
        let d = self.target(operands, *a)?;
        let s = self.sources::<3>(&operands[1..], *a)?;
        let byte = |x: u32, i: u32, signed: bool| {
            let byte = (x >> (8 * i)) as u8;
            if signed {
                i32::from(byte as i8)
            } else {
                i32::from(byte)
            }
        };
        if opcode[0] == "dp4a" {
            return Ok(Some(ternary(d, s, move |a: u32, b: u32, c: i32| {
                (0..4).fold(c, |sum, i| {
                    sum.wrapping_add(byte(a, i, sa) * byte(b, i, sb))
                })
            })));
        }
        let first = if opcode.contains(&"hi") { 2 } else { 0 };
        Ok(Some(ternary(d, s, move |a: u32, b: u32, c: i32| {
            (0..2).fold(c, |sum, i| {
                let half = (a >> (16 * i)) as u16;
                let half = if sa {
                    i32::from(half as i16)
                } else {
                    i32::from(half)
                };
                sum.wrapping_add(half.wrapping_mul(byte(b, i + first, sb)))
            })
        })))
    }
}
