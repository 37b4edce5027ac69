//! Moves, selections, logic, shifts and other work on bits.

use super::Decoder;
use super::arith::by_int;
use crate::code::Op;
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

    fn mov(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ty = self.ty(opcode)?;
        let [target, source] = operands else {
            return self.fail("a move has two operands");
        };
        if let (Operand::Name(_), Operand::Name(name)) = (target, source)
            && let Some(wide) = match name.as_str() {
                "%clock" | "%clock_hi" => Some(false),
                "%clock64" | "%globaltimer" => Some(true),
                _ => None,
            }
        {
            let slot = if wide {
                self.wide_target(target)?
            } else {
                self.narrow_target(target)?
            };
            self.step(Op::Clock(slot, wide), self.line);
            return Ok(true);
        }
        let alu = match (target, source) {
            (Operand::Vector(parts), source) => return self.unpack(parts, source, ty),
            (target, Operand::Vector(parts)) => return self.pack(target, parts, ty),
            _ if ty.kind == Kind::Pred => {
                let d = self.predicate_target(target)?;
                let (a, negated) = self.predicate_or_not(source)?;
                unary(d, a, move |a: bool| a ^ negated)
            }
            _ if ty.register_bits() == 64 => {
                let (d, a) = (self.wide_target(target)?, self.wide(source)?);
                unary(d, a, |a: u64| a)
            }
            _ => {
                let d = self.narrow_target(target)?;
                let a = self.narrow(source, ty.register_bits())?;
                unary(d, a, |a: u32| a)
            }
        };
        self.alu(alu);
        Ok(true)
    }

    fn unpack(&mut self, parts: &[Operand], source: &Operand, ty: Type) -> Result<bool, Fault> {
        let bits = ty.register_bits() / parts.len().max(1) as u32;
        let a = self.source(source, ty)?;
        // The parts may overwrite the source: read it from a copy.
        let copy = if ty.register_bits() == 64 {
            self.fresh64()?
        } else {
            self.fresh32()?
        };
        self.alu(if ty.register_bits() == 64 {
            unary(copy, a, |a: u64| a)
        } else {
            unary(copy, a, |a: u32| a)
        });
        for (i, part) in parts.iter().enumerate() {
            let shift = bits * i as u32;
            let d = self.narrow_target(part)?;
            let mask = (u64::MAX >> (64 - bits)) as u32;
            self.alu(if ty.register_bits() == 64 {
                unary(d, copy, move |a: u64| (a >> shift) as u32 & mask)
            } else {
                unary(d, copy, move |a: u32| a >> shift & mask)
            });
        }
        Ok(true)
    }

    fn pack(&mut self, target: &Operand, parts: &[Operand], ty: Type) -> Result<bool, Fault> {
        let bits = ty.register_bits() / parts.len().max(1) as u32;
        let wide = ty.register_bits() == 64;
        let sum = if wide {
            self.fresh64()?
        } else {
            self.fresh32()?
        };
        let mask = u64::MAX >> (64 - bits);
        for (i, part) in parts.iter().enumerate() {
            let shift = bits * i as u32;
            let a = self.narrow(part, bits)?;
            self.alu(match (wide, i) {
                (true, 0) => unary(sum, a, move |a: u32| u64::from(a) & mask),
                (false, 0) => unary(sum, a, move |a: u32| a & mask as u32),
                (true, _) => binary(sum, [sum, a], move |sum: u64, a: u32| {
                    sum | (u64::from(a) & mask) << shift
                }),
                (false, _) => binary(sum, [sum, a], move |sum: u32, a: u32| {
                    sum | (a & mask as u32) << shift
                }),
            });
        }
        let alu = if wide {
            unary(self.wide_target(target)?, sum, |a: u64| a)
        } else {
            unary(self.narrow_target(target)?, sum, |a: u32| a)
        };
        self.alu(alu);
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

    fn fields(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let wide = ty.bits == 64;
        let Some((target, rest)) = operands.split_first() else {
            return self.fail("an instruction without operands");
        };
        Ok(match (opcode[0], rest) {
            ("popc" | "clz" | "bfind", [a]) => {
                let d = self.narrow_target(target)?;
                let a = self.source(a, ty)?;
                Some(match (opcode[0], wide) {
                    ("popc", true) => unary(d, a, u64::count_ones),
                    ("popc", false) => unary(d, a, u32::count_ones),
                    ("clz", true) => unary(d, a, u64::leading_zeros),
                    ("clz", false) => unary(d, a, u32::leading_zeros),
                    _ => {
                        let distance = opcode.contains(&"shiftamt");
                        by_int!(ty, T => Some(unary(d, a, move |a: T| {
                            // The top bit that differs from the sign.
                            let a = if (a as i128) < 0 { !a } else { a };
                            let top = (T::BITS - 1).wrapping_sub(a.leading_zeros());
                            if distance && top != u32::MAX { T::BITS - 1 - top } else { top }
                        })))
                        .ok_or_else(|| Fault::new("bfind of this type"))?
                    }
                })
            }
            ("brev", [a]) => {
                let d = self.target(operands, ty)?;
                let a = self.source(a, ty)?;
                Some(if wide {
                    unary(d, a, u64::reverse_bits)
                } else {
                    unary(d, a, u32::reverse_bits)
                })
            }
            ("bfe", [a, b, c]) => {
                let d = self.target(operands, ty)?;
                let s = [
                    self.source(a, ty)?,
                    self.narrow(b, 32)?,
                    self.narrow(c, 32)?,
                ];
                let signed = ty.signed();
                Some(if wide {
                    ternary(d, s, move |a: u64, at: u32, len: u32| {
                        extract(a, 64, at, len, signed)
                    })
                } else {
                    ternary(d, s, move |a: u32, at: u32, len: u32| {
                        extract(u64::from(a), 32, at, len, signed) as u32
                    })
                })
            }
            ("bfi", [a, b, c, n]) => {
                let d = self.target(operands, ty)?;
                let s = [
                    self.source(a, ty)?,
                    self.source(b, ty)?,
                    self.narrow(c, 32)?,
                ];
                let n = self.narrow(n, 32)?;
                let bits = ty.bits;
                Some(Box::new(move |regs, mask| {
                    let lengths = regs.r32[n as usize];
                    let ats = regs.r32[s[2] as usize];
                    for lane in (0..32).filter(|lane| mask >> lane & 1 == 1) {
                        let (at, length) = (ats[lane] & 0xff, lengths[lane] & 0xff);
                        if wide {
                            let [a, b] = [s[0], s[1]].map(|slot| regs.r64[slot as usize][lane]);
                            regs.r64[d as usize][lane] = insert(a, b, bits, at, length);
                        } else {
                            let [a, b] =
                                [s[0], s[1]].map(|slot| u64::from(regs.r32[slot as usize][lane]));
                            regs.r32[d as usize][lane] = insert(a, b, bits, at, length) as u32;
                        }
                    }
                }))
            }
            ("prmt", [_, _, _]) if opcode.len() == 2 => {
                let d = self.target(operands, ty)?;
                let s = self.sources::<3>(rest, ty)?;
                Some(ternary(d, s, permute))
            }
            ("lop3", [a, b, c, Operand::Int(table)]) => {
                let d = self.target(operands, ty)?;
                let s = [
                    self.source(a, ty)?,
                    self.source(b, ty)?,
                    self.source(c, ty)?,
                ];
                let table = *table as u32;
                Some(ternary(d, s, move |a: u32, b: u32, c: u32| {
                    (0..8)
                        .filter(|i| table >> i & 1 == 1)
                        .fold(0, |all, i: u32| {
                            let pick = |x: u32, bit: u32| if i >> bit & 1 == 1 { x } else { !x };
                            all | pick(a, 2) & pick(b, 1) & pick(c, 0)
                        })
                }))
            }
            _ => None,
        })
    }
}

