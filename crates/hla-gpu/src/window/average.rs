//! Division of a sum by the number of its terms.

use hla_ir::DType;

use crate::Text;
use crate::text::vector;

/// A number of terms, an i32, as f32 in lanes.
pub(super) fn as_float(t: &mut Text, lanes: usize, count: &str) -> String {
    let count = t.op(format_args!("arith.sitofp {count} : i32 to f32"));
    match lanes {
        1 => count,
        _ => t.op(format_args!(
            "vector.broadcast {count} : f32 to {}",
            vector(lanes, "f32")
        )),
    }
}

/// The average of integers of a type by TOSA's `reciprocal_scale` and `apply_scale_32`, as i32; sum
/// and count are i32, and there are at most `terms`.
pub(super) fn fixed_point(
    t: &mut Text,
    (sum, count, terms): (&str, &str, usize),
    dtype: DType,
    [input_zp, output_zp]: [i64; 2],
) -> String {
    let two = |t: &mut Text, op: &str, a: &str, b: &str| t.op(format_args!("{op} {a}, {b} : i64"));
    let int = |t: &mut Text, value: i64| t.constant(format_args!("{value} : i64"));
    let count = t.op(format_args!("arith.extsi {count} : i32 to i64"));
    let sum = t.op(format_args!("arith.extsi {sum} : i32 to i64"));
    let zero_point = int(t, input_zp);
    let zero_points = two(t, "arith.muli", &count, &zero_point);
    let sum = two(t, "arith.subi", &sum, &zero_points);
    // k is the number of bits of count − 1.
    let mut k = int(t, 0);
    for bit in 0..(usize::BITS - terms.leading_zeros()) {
        let (below, next) = (int(t, 1 << bit), int(t, i64::from(bit) + 1));
        let has = t.op(format_args!("arith.cmpi sgt, {count}, {below} : i64"));
        k = t.op(format_args!("arith.select {has}, {next}, {k} : i64"));
    }
    let numerator = int(t, (1 << 30) + 1);
    let numerator = two(t, "arith.shli", &numerator, &k);
    let multiplier = two(t, "arith.divui", &numerator, &count);
    let (thirty, twenty_nine, one) = (int(t, 30), int(t, 29), int(t, 1));
    let shift = two(t, "arith.addi", &k, &thirty);
    let less = two(t, "arith.addi", &k, &twenty_nine);
    let half = two(t, "arith.shli", &one, &less);
    let product = two(t, "arith.muli", &sum, &multiplier);
    let rounded = two(t, "arith.addi", &product, &half);
    let quotient = two(t, "arith.shrsi", &rounded, &shift);
    let zero_point = int(t, output_zp);
    let quotient = two(t, "arith.addi", &quotient, &zero_point);
    let bits = 8 * dtype.bytes() as u32;
    let (low, high) = (
        int(t, i64::MIN >> (64 - bits)),
        int(t, i64::MAX >> (64 - bits)),
    );
    let quotient = two(t, "arith.maxsi", &quotient, &low);
    let quotient = two(t, "arith.minsi", &quotient, &high);
    t.op(format_args!("arith.trunci {quotient} : i64 to i32"))
}
