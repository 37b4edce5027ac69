//! Comparisons: setp, set, testp.

use super::Decoder;
use super::shorts::short;
use crate::fault::Fault;
use crate::read::{Kind, Operand, Type};
use crate::regs::{Alu, Lane, binary, unary};

impl Decoder<'_> {
    pub(crate) fn compare(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        match opcode[0] {
            "setp" => self.setp(opcode, operands),
            "set" => self.set(opcode, operands),
            "testp" => self.testp(opcode, operands),
            _ => Ok(false),
        }
    }

    fn setp(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ty = self.ty(opcode)?;
        let Some((target, rest)) = operands.split_first() else {
            return self.fail("a comparison without operands");
        };
        let (yes, no) = match target {
            Operand::Either(yes, no) => (
                self.predicate_target(yes)?,
                Some(self.predicate_target(no)?),
            ),
            one => (self.predicate_target(one)?, None),
        };
        if ty.pair {
            return self.setp_pair(opcode, rest, ty, yes, no);
        }
        let simple = no.is_none() && rest.len() == 2;
        let result = if simple { yes } else { self.fresh_predicate()? };
        if !self.comparison(opcode, rest, ty, result)? {
            return Ok(false);
        }
        if simple {
            return Ok(true);
        }
        let Some(combine) = combination(opcode) else {
            if let (Some(no), 2) = (no, rest.len()) {
                self.alu(unary(no, result, |r: bool| !r));
                self.alu(unary(yes, result, |r: bool| r));
                return Ok(true);
            }
            return Ok(false);
        };
        let Some(with) = rest.get(2) else {
            return self.fail("a combined comparison needs a predicate");
        };
        let (with, negated) = self.predicate_or_not(with)?;
        let held = self.fresh_predicate()?;
        self.alu(unary(held, with, move |c: bool| c ^ negated));
        if let Some(no) = no {
            self.alu(binary(no, [result, held], move |r: bool, c: bool| {
                combine(!r, c)
            }));
        }
        self.alu(binary(yes, [result, held], combine));
        Ok(true)
    }

    /// Two comparisons of 16 bits: that of the lower halves into the first predicate.
    fn setp_pair(
        &mut self,
        opcode: &[&str],
        rest: &[Operand],
        ty: Type,
        low: u16,
        high: Option<u16>,
    ) -> Result<bool, Fault> {
        let ([a, b], Some(high)) = (rest, high) else {
            return Ok(false);
        };
        let each = Type { pair: false, ..ty };
        let words = [self.source(a, ty)?, self.source(b, ty)?];
        for (shift, target) in [(0, low), (16, high)] {
            let halves = [self.fresh32()?, self.fresh32()?];
            for (half, word) in halves.into_iter().zip(words) {
                self.alu(unary(half, word, move |x: u32| x >> shift & 0xffff));
            }
            if !self.compare_slots(opcode, halves, each, target)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn set(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let types = Self::types(opcode);
        let [to, ty] = types.as_slice() else {
            return self.fail("set has two types");
        };
        let d = self.target(operands, *to)?;
        let result = self.fresh_predicate()?;
        let rest = &operands[1..];
        if !self.comparison(opcode, rest, *ty, result)? {
            return Ok(false);
        }
        if let Some(combine) = combination(opcode) {
            let Some(with) = rest.get(2) else {
                return self.fail("a combined comparison needs a predicate");
            };
            let (with, negated) = self.predicate_or_not(with)?;
            self.alu(binary(result, [result, with], move |r: bool, c: bool| {
                combine(r, c ^ negated)
            }));
        }
        let float = to.kind == Kind::F;
        self.alu(unary(d, result, move |r: bool| match (r, float) {
            (false, _) => 0u32,
            (true, true) => 1f32.to_bits(),
            (true, false) => u32::MAX,
        }));
        Ok(true)
    }

    fn comparison(
        &mut self,
        opcode: &[&str],
        rest: &[Operand],
        ty: Type,
        d: u16,
    ) -> Result<bool, Fault> {
        if rest.len() < 2 || ty.pair {
            return Ok(false);
        }
        let s = self.sources::<2>(&rest[..2], ty)?;
        self.compare_slots(opcode, s, ty, d)
    }

    fn compare_slots(
        &mut self,
        opcode: &[&str],
        s: [u16; 2],
        ty: Type,
        d: u16,
    ) -> Result<bool, Fault> {
        let Some(&relation) = opcode[1..].iter().find(|part| RELATIONS.contains(part)) else {
            return Ok(false);
        };
        let ftz = opcode.contains(&"ftz");
        let alu = match (ty.kind, ty.bits) {
            (Kind::F, 32) if ftz => floats(relation, d, s, crate::float::flush),
            (Kind::F, 32) => floats(relation, d, s, |x: f32| x),
            (Kind::F, 64) => floats(relation, d, s, |x: f64| x),
            (Kind::F | Kind::Bf, 16) => match short(ty) {
                Some(short) => floats(relation, d, s, move |x: u16| short.widen(x)),
                None => None,
            },
            (Kind::S, 16) => integers::<i16>(relation, d, s),
            (Kind::S, 32) => integers::<i32>(relation, d, s),
            (Kind::S, 64) => integers::<i64>(relation, d, s),
            (_, 16) => integers::<u16>(relation, d, s),
            (_, 32) => integers::<u32>(relation, d, s),
            (_, 64) => integers::<u64>(relation, d, s),
            _ => None,
        };
        match alu {
            Some(alu) => self.alu(alu),
            None => return Ok(false),
        }
        Ok(true)
    }

    fn testp(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let ty = self.ty(opcode)?;
        let [target, a] = operands else {
            return self.fail("testp has two operands");
        };
        let d = self.predicate_target(target)?;
        let a = self.source(a, ty)?;
        let alu = match (opcode[1], ty.bits) {
            ("finite", 32) => unary(d, a, f32::is_finite),
            ("infinite", 32) => unary(d, a, f32::is_infinite),
            ("number", 32) => unary(d, a, |x: f32| !x.is_nan()),
            ("notanumber", 32) => unary(d, a, f32::is_nan),
            ("normal", 32) => unary(d, a, f32::is_normal),
            ("subnormal", 32) => unary(d, a, f32::is_subnormal),
            ("finite", 64) => unary(d, a, f64::is_finite),
            ("infinite", 64) => unary(d, a, f64::is_infinite),
            ("number", 64) => unary(d, a, |x: f64| !x.is_nan()),
            ("notanumber", 64) => unary(d, a, f64::is_nan),
            ("normal", 64) => unary(d, a, f64::is_normal),
            ("subnormal", 64) => unary(d, a, f64::is_subnormal),
            _ => return Ok(false),
        };
        self.alu(alu);
        Ok(true)
    }
}

const RELATIONS: &[&str] = &[
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu",
    "geu", "num", "nan",
];

fn combination(opcode: &[&str]) -> Option<fn(bool, bool) -> bool> {
    opcode[1..].iter().find_map(|&part| match part {
        "and" => Some((|a, b| a & b) as fn(bool, bool) -> bool),
        "or" => Some((|a, b| a | b) as fn(bool, bool) -> bool),
        "xor" => Some((|a, b| a ^ b) as fn(bool, bool) -> bool),
        _ => None,
    })
}

fn integers<T: Lane + Ord>(relation: &str, d: u16, s: [u16; 2]) -> Option<Alu> {
    Some(match relation {
        "eq" => binary(d, s, |a: T, b: T| a == b),
        "ne" => binary(d, s, |a: T, b: T| a != b),
        "lt" | "lo" => binary(d, s, |a: T, b: T| a < b),
        "le" | "ls" => binary(d, s, |a: T, b: T| a <= b),
        "gt" | "hi" => binary(d, s, |a: T, b: T| a > b),
        "ge" | "hs" => binary(d, s, |a: T, b: T| a >= b),
        _ => return None,
    })
}

/// Comparisons of floats are false where an operand is no number, those that end in `u` true.
fn floats<T: Lane, F: PartialOrd + Copy>(
    relation: &str,
    d: u16,
    s: [u16; 2],
    value: impl Fn(T) -> F + Send + Sync + Copy + 'static,
) -> Option<Alu> {
    let unordered = |a: F, b: F| a.partial_cmp(&b).is_none();
    let v = value;
    Some(match relation {
        "eq" => binary(d, s, move |a: T, b: T| v(a) == v(b)),
        "ne" => binary(d, s, move |a: T, b: T| v(a) < v(b) || v(a) > v(b)),
        "lt" => binary(d, s, move |a: T, b: T| v(a) < v(b)),
        "le" => binary(d, s, move |a: T, b: T| v(a) <= v(b)),
        "gt" => binary(d, s, move |a: T, b: T| v(a) > v(b)),
        "ge" => binary(d, s, move |a: T, b: T| v(a) >= v(b)),
        "equ" => binary(d, s, move |a: T, b: T| {
            v(a) == v(b) || unordered(v(a), v(b))
        }),
        "neu" => binary(d, s, move |a: T, b: T| v(a) != v(b)),
        "ltu" => binary(d, s, move |a: T, b: T| v(a) < v(b) || unordered(v(a), v(b))),
        "leu" => binary(d, s, move |a: T, b: T| {
            v(a) <= v(b) || unordered(v(a), v(b))
        }),
        "gtu" => binary(d, s, move |a: T, b: T| v(a) > v(b) || unordered(v(a), v(b))),
        "geu" => binary(d, s, move |a: T, b: T| {
            v(a) >= v(b) || unordered(v(a), v(b))
        }),
        "num" => binary(d, s, move |a: T, b: T| !unordered(v(a), v(b))),
        "nan" => binary(d, s, move |a: T, b: T| unordered(v(a), v(b))),
        _ => return None,
    })
}
