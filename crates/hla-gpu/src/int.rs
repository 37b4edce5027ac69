//! Whole numbers of a kernel that places are computed with: known while the text is written, or
//! values of the kernel.
//!
//! They are 32 bits wide where the kernel is small enough: a GPU has no 64-bit multiplier, and a
//! division by a constant is one.

use crate::Text;

/// A whole number.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Int {
    /// Known now.
    Known(i64),
    /// The name of a value.
    Value(String),
}

/// Integers of one width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ints {
    ty: &'static str,
}

impl Ints {
    /// 32 bits.
    pub(crate) const SHORT: Ints = Ints { ty: "i32" };

    /// Wide enough for places among so many elements, and for a block's reach beyond the last.
    pub(crate) fn for_elements(largest: usize) -> Ints {
        let ty = if largest < 1 << 30 { "i32" } else { "i64" };
        Ints { ty }
    }

    /// The type's name.
    pub(crate) fn ty(self) -> &'static str {
        self.ty
    }

    /// The name of a value, a constant if it is known.
    pub(crate) fn name(self, t: &mut Text, value: &Int) -> String {
        match value {
            Int::Known(v) => t.constant(format_args!("{v} : {}", self.ty)),
            Int::Value(name) => name.clone(),
        }
    }

    /// An operation on both.
    pub(crate) fn op(self, t: &mut Text, op: &str, a: &Int, b: &Int) -> Int {
        let (a, b) = (self.name(t, a), self.name(t, b));
        Int::Value(t.op(format_args!("{op} {a}, {b} : {}", self.ty)))
    }

    /// `gpu.thread_id x`, `gpu.block_id y` and the like, which are less than 2³¹.
    pub(crate) fn id(self, t: &mut Text, op: &str) -> Int {
        let index = t.op(op);
        self.of_index(t, &index)
    }

    /// A value of type `index`.
    pub(crate) fn of_index(self, t: &mut Text, index: &str) -> Int {
        Int::Value(t.op(format_args!(
            "arith.index_cast {index} : index to {}",
            self.ty
        )))
    }

    /// As a value of type `index`.
    pub(crate) fn index(self, t: &mut Text, value: &Int) -> String {
        match value {
            Int::Known(v) => t.constant(format_args!("{v} : index")),
            Int::Value(v) => t.op(format_args!("arith.index_cast {v} : {} to index", self.ty)),
        }
    }

    /// As a value of type `i32`; it must fit.
    pub(crate) fn i32(self, t: &mut Text, value: &Int) -> String {
        match (value, self.ty) {
            (Int::Known(v), _) => t.constant(format_args!("{v} : i32")),
            (Int::Value(v), "i32") => v.clone(),
            (Int::Value(v), ty) => t.op(format_args!("arith.trunci {v} : {ty} to i32")),
        }
    }

    pub(crate) fn add(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(a + b),
            (Int::Known(0), other) | (other, Int::Known(0)) => other.clone(),
            _ => self.op(t, "arith.addi", a, b),
        }
    }

    pub(crate) fn sub(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(a - b),
            (a, Int::Known(0)) => a.clone(),
            _ => self.op(t, "arith.subi", a, b),
        }
    }

    pub(crate) fn mul(self, t: &mut Text, a: &Int, by: usize) -> Int {
        self.scale(t, a, by as i64)
    }

    /// a·by, where `by` may be below 0.
    pub(crate) fn scale(self, t: &mut Text, a: &Int, by: i64) -> Int {
        match (a, by) {
            (_, 0) => Int::Known(0),
            (a, 1) => a.clone(),
            (Int::Known(a), by) => Int::Known(a * by),
            _ => self.op(t, "arith.muli", a, &Int::Known(by)),
        }
    }

    /// a/by, of an `a` that is at least 0.
    pub(crate) fn div(self, t: &mut Text, a: &Int, by: usize) -> Int {
        match (a, by) {
            (a, 1) => a.clone(),
            (Int::Known(a), by) => Int::Known(a / by as i64),
            _ => self.op(t, "arith.divui", a, &Int::Known(by as i64)),
        }
    }

    /// The rest of a/by, of an `a` that is at least 0.
    pub(crate) fn rem(self, t: &mut Text, a: &Int, by: usize) -> Int {
        match (a, by) {
            (_, 1) => Int::Known(0),
            (Int::Known(a), by) => Int::Known(a % by as i64),
            _ => self.op(t, "arith.remui", a, &Int::Known(by as i64)),
        }
    }

    /// Both.
    pub(crate) fn divide(self, t: &mut Text, a: &Int, by: usize) -> (Int, Int) {
        (self.div(t, a, by), self.rem(t, a, by))
    }

    /// The smaller of two.
    pub(crate) fn min(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(*a.min(b)),
            _ => self.op(t, "arith.minsi", a, b),
        }
    }

    /// The larger of two.
    pub(crate) fn max(self, t: &mut Text, a: &Int, b: &Int) -> Int {
        match (a, b) {
            (Int::Known(a), Int::Known(b)) => Int::Known(*a.max(b)),
            _ => self.op(t, "arith.maxsi", a, b),
        }
    }

    /// A comparison: `slt`, `eq`, …
    pub(crate) fn compare(self, t: &mut Text, how: &str, a: &Int, b: &Int) -> String {
        let (a, b) = (self.name(t, a), self.name(t, b));
        t.op(format_args!("arith.cmpi {how}, {a}, {b} : {}", self.ty))
    }

    /// One of two.
    pub(crate) fn select(self, t: &mut Text, condition: &str, yes: &Int, no: &Int) -> Int {
        let (yes, no) = (self.name(t, yes), self.name(t, no));
        Int::Value(t.op(format_args!(
            "arith.select {condition}, {yes}, {no} : {}",
            self.ty
        )))
    }
}

