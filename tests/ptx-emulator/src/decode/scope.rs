//! Names and what they stand for.

use std::collections::HashMap;

use super::Decoder;
use crate::code::Special;
use crate::fault::Fault;
use crate::read::{Kind, Operand, Type};

/// What a name of a body stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    /// A register of up to 32 bits.
    Narrow(u16),
    /// A register of 64 bits.
    Wide(u16),
    /// A predicate.
    Pred(u16),
    /// An address in thread memory.
    Address(u64),
}

/// Names of a pair of braces.
#[derive(Default, Debug)]
pub(crate) struct Scope {
    names: HashMap<String, Slot>,
    /// Parts of parameters: name, offset, bytes.
    params: HashMap<(String, i64, u64), u16>,
    declared: Vec<String>,
    /// Formal parameters of an inlined function, and what the caller calls them.
    bound: HashMap<String, String>,
}

impl Scope {
    pub(crate) fn param(&mut self, name: &str, offset: i64, bytes: u64, slot: u16) {
        self.params.insert((name.to_string(), offset, bytes), slot);
    }

    pub(crate) fn declare_param(&mut self, name: &str) {
        self.declared.push(name.to_string());
    }

    pub(crate) fn address(&mut self, name: &str, at: u64) {
        self.names.insert(name.to_string(), Slot::Address(at));
    }

    pub(crate) fn bind(&mut self, formal: &str, actual: &str) {
        self.bound.insert(formal.to_string(), actual.to_string());
    }
}

