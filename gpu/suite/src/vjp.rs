//! The VJP of every smooth op: a function that gives the op's results, Σ weight·result as `loss`, and
//! the derivatives of that by the op's operands.
//!
//! Small cases are those of `passes/tests/fixtures/autodiff`, larger ones are drawn here: more than a
//! tile of everything, odd extents.

use std::collections::{BTreeMap, BTreeSet};

use hla_ir::{
    Arg, Attr, Attrs, DType, Diagnostic, Function, Location, Op, Tensor, TensorType, ValueId,
};
use hla_passes::autodiff;
use hla_passes::options::Options;
use hla_reference::evaluate;
use hla_train::random::Random;
use safetensors::{Dtype, SafeTensors};

use crate::cases::{Entry, Gives};

const FIXTURE: &[u8] = include_bytes!("../../../passes/tests/fixtures/autodiff/ops.safetensors");

/// An op applied to operands.
struct Problem {
    name: String,
    op: Op,
    operands: Vec<Tensor>,
    attrs: Attrs,
    /// What each result is weighed with; if empty, drawn from the name.
    weights: Vec<Tensor>,
}

/// All of them.
///
/// # Errors
/// A fixture that is damaged, an op that its rules refuse.
pub fn all() -> Result<Vec<Entry>, Vec<Diagnostic>> {
    let mut problems = fixture().map_err(|message| vec![refuse(message)])?;
    problems.extend(larger());
    let entries = problems.into_iter().map(entry);
    entries
        .collect::<Result<_, Diagnostic>>()
        .map_err(|e| vec![e])
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
}

/// The cases that JAX was asked.
fn fixture() -> Result<Vec<Problem>, String> {
    let file = SafeTensors::deserialize(FIXTURE).map_err(|e| e.to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::I32 => DType::I32,
            Dtype::I64 => DType::I64,
            Dtype::BOOL => DType::I1,
            // Text.
            Dtype::U8 => DType::I8,
            other => return Err(format!("{name} is {other:?}")),
        };
        let ty = TensorType::try_new(view.shape(), dtype)?;
        tensors.insert(name, Tensor::from_bytes(ty, view.data().to_vec())?);
    }
    let cases: BTreeSet<&str> = tensors.keys().filter_map(|k| k.split('/').next()).collect();
    let of = |case: &str, kind: &str| -> Vec<(String, Tensor)> {
        let prefix = format!("{case}/{kind}.");
        let all = tensors.iter();
        all.filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.clone())))
            .collect()
    };
    let values = |list: Vec<(String, Tensor)>| list.into_iter().map(|(_, t)| t).collect();
    let problem = |case: &str| {
        let op = case.split('#').next().unwrap_or_default();
        let mut attrs = Attrs::new();
        for (name, value) in of(case, "attr") {
            attrs.set(&name, attr(&value)?);
        }
        Ok(Problem {
            name: format!("vjp:{case}"),
            op: Op::from_name(op).ok_or_else(|| format!("there is no op {op}"))?,
            operands: values(of(case, "in")),
            attrs,
            weights: values(of(case, "weight")),
        })
    };
    cases.into_iter().map(problem).collect()
}

/// The attribute that a tensor of the fixture stands for.
fn attr(values: &Tensor) -> Result<Attr, String> {
    let ints = || values.to_i64s().ok_or("no integers".to_owned());
    Ok(match (values.dtype(), values.shape()) {
        (DType::I8, _) => {
            let text = String::from_utf8(values.to_bytes().into_owned());
            Attr::from(text.map_err(|e| e.to_string())?.as_str())
        }
        (DType::I64, []) => Attr::I64(ints()?.first().copied().unwrap_or(0)),
        (DType::I64, _) => Attr::I64s(ints()?),
        _ => Attr::F32(values.to_f32s().first().copied().unwrap_or(0.0)),
    })
}

/// Numbers between two bounds, from a name.
fn drawn(name: &str, shape: &[usize], low: f64, high: f64) -> Tensor {
    const STEPS: u64 = 1 << 20;
    let mut random = Random::of(0, name, 0, 0);
    let ty = TensorType::f32(shape);
    let values: Vec<f32> = (0..ty.elements())
        .map(|_| (low + (high - low) * random.below(STEPS) as f64 / STEPS as f64) as f32)
        .collect();
    Tensor::from_f32s(shape.to_vec(), &values).unwrap_or_else(|_| Tensor::splat(ty, 0.0))
}

