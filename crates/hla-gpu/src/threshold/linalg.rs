//! The kernels on memrefs: a loop over the values counts, a loop over the counts finds.

use super::select::{longer, rank, store_found, tally, value};
use super::{DIGITS, Digit, Values, all_types, count_types, find_types, i32s};
use crate::Text;
use crate::function;
use crate::int::{Int, Ints, each, fold};
use crate::text::memref;

fn load(t: &mut Text, memory: &str, at: &str, ty: &str) -> String {
    t.op(format_args!("memref.load {memory}[{at}] : {ty}"))
}

/// Adds one to the count of each value's digit.
fn count_all(
    t: &mut Text,
    (values, memory): (&Values, &str),
    of: (Digit, Option<&str>),
    (counts, ty): (&str, &str),
) {
    let ints = values.ints();
    let bounds = (&Int::Known(0), &Int::Known(values.count() as i64), 1);
    each(t, ints, bounds, |t, i| {
        let at = ints.index(t, i);
        let value = load(t, memory, &at, &memref(&values.place.ty));
        let bits = t.op(format_args!("arith.bitcast {value} : f32 to i32"));
        tally(t, &bits, of, |t, at| {
            let count = load(t, counts, at, ty);
            let one = t.i32(1);
            let count = t.i32_op("addi", &count, &one);
            t.line(format_args!("memref.store {count}, {counts}[{at}] : {ty}"));
        });
    });
}

/// The digit that the value of a rank has, and its rank among those with that digit.
fn find_digit(
    t: &mut Text,
    (counts, ty): (&str, &str),
    digit: Digit,
    rank: &str,
) -> (String, String) {
    let ints = Ints::for_elements(0);
    let zero = t.i32(0);
    // The digit, how many values have smaller ones, how many were seen.
    let init = [zero.clone(), zero.clone(), zero];
    let bounds = (Int::Known(0), Int::Known(digit.count() as i64), 1);
    let found = fold(t, ints, bounds, (&init, &["i32"; 3]), |t, i, carried| {
        let at = ints.index(t, i);
        let count = load(t, counts, &at, ty);
        let (before, i) = (&carried[2], ints.name(t, i));
        let past = t.i32_op("addi", before, &count);
        let reached = t.op(format_args!("arith.cmpi ule, {before}, {rank} : i32"));
        let ends = t.op(format_args!("arith.cmpi ugt, {past}, {rank} : i32"));
        let here = t.op(format_args!("arith.andi {reached}, {ends} : i1"));
        let mut select =
            |yes: &str, no: &str| t.op(format_args!("arith.select {here}, {yes}, {no} : i32"));
        vec![select(&i, &carried[0]), select(before, &carried[1]), past]
    });
    let left = t.i32_op("subi", rank, &found[1]);
    (found[0].clone(), left)
}

fn at_first(t: &mut Text, memory: &str, ty: &str) -> String {
    let at = t.index(0);
    load(t, memory, &at, ty)
}

fn at_second(t: &mut Text, memory: &str, ty: &str) -> String {
    let at = t.index(1);
    load(t, memory, &at, ty)
}

/// The kernel that does everything.
pub(super) fn all(values: &Values) -> String {
    let (inputs, output) = all_types(values);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::linalg(types, |t, arguments| {
        let share = at_first(t, &arguments.inputs[1], "memref<1xf32>");
        let (mut rank, any) = rank(t, &share, values.count());
        let mut before: Option<String> = None;
        for digit in DIGITS {
            let ty = memref(&i32s(digit.count()));
            let counts = t.op(format_args!("memref.alloc() : {ty}"));
            let zero = t.i32(0);
            t.line(format_args!(
                "linalg.fill ins({zero} : i32) outs({counts} : {ty})"
            ));
            let memory = (values, &arguments.inputs[0][..]);
            count_all(t, memory, (digit, before.as_deref()), (&counts, &ty));
            let (found, left) = find_digit(t, (&counts, &ty), digit, &rank);
            t.line(format_args!("memref.dealloc {counts} : {ty}"));
            before = Some(longer(t, before.as_deref(), digit, &found));
            rank = left;
        }
        let value = value(t, &before.unwrap_or_default(), &any);
        let (at, memory) = (t.index(0), &arguments.outputs[0]);
        t.line(format_args!(
            "memref.store {value}, {memory}[{at}] : memref<1xf32>"
        ));
    })
}

/// The kernel that counts digit i.
pub(super) fn count(values: &Values, i: usize) -> String {
    let (inputs, output) = count_types(values, i);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::linalg(types, |t, arguments| {
        let before = (i > 0).then(|| at_second(t, &arguments.inputs[1], "memref<2xi32>"));
        let memory = (values, &arguments.inputs[0][..]);
        let counts = (&arguments.outputs[0][..], &memref(&output)[..]);
        count_all(t, memory, (DIGITS[i], before.as_deref()), counts);
    })
}

/// The kernel that finds digit i.
pub(super) fn find(values: &Values, i: usize) -> String {
    let (inputs, output) = find_types(i);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::linalg(types, |t, arguments| {
        let share = (inputs.last().is_some_and(|ty| ty.dtype.is_float()))
            .then(|| at_first(t, &arguments.inputs[inputs.len() - 1], "memref<1xf32>"));
        let wanted = share.map(|share| rank(t, &share, values.count()));
        let before = (i > 0).then(|| {
            let memory = &arguments.inputs[1];
            let rank = at_first(t, memory, "memref<2xi32>");
            (rank, at_second(t, memory, "memref<2xi32>"))
        });
        let rank = match (&before, &wanted) {
            (Some((rank, _)), _) | (None, Some((rank, _))) => rank.clone(),
            (None, None) => t.i32(0),
        };
        let counts = (&arguments.inputs[0][..], &memref(&inputs[0])[..]);
        let (found, left) = find_digit(t, counts, DIGITS[i], &rank);
        let digits = longer(t, before.as_ref().map(|(_, d)| &d[..]), DIGITS[i], &found);
        let any = wanted
            .map(|(_, any)| any)
            .filter(|_| output.dtype.is_float());
        store_found(t, &arguments.outputs[0], (&left, &digits), any);
    })
}
