//! Instructions of whole warps and blocks: barriers, shuffles, votes, matrices.

use super::Decoder;
use crate::code::*;
use crate::fault::Fault;
use crate::float::Short;
use crate::read::Operand;

impl Decoder<'_> {
    pub(crate) fn warp(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        match opcode {
            ["bar", "warp", "sync"] => {
                let [mask] = operands else {
                    return self.fail("bar.warp.sync has a mask");
                };
                let mask = self.narrow(mask, 32)?;
                self.step(Op::WarpSync(mask), self.line);
            }
            ["bar", "sync"]
            | ["bar", "cta", "sync"]
            | ["barrier", "sync"]
            | ["barrier", "sync", "aligned"]
            | ["barrier", "cta", "sync"]
            | ["barrier", "cta", "sync", "aligned"] => {
                let id = match operands.first() {
                    Some(id) => self.narrow(id, 32)?,
                    None => return self.fail("a barrier has a number"),
                };
                let count = match operands.get(1) {
                    Some(count) => Some(self.narrow(count, 32)?),
                    None => None,
                };
                self.step(Op::Barrier(id, count), self.line);
            }
            ["shfl", "sync", kind, "b32"] => return self.shuffle(kind, operands),
            ["vote", "sync", kind, _] => return self.vote(kind, operands),
            ["match", kind, "sync", bits] => return self.matching(kind, bits, operands),
            ["redux", "sync", kind, ty] => return self.redux(kind, ty, operands),
            ["activemask", "b32"] => {
                let Some(d) = operands.first() else {
                    return self.fail("activemask has an operand");
                };
                let d = self.narrow_target(d)?;
                self.step(Op::ActiveMask(d), self.line);
            }
            ["elect", ..] => return Ok(false),
            ["ldmatrix", rest @ ..] => return self.ldmatrix(rest, operands),
            ["mma", rest @ ..] => return self.mma(rest, operands),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn shuffle(&mut self, kind: &str, operands: &[Operand]) -> Result<bool, Fault> {
        let kind = match kind {
            "idx" => ShuffleKind::Index,
            "bfly" => ShuffleKind::Butterfly,
            "up" => ShuffleKind::Up,
            "down" => ShuffleKind::Down,
            _ => return Ok(false),
        };
        let [target, value, lane, clamp, mask] = operands else {
            return self.fail("a shuffle has five operands");
        };
        let (result, valid) = match target {
            Operand::Either(d, p) => (self.narrow_target(d)?, Some(self.predicate_target(p)?)),
            d => (self.narrow_target(d)?, None),
        };
        let shuffle = Shuffle {
            kind,
            result,
            valid,
            value: self.narrow(value, 32)?,
            lane: self.narrow(lane, 32)?,
            clamp: self.narrow(clamp, 32)?,
            mask: self.narrow(mask, 32)?,
        };
        self.step(Op::Shuffle(Box::new(shuffle)), self.line);
        Ok(true)
    }

    fn vote(&mut self, kind: &str, operands: &[Operand]) -> Result<bool, Fault> {
        let [target, predicate, mask] = operands else {
            return self.fail("a vote has three operands");
        };
        let vote = match kind {
            "all" => Vote::All(self.predicate_target(target)?),
            "any" => Vote::Any(self.predicate_target(target)?),
            "uni" => Vote::Uniform(self.predicate_target(target)?),
            "ballot" => Vote::Ballot(self.narrow_target(target)?),
            _ => return Ok(false),
        };
        let (predicate, negated) = self.predicate_or_not(predicate)?;
        let mask = self.narrow(mask, 32)?;
        self.step(Op::Vote(vote, predicate, negated, mask), self.line);
        Ok(true)
    }

    fn matching(&mut self, kind: &str, bits: &str, operands: &[Operand]) -> Result<bool, Fault> {
        let [target, value, mask] = operands else {
            return self.fail("match has three operands");
        };
        let (result, valid) = match target {
            Operand::Either(d, p) => (self.narrow_target(d)?, Some(self.predicate_target(p)?)),
            d => (self.narrow_target(d)?, None),
        };
        let wide = bits == "b64";
        let value = (
            if wide {
                self.wide(value)?
            } else {
                self.narrow(value, 32)?
            },
            wide,
        );
        let mask = self.narrow(mask, 32)?;
        let all = kind == "all";
        self.step(
            Op::Match(Box::new(Match {
                all,
                result,
                valid,
                value,
                mask,
            })),
            self.line,
        );
        Ok(true)
    }

    fn redux(&mut self, kind: &str, ty: &str, operands: &[Operand]) -> Result<bool, Fault> {
        let kind = match (kind, ty) {
            ("add", "u32" | "s32") => Redux::Add,
            ("min", "u32") => Redux::MinU,
            ("min", "s32") => Redux::MinS,
            ("max", "u32") => Redux::MaxU,
            ("max", "s32") => Redux::MaxS,
            ("and", "b32") => Redux::And,
            ("or", "b32") => Redux::Or,
            ("xor", "b32") => Redux::Xor,
            _ => return Ok(false),
        };
        let [d, a, mask] = operands else {
            return self.fail("redux has three operands");
        };
        let (d, a) = (self.narrow_target(d)?, self.narrow(a, 32)?);
        let mask = self.narrow(mask, 32)?;
        self.step(Op::Redux(kind, d, a, mask), self.line);
        Ok(true)
    }

    fn list(&mut self, operand: &Operand, target: bool) -> Result<Vec<u16>, Fault> {
        let parts = match operand {
            Operand::Vector(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut slots = Vec::new();
        for part in parts {
            slots.push(if target {
                self.narrow_target(part)?
            } else {
                self.narrow(part, 32)?
            });
        }
        Ok(slots)
    }

    fn ldmatrix(&mut self, rest: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let [
            "sync",
            "aligned",
            "m8n8",
            count @ ("x1" | "x2" | "x4"),
            rest @ ..,
        ] = rest
        else {
            return Ok(false);
        };
        let transposed = match rest {
            ["shared" | "shared::cta", "b16"] => false,
            ["trans", "shared" | "shared::cta", "b16"] => true,
            _ => return Ok(false),
        };
        let [target, address] = operands else {
            return self.fail("ldmatrix has two operands");
        };
        let registers = self.list(target, true)?;
        if format!("x{}", registers.len()) != *count {
            return self.fail("ldmatrix has another number of registers");
        }
        let address = self.address(address)?;
        let op = Ldmatrix {
            registers,
            transposed,
            address,
        };
        self.step(Op::Ldmatrix(Box::new(op)), self.line);
        Ok(true)
    }

    fn mma(&mut self, rest: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ["sync", "aligned", shape, "row", "col", rest @ ..] = rest else {
            return Ok(false);
        };
        let (saturate, rest) = match rest {
            ["satfinite", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let [d_type, a_type, b_type, c_type] = rest else {
            return Ok(false);
        };
        let k = match *shape {
            "m16n8k4" => 4,
            "m16n8k8" => 8,
            "m16n8k16" => 16,
            "m16n8k32" => 32,
            _ => return Ok(false),
        };
        let ty = match (*a_type, *b_type) {
            ("f16", "f16") => MmaType::Short(Short::Half),
            ("bf16", "bf16") => MmaType::Short(Short::Brain),
            ("tf32", "tf32") => MmaType::Tf32,
            ("s8" | "u8", "s8" | "u8") => MmaType::Int8(*a_type == "s8", *b_type == "s8"),
            _ => return Ok(false),
        };
        // Elements in a register.
        let (fits, each) = match ty {
            MmaType::Short(_) => (k == 8 || k == 16, 2),
            MmaType::Tf32 => (k == 4 || k == 8, 1),
            MmaType::Int8(..) => (k == 16 || k == 32, 4),
        };
        let half = match (ty, *d_type, *c_type) {
            (MmaType::Int8(..), "s32", "s32") => false,
            (MmaType::Short(Short::Half), "f16", "f16") => true,
            (MmaType::Short(_) | MmaType::Tf32, "f32", "f32") => false,
            _ => return Ok(false),
        };
        if !fits {
            return Ok(false);
        }
        let [d, a, b, c] = operands else {
            return self.fail("mma has four operands");
        };
        let op = Mma {
            ty,
            k,
            half,
            saturate,
            d: self.list(d, true)?,
            a: self.list(a, false)?,
            b: self.list(b, false)?,
            c: self.list(c, false)?,
        };
        let sums = if half { 2 } else { 4 };
        let right = op.d.len() == sums
            && op.c.len() == sums
            && op.a.len() == 16 * k / 32 / each
            && op.b.len() == 8 * k / 32 / each;
        if !right {
            return self.fail("mma has another number of registers");
        }
        self.step(Op::Mma(Box::new(op)), self.line);
        Ok(true)
    }
}
