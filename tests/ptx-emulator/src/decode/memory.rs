//! Loads, stores, atomic operations, asynchronous copies.

use super::Decoder;
use crate::code::*;
use crate::fault::Fault;
use crate::read::{Kind, Operand};
use crate::regs::unary;

impl Decoder<'_> {
    pub(crate) fn memory(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        match opcode[0] {
            "ld" | "ldu" | "st" if opcode.contains(&"param") || opcode.contains(&"param::func") => {
                self.param_access(opcode, operands)
            }
            "ld" | "ldu" => self.access(opcode, operands, true),
            "st" => self.access(opcode, operands, false),
            "atom" | "red" => self.atomic(opcode, operands),
            "cp" => self.copy(opcode, operands),
            "membar" | "fence" | "prefetch" | "prefetchu" | "griddepcontrol" | "nanosleep" => {
                self.step(Op::Nothing, self.line);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn space(&self, opcode: &[&str]) -> Where {
        for part in &opcode[1..] {
            match *part {
                "global" | "const" => return Where::Global,
                "shared" | "shared::cta" => return Where::Shared,
                "local" => return Where::Local,
                _ => {}
            }
        }
        Where::Generic
    }

    pub(crate) fn address(&mut self, operand: &Operand) -> Result<Address, Fault> {
        let Operand::Address(base, offset) = operand else {
            return self.fail(format!("{operand:?} where an address is expected"));
        };
        let wide = !self.is_narrow(base);
        let base = if wide {
            self.wide(base)?
        } else {
            self.narrow(base, 32)?
        };
        Ok(Address {
            base,
            wide,
            offset: *offset,
        })
    }

    fn grain(&mut self, space: Where, bytes: u64) {
        if matches!(space, Where::Shared | Where::Generic) {
            self.code.shared_grain = self.code.shared_grain.min(bytes);
        }
        if matches!(space, Where::Global | Where::Generic) {
            self.code.global_grain = self.code.global_grain.min(bytes);
        }
    }

    fn parts(operand: &Operand) -> &[Operand] {
        match operand {
            Operand::Vector(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    fn access(&mut self, opcode: &[&str], operands: &[Operand], load: bool) -> Result<bool, Fault> {
        const QUALIFIERS: &[&str] = &[
            "global",
            "const",
            "shared",
            "shared::cta",
            "local",
            "weak",
            "relaxed",
            "acquire",
            "release",
            "volatile",
            "gpu",
            "cta",
            "sys",
            "ca",
            "cg",
            "cs",
            "lu",
            "cv",
            "wb",
            "wt",
            "nc",
            "v2",
            "v4",
            "v8",
            "unified",
        ];
        let ty = self.ty(opcode)?;
        for part in &opcode[1..opcode.len() - 1] {
            if !QUALIFIERS.contains(part) && !part.starts_with("L1::") && !part.starts_with("L2::")
            {
                return Ok(false);
            }
        }
        // A cache policy may follow; it changes no value.
        let (Some(first), Some(second)) = (operands.first(), operands.get(1)) else {
            return self.fail("an access has two operands");
        };
        let (values, address) = if load {
            (first, second)
        } else {
            (second, first)
        };
        let space = self.space(opcode);
        let address = self.address(address)?;
        let mut registers = Vec::new();
        for part in Self::parts(values) {
            let sink = matches!(part, Operand::Name(name) if name == "_");
            let wide = self.is_wide(part) || (ty.bits == 64 && (sink || !self.is_narrow(part)));
            let slot = match (load, wide) {
                (true, true) => self.wide_target(part)?,
                (true, false) => self.narrow_target(part)?,
                (false, true) => self.wide(part)?,
                (false, false) => self.narrow(part, ty.bits)?,
            };
            registers.push((slot, wide));
        }
        let bytes = ty.bytes();
        let total = bytes * registers.len() as u64;
        if !matches!(total, 1 | 2 | 4 | 8 | 16 | 32) {
            return self.fail(format!("an access of {total} bytes"));
        }
        self.grain(space, total);
        let access = Box::new(Access {
            space,
            address,
            bytes: bytes as u8,
            signed: ty.signed(),
            registers,
        });
        self.step(
            if load {
                Op::Load(access)
            } else {
                Op::Store(access)
            },
            self.line,
        );
        Ok(true)
    }

    fn param_access(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ty = self.ty(opcode)?;
        let load = opcode[0] != "st";
        let [first, second] = operands else {
            return self.fail("an access has two operands");
        };
        let (values, address) = if load {
            (first, second)
        } else {
            (second, first)
        };
        let Operand::Address(base, offset) = address else {
            return self.fail("a parameter is accessed by its name");
        };
        let Operand::Name(name) = &**base else {
            return self.fail("a parameter is accessed by its name");
        };
        for (i, part) in Self::parts(values).iter().enumerate() {
            let at = offset + i as i64 * ty.bytes() as i64;
            let slot = self.param(name, at, ty.bytes())?;
            let alu = match (load, ty.bits == 64) {
                (true, true) => unary(self.wide_target(part)?, slot, |a: u64| a),
                (true, false) => unary(self.narrow_target(part)?, slot, |a: u32| a),
                (false, true) => unary(slot, self.wide(part)?, |a: u64| a),
                (false, false) => unary(slot, self.narrow(part, ty.bits)?, |a: u32| a),
            };
            self.alu(alu);
        }
        Ok(true)
    }

    fn atomic(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ty = self.ty(opcode)?;
        let float = ty.kind == Kind::F;
        let kind = opcode[1..].iter().find_map(|part| {
            Some(match (*part, ty.signed()) {
                ("add", _) if float => AtomicKind::AddFloat,
                ("add", _) => AtomicKind::Add,
                ("min", true) => AtomicKind::MinS,
                ("min", false) => AtomicKind::MinU,
                ("max", true) => AtomicKind::MaxS,
                ("max", false) => AtomicKind::MaxU,
                ("and", _) => AtomicKind::And,
                ("or", _) => AtomicKind::Or,
                ("xor", _) => AtomicKind::Xor,
                ("exch", _) => AtomicKind::Exchange,
                ("cas", _) => AtomicKind::CompareExchange,
                _ => return None,
            })
        });
        let Some(kind) = kind else {
            return Ok(false);
        };
        if ty.register_bits() < 32 || ty.pair || opcode.contains(&"v2") || opcode.contains(&"v4") {
            return Ok(false);
        }
        if float && kind == AtomicKind::AddFloat {
            self.code.float_atomics.push(self.line);
        }
        let with_result = opcode[0] == "atom";
        let (result, rest) = match (with_result, operands) {
            (true, [d, rest @ ..]) => (Some(self.target(std::slice::from_ref(d), ty)?), rest),
            (true, []) => return self.fail("an atomic operation without operands"),
            (false, rest) => (None, rest),
        };
        let Some((address, values)) = rest.split_first() else {
            return self.fail("an atomic operation without an address");
        };
        let needed = if kind == AtomicKind::CompareExchange {
            2
        } else {
            1
        };
        if values.len() < needed {
            return self.fail("an atomic operation with too few operands");
        }
        let space = self.space(opcode);
        let address = self.address(address)?;
        let mut slots = Vec::new();
        for value in &values[..needed] {
            slots.push(self.source(value, ty)?);
        }
        self.grain(space, ty.bytes());
        let atomic = Atomic {
            space,
            address,
            kind,
            wide: ty.bits == 64,
            result,
            operands: slots,
        };
        self.step(Op::Atomic(Box::new(atomic)), self.line);
        Ok(true)
    }

    fn copy(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        match opcode {
            [
                "cp",
                "async",
                "ca" | "cg",
                "shared" | "shared::cta",
                "global",
                rest @ ..,
            ] if rest.iter().all(|part| part.starts_with("L2::")) => {
                let [target, source, Operand::Int(bytes), given @ ..] = operands else {
                    return self.fail("cp.async has a target, a source and a size");
                };
                let bytes = *bytes as u64;
                let whole = opcode[2] == "cg" && bytes != 16;
                if !matches!(bytes, 4 | 8 | 16) || whole {
                    return self.fail(format!("cp.async.{} of {bytes} bytes", opcode[2]));
                }
                let target = self.address(target)?;
                let source = self.address(source)?;
                let given = match given.first() {
                    Some(given)
                        if rest.contains(&"L2::cache_hint") && given_is_policy(self, given) =>
                    {
                        None
                    }
                    Some(given) => Some(self.narrow(given, 32)?),
                    None => None,
                };
                self.grain(Where::Shared, bytes);
                let copy = AsyncCopy {
                    target,
                    source,
                    bytes,
                    given,
                };
                self.step(Op::Copy(Box::new(copy)), self.line);
            }
            ["cp", "async", "commit_group"] => self.step(Op::CopyCommit, self.line),
            ["cp", "async", "wait_group"] => {
                let Some(Operand::Int(groups)) = operands.first() else {
                    return self.fail("cp.async.wait_group has a number");
                };
                self.step(Op::CopyWait(Some(*groups as u32)), self.line);
            }
            ["cp", "async", "wait_all"] => self.step(Op::CopyWait(None), self.line),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A cache policy is a register of 64 bits.
fn given_is_policy(decoder: &Decoder, operand: &Operand) -> bool {
    decoder.is_wide(operand)
}
