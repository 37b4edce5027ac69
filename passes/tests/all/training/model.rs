//! A small network with batch norm, and what its functions are given.

use std::collections::HashMap;

use hla_ir::{Arg, Attr, DType, Function, Op, Tensor, TensorType, ValueId};

use crate::build::{Build, i64s};
use crate::oracle::numbers;

/// Adds a parameter.
pub fn param(f: &mut Build, name: &str, shape: &[usize]) -> ValueId {
    f.0.add_arg(Arg::new(TensorType::f32(shape)).param(name))
}

/// A convolution without padding.
pub fn conv(f: &mut Build, x: ValueId, w: ValueId, b: ValueId) -> ValueId {
    let attrs = [
        ("pad", i64s(&[0; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    f.op(Op::Conv2d, &[x, w, b], &attrs)
}

/// Batch norm in inference form; statistics, γ and β in this order.
fn batch_norm(f: &mut Build, x: ValueId, [mean, variance, gamma, beta]: [ValueId; 4]) -> ValueId {
    let centred = f.op(Op::Sub, &[x, mean], &[]);
    let epsilon = f.splat(&[1; 4], 1e-5);
    let sum = f.op(Op::Add, &[variance, epsilon], &[]);
    let inverse = f.op(Op::Rsqrt, &[sum], &[]);
    let unit = f.op(Op::Mul, &[centred, inverse], &[]);
    let scaled = f.op(Op::Mul, &[unit, gamma], &[]);
    f.op(Op::Add, &[scaled, beta], &[])
}

fn norm_params(f: &mut Build, name: &str, channels: usize) -> [ValueId; 4] {
    ["running_mean", "running_var", "weight", "bias"]
        .map(|what| param(f, &format!("{name}.{what}"), &[1, 1, 1, channels]))
}

fn relu(f: &mut Build, x: ValueId) -> ValueId {
    let range = [
        ("min_val", Attr::F32(0.0)),
        ("max_val", Attr::F32(f32::MAX)),
    ];
    f.op(Op::Clamp, &[x], &range)
}

/// conv1 → bn1 → relu → conv2 → bn2 → relu → conv3 → mean → fc: conv2 and conv3 become ternary.
pub fn network(batch: usize) -> Function {
    let mut f = Build::new();
    let image = TensorType::f32([batch, 6, 6, 1]);
    let x = f.0.add_arg(Arg::new(image).named("image"));
    let w1 = param(&mut f, "conv1.weight", &[3, 3, 3, 1]);
    let bn1 = norm_params(&mut f, "bn1", 3);
    let w2 = param(&mut f, "conv2.weight", &[4, 2, 2, 3]);
    let bn2 = norm_params(&mut f, "bn2", 4);
    let w3 = param(&mut f, "conv3.weight", &[4, 2, 2, 4]);
    let b3 = param(&mut f, "conv3.bias", &[4]);
    let w4 = param(&mut f, "fc.weight", &[5, 1, 1, 4]);
    let b4 = param(&mut f, "fc.bias", &[5]);
    let none = f.splat(&[1], 0.0);
    let y = conv(&mut f, x, w1, none);
    let y = batch_norm(&mut f, y, bn1);
    let y = relu(&mut f, y);
    let y = conv(&mut f, y, w2, none);
    let y = batch_norm(&mut f, y, bn2);
    let y = relu(&mut f, y);
    let y = conv(&mut f, y, w3, b3);
    let y = relu(&mut f, y);
    let window = [
        ("kernel", i64s(&[2, 2])),
        ("stride", i64s(&[1, 1])),
        ("pad", i64s(&[0; 4])),
    ];
    let y = f.op(Op::AvgPool2d, &[y], &window);
    let y = conv(&mut f, y, w4, b4);
    let y = f.op(Op::Reshape, &[y], &[("shape", i64s(&[batch as i64, 5]))]);
    f.results(&[y])
}

/// Values by `hla.param` and `hla.name`.
pub type Values = HashMap<String, Tensor>;

/// The name of an argument: its parameter's, or its own.
pub fn name(arg: &Arg) -> String {
    let name = arg.param.as_deref().or(arg.name.as_deref());
    name.unwrap_or_default().to_owned()
}

/// Sensible values of every argument: weights that look random, variances of 1, labels in range.
pub fn values(functions: &[&Function]) -> Values {
    let mut values = Values::new();
    for (seed, arg) in functions.iter().flat_map(|f| &f.args).enumerate() {
        let name = name(arg);
        let ty = arg.ty.tensor().unwrap();
        let splat = |v: f64| Tensor::splat(ty.clone(), v);
        let value = match name.rsplit('.').next().unwrap() {
            "running_var" => splat(1.0),
            "running_mean" | "momentum" | "bias" | "clean_steps" => splat(0.0),
            "loss_scale" => splat(1024.0),
            "weight" if name.starts_with("bn") => splat(1.0),
            "threshold" => splat(0.2),
            "positive" | "negative" => splat(0.5),
            "learning_rate" => splat(0.1),
            "loss_aware_weight" => splat(1.0),
            "sparsity" => splat(0.5),
            "labels" => {
                let labels: Vec<i64> = (0..ty.elements() as i64).map(|i| i * 3 % 5).collect();
                Tensor::from_i64s(ty.clone(), &labels).unwrap()
            }
            _ => numbers(&ty.shape, seed as u64),
        };
        assert!(ty.dtype == DType::I32 || value.dtype() == DType::F32);
        values.entry(name).or_insert(value);
    }
    values
}

/// Runs a function on values by name; gives named results, and writes updates back.
pub fn step(f: &Function, values: &mut Values) -> HashMap<String, Vec<f64>> {
    let inputs: Vec<Tensor> = f.args.iter().map(|a| values[&name(a)].clone()).collect();
    let results = hla_reference::evaluate(f, &inputs).unwrap();
    let mut named = HashMap::new();
    for (i, result) in results.into_iter().enumerate() {
        if let Some(state) = f.updates(i) {
            values.insert(state.to_owned(), result);
        } else if let Some(name) = f.result_name(i) {
            named.insert(name.to_owned(), result.iter_f64().collect());
        }
    }
    named
}
