//! Every op against JAX in float32: `fixtures/autodiff/make.py` says what stands in the file.

use std::collections::{BTreeMap, BTreeSet};

use hla_ir::{Arg, Attr, Attrs, Function, Op, Tensor, TensorType};
use hla_reference::evaluate;
use safetensors::{Dtype, SafeTensors};

use super::differences::push;
use crate::build::{Build, i64s, passes};

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// A file of `fixtures/autodiff`.
pub fn read(file: &str) -> Tensors {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/autodiff/");
    let bytes = std::fs::read(format!("{folder}{file}")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |view: safetensors::tensor::TensorView<'_>| {
        let dtype = match view.dtype() {
            Dtype::F32 => hla_ir::DType::F32,
            Dtype::I32 => hla_ir::DType::I32,
            Dtype::I64 => hla_ir::DType::I64,
            Dtype::BOOL => hla_ir::DType::I1,
            Dtype::U8 => hla_ir::DType::I8,
            other => panic!("{other:?}"),
        };
        let ty = TensorType::new(view.shape(), dtype);
        Tensor::from_bytes(ty, view.data().to_vec()).unwrap()
    };
    let all = tensors.tensors().into_iter();
    all.map(|(name, view)| (name, tensor(view))).collect()
}

/// Asserts that two tensors agree within `rtol` of the largest magnitude.
pub fn assert_near(what: &str, expected: &Tensor, computed: &Tensor, rtol: f64) {
    assert_eq!(expected.ty(), computed.ty(), "{what}");
    let largest = expected.iter_f64().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (i, (e, c)) in expected.iter_f64().zip(computed.iter_f64()).enumerate() {
        assert!(
            (e - c).abs() <= rtol * largest.max(1e-30),
            "{what}, element {i}: JAX has {e}, not {c} (largest {largest})"
        );
    }
}

/// The attribute that a tensor of the file stands for.
fn attr(values: &Tensor) -> Attr {
    match (values.dtype(), values.shape()) {
        (hla_ir::DType::I8, _) => {
            let bytes = values.to_bytes();
            Attr::from(std::str::from_utf8(&bytes).unwrap())
        }
        (hla_ir::DType::I64, []) => Attr::I64(values.to_i64s().unwrap()[0]),
        (hla_ir::DType::I64, _) => Attr::I64s(values.to_i64s().unwrap()),
        _ => Attr::F32(values.to_f32s()[0]),
    }
}

/// The tensors `CASE/KIND.I`, by I.
fn of_kind(tensors: &Tensors, case: &str, kind: &str) -> Vec<(String, Tensor)> {
    let prefix = format!("{case}/{kind}.");
    let all = tensors.iter();
    all.filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.clone())))
        .collect()
}

/// The op of a case applied to its operands, and Σ weight·result as the objective.
fn function(tensors: &Tensors, case: &str) -> Function {
    let op = Op::from_name(case.split('#').next().unwrap()).unwrap();
    let mut b = Build::new();
    let operands: Vec<_> = of_kind(tensors, case, "in")
        .into_iter()
        .map(|(i, t)| b.0.add_arg(Arg::new(t.ty().clone()).param(&i)))
        .collect();
    let mut attrs = Attrs::new();
    for (name, value) in of_kind(tensors, case, "attr") {
        attrs.set(&name, attr(&value));
    }
    let first = push(&mut b.0, op, &operands, attrs);
    let results = b.0.defining_node(first).unwrap().results.clone();
    let mut sum = None;
    for ((_, weight), &result) in of_kind(tensors, case, "weight").into_iter().zip(&results) {
        let count = weight.ty().elements() as i64;
        let weight = b.0.constant(weight, hla_ir::Location::unknown());
        let product = b.op(Op::Mul, &[result, weight], &[]);
        let flat = b.op(Op::Reshape, &[product], &[("shape", i64s(&[count]))]);
        let term = b.op(Op::ReduceSum, &[flat], &[("axis", 0.into())]);
        sum = Some(match sum {
            Some(sum) => b.op(Op::Add, &[sum, term], &[]),
            None => term,
        });
    }
    let mut f = b.results(&results);
    f.add_result(sum.unwrap(), "hla.name", "loss");
    f
}

#[test]
fn every_op_has_the_gradients_of_jax() {
    let tensors = read("ops.safetensors");
    let cases: BTreeSet<&str> = tensors
        .keys()
        .map(|k| k.split('/').next().unwrap())
        .collect();
    let mut ops = BTreeSet::new();
    for case in cases {
        let f = function(&tensors, case);
        ops.insert(case.split('#').next().unwrap());
        let inputs: Vec<Tensor> = of_kind(&tensors, case, "in")
            .into_iter()
            .map(|t| t.1)
            .collect();
        let (new, _) = passes("hla-autodiff", &f).unwrap();
        let results = evaluate(&new, &inputs).unwrap();
        for (i, expected) in of_kind(&tensors, case, "out") {
            let i: usize = i.parse().unwrap();
            assert_near(&format!("{case} result {i}"), &expected, &results[i], 1e-5);
        }
        let grads = of_kind(&tensors, case, "grad");
        assert!(!grads.is_empty());
        for (operand, expected) in grads {
            let found = |&i: &usize| new.gradient_of(i) == Some(operand.as_str());
            let i = (0..new.results.len()).find(found).unwrap();
            let what = format!("{case} gradient by operand {operand}");
            assert_near(&what, &expected, &results[i], 1e-4);
        }
    }
    // What has a derivative and is not here, with the reason.
    let elsewhere = [("tosa.cast", "its attribute is a type: differences see it")];
    let smooth: Vec<&str> = hla_passes::autodiff::smooth()
        .map(|op| op.def().name)
        .collect();
    for op in &smooth {
        let reason = elsewhere.iter().any(|(name, _)| name == op);
        assert!(ops.contains(op) != reason, "{op}");
    }
}
