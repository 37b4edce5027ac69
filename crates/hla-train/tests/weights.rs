//! Where the state begins.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hla_ir::{Tensor, TensorType};
use hla_passes::training::{Role, StateSpec};
use hla_train::init;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

fn spec(name: &str, shape: &[usize], role: Role) -> StateSpec {
    StateSpec {
        name: name.to_owned(),
        ty: TensorType::f32(shape),
        role,
        layer: None,
    }
}

fn specs() -> [StateSpec; 6] {
    [
        spec("a.weight", &[100, 5, 5, 8], Role::Weight { fan_in: 200 }),
        spec("a.bias", &[100], Role::Bias),
        spec("n.weight", &[3], Role::NormScale),
        spec("n.running_var", &[3], Role::RunningVariance),
        spec("a.weight.threshold", &[1], Role::Threshold),
        spec("a.weight.momentum", &[100, 5, 5, 8], Role::Momentum),
    ]
}

#[test]
fn weights_are_drawn_as_kaiming_says() {
    let state = init::state(&specs(), &BTreeMap::new(), 1).unwrap();
    let values = state.get("a.weight").unwrap().to_f32s();
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
    // 20,000 values of variance 2/200: five standard errors.
    assert!(mean.abs() < 5.0 * 0.1 / n.sqrt(), "{mean}");
    assert!(
        (square / 0.01 - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
        "{square}"
    );
    let all = |name: &str, value: f32| {
        let values = state.get(name).unwrap().to_f32s();
        assert!(values.iter().all(|&v| v == value), "{name}");
    };
    all("a.bias", 0.0);
    all("n.weight", 1.0);
    all("n.running_var", 1.0);
    all("a.weight.threshold", 0.0);
    all("a.weight.momentum", 0.0);
    let again = init::state(&specs(), &BTreeMap::new(), 1).unwrap();
    assert_eq!(again, state);
    let other = init::state(&specs(), &BTreeMap::new(), 2).unwrap();
    assert_ne!(other.get("a.weight"), state.get("a.weight"));
}

#[test]
fn given_weights_are_taken() {
    let bias = Tensor::from_f32s([100], &[0.5; 100]).unwrap();
    let weights = BTreeMap::from([("a.bias".to_owned(), bias.clone())]);
    let state = init::state(&specs(), &weights, 1).unwrap();
    assert_eq!(state.get("a.bias"), Some(bias));
    let wrong = Tensor::from_f32s([1], &[0.5]).unwrap();
    let weights = BTreeMap::from([("a.bias".to_owned(), wrong)]);
    let error = init::state(&specs(), &weights, 1).unwrap_err();
    assert!(
        error.message.contains("'a.bias' is tensor<100xf32>"),
        "{error}"
    );
}

/// Bytes of numbers as bf16: the upper half of their f32.
fn bf16s(values: &[f32]) -> Vec<u8> {
    let halves = values.iter().map(|v| (v.to_bits() >> 16) as u16);
    halves.flat_map(u16::to_le_bytes).collect()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn write(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.to_vec(), bytes).unwrap(),
        )
    });
    serialize_to_file(views, None, path).unwrap();
}

#[test]
fn a_file_of_weights_is_read_and_all_its_faults_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let specs = [
        spec("w", &[2, 1], Role::Weight { fan_in: 1 }),
        spec("b", &[2], Role::Bias),
        spec("w.momentum", &[2, 1], Role::Momentum),
    ];
    write(
        &path,
        &[
            ("b", Dtype::F32, &[2], f32s(&[3.0, 4.0])),
            ("unused", Dtype::F32, &[1], f32s(&[0.0])),
            ("w", Dtype::BF16, &[2, 1], bf16s(&[0.5, -1.25])),
        ],
    );
    let weights = init::load(&path, &specs).unwrap();
    assert_eq!(weights.len(), 2);
    assert_eq!(weights["w"].to_f32s(), [0.5, -1.25]);
    assert_eq!(weights["w"].ty(), &TensorType::f32([2, 1]));
    assert_eq!(weights["b"].to_f32s(), [3.0, 4.0]);

    let specs = [
        specs[0].clone(),
        specs[1].clone(),
        spec("c", &[1], Role::Bias),
        spec("i", &[1], Role::Bias),
    ];
    write(
        &path,
        &[
            ("b", Dtype::F32, &[2], f32s(&[3.0, f32::NAN])),
            ("i", Dtype::I32, &[1], vec![0; 4]),
            ("w", Dtype::F32, &[1, 2], f32s(&[0.5, -1.25])),
        ],
    );
    let errors = init::load(&path, &specs).unwrap_err();
    let texts: Vec<String> = errors.iter().map(|e| e.message.clone()).collect();
    assert_eq!(
        texts,
        [
            "parameter 'w' is tensor<2x1xf32>, but the file has the shape [1, 2]",
            "tensor 'b' holds NaN at element 1",
            "parameter 'c' is not in the file",
            "tensor 'i' is of the type I32"
        ]
    );
    fs::write(&path, b"nothing").unwrap();
    assert!(
        init::load(&path, &specs).unwrap_err()[0]
            .message
            .contains("no sound safetensors")
    );
    fs::remove_file(&path).unwrap();
    assert!(
        init::load(&path, &specs).unwrap_err()[0]
            .message
            .contains("cannot be read")
    );
}