fn extract(a: u64, bits: u32, at: u32, length: u32, signed: bool) -> u64 {
    let (at, length) = (at & 0xff, length & 0xff);
    let last = (at + length).saturating_sub(1).min(bits - 1);
    let sign = signed && length > 0 && a >> last & 1 == 1;
    let fill = if sign { u64::MAX } else { 0 };
    let mut out = fill;
    for i in 0..length.min(bits) {
        let bit = if at + i < bits {
            a >> (at + i) & 1
        } else {
            u64::from(sign)
        };
        out = out & !(1 << i) | bit << i;
    }
    out
}

fn insert(a: u64, b: u64, bits: u32, at: u32, length: u32) -> u64 {
    let mut out = b;
    for i in 0..length {
        if at + i >= bits {
            break;
        }
        out = out & !(1 << (at + i)) | (a >> i & 1) << (at + i);
    }
    out
}

fn permute(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    let mut out = 0;
    for i in 0..4 {
        let select = selector >> (4 * i) & 15;
        let byte = (bytes >> (8 * (select & 7))) as u8;
        let byte = match (select & 8 != 0, byte & 0x80 != 0) {
            (false, _) => byte,
            (true, true) => 0xff,
            (true, false) => 0,
        };
        out |= u32::from(byte) << (8 * i);
    }
    out
}
