//! Arithmetic of integers and booleans.

use hla_ir::{DType, Op};

use super::cast::{range, saturate};
use super::emit::{Emitter, Step, computed};

pub(super) fn op(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let (x, y) = (step.operand(0), step.operand(1));
    let ty = computed(step.from);
    match step.op {
        Op::Add => e.same("arith.addi", &[x, y], ty),
        Op::Sub => e.same("arith.subi", &[x, y], ty),
        Op::Mul => match step.attrs.i64("shift").unwrap_or(0) {
            0 => e.same("arith.muli", &[x, y], ty),
            shift => shifted_product(e, x, y, shift),
        },
        Op::Maximum => e.same("arith.maxsi", &[x, y], ty),
        Op::Minimum => e.same("arith.minsi", &[x, y], ty),
        Op::LogicalAnd => e.same("arith.andi", &[x, y], ty),
        Op::LogicalOr => e.same("arith.ori", &[x, y], ty),
        Op::LogicalNot => {
            let yes = e.int(1, ty);
            e.same("arith.xori", &[x, &yes], ty)
        }
        Op::Equal => e.same("arith.cmpi eq,", &[x, y], ty),
        // Of booleans, true is the larger one.
        Op::Greater if step.from == DType::I1 => e.same("arith.cmpi ugt,", &[x, y], ty),
        Op::GreaterEqual if step.from == DType::I1 => e.same("arith.cmpi uge,", &[x, y], ty),
        Op::Greater => e.same("arith.cmpi sgt,", &[x, y], ty),
        Op::GreaterEqual => e.same("arith.cmpi sge,", &[x, y], ty),
        Op::Abs => {
            let zero = e.int(0, ty);
            let minus = e.same("arith.subi", &[&zero, x], ty);
            e.same("arith.maxsi", &[x, &minus], ty)
        }
        Op::Clamp => {
            let bound = |name| step.attrs.i64(name);
            let (low, high) = range(step.from);
            let low = e.int(bound("min_val").unwrap_or(low), ty);
            let high = e.int(bound("max_val").unwrap_or(high), ty);
            let above = e.same("arith.maxsi", &[x, &low], ty);
            e.same("arith.minsi", &[&above, &high], ty)
        }
        Op::Negate => negate(e, step),
        other => unreachable!("{other} is not an elementwise op on integers"),
    }
}

/// x·y / 2^shift of i32, rounding half up: the product shifted by all but one bit, then by one.
fn shifted_product(e: &mut Emitter<'_>, x: &str, y: &str, shift: i64) -> String {
    let x = e.convert("arith.extsi", x, "i32", "i64");
    let y = e.convert("arith.extsi", y, "i32", "i64");
    let product = e.same("arith.muli", &[&x, &y], "i64");
    let most = e.int(shift - 1, "i64");
    let twice = e.same("arith.shrsi", &[&product, &most], "i64");
    let one = e.int(1, "i64");
    let up = e.same("arith.addi", &[&twice, &one], "i64");
    let shifted = e.same("arith.shrsi", &[&up, &one], "i64");
    e.convert("arith.trunci", &shifted, "i64", "i32")
}

/// (input_zp + output_zp) − x. Types that may have zero points saturate; wider ones wrap.
fn negate(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let (x, ty) = (step.operand(0), computed(step.from));
    let point = |name| step.attrs.i64(name).unwrap_or(0);
    let points = point("input1_zp").wrapping_add(point("output_zp"));
    match step.from {
        DType::I8 | DType::I16 => {
            let wide = e.convert("arith.extsi", x, ty, "i32");
            let points = e.int(points, "i32");
            let difference = e.same("arith.subi", &[&points, &wide], "i32");
            let saturated = saturate(e, &difference, step.from, "i32");
            e.convert("arith.trunci", &saturated, "i32", ty)
        }
        _ => {
            let points = e.int(points, ty);
            e.same("arith.subi", &[&points, x], ty)
        }
    }
}
