//! Arithmetic on f32 and f64.

use super::Decoder;
use crate::fault::Fault;
use crate::float::*;
use crate::read::{Operand, Type};
use crate::regs::{Alu, binary, ternary, unary};

impl Decoder<'_> {
    /// Two singles in a register of 64 bits, the first in its lower half.
    pub(super) fn singles(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let plain = opcode[1..]
            .iter()
            .all(|part| matches!(*part, "rn" | "ftz" | "f32x2"));
        if !plain {
            return Ok(None);
        }
        let ftz = opcode.contains(&"ftz");
        let value = move |bits: u64, i: u32| {
            let x = f32::from_bits((bits >> (32 * i)) as u32);
            if ftz { flush(x) } else { x }
        };
        let both = move |f: &dyn Fn(u32) -> f32| {
            let word = |i| {
                let x = f(i);
                u64::from((if ftz { flush(x) } else { x }).to_bits())
            };
            word(0) | word(1) << 32
        };
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        if opcode[0] == "fma" {
            let s = self.sources::<3>(rest, ty)?;
            return Ok(Some(ternary(d, s, move |a: u64, b: u64, c: u64| {
                both(&|i| fma32(value(a, i), value(b, i), value(c, i)))
            })));
        }
        let f: fn(f32, f32) -> f32 = match opcode[0] {
            "add" => |a, b| canonical(a + b),
            "sub" => |a, b| canonical(a - b),
            "mul" => |a, b| canonical(a * b),
            _ => return Ok(None),
        };
        let s = self.sources::<2>(rest, ty)?;
        Ok(Some(binary(d, s, move |a: u64, b: u64| {
            both(&|i| f(value(a, i), value(b, i)))
        })))
    }

    pub(super) fn single(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let has = |part| opcode.contains(&part);
        let (ftz, sat, nan) = (has("ftz"), has("sat"), has("NaN"));
        let approximate = has("approx") || has("full");
        // Other directions of rounding than to the nearest are not needed by what LLVM emits.
        if has("rz") || has("rm") || has("rp") {
            return Ok(None);
        }
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        let inner: Alu = match opcode[0] {
            "min" | "max" if rest.len() == 3 => {
                let s = self.sources::<3>(rest, ty)?;
                let f = if opcode[0] == "min" { min32 } else { max32 };
                ternary(d, s, move |a: f32, b: f32, c: f32| f(f(a, b, nan), c, nan))
            }
            "add" | "sub" | "mul" | "div" | "min" | "max" | "copysign" => {
                let s = self.sources::<2>(rest, ty)?;
                match opcode[0] {
                    "add" => binary(d, s, |a: f32, b: f32| canonical(a + b)),
                    "sub" => binary(d, s, |a: f32, b: f32| canonical(a - b)),
                    "mul" => binary(d, s, |a: f32, b: f32| canonical(a * b)),
                    "div" => binary(d, s, |a: f32, b: f32| canonical(a / b)),
                    "min" => binary(d, s, move |a: f32, b: f32| min32(a, b, nan)),
                    "max" => binary(d, s, move |a: f32, b: f32| max32(a, b, nan)),
                    // The sign of the first operand on the second.
                    _ => binary(d, s, |a: u32, b: u32| a & 0x8000_0000 | b & 0x7fff_ffff),
                }
            }
            "fma" | "mad" => {
                let s = self.sources::<3>(rest, ty)?;
                ternary(d, s, fma32)
            }
            "abs" | "neg" => {
                let [a] = self.sources::<1>(rest, ty)?;
                if opcode[0] == "abs" {
                    unary(d, a, |a: u32| a & 0x7fff_ffff)
                } else {
                    unary(d, a, |a: u32| a ^ 0x8000_0000)
                }
            }
            "rcp" | "sqrt" => {
                let [a] = self.sources::<1>(rest, ty)?;
                if opcode[0] == "rcp" {
                    unary(d, a, |a: f32| canonical(1.0 / a))
                } else {
                    unary(d, a, |a: f32| canonical(a.sqrt()))
                }
            }
            _ if !approximate => return Ok(None),
            name => {
                let [a] = self.sources::<1>(rest, ty)?;
                match name {
                    "rsqrt" => unary(d, a, |a: f32| through_f64(a, |x| 1.0 / x.sqrt())),
                    "ex2" => unary(d, a, |a: f32| through_f64(a, f64::exp2)),
                    "lg2" => unary(d, a, |a: f32| through_f64(a, f64::log2)),
                    "tanh" => unary(d, a, |a: f32| through_f64(a, f64::tanh)),
                    "sin" => unary(d, a, |a: f32| through_f64(a, f64::sin)),
                    "cos" => unary(d, a, |a: f32| through_f64(a, f64::cos)),
                    _ => return Ok(None),
                }
            }
        };
        if !ftz && !sat {
            return Ok(Some(inner));
        }
        // Subnormal operands count as zero, and so do results; then they are clamped.
        let mut sources = Vec::new();
        for operand in rest {
            sources.push(self.source(operand, ty)?);
        }
        if !ftz {
            let clamp = unary(d, d, |a: f32| saturate(a));
            return Ok(Some(Box::new(move |regs, mask| {
                inner(regs, mask);
                clamp(regs, mask);
            })));
        }
        let after = unary(
            d,
            d,
            move |a: f32| if sat { saturate(flush(a)) } else { flush(a) },
        );
        Ok(Some(Box::new(move |regs, mask| {
            let saved: Vec<_> = sources
                .iter()
                .map(|&slot| regs.r32[slot as usize])
                .collect();
            for &slot in &sources {
                let register = &mut regs.r32[slot as usize];
                *register = register.map(|bits| flush(f32::from_bits(bits)).to_bits());
            }
            inner(regs, mask);
            for (&slot, saved) in sources.iter().zip(&saved) {
                if slot == d {
                    crate::regs::blend(&mut regs.r32[slot as usize], !mask, saved);
                } else {
                    regs.r32[slot as usize] = *saved;
                }
            }
            after(regs, mask);
        })))
    }

    pub(super) fn double(
        &mut self,
        opcode: &[&str],
        operands: &[Operand],
        ty: Type,
    ) -> Result<Option<Alu>, Fault> {
        let has = |part| opcode.contains(&part);
        if has("rz") || has("rm") || has("rp") || has("sat") {
            return Ok(None);
        }
        let d = self.target(operands, ty)?;
        let rest = &operands[1..];
        Ok(Some(match (opcode[0], rest.len()) {
            ("fma" | "mad", 3) => {
                let s = self.sources::<3>(rest, ty)?;
                ternary(d, s, |a: f64, b: f64, c: f64| a.mul_add(b, c))
            }
            (name, 2) => {
                let s = self.sources::<2>(rest, ty)?;
                match name {
                    "add" => binary(d, s, |a: f64, b: f64| a + b),
                    "sub" => binary(d, s, |a: f64, b: f64| a - b),
                    "mul" => binary(d, s, |a: f64, b: f64| a * b),
                    "div" => binary(d, s, |a: f64, b: f64| a / b),
                    "min" => binary(d, s, min64),
                    "max" => binary(d, s, max64),
                    "copysign" => binary(d, s, |a: f64, b: f64| b.copysign(a)),
                    _ => return Ok(None),
                }
            }
            (name, 1) => {
                let [a] = self.sources::<1>(rest, ty)?;
                match name {
                    "abs" => unary(d, a, |a: u64| a & !(1 << 63)),
                    "neg" => unary(d, a, |a: u64| a ^ 1 << 63),
                    "rcp" => unary(d, a, |a: f64| 1.0 / a),
                    "sqrt" => unary(d, a, f64::sqrt),
                    "rsqrt" => unary(d, a, |a: f64| 1.0 / a.sqrt()),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }
}

fn through_f64(x: f32, f: impl Fn(f64) -> f64) -> f32 {
    canonical(f(f64::from(x)) as f32)
}
