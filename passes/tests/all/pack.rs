use hla_ir::{DType, Location, Op, Tensor, TensorType};

use crate::build::{Build, passes};

fn matmul(trits: &[i64]) -> hla_ir::Function {
    let mut f = Build::new();
    let x = f.arg(&[1, 2, 5]);
    let ty = TensorType::new([2, 5], DType::I8);
    let w = Tensor::from_i64s(ty, trits).unwrap();
    let w = f.0.constant(w, Location::file("weights.mlir", 7, 1));
    let scale = f.splat(&[2], 0.5);
    let bias = f.splat(&[2], 0.0);
    let y = f.op(Op::TernaryMatMul, &[x, w, scale, bias], &[]);
    f.results(&[y])
}

#[test]
fn trits_become_two_bit_codes() {
    let f = matmul(&[1, -1, 0, 1, -1, 0, 0, 0, 0, 1]);
    let (new, report) = passes("hla-pack", &f).unwrap();
    insta::assert_snapshot!(format!("{new}{report}"));
    let (again, _) = passes("hla-pack", &new).unwrap();
    assert_eq!(again, new);
}

#[test]
fn other_values_are_refused_where_they_stand() {
    let error = passes("hla-pack", &matmul(&[0, 0, 0, 0, 0, 0, 0, 2, 0, 0])).unwrap_err();
    assert_eq!((error.location.line, error.help.is_some()), (7, true));
    assert!(error.message.contains("value 7 is 2"), "{error}");
}