fn larger() -> Vec<Problem> {
    let mut all = Vec::new();
    let mut add = |tag: &str, op: Op, shapes: &[&[usize]], attrs: Attrs| {
        let name = format!("vjp:{}:{tag}", op.def().name);
        let operands = shapes.iter().enumerate().map(|(i, shape)| {
            let (low, high) = match (op, i) {
                // A threshold.
                (Op::LossAware | Op::SteTernarize, 1) => (0.03, 0.04),
                (Op::LossAware | Op::SteTernarize, _) => (-0.1, 0.1),
                (Op::BatchNorm, 1) => (0.5, 1.5),
                _ => (-1.0, 1.0),
            };
            drawn(&format!("{name}.{i}"), shape, low, high)
        });
        all.push(Problem {
            operands: operands.collect(),
            name,
            op,
            attrs,
            weights: Vec::new(),
        });
    };
    let window = |pad: [i64; 4], stride: i64| {
        Attrs::new()
            .with("pad", pad.to_vec())
            .with("stride", vec![stride; 2])
    };
    let dilated = |pad, stride| window(pad, stride).with("dilation", vec![1_i64; 2]);
    let axis = |axis: i64| Attrs::new().with("axis", axis);
    for (tag, input, weight, pad, stride) in [
        ("3x3", [4, 15, 13, 24], [40, 3, 3, 24], [1; 4], 1),
        (
            "3x3_stride2",
            [3, 14, 16, 19],
            [33, 3, 3, 19],
            [1, 0, 1, 0],
            2,
        ),
        (
            "7x7_stride2",
            [2, 32, 32, 3],
            [16, 7, 7, 3],
            [3, 2, 3, 2],
            2,
        ),
        ("1x1", [5, 7, 9, 65], [70, 1, 1, 65], [0; 4], 1),
        ("1x1_stride2", [2, 9, 9, 32], [64, 1, 1, 32], [0; 4], 2),
    ] {
        let bias = [weight[0]];
        add(
            tag,
            Op::Conv2d,
            &[&input, &weight, &bias],
            dilated(pad, stride),
        );
    }
    for (tag, input, pad, stride) in [
        ("3x3", [3, 15, 13, 33], [1; 4], 1),
        ("3x3_stride2", [2, 14, 16, 24], [1, 0, 1, 0], 2),
    ] {
        let (weight, bias) = ([3, 3, input[3], 1], [input[3]]);
        let attrs = dilated(pad, stride);
        add(tag, Op::DepthwiseConv2d, &[&input, &weight, &bias], attrs);
    }
    add(
        "large",
        Op::MatMul,
        &[&[2, 65, 40], &[2, 40, 33]],
        Attrs::new(),
    );
    add(
        "wide",
        Op::MatMul,
        &[&[1, 128, 200], &[1, 200, 96]],
        Attrs::new(),
    );
    let pool = |pad, stride, kernel: i64| window(pad, stride).with("kernel", vec![kernel; 2]);
    add(
        "3x3_stride2",
        Op::MaxPool2d,
        &[&[2, 16, 16, 33]],
        pool([1, 0, 1, 0], 2, 3),
    );
    add("7x7", Op::AvgPool2d, &[&[3, 7, 7, 40]], pool([0; 4], 1, 7));
    add(
        "large",
        Op::BatchNorm,
        &[&[8, 9, 7, 33], &[1, 1, 1, 33], &[1, 1, 1, 33]],
        Attrs::new(),
    );
    add(
        "narrow",
        Op::BatchNorm,
        &[&[3, 31, 33, 4], &[1, 1, 1, 4], &[1, 1, 1, 4]],
        Attrs::new(),
    );
    for (tag, shape, columns) in [
        ("conv", &[64, 3, 3, 40][..], 0),
        ("matmul", &[1, 300, 65], 2),
    ] {
        add(tag, Op::Normalize, &[shape], axis(columns));
        add(tag, Op::LossAware, &[shape, &[1]], axis(columns));
        add(tag, Op::SteTernarize, &[shape, &[1]], axis(columns));
    }
    for i in 0..3 {
        add(&format!("axis{i}"), Op::ReduceSum, &[&[5, 300, 7]], axis(i));
    }
    all
}

