//! Moves, also of parts of registers.

use super::Decoder;
use crate::code::Op;
use crate::fault::Fault;
use crate::read::{Kind, Operand, Type};
use crate::regs::{binary, unary};

impl Decoder<'_> {
    pub(super) fn mov(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
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

    pub(super) fn unpack(
        &mut self,
        parts: &[Operand],
        source: &Operand,
        ty: Type,
    ) -> Result<bool, Fault> {
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

    pub(super) fn pack(
        &mut self,
        target: &Operand,
        parts: &[Operand],
        ty: Type,
    ) -> Result<bool, Fault> {
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
}
