//! Fields of bits: extraction, insertion, permutation, counting.

use super::Decoder;
use super::arith::by_int;
use crate::fault::Fault;
use crate::read::{Operand, Type};
use crate::regs::{Alu, ternary, unary};

impl Decoder<'_> {
    pub(super) fn fields(
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
