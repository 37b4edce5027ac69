//! The error of each mathematical function, measured against f64 over every binade.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Arg, Attrs, Function, Location, Op, Tensor, TensorType};

/// Computes an op on this machine.
fn compute(op: Op, operands: &[&[f32]]) -> Vec<f32> {
    let n = operands[0].len();
    let mut f = Function::new("math");
    let args: Vec<_> = operands
        .iter()
        .map(|_| f.add_arg(Arg::new(TensorType::f32([n]))))
        .collect();
    let result = f
        .push(op, &args, Attrs::new(), Location::unknown())
        .unwrap();
    f.results.push(result);
    let program = jit(&f, &CodegenOptions::default()).unwrap();
    let inputs: Vec<Tensor> = operands
        .iter()
        .map(|v| Tensor::from_f32s([n], v).unwrap())
        .collect();
    program.run(&inputs, None).unwrap()[0].to_f32s()
}

/// Units in the last place between a result and the exact value, which is rounded to f32's range
/// first: an exact value beyond it is an infinity.
fn error(computed: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if computed.is_nan() || nearest.is_nan() {
        return if computed.is_nan() && nearest.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if computed == nearest {
        return 0.0;
    }
    if !computed.is_finite() || !nearest.is_finite() {
        return f64::INFINITY;
    }
    let magnitude = nearest.abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(f32::from_bits(magnitude.to_bits() + 1)) - f64::from(magnitude);
    (f64::from(computed) - exact).abs() / unit
}

/// Bit patterns spread over all of f32: every binade, both signs, special values.
fn everywhere() -> Vec<f32> {
    let mut values: Vec<f32> = (0..=u32::MAX / 5003)
        .map(|i| f32::from_bits(i * 5003))
        .collect();
    for special in [
        0.0,
        1.0,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
        0.5,
        2.0,
    ] {
        let bits = special.to_bits();
        for near in [bits, bits.wrapping_add(1), bits.wrapping_sub(1)] {
            values.extend([f32::from_bits(near), -f32::from_bits(near)]);
        }
    }
    values
}

fn worst(op: Op, inputs: &[f32], exact: fn(f64) -> f64) -> (f64, f32) {
    let computed = compute(op, &[inputs]);
    inputs
        .iter()
        .zip(computed)
        .map(|(&x, y)| (error(y, exact(x.into())), x))
        .fold((0.0, 0.0), |worst, e| if e.0 > worst.0 { e } else { worst })
}

#[test]
fn functions_of_one_argument() {
    let mut inputs = everywhere();
    // Where most functions do something.
    inputs.extend((-1_200_000..=1_200_000).map(|i| i as f32 * 1e-4));
    type Row = (Op, fn(f64) -> f64, f64);
    let functions: [Row; 9] = [
        (Op::Exp, libm::exp, 1.0),
        (Op::Log, libm::log, 1.0),
        (Op::Tanh, libm::tanh, 2.0),
        (Op::Sigmoid, |x| 1.0 / (1.0 + libm::exp(-x)), 3.0),
        (Op::Erf, libm::erf, 1.0),
        (Op::Rsqrt, |x| 1.0 / x.sqrt(), 1.5),
        (Op::Reciprocal, |x| 1.0 / x, 0.5),
        (Op::Floor, f64::floor, 0.0),
        (Op::Ceil, f64::ceil, 0.0),
    ];
    for (op, exact, limit) in functions {
        let (error, at) = worst(op, &inputs, exact);
        println!("{op}: {error:.3} ulp at {at:e}");
        assert!(error <= limit, "{op}: {error} ulp at {at:e}");
    }
}

#[test]
fn pow() {
    let bases = everywhere();
    let special = [
        0.0,
        1.0,
        -1.0,
        2.0,
        3.0,
        0.5,
        f32::INFINITY,
        f32::NAN,
        -0.0,
        -2.5,
        1e-30,
    ];
    let exponents: Vec<f32> = (0..97)
        .map(|i| (i as f32 - 48.0) * 0.37)
        .chain([-7.0, -3.0, 5.0, 16_777_217.0, f32::NEG_INFINITY, 1e-40])
        .chain(special)
        .collect();
    let mut xs = Vec::new();
    let mut ys = Vec::new();
    for (i, &x) in bases.iter().enumerate() {
        xs.push(x);
        ys.push(exponents[i % exponents.len()]);
    }
    for x in special {
        for &y in &exponents {
            xs.push(x);
            ys.push(y);
        }
    }
    // Near one, where the logarithm is small and the exponent large.
    for i in 0..200_000 {
        xs.push(1.0 + (i as f32 - 100_000.0) * 1e-6);
        ys.push((i % 997) as f32 - 500.0);
    }
    let computed = compute(Op::Pow, &[&xs, &ys]);
    let mut worst = (0.0, 0.0, 0.0);
    for ((&x, &y), z) in xs.iter().zip(&ys).zip(computed) {
        let e = error(z, libm::pow(x.into(), y.into()));
        if e > worst.0 {
            worst = (e, x, y);
        }
    }
    println!("pow: {:.3} ulp at {:e}, {:e}", worst.0, worst.1, worst.2);
    assert!(worst.0 <= 0.51, "{worst:?}");
}