impl Decoder<'_> {
    pub(crate) fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn next(&mut self, file: usize) -> Result<u16, Fault> {
        let slot = self.code.registers[file];
        self.code.registers[file] += 1;
        match u16::try_from(slot) {
            Ok(slot) => Ok(slot),
            Err(_) => self.fail("more than 65536 registers"),
        }
    }

    /// A register of 32 bits that nothing else uses.
    pub(crate) fn fresh32(&mut self) -> Result<u16, Fault> {
        self.next(0)
    }

    /// A register of 64 bits that nothing else uses.
    pub(crate) fn fresh64(&mut self) -> Result<u16, Fault> {
        self.next(1)
    }

    /// A predicate that nothing else uses.
    pub(crate) fn fresh_predicate(&mut self) -> Result<u16, Fault> {
        self.next(2)
    }

    pub(crate) fn declare(
        &mut self,
        ty: Type,
        name: &str,
        count: Option<u32>,
    ) -> Result<(), Fault> {
        let names: Vec<String> = match count {
            Some(count) => (0..count).map(|i| format!("{name}{i}")).collect(),
            None => vec![name.to_string()],
        };
        for name in names {
            let slot = match (ty.kind, ty.register_bits()) {
                (Kind::Pred, _) => Slot::Pred(self.fresh_predicate()?),
                (_, 64) => Slot::Wide(self.fresh64()?),
                _ => Slot::Narrow(self.fresh32()?),
            };
            self.scope().names.insert(name, slot);
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Option<Slot> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.names.get(name).copied())
    }

    /// The slot that holds a part of a parameter.
    pub(crate) fn param(&mut self, name: &str, offset: i64, bytes: u64) -> Result<u16, Fault> {
        // A formal parameter of an inlined function is known to its caller by another name.
        let mut name = name.to_string();
        let mut level = self.scopes.len();
        while level > 0 {
            level -= 1;
            let scope = &self.scopes[level];
            if let Some(actual) = scope.bound.get(&name) {
                name = actual.clone();
                continue;
            }
            let key = (name.clone(), offset, bytes);
            if let Some(&slot) = scope.params.get(&key) {
                return Ok(slot);
            }
            if scope.declared.contains(&name) {
                let slot = if bytes == 8 {
                    self.fresh64()?
                } else {
                    self.fresh32()?
                };
                self.scopes[level].params.insert(key, slot);
                return Ok(slot);
            }
        }
        self.fail(format!(
            "no parameter `{name}` of {bytes} bytes at {offset}"
        ))
    }

    pub(crate) fn constant32(&mut self, value: u32) -> Result<u16, Fault> {
        if let Some(&slot) = self.constants32.get(&value) {
            return Ok(slot);
        }
        let slot = self.fresh32()?;
        self.constants32.insert(value, slot);
        self.code.constants32.push((slot, value));
        Ok(slot)
    }

    pub(crate) fn constant64(&mut self, value: u64) -> Result<u16, Fault> {
        if let Some(&slot) = self.constants64.get(&value) {
            return Ok(slot);
        }
        let slot = self.fresh64()?;
        self.constants64.insert(value, slot);
        self.code.constants64.push((slot, value));
        Ok(slot)
    }

    /// A slot of 32 bits with the value of an operand; an immediate has so many bits.
    pub(crate) fn narrow(&mut self, operand: &Operand, bits: u32) -> Result<u16, Fault> {
        let mask = (u64::MAX >> (64 - bits.min(32))) as u32;
        match operand {
            Operand::Int(value) => self.constant32(*value as u32 & mask),
            Operand::F32(value) => self.constant32(*value),
            Operand::F64(value) => self.constant32((f64::from_bits(*value) as f32).to_bits()),
            Operand::Name(name) => match self.lookup(name) {
                Some(Slot::Narrow(slot)) => Ok(slot),
                Some(Slot::Address(at)) => self.constant32(at as u32),
                Some(_) => self.fail(format!("`{name}` is not a register of up to 32 bits")),
                None => match self.shared.get(name) {
                    Some(&at) => self.constant32(at as u32),
                    None => self.special(name),
                },
            },
            other => self.fail(format!("{other:?} where a value of 32 bits is expected")),
        }
    }

    /// A slot of 64 bits with the value of an operand.
    pub(crate) fn wide(&mut self, operand: &Operand) -> Result<u16, Fault> {
        match operand {
            Operand::Int(value) => self.constant64(*value as u64),
            Operand::F64(value) => self.constant64(*value),
            Operand::F32(value) => self.constant64(f64::from(f32::from_bits(*value)).to_bits()),
            Operand::Name(name) => match self.lookup(name) {
                Some(Slot::Wide(slot)) => Ok(slot),
                Some(Slot::Address(at)) => self.constant64(at),
                Some(_) => self.fail(format!("`{name}` is not a register of 64 bits")),
                None => self.symbol(name),
            },
            other => self.fail(format!("{other:?} where a value of 64 bits is expected")),
        }
    }

    fn symbol(&mut self, name: &str) -> Result<u16, Fault> {
        if let Some(&at) = self.shared.get(name) {
            return self.constant64(at);
        }
        if let Some(&slot) = self.code.globals.get(name) {
            return Ok(slot);
        }
        if self
            .module
            .variables
            .iter()
            .any(|variable| variable.name == name)
        {
            let slot = self.fresh64()?;
            self.code.globals.insert(name.to_string(), slot);
            return Ok(slot);
        }
        self.fail(format!("the name `{name}` is not known"))
    }

    fn special(&mut self, name: &str) -> Result<u16, Fault> {
        let Some(special) = special(name) else {
            return self.fail(format!("the name `{name}` is not known"));
        };
        if let Some(&slot) = self.specials.get(&special) {
            return Ok(slot);
        }
        let slot = self.fresh32()?;
        self.specials.insert(special, slot);
        self.code.specials.push((slot, special));
        Ok(slot)
    }

    /// The slot of a predicate; a constant becomes one.
    pub(crate) fn predicate(&mut self, operand: &Operand) -> Result<u16, Fault> {
        match operand {
            Operand::Name(name) => match self.lookup(name) {
                Some(Slot::Pred(slot)) => Ok(slot),
                _ => self.fail(format!("`{name}` is not a predicate")),
            },
            other => self.fail(format!("{other:?} where a predicate is expected")),
        }
    }

    /// The slot of a predicate and whether it is negated. Constants get a predicate of their own.
    pub(crate) fn predicate_or_not(&mut self, operand: &Operand) -> Result<(u16, bool), Fault> {
        match operand {
            Operand::Not(name) => Ok((self.predicate(&Operand::Name(name.clone()))?, true)),
            // A predicate that is never written is false.
            Operand::Int(value) => Ok((self.fresh_predicate()?, *value != 0)),
            other => Ok((self.predicate(other)?, false)),
        }
    }

    /// A destination; `_` is one that nobody reads.
    pub(crate) fn narrow_target(&mut self, operand: &Operand) -> Result<u16, Fault> {
        match operand {
            Operand::Name(name) if name == "_" => self.fresh32(),
            Operand::Name(name) => match self.lookup(name) {
                Some(Slot::Narrow(slot)) => Ok(slot),
                _ => self.fail(format!("`{name}` is not a register of up to 32 bits")),
            },
            other => self.fail(format!("{other:?} as a destination")),
        }
    }

    /// A destination of 64 bits.
    pub(crate) fn wide_target(&mut self, operand: &Operand) -> Result<u16, Fault> {
        match operand {
            Operand::Name(name) if name == "_" => self.fresh64(),
            Operand::Name(name) => match self.lookup(name) {
                Some(Slot::Wide(slot)) => Ok(slot),
                _ => self.fail(format!("`{name}` is not a register of 64 bits")),
            },
            other => self.fail(format!("{other:?} as a destination")),
        }
    }

    /// A destination predicate.
    pub(crate) fn predicate_target(&mut self, operand: &Operand) -> Result<u16, Fault> {
        match operand {
            Operand::Name(name) if name == "_" => self.fresh_predicate(),
            other => self.predicate(other),
        }
    }

    /// Whether an operand is a register of 64 bits.
    pub(crate) fn is_wide(&self, operand: &Operand) -> bool {
        matches!(operand, Operand::Name(name) if matches!(self.lookup(name), Some(Slot::Wide(_))))
    }

    /// Whether a name is that of a register of 32 bits or fewer.
    pub(crate) fn is_narrow(&self, operand: &Operand) -> bool {
        matches!(operand, Operand::Name(name) if matches!(self.lookup(name), Some(Slot::Narrow(_))))
    }
}

fn special(name: &str) -> Option<Special> {
    let dimension = |suffix: &str| match suffix {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        _ => None,
    };
    let name = name.strip_prefix('%')?;
    if let Some((base, suffix)) = name.split_once('.') {
        let dimension = dimension(suffix)?;
        return Some(match base {
            "tid" => Special::Tid(dimension),
            "ntid" => Special::Ntid(dimension),
            "ctaid" => Special::Ctaid(dimension),
            "nctaid" => Special::Nctaid(dimension),
            _ => return None,
        });
    }
    Some(match name {
        "laneid" => Special::Lane,
        "warpid" => Special::Warp,
        "nwarpid" => Special::Warps,
        "lanemask_eq" => Special::Mask(0, true),
        "lanemask_lt" => Special::Mask(-1, false),
        "lanemask_le" => Special::Mask(-1, true),
        "lanemask_gt" => Special::Mask(1, false),
        "lanemask_ge" => Special::Mask(1, true),
        "dynamic_smem_size" => Special::DynamicShared,
        "total_smem_size" => Special::TotalShared,
        _ => return None,
    })
}