/// Differentiates a problem, and evaluates what comes of it.
fn entry(problem: Problem) -> Result<Entry, Diagnostic> {
    let Problem {
        name,
        op,
        operands,
        attrs,
        weights,
    } = problem;
    let at = Location::unknown;
    let mut graph = Function::new(&name);
    let values: Vec<ValueId> = operands
        .iter()
        .enumerate()
        .map(|(i, t)| graph.add_arg(Arg::new(t.ty().clone()).param(&i.to_string())))
        .collect();
    let first = graph.push(op, &values, attrs, at())?;
    let results = graph.defining_node(first).map(|n| n.results.clone());
    let results = results.unwrap_or_default();
    let mut terms = Vec::new();
    for (i, &result) in results.iter().enumerate() {
        let ty = graph.tensor_ty(result).clone();
        let weight = match weights.get(i) {
            Some(weight) => weight.clone(),
            None => drawn(&format!("{name}.weight{i}"), &ty.shape, -1.0, 1.0),
        };
        let weight = graph.constant(weight, at());
        let product = graph.push(Op::Mul, &[result, weight], Attrs::new(), at())?;
        let flat = Attrs::new().with("shape", vec![ty.elements() as i64]);
        let flat = graph.push(Op::Reshape, &[product], flat, at())?;
        let along = Attrs::new().with("axis", 0_i64);
        terms.push(graph.push(Op::ReduceSum, &[flat], along, at())?);
    }
    let mut terms = terms.into_iter();
    let mut loss = terms
        .next()
        .ok_or_else(|| refuse(format!("{name} has no result")))?;
    for term in terms {
        loss = graph.push(Op::Add, &[loss, term], Attrs::new(), at())?;
    }
    for &result in &results {
        graph.add_result(result, "hla.name", &format!("y{}", graph.results.len()));
    }
    graph.add_result(loss, "hla.name", "loss");

    let options = Options::defaults(autodiff::PASS.options);
    let (mut function, _) = (autodiff::PASS.run)(&graph, &options)?;
    let gives = (0..function.results.len())
        .map(|i| match function.gradient_of(i).map(str::parse) {
            Some(Ok(argument)) => Gives::Gradient(argument),
            _ => Gives::Result(i),
        })
        .collect();
    // Functions of one program share parameters by name: these have none in common.
    for arg in &mut function.args {
        arg.param = None;
    }
    let outputs = evaluate(&function, &operands)?;
    Ok(Entry {
        name,
        function,
        graph,
        gives,
        inputs: operands,
        outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the functions give is what JAX has given: results within 1e-5, gradients within 1e-4 of the
    /// largest magnitude.
    #[test]
    fn the_functions_of_the_fixture_give_what_jax_gives() {
        let file = SafeTensors::deserialize(FIXTURE).unwrap();
        let mut compared = 0;
        for entry in all().unwrap() {
            let Some(case) = entry.name.strip_prefix("vjp:").filter(|c| c.contains('#')) else {
                continue;
            };
            for (gives, found) in entry.gives.iter().zip(&entry.outputs) {
                let (key, rtol) = match gives {
                    // The last result is the objective, which the fixture has not.
                    Gives::Result(i) => (format!("{case}/out.{i}"), 1e-5),
                    Gives::Gradient(i) => (format!("{case}/grad.{i}"), 1e-4),
                };
                let Ok(expected) = file.tensor(&key) else {
                    assert!(matches!(gives, Gives::Result(_)), "{key}");
                    continue;
                };
                let ty = TensorType::f32(expected.shape());
                let expected = Tensor::from_bytes(ty, expected.data().to_vec()).unwrap();
                assert_eq!(expected.ty(), found.ty(), "{key}");
                let largest = expected.iter_f64().fold(0.0_f64, |m, v| m.max(v.abs()));
                for (e, f) in expected.iter_f64().zip(found.iter_f64()) {
                    assert!((e - f).abs() <= rtol * largest.max(1e-30), "{key}: {e} {f}");
                }
                compared += 1;
            }
        }
        assert!(compared > 250, "{compared}");
    }

    #[test]
    fn every_function_says_what_each_result_is() {
        let mut names = BTreeSet::new();
        for entry in all().unwrap().into_iter().chain(crate::cases::all()) {
            assert_eq!(
                entry.gives.len(),
                entry.function.results.len(),
                "{}",
                entry.name
            );
            assert_eq!(entry.outputs.len(), entry.gives.len(), "{}", entry.name);
            assert!(!entry.name.contains('/'), "{}", entry.name);
            for gives in &entry.gives {
                match *gives {
                    Gives::Result(i) => assert!(i < entry.graph.results.len()),
                    Gives::Gradient(i) => assert!(i < entry.inputs.len()),
                }
            }
            assert!(names.insert(entry.name));
        }
        assert!(names.len() > 300, "{}", names.len());
    }
}
