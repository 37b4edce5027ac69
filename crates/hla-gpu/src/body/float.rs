//! Arithmetic of floats, in f32.

use hla_ir::Op;

use super::emit::{Emitter, Step};

pub(super) fn op(e: &mut Emitter<'_>, step: &Step<'_>) -> String {
    let (x, y) = (step.operand(0), step.operand(1));
    let ignore = step.ignores_nan();
    match step.op {
        Op::Add => e.same("arith.addf", &[x, y], "f32"),
        Op::Sub => e.same("arith.subf", &[x, y], "f32"),
        Op::Mul => e.same("arith.mulf", &[x, y], "f32"),
        Op::Pow => e.same("math.powf", &[x, y], "f32"),
        Op::Maximum => e.same(maximum(ignore), &[x, y], "f32"),
        Op::Minimum => e.same(minimum(ignore), &[x, y], "f32"),
        Op::Equal => e.same("arith.cmpf oeq,", &[x, y], "f32"),
        Op::Greater => e.same("arith.cmpf ogt,", &[x, y], "f32"),
        Op::GreaterEqual => e.same("arith.cmpf oge,", &[x, y], "f32"),
        Op::Negate => e.same("arith.negf", &[x], "f32"),
        Op::Abs => e.same("math.absf", &[x], "f32"),
        Op::Ceil => e.same("math.ceil", &[x], "f32"),
        Op::Floor => e.same("math.floor", &[x], "f32"),
        Op::Reciprocal => reciprocal(e, x),
        Op::Rsqrt => e.same("math.rsqrt", &[x], "f32"),
        Op::Exp => e.same("math.exp", &[x], "f32"),
        Op::Log => e.same("math.log", &[x], "f32"),
        Op::Tanh => e.same("math.tanh", &[x], "f32"),
        Op::Erf => e.same("math.erf", &[x], "f32"),
        Op::Sigmoid => sigmoid(e, x),
        Op::Clamp => {
            let low = e.float(step.attrs.f32("min_val").unwrap_or(f32::NEG_INFINITY));
            let high = e.float(step.attrs.f32("max_val").unwrap_or(f32::INFINITY));
            let above = e.same(maximum(ignore), &[x, &low], "f32");
            e.same(minimum(ignore), &[&above, &high], "f32")
        }
        other => unreachable!("{other} is not an elementwise op on floats"),
    }
}

fn maximum(ignores_nan: bool) -> &'static str {
    match ignores_nan {
        true => "arith.maxnumf",
        false => "arith.maximumf",
    }
}

fn minimum(ignores_nan: bool) -> &'static str {
    match ignores_nan {
        true => "arith.minnumf",
        false => "arith.minimumf",
    }
}

fn reciprocal(e: &mut Emitter<'_>, x: &str) -> String {
    let one = e.float(1.0);
    e.same("arith.divf", &[&one, x], "f32")
}

/// 1/(1 + e⁻ˣ); where e⁻ˣ is infinite the result is 0.
fn sigmoid(e: &mut Emitter<'_>, x: &str) -> String {
    let minus = e.same("arith.negf", &[x], "f32");
    let power = e.same("math.exp", &[&minus], "f32");
    let one = e.float(1.0);
    let sum = e.same("arith.addf", &[&power, &one], "f32");
    reciprocal(e, &sum)
}
