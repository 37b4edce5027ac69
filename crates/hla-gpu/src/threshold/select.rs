//! What both forms of the kernels do alike: ranks, digits, bits.

use hla_ir::DType;
use hla_ir::print::float_text;

use super::Digit;
use crate::Text;

/// An i32 that is at least 0 as an index.
pub(super) fn index(t: &mut Text, value: &str) -> String {
    t.op(format_args!("arith.index_castui {value} : i32 to index"))
}

/// The wanted value's rank among all, from 0, and whether there is one: not where ⌊share·n⌋ is below 1.
pub(super) fn rank(t: &mut Text, share: &str, n: usize) -> (String, String) {
    let float = |t: &mut Text, value: f32| {
        t.constant(format_args!("{} : f32", float_text(value, DType::F32)))
    };
    let (count, one) = (float(t, n as f32), float(t, 1.0));
    let product = t.op(format_args!("arith.mulf {share}, {count} : f32"));
    let floor = t.op(format_args!("math.floor {product} : f32"));
    // Not of a NaN either.
    let any = t.op(format_args!("arith.cmpf oge, {floor}, {one} : f32"));
    let floor = t.op(format_args!("arith.select {any}, {floor}, {one} : f32"));
    let floor = t.op(format_args!("arith.minimumf {floor}, {count} : f32"));
    let rank = t.op(format_args!("arith.fptosi {floor} : f32 to i64"));
    // As a float, n may have been rounded up.
    let (n, one) = (t.constant(format_args!("{n} : i64")), t.constant("1 : i64"));
    let rank = t.op(format_args!("arith.minsi {rank}, {n} : i64"));
    let rank = t.op(format_args!("arith.subi {rank}, {one} : i64"));
    let rank = t.op(format_args!("arith.trunci {rank} : i64 to i32"));
    (rank, any)
}

/// The value whose magnitude has these bits, or 0 if there is none.
pub(super) fn value(t: &mut Text, bits: &str, any: &str) -> String {
    let zero = t.i32(0);
    let bits = t.op(format_args!("arith.select {any}, {bits}, {zero} : i32"));
    t.op(format_args!("arith.bitcast {bits} : i32 to f32"))
}

/// The digits so far, with one more.
pub(super) fn longer(t: &mut Text, before: Option<&str>, digit: Digit, found: &str) -> String {
    let Some(before) = before else {
        return found.to_owned();
    };
    let bits = t.i32(digit.bits as i64);
    let above = t.i32_op("shli", before, &bits);
    t.i32_op("ori", &above, found)
}

/// Counts a value, given as bits, if its higher digits are those `before`: `add` adds one to the count
/// at an index.
pub(super) fn tally(
    t: &mut Text,
    bits: &str,
    (digit, before): (Digit, Option<&str>),
    add: impl FnOnce(&mut Text, &str),
) {
    let no_sign = t.i32(0x7fff_ffff);
    let magnitude = t.i32_op("andi", bits, &no_sign);
    let low = t.i32(digit.low as i64);
    let digits = t.i32_op("shrui", &magnitude, &low);
    let Some(before) = before else {
        let at = index(t, &digits);
        return add(t, &at);
    };
    let width = t.i32(digit.bits as i64);
    let above = t.i32_op("shrui", &digits, &width);
    let same = t.op(format_args!("arith.cmpi eq, {above}, {before} : i32"));
    t.open(format_args!("scf.if {same} {{"));
    let mask = t.i32(digit.count() as i64 - 1);
    let own = t.i32_op("andi", &digits, &mask);
    let at = index(t, &own);
    add(t, &at);
    t.close("}");
}

/// Writes what a kernel found: where `any` is given the value itself, else the rank that is left and
/// the digits so far.
pub(super) fn store_found(
    t: &mut Text,
    memory: &str,
    (left, digits): (&str, &str),
    any: Option<String>,
) {
    let first = t.index(0);
    if let Some(any) = any {
        let value = value(t, digits, &any);
        t.line(format_args!(
            "memref.store {value}, {memory}[{first}] : memref<1xf32>"
        ));
        return;
    }
    let second = t.index(1);
    for (value, at) in [(left, first), (digits, second)] {
        t.line(format_args!(
            "memref.store {value}, {memory}[{at}] : memref<2xi32>"
        ));
    }
}
