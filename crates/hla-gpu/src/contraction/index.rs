//! What contractions ask of places in memory besides [arithmetic](crate::int): whether they lie inside.

use crate::Text;
pub(super) use crate::int::{Int, Ints};

/// A condition; `None` always holds.
pub(super) type Condition = Option<String>;

impl Ints {
    /// A number of 32 bits, at least 0, as wide as these.
    pub(super) fn widen(self, t: &mut Text, value: &Int) -> Int {
        if self == Ints::SHORT || matches!(value, Int::Known(_)) {
            return value.clone();
        }
        let index = Ints::SHORT.index(t, value);
        self.of_index(t, &index)
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
        t.op(format_args!("arith.cmpi ult, {a}, {bound} : {}", self.ty()))
    }

    /// Whether a is 0.
    pub(super) fn is_zero(self, t: &mut Text, a: &Int) -> Condition {
        if *a == Int::Known(0) {
            return None;
        }
        let (a, zero) = (self.name(t, a), self.name(t, &Int::Known(0)));
        Some(t.op(format_args!("arith.cmpi eq, {a}, {zero} : {}", self.ty())))
    }

    /// The value if a condition holds, else 0.
    pub(super) fn or_zero(self, t: &mut Text, condition: &Condition, value: &Int) -> Int {
        match condition {
            None => value.clone(),
            Some(holds) => {
                let (value, zero) = (self.name(t, value), self.name(t, &Int::Known(0)));
                let ty = self.ty();
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
