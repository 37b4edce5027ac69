//! Every rule fires on a function made for it, and keeps every bit, special values included.

mod arithmetic;
mod conversion;
mod movement;

use hla_ir::{DType, Function, Op, Tensor, TensorType, ValueId};
use hla_reference::Tolerance;

use crate::build::{Build, i64s, passes};
use crate::oracle::{compare, keeps_all_cases, numbers};

/// Values at which algebra breaks first, mixed with ordinary ones.
pub(super) fn special(ty: &TensorType, seed: u64) -> Tensor {
    let plain = numbers(&ty.shape, seed).to_f32s();
    let values = plain.iter().enumerate().map(|(i, &v)| {
        let v = f64::from(v);
        let pick = (i as u64 * 7 + seed) % 13;
        if !ty.dtype.is_float() {
            let extreme = 2f64.powi(8 * ty.dtype.bytes() as i32 - 1);
            return match pick {
                0 => -extreme,
                1 => extreme - 1.0,
                2 => 0.0,
                _ => (v * 40.0).round(),
            };
        }
        match pick {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => 0.0,
            4 => -0.0,
            5 => 1e-45,
            6 => f64::from(f32::MAX),
            _ => v,
        }
    });
    Tensor::from_f64s(ty.clone(), values).unwrap()
}

/// The function simplifies by this rule and keeps its values.
pub(super) fn check(rule: &str, function: &Function, seed: u64) {
    let (new, report) = passes("hla-canonicalize", function).unwrap();
    let fired = report
        .tables
        .first()
        .map(|t| t.rows.iter().map(|r| r[0].to_string()));
    assert!(
        fired.is_some_and(|mut names| names.any(|n| n == rule)),
        "{rule} does not apply:\n{function}"
    );
    let types = function.args.iter().map(|a| a.ty.tensor().unwrap());
    let inputs: Vec<Tensor> = types
        .enumerate()
        .map(|(i, t)| special(t, seed + i as u64))
        .collect();
    compare(function, &new, &inputs, Tolerance::Exact);
    let (again, _) = passes("hla-canonicalize", &new).unwrap();
    assert_eq!(again, new, "{rule}: a second run changes the function");
}

/// The function does not simplify by this rule.
pub(super) fn holds_back(rule: &str, function: &Function) {
    let (_, report) = passes("hla-canonicalize", function).unwrap();
    let fired = report
        .tables
        .iter()
        .flat_map(|t| &t.rows)
        .map(|r| r[0].to_string());
    assert!(
        !fired.collect::<Vec<_>>().contains(&rule.to_owned()),
        "{rule} applies:\n{function}"
    );
}

/// A function of one argument.
pub(super) fn unary(ty: TensorType, body: impl FnOnce(&mut Build, ValueId) -> ValueId) -> Function {
    let mut f = Build::new();
    let x = f.typed_arg(ty);
    let y = body(&mut f, x);
    f.results(&[y])
}

pub(super) fn splat(f: &mut Build, ty: &TensorType, value: f64) -> ValueId {
    let shape = vec![1; ty.rank()];
    let tensor = Tensor::splat(TensorType::new(shape, ty.dtype), value);
    f.0.constant(tensor, hla_ir::Location::unknown())
}

pub(super) fn ty(dtype: DType) -> TensorType {
    TensorType::new([3, 5], dtype)
}

pub(super) const NUMBERS: [DType; 6] = [
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::I8,
    DType::I16,
    DType::I32,
];

#[test]
fn every_case_keeps_its_bits() {
    keeps_all_cases("hla-canonicalize", Tolerance::Exact);
}

#[test]
fn a_network_shrinks() {
    let mut f = Build::new();
    let x = f.arg(&[1, 2, 2, 3]);
    let x = f.op(Op::Transpose, &[x], &[("perms", i64s(&[0, 3, 1, 2]))]);
    let zero = f.splat(&[1, 1, 1, 1], 0.0);
    let x = f.op(Op::Maximum, &[zero, x], &[]);
    let six = f.splat(&[1, 1, 1, 1], 6.0);
    let x = f.op(Op::Minimum, &[x, six], &[]);
    let x = f.op(Op::Reshape, &[x], &[("shape", i64s(&[3, 4]))]);
    let x = f.op(Op::Identity, &[x], &[]);
    let x = f.op(Op::Reshape, &[x], &[("shape", i64s(&[12]))]);
    let f = f.results(&[x]);
    let (new, report) = passes("hla-canonicalize", &f).unwrap();
    insta::assert_snapshot!(format!("{new}{report}"));
}
