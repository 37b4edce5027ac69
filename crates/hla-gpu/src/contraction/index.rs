//! Arithmetic on places in memory, folded where both sides are known.
//!
//! Offsets are 32 bits wide wherever every tensor of a kernel is small enough: a GPU has no 64-bit
//! multiplier, and a division by a constant is one.

use crate::Text;

/// A whole number: known now, or a value of the kernel.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Int {
    /// Known now.
    Known(i64),
    /// The name of a value.
    Value(String),
}

/// A condition; `None` always holds.
pub(super) type Condition = Option<String>;

/// Integers of one width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ints {
    ty: &'static str,
}

impl Ints {
    /// 32 bits.
    pub(super) const SHORT: Ints = Ints { ty: "i32" };

    /// Wide enough for places among so many elements, and for what lies beyond by a padding.
    pub(super) fn for_elements(largest: usize) -> Ints {
        let ty = if largest < 1 << 30 { "i32" } else { "i64" };
        Ints { ty }
    }

    fn name(self, t: &mut Text, value: &Int) -> String {
        match value {
            Int::Known(v) => t.constant(format_args!("{v} : {}", self.ty)),
            Int::Value(name) => name.clone(),
        }
    }

    fn op(self, t: &mut Text, op: &str, a: &Int, b: &Int) -> Int {
        let (a, b) = (self.name(t, a), self.name(t, b));
        Int::Value(t.op(format_args!("{op} {a}, {b} : {}", self.ty)))
    }

    /// A value of type `index`, such as a thread's number.
    pub(super) fn of_index(self, t: &mut Text, index: &str) -> Int {
        let ty = self.ty;
        Int::Value(t.op(format_args!("arith.index_cast {index} : index to {ty}")))
    }

    /// As a value of type `index`.
    pub(super) fn index(self, t: &mut Text, value: &Int) -> String {
        match value {
            Int::Known(v) => t.constant(format_args!("{v} : index")),
            Int::Value(v) => t.op(format_args!("arith.index_cast {v} : {} to index", self.ty)),
        }
    }

    /// A number of 32 bits, at least 0, as wide as these.
    pub(super) fn widen(self, t: &mut Text, value: &Int) -> Int {
        if self == Ints::SHORT || matches!(value, Int::Known(_)) {
            return value.clone();
        }
        let index = Ints::SHORT.index(t, value);
        self.of_index(t, &index)
    }

    /// As a value of type `i32`; it must fit.
    pub(super) fn i32(self, t: &mut Text, value: &Int) -> String {
        let name = self.name(t, value);
        match self.ty {
            "i32" => name,
            ty => t.op(format_args!("arith.trunci {name} : {ty} to i32")),
        }
    }

    pub(super) fn add(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(a + b),
            (Int::Known(0), other) | (other, Int::Known(0)) => other.clone(),
            _ => self.op(t, "arith.addi", a, b),
        }
    }

    pub(super) fn sub(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(a - b),
            (a, Int::Known(0)) => a.clone(),
            _ => self.op(t, "arith.subi", a, b),
        }
    }

    pub(super) fn mul(self, t: &mut Text, a: &Int, by: usize) -> Int {
        match (a, by) {
            (_, 0) => Int::Known(0),
            (a, 1) => a.clone(),
            (Int::Known(a), by) => Int::Known(a * by as i64),
            _ => self.op(t, "arith.muli", a, &Int::Known(by as i64)),
        }
    }

    /// a/by, of an `a` that is at least 0.
    pub(super) fn div(self, t: &mut Text, a: &Int, by: usize) -> Int {
        match (a, by) {
            (a, 1) => a.clone(),
            (Int::Known(a), by) => Int::Known(a / by as i64),
            _ => self.op(t, "arith.divui", a, &Int::Known(by as i64)),
        }
    }

    /// The rest of a/by, of an `a` that is at least 0.
    pub(super) fn rem(self, t: &mut Text, a: &Int, by: usize) -> Int {
        match (a, by) {
            (_, 1) => Int::Known(0),
            (Int::Known(a), by) => Int::Known(a % by as i64),
            _ => self.op(t, "arith.remui", a, &Int::Known(by as i64)),
        }
    }

    /// a/by and its rest.
    pub(super) fn divide(self, t: &mut Text, a: &Int, by: usize) -> (Int, Int) {
        (self.div(t, a, by), self.rem(t, a, by))
    }

    /// a ⊕ b, bit by bit.
    pub(super) fn xor(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(a ^ b),
            (Int::Known(0), other) | (other, Int::Known(0)) => other.clone(),
            _ => self.op(t, "arith.xori", a, b),
        }
    }

    /// Whether 0 ≤ a < bound.
    pub(super) fn below(self, t: &mut Text, a: &Int, bound: usize) -> Condition {
        if let Int::Known(a) = a
            && (0..bound as i64).contains(a)
        {
            return None;
        }
        Some(self.less(t, a, bound))
    }

    /// The same as the name of a value.
    pub(super) fn less(self, t: &mut Text, a: &Int, bound: usize) -> String {
        let (a, bound) = (self.name(t, a), self.name(t, &Int::Known(bound as i64)));
        t.op(format_args!("arith.cmpi ult, {a}, {bound} : {}", self.ty))
    }

    /// Whether a is 0.
    pub(super) fn is_zero(self, t: &mut Text, a: &Int) -> Condition {
        if *a == Int::Known(0) {
            return None;
        }
        let (a, zero) = (self.name(t, a), self.name(t, &Int::Known(0)));
        Some(t.op(format_args!("arith.cmpi eq, {a}, {zero} : {}", self.ty)))
    }

    /// The value if a condition holds, else 0.
    pub(super) fn or_zero(self, t: &mut Text, condition: &Condition, value: &Int) -> Int {
        match condition {
            None => value.clone(),
            Some(holds) => {
                let (value, zero) = (self.name(t, value), self.name(t, &Int::Known(0)));
                let ty = self.ty;
                Int::Value(t.op(format_args!("arith.select {holds}, {value}, {zero} : {ty}")))
            }
        }
    }
}

/// Whether all conditions hold.
pub(super) fn all<const N: usize>(t: &mut Text, conditions: [&Condition; N]) -> Condition {
    let mut given = conditions.into_iter().flatten();
    let first = given.next()?.clone();
    Some(given.fold(first, |a, b| t.op(format_args!("arith.andi {a}, {b} : i1"))))
}
