//! Ops of training against PyTorch: `tests/fixtures/training.py` writes what is expected.

use crate::common::none;
use hla_ir::{Arg, Attr, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_reference::{Tolerance, evaluate, evaluate_f64};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

fn shape(tensor: &Value) -> Vec<usize> {
    serde_json::from_value(tensor["shape"].clone()).unwrap()
}

fn array(tensor: &Value) -> ArrayD<f64> {
    let values: Vec<f64> = serde_json::from_value(tensor["values"].clone()).unwrap();
    ArrayD::from_shape_vec(IxDyn(&shape(tensor)), values).unwrap()
}

fn attrs(case: &Value) -> Attrs {
    let mut attrs = none();
    for (name, value) in case["attrs"].as_object().unwrap() {
        let attr: Attr = match value {
            Value::Array(_) => serde_json::from_value::<Vec<i64>>(value.clone())
                .unwrap()
                .into(),
            Value::Bool(b) => (*b).into(),
            Value::Number(n) if n.is_i64() => n.as_i64().unwrap().into(),
            number => (number.as_f64().unwrap() as f32).into(),
        };
        attrs.set(name, attr);
    }
    attrs
}

#[test]
fn ops_of_training_agree_with_pytorch() {
    let cases = include_str!("../fixtures/training.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 40);
    for (i, case) in cases.iter().enumerate() {
        let name = case["op"].as_str().unwrap();
        let op = Op::from_name(name).unwrap();
        let inputs = case["inputs"].as_array().unwrap();
        let mut f = Function::new("f");
        let mut tensors = Vec::new();
        for input in inputs {
            // Labels and indices are the only integers.
            let index = matches!(op, Op::SoftmaxCrossEntropy | Op::ScatterAdd)
                && shape(input).len() == if op == Op::ScatterAdd { 2 } else { 1 };
            let dtype = if index { DType::I32 } else { DType::F32 };
            let ty = TensorType::new(shape(input), dtype);
            f.add_arg(Arg::new(ty.clone()));
            tensors.push(Tensor::from_f64s(ty, array(input)).unwrap());
        }
        let args: Vec<_> = (0..inputs.len() as u32).map(hla_ir::ValueId).collect();
        let first = f.push(op, &args, attrs(case), Location::unknown());
        let first = first.unwrap_or_else(|e| panic!("case {i}, {name}: {e}"));
        f.results = f.defining_node(first).unwrap().results.clone();

        let wide: Vec<_> = inputs.iter().map(array).collect();
        let wide = evaluate_f64(&f, &wide).unwrap();
        let narrow = evaluate(&f, &tensors).unwrap();
        let outputs = case["outputs"].as_array().unwrap();
        assert_eq!(outputs.len(), wide.len(), "{name}");
        for ((expected, wide), narrow) in outputs.iter().zip(&wide).zip(&narrow) {
            let expected = array(expected);
            assert_eq!(expected.shape(), wide.shape(), "case {i}, {name}");
            // ε of normalize and batch norm is 1e-4 or 1e-5 rounded to f32.
            for (e, w) in expected.iter().zip(wide) {
                assert!(
                    (e - w).abs() <= 1e-11 + 1e-9 * e.abs(),
                    "case {i}, {name}: {w} is not {e}"
                );
            }
            let tolerance = Tolerance::Relative {
                rtol: 1e-5,
                atol: 1e-5,
            };
            let expected = Tensor::from_f64s(narrow.ty().clone(), expected).unwrap();
            let near = tolerance.check(&expected, narrow);
            assert!(near.is_ok(), "case {i}, {name}: {near:?}");
        }
    }
}
