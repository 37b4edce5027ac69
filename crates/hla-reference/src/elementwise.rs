//! Elementwise ops with broadcasting of unit extents.

use hla_ir::{DType, Op};
use ndarray::{ArrayD, IxDyn};

use crate::evaluate::Step;
use crate::number::{self, maximum, minimum};
use crate::real::Real;
use crate::value::Value;

/// Elements in row-major order of an array broadcast to a shape.
fn broadcast<T: Copy>(array: &ArrayD<T>, shape: &[usize]) -> Result<Vec<T>, String> {
    let view = array
        .broadcast(IxDyn(shape))
        .ok_or_else(|| format!("shape {:?} does not broadcast to {shape:?}", array.shape()))?;
    Ok(view.iter().copied().collect())
}

pub(crate) fn binary<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let shape = &step.result.shape;
    let dtype = step.result.dtype;
    match (step.operands[0], step.operands[1]) {
        (Value::Float(_, a), Value::Float(_, b)) => {
            let pairs = broadcast(a, shape)?.into_iter().zip(broadcast(b, shape)?);
            if dtype == DType::I1 {
                Value::ints(dtype, shape, pairs.map(|(a, b)| compare(step.op, a, b)))
            } else {
                Value::floats(dtype, shape, pairs.map(|(a, b)| float(step, a, b)))
            }
        }
        (Value::Int(from, a), Value::Int(_, b)) => {
            let pairs = broadcast(a, shape)?.into_iter().zip(broadcast(b, shape)?);
            if dtype == DType::I1 && !matches!(step.op, Op::LogicalAnd | Op::LogicalOr) {
                Value::ints(dtype, shape, pairs.map(|(a, b)| compare(step.op, a, b)))
            } else {
                Value::ints(dtype, shape, pairs.map(|(a, b)| int(step, *from, a, b)))
            }
        }
        _ => Err("the operands differ in type".to_owned()),
    }
}

fn compare<T: PartialOrd>(op: Op, a: T, b: T) -> i64 {
    i64::from(match op {
        Op::Equal => a == b,
        Op::Greater => a > b,
        _ => a >= b,
    })
}

fn float<F: Real>(step: &Step<'_, F>, a: F, b: F) -> F {
    match step.op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Pow => F::stored_wide(libm::pow(a.wide(), b.wide()), step.result.dtype),
        Op::Maximum => maximum(a, b, step.ignores_nan()),
        _ => minimum(a, b, step.ignores_nan()),
    }
}

/// Integers wrap; `mul` with a shift divides the full product, rounding half up.
fn int<F: Real>(step: &Step<'_, F>, dtype: DType, a: i64, b: i64) -> i64 {
    match step.op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul if dtype == DType::I32 => {
            let shift = step.int("shift");
            let half = if shift > 0 { 1i128 << (shift - 1) } else { 0 };
            ((i128::from(a) * i128::from(b) + half) >> shift) as i64
        }
        Op::Mul => a.wrapping_mul(b),
        Op::Maximum => a.max(b),
        Op::Minimum => a.min(b),
        Op::LogicalAnd => a & b,
        _ => a | b,
    }
}

pub(crate) fn unary<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let dtype = step.result.dtype;
    Ok(match step.operands[0] {
        Value::Float(_, a) => {
            Value::Float(dtype, a.mapv(|v| float_function(step, v).stored(dtype)))
        }
        Value::Int(_, a) => Value::Int(
            dtype,
            a.mapv(|v| number::wrap(dtype, int_function(step, dtype, v))),
        ),
    })
}

fn float_function<F: Real>(step: &Step<'_, F>, v: F) -> F {
    let wide = v.wide();
    let rounded = |value: f64| F::stored_wide(value, step.result.dtype);
    match step.op {
        Op::Negate => -v,
        Op::Abs => v.abs(),
        Op::Ceil => F::of(wide.ceil()),
        Op::Floor => F::of(wide.floor()),
        Op::Reciprocal => rounded(1.0 / wide),
        Op::Rsqrt => rounded(1.0 / wide.sqrt()),
        Op::Exp => rounded(libm::exp(wide)),
        Op::Log => rounded(libm::log(wide)),
        Op::Tanh => rounded(libm::tanh(wide)),
        Op::Sigmoid => rounded(1.0 / (1.0 + libm::exp(-wide))),
        Op::Erf => rounded(libm::erf(wide)),
        _ => {
            let ignore = step.ignores_nan();
            let low = step.float("min_val", f32::NEG_INFINITY);
            let high = step.float("max_val", f32::INFINITY);
            minimum(maximum(v, low, ignore), high, ignore)
        }
    }
}

fn int_function<F: Real>(step: &Step<'_, F>, dtype: DType, v: i64) -> i64 {
    match step.op {
        Op::LogicalNot => 1 - v,
        Op::Abs => v.wrapping_abs(),
        Op::Clamp => v.max(step.int("min_val")).min(step.int("max_val")),
        _ => negate(dtype, v, step.int("input1_zp"), step.int("output_zp")),
    }
}

/// −(v − input_zp) + output_zp. Types that may have zero points saturate; wider ones wrap.
fn negate(dtype: DType, v: i64, input_zp: i64, output_zp: i64) -> i64 {
    let exact = i128::from(output_zp) - (i128::from(v) - i128::from(input_zp));
    match dtype {
        DType::I8 | DType::I16 => number::saturate(dtype, exact),
        _ => exact as i64,
    }
}

pub(crate) fn select<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let shape = &step.result.shape;
    let dtype = step.result.dtype;
    let Value::Int(_, condition) = step.operands[0] else {
        return Err("the condition is no boolean".to_owned());
    };
    let condition = broadcast(condition, shape)?;
    fn choose<T: Copy>(condition: Vec<i64>, yes: Vec<T>, no: Vec<T>) -> impl Iterator<Item = T> {
        let pairs = yes.into_iter().zip(no);
        condition
            .into_iter()
            .zip(pairs)
            .map(|(c, (y, n))| if c != 0 { y } else { n })
    }
    match (step.operands[1], step.operands[2]) {
        (Value::Float(_, a), Value::Float(_, b)) => {
            let chosen = choose(condition, broadcast(a, shape)?, broadcast(b, shape)?);
            Value::floats(dtype, shape, chosen)
        }
        (Value::Int(_, a), Value::Int(_, b)) => {
            let chosen = choose(condition, broadcast(a, shape)?, broadcast(b, shape)?);
            Value::ints(dtype, shape, chosen)
        }
        _ => Err("the operands differ in type".to_owned()),
    }
}

/// Float to integer rounds to nearest even and saturates; integer to integer truncates; anything
/// to a boolean asks whether it differs from zero.
pub(crate) fn cast<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (shape, to) = (&step.result.shape, step.result.dtype);
    match step.operands[0] {
        Value::Float(_, a) if to == DType::I1 => {
            Value::ints(to, shape, a.iter().map(|&v| i64::from(v != F::ZERO)))
        }
        Value::Float(_, a) if to.is_float() => Value::floats(to, shape, a.iter().copied()),
        Value::Float(_, a) => Value::ints(
            to,
            shape,
            a.iter().map(|&v| number::from_float(to, v.wide())),
        ),
        Value::Int(_, a) if to == DType::I1 => {
            Value::ints(to, shape, a.iter().map(|&v| i64::from(v != 0)))
        }
        Value::Int(_, a) if to.is_float() => {
            Value::floats(to, shape, a.iter().map(|&v| F::of_int(v, to)))
        }
        Value::Int(_, a) => Value::ints(to, shape, a.iter().copied()),
    }
}
