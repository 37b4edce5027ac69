//! Arithmetic on f16 and bf16, one or two in a register: in f64, rounded once.

use super::Decoder;
use crate::fault::Fault;
use crate::float::*;
use crate::read::{Kind, Operand, Type};
use crate::regs::{Alu, binary, ternary, unary};

/// How a type's elements are stored, if they are of 16 bits.
pub(crate) fn short(ty: Type) -> Option<Short> {
    match (ty.kind, ty.bits) {
        (Kind::F, 16) => Some(Short::Half),
        (Kind::Bf, 16) => Some(Short::Brain),
        _ => None,
    }
}

fn one(d: u16, [a]: [u16; 1], pair: bool, f: impl Fn(u16) -> u16 + Send + Sync + 'static) -> Alu {
    if !pair {
        return unary(d, a, f);
    }
    unary(d, a, move |a: u32| {
        u32::from(f(a as u16)) | u32::from(f((a >> 16) as u16)) << 16
    })
}

fn two(
    d: u16,
    s: [u16; 2],
    pair: bool,
    f: impl Fn(u16, u16) -> u16 + Send + Sync + 'static,
) -> Alu {
    if !pair {
        return binary(d, s, f);
    }
    binary(d, s, move |a: u32, b: u32| {
        let high = f((a >> 16) as u16, (b >> 16) as u16);
        u32::from(f(a as u16, b as u16)) | u32::from(high) << 16
    })
}

fn three(
    d: u16,
    s: [u16; 3],
    pair: bool,
    f: impl Fn(u16, u16, u16) -> u16 + Send + Sync + 'static,
) -> Alu {
    if !pair {
        return ternary(d, s, f);
    }
    ternary(d, s, move |a: u32, b: u32, c: u32| {
        let high = f((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16);
        u32::from(f(a as u16, b as u16, c as u16)) | u32::from(high) << 16
    })
}

impl Decoder<'_> {
    pub(crate) fn short_arith(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
    ) -> Result<bool, Fault> {
        const KNOWN: &[&str] = &[
            "add", "sub", "mul", "fma", "min", "max", "abs", "neg", "ex2", "tanh",
        ];
        if !KNOWN.contains(&opcode[0]) {
            return Ok(false);
        }
        let ty = self.ty(opcode)?;
        let Some(short) = short(ty) else {
            return Ok(false);
        };
        let has = |part| opcode.contains(&part);
        if has("xorsign") {
            return Ok(false);
        }
        let (pair, nan, sat, relu) = (ty.pair, has("NaN"), has("sat"), has("relu"));
        // Below the smallest normal number, where they count as zero.
        let least = match (has("ftz"), short) {
            (false, _) => 0.0,
            (true, Short::Half) => f64::from(half_to_f32(0x0400)),
            (true, Short::Brain) => f64::from(f32::MIN_POSITIVE),
        };
        let keep = move |x: f64| if x.abs() < least { 0f64.copysign(x) } else { x };
        let wide = move |bits: u16| keep(f64::from(short.widen(bits)));
        let finish = move |x: f64| {
            let x = if sat {
                if x > 0.0 { x.min(1.0) } else { 0.0 }
            } else {
                x
            };
            let x = if relu && x < 0.0 { 0.0 } else { x };
            short.narrow(keep(x))
        };
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        let alu = match opcode[0] {
            "abs" => one(d, self.sources(rest, ty)?, pair, |a| a & 0x7fff),
            "neg" => one(d, self.sources(rest, ty)?, pair, |a| a ^ 0x8000),
            "ex2" => one(d, self.sources(rest, ty)?, pair, move |a| {
                finish(wide(a).exp2())
            }),
            "tanh" => one(d, self.sources(rest, ty)?, pair, move |a| {
                finish(wide(a).tanh())
            }),
            "fma" => three(d, self.sources(rest, ty)?, pair, move |a, b, c| {
                finish(fma_wide(wide(a), wide(b), wide(c)))
            }),
            name => {
                let s = self.sources(rest, ty)?;
                match name {
                    "add" => two(d, s, pair, move |a, b| finish(wide(a) + wide(b))),
                    "sub" => two(d, s, pair, move |a, b| finish(wide(a) - wide(b))),
                    "mul" => two(d, s, pair, move |a, b| finish(wide(a) * wide(b))),
                    "min" => two(d, s, pair, move |a, b| {
                        short.narrow32(min32(short.widen(a), short.widen(b), nan))
                    }),
                    _ => two(d, s, pair, move |a, b| {
                        short.narrow32(max32(short.widen(a), short.widen(b), nan))
                    }),
                }
            }
        };
        self.alu(alu);
        Ok(true)
    }
}
