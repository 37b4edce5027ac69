//! Conversions: cvt, cvta.

use super::shorts::short;
use super::{Decoder, LOCAL_WINDOW, SHARED_WINDOW};
use crate::fault::Fault;
use crate::float::*;
use crate::read::{Kind, Operand, Type};
use crate::regs::{Alu, Lane, binary, unary};

impl Decoder<'_> {
    pub(crate) fn convert(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        match opcode[0] {
            "cvta" => self.cvta(opcode, operands),
            "cvt" => self.cvt(opcode, operands),
            _ => Ok(false),
        }
    }

    fn cvta(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let [target, source] = operands else {
            return self.fail("cvta has two operands");
        };
        let (d, a) = (self.wide_target(target)?, self.wide(source)?);
        let window = if opcode.contains(&"shared") {
            SHARED_WINDOW
        } else if opcode.contains(&"local") {
            LOCAL_WINDOW
        } else {
            0
        };
        self.alu(if opcode.contains(&"to") {
            unary(d, a, move |a: u64| a.wrapping_sub(window))
        } else {
            unary(d, a, move |a: u64| a.wrapping_add(window))
        });
        Ok(true)
    }

    fn cvt(&mut self, opcode: &[&str], operands: &[Operand]) -> Result<bool, Fault> {
        let types = Self::types(opcode);
        let [to, from] = types.as_slice() else {
            return self.fail("cvt has two types");
        };
        let (to, from) = (*to, *from);
        let round = opcode[1..].iter().find_map(|part| Round::parse(part));
        let has = |part| opcode.contains(&part);
        let (relu, sat, ftz) = (has("relu"), has("sat"), has("ftz"));
        if opcode.iter().any(|part| part.contains("satfinite")) {
            return Ok(false);
        }
        if to.pair {
            return self.cvt_pair(operands, to, from, round, relu);
        }
        let d = self.target(operands, to)?;
        let Some(source) = operands.get(1) else {
            return self.fail("cvt has two operands");
        };
        let a = if from.bits < 64 && self.is_wide(source) {
            let wide = self.wide(source)?;
            let narrow = self.fresh32()?;
            self.alu(unary(narrow, wide, |a: u64| a as u32));
            narrow
        } else {
            self.source(source, from)?
        };
        let float = |ty: Type| matches!(ty.kind, Kind::F | Kind::Bf | Kind::Tf);
        let alu = match (float(to), float(from)) {
            (false, false) => integers(d, a, to, from, sat),
            (true, false) => from_integer(d, a, to, from, round),
            (false, true) => to_integer(d, a, to, from, round, ftz),
            (true, true) => floats(d, a, to, from, round, [relu, sat, ftz]),
        };
        match alu {
            Some(alu) => self.alu(alu),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Two singles into one register: the first operand into the upper half.
    fn cvt_pair(
        &mut self,
        operands: &[Operand],
        to: Type,
        from: Type,
        round: Option<(Round, bool)>,
        relu: bool,
    ) -> Result<bool, Fault> {
        let (Some(short), Kind::F, 32, 3) = (short(to), from.kind, from.bits, operands.len())
        else {
            return Ok(false);
        };
        let d = self.target(operands, to)?;
        let s = self.sources::<2>(&operands[1..], from)?;
        let one = move |x: f32| {
            let x = if relu && x < 0.0 { 0.0 } else { x };
            match round {
                Some((Round::Zero, _)) => short.truncate(x),
                _ => short.narrow32(x),
            }
        };
        self.alu(binary(d, s, move |high: f32, low: f32| {
            u32::from(one(high)) << 16 | u32::from(one(low))
        }));
        Ok(true)
    }
}

/// Casts between integers.
trait Cast<T> {
    fn cast(self) -> T;
    fn clamp_cast(self) -> T;
}

macro_rules! casts {
    ($($from:ident => $($to:ident)*;)*) => {$($(
        impl Cast<$to> for $from {
            fn cast(self) -> $to { self as $to }
            fn clamp_cast(self) -> $to {
                (self as i128).clamp($to::MIN as i128, $to::MAX as i128) as $to
            }
        }
    )*)*};
}

casts! {
    u8 => u8 i8 u16 i16 u32 i32 u64 i64;
    i8 => u8 i8 u16 i16 u32 i32 u64 i64;
    u16 => u8 i8 u16 i16 u32 i32 u64 i64;
    i16 => u8 i8 u16 i16 u32 i32 u64 i64;
    u32 => u8 i8 u16 i16 u32 i32 u64 i64;
    i32 => u8 i8 u16 i16 u32 i32 u64 i64;
    u64 => u8 i8 u16 i16 u32 i32 u64 i64;
    i64 => u8 i8 u16 i16 u32 i32 u64 i64;
}

macro_rules! by_width {
    ($ty:expr, $t:ident => $body:expr) => {
        match ($ty.signed(), $ty.bits) {
            (false, 8) => {
                type $t = u8;
                $body
            }
            (true, 8) => {
                type $t = i8;
                $body
            }
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

fn integers(d: u16, a: u16, to: Type, from: Type, sat: bool) -> Option<Alu> {
    by_width!(from, A => match (to.signed(), to.bits) {
        // A signed result of 8 bits fills its register.
        (true, 8) => Some(unary(d, a, move |a: A| {
            let x: i8 = if sat { a.clamp_cast() } else { a.cast() };
            i32::from(x)
        })),
        _ => by_width!(to, D => Some(if sat {
            unary(d, a, |a: A| -> D { a.clamp_cast() })
        } else {
            unary(d, a, |a: A| -> D { a.cast() })
        })),
    })
}

/// A double from which rounding to any narrower type is rounding once.
fn odd_double(x: i128) -> f64 {
    let magnitude = x.unsigned_abs();
    let bits = 128 - magnitude.leading_zeros();
    if bits <= 53 {
        return x as f64;
    }
    let shift = bits - 53;
    let top = magnitude >> shift;
    let lost = u128::from(magnitude & ((1 << shift) - 1) != 0);
    let value = (top | lost) as f64 * 2f64.powi(shift as i32);
    if x < 0 { -value } else { value }
}

fn from_integer(d: u16, a: u16, to: Type, from: Type, round: Option<(Round, bool)>) -> Option<Alu> {
    let round = round.map_or(Round::Even, |(round, _)| round);
    if let Some(short) = short(to) {
        if round != Round::Even {
            return None;
        }
        return by_width!(from, A => Some(unary(d, a, move |a: A| short.narrow(odd_double(a as i128)))));
    }
    match (to.kind, to.bits, round) {
        (Kind::F, 32, Round::Even) => by_width!(from, A => Some(unary(d, a, |a: A| a as f32))),
        (Kind::F, 32, _) if from.bits <= 32 => {
            by_width!(from, A => Some(unary(d, a, move |a: A| narrow64(a as f64, round))))
        }
        (Kind::F, 64, Round::Even) => by_width!(from, A => Some(unary(d, a, |a: A| a as f64))),
        _ => None,
    }
}

/// An instruction that takes a float as a double, which is exact.
fn from_float<D: Lane>(
    d: u16,
    a: u16,
    from: Type,
    f: impl Fn(f64) -> D + Send + Sync + 'static,
) -> Option<Alu> {
    if let Some(short) = short(from) {
        return Some(unary(d, a, move |a: u16| f(f64::from(short.widen(a)))));
    }
    Some(match (from.kind, from.bits) {
        (Kind::F | Kind::Tf, 32) => unary(d, a, move |a: f32| f(f64::from(a))),
        (Kind::F, 64) => unary(d, a, f),
        _ => return None,
    })
}

fn to_integer(
    d: u16,
    a: u16,
    to: Type,
    from: Type,
    round: Option<(Round, bool)>,
    ftz: bool,
) -> Option<Alu> {
    let round = round.map_or(Round::Zero, |(round, _)| round);
    // What is no number gives zero, or the top bit where one of the types has 64 bits.
    let top = from.bits == 64 || to.bits == 64;
    let prepare = move |x: f64| {
        let x = if ftz && x.abs() < f64::from(f32::MIN_POSITIVE) {
            0.0
        } else {
            x
        };
        round.integer(x)
    };
    match (to.signed(), to.bits) {
        (true, 8) => from_float(d, a, from, move |x| i32::from(prepare(x) as i8)),
        _ => by_width!(to, D => from_float(d, a, from, move |x| {
            if x.is_nan() && top { (1 as D).rotate_right(1) } else { prepare(x) as D }
        })),
    }
}

fn floats(
    d: u16,
    a: u16,
    to: Type,
    from: Type,
    round: Option<(Round, bool)>,
    [relu, sat, ftz]: [bool; 3],
) -> Option<Alu> {
    let (direction, integer) = round.unwrap_or((Round::Even, false));
    let prepare = move |x: f64| {
        let x = if ftz && x.abs() < f64::from(f32::MIN_POSITIVE) {
            0f64.copysign(x)
        } else {
            x
        };
        let x = if integer { direction.integer(x) } else { x };
        let x = if relu && x < 0.0 { 0.0 } else { x };
        if sat {
            if x > 0.0 { x.min(1.0) } else { 0.0 }
        } else {
            x
        }
    };
    let plain = !(ftz || integer || relu || sat);
    if to.kind == Kind::Tf {
        return match direction {
            Round::Away => Some(unary(
                d,
                a,
                move |x: f32| {
                    if relu && x < 0.0 { 0 } else { tf32_away(x) }
                },
            )),
            Round::Even => Some(unary(
                d,
                a,
                move |x: f32| {
                    if relu && x < 0.0 { 0 } else { tf32_even(x) }
                },
            )),
            Round::Zero => Some(unary(d, a, |x: u32| x & 0xffff_e000)),
            _ => None,
        };
    }
    if let Some(short) = short(to) {
        if direction == Round::Zero && !integer {
            if from.bits > 32 {
                return None;
            }
            return from_float(d, a, from, move |x| short.truncate(prepare(x) as f32));
        }
        if !matches!(direction, Round::Even) && !integer {
            return None;
        }
        if plain && from.bits == 32 {
            return Some(unary(d, a, move |x: f32| short.narrow32(x)));
        }
        return from_float(d, a, from, move |x| short.narrow(prepare(x)));
    }
    match to.bits {
        32 if plain && from.bits == 16 => {
            let short = short(from)?;
            Some(unary(d, a, move |x: u16| canonical(short.widen(x))))
        }
        32 => {
            let direction = if integer { Round::Even } else { direction };
            from_float(d, a, from, move |x| narrow64(prepare(x), direction))
        }
        _ => from_float(d, a, from, prepare),
    }
}