/// `scf.for` over `start..end` in steps, handing values on from each to the next.
pub(crate) fn fold(
    t: &mut Text,
    ints: Ints,
    (start, end, step): (Int, Int, usize),
    (init, types): (&[String], &[impl AsRef<str>]),
    body: impl FnOnce(&mut Text, &Int, &[String]) -> Vec<String>,
) -> Vec<String> {
    let [start, end, step] =
        [start, end, Int::Known(step as i64)].map(|bound| ints.name(t, &bound));
    let result = t.fresh();
    let index = t.fresh();
    let carried: Vec<String> = init.iter().map(|_| t.fresh()).collect();
    let types: Vec<&str> = types.iter().map(AsRef::as_ref).collect();
    let types = types.join(", ");
    let inits: Vec<String> = (carried.iter().zip(init))
        .map(|(name, init)| format!("{name} = {init}"))
        .collect();
    let many = match init.len() {
        1 => String::new(),
        n => format!(":{n}"),
    };
    t.open(format_args!(
        "{result}{many} = scf.for {index} = {start} to {end} step {step} iter_args({}) -> ({types}) : {} {{",
        inits.join(", "),
        ints.ty()
    ));
    let next = body(t, &Int::Value(index), &carried);
    t.line(format_args!("scf.yield {} : {types}", next.join(", ")));
    t.close("}");
    match init.len() {
        1 => vec![result],
        n => (0..n).map(|i| format!("{result}#{i}")).collect(),
    }
}

/// `scf.for` over `start..end` in steps.
pub(crate) fn each(
    t: &mut Text,
    ints: Ints,
    (start, end, step): (&Int, &Int, usize),
    body: impl FnOnce(&mut Text, &Int),
) {
    let step = Int::Known(step as i64);
    let [start, end, step] = [start, end, &step].map(|bound| ints.name(t, bound));
    let index = t.fresh();
    t.open(format_args!(
        "scf.for {index} = {start} to {end} step {step} : {} {{",
        ints.ty()
    ));
    body(t, &Int::Value(index));
    t.close("}");
}
