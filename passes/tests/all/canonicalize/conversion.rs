use hla_ir::{DType, Op, TensorType};
use hla_reference::Tolerance;

use super::{special, unary};
use crate::build::{i64s, passes};
use crate::oracle::compare;

#[test]
fn casts_merge_only_where_they_round_alike() {
    let types = [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I1,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
    ];
    let mut merged = 0;
    let triples = (0..types.len().pow(3)).map(|i| (types[i / 64], types[i / 8 % 8], types[i % 8]));
    for (a, b, c) in triples {
        let argument = if a == DType::I1 { DType::I8 } else { a };
        let f = unary(TensorType::new([70], argument), |f, mut x| {
            if a == DType::I1 {
                x = f.op(Op::Cast, &[x], &[("out_type", a.into())]);
            }
            let x = f.op(Op::Cast, &[x], &[("out_type", b.into())]);
            f.op(Op::Cast, &[x], &[("out_type", c.into())])
        });
        let (new, _) = passes("hla-canonicalize", &f).unwrap();
        merged += usize::from(new.nodes.len() < f.nodes.len());
        for seed in 0..3 {
            let input = special(&TensorType::new([70], argument), seed);
            compare(&f, &new, &[input], Tolerance::Exact);
        }
    }
    assert!(merged > 100, "only {merged} chains merged");
}

#[test]
fn packing_and_unpacking_cancel() {
    let f = unary(TensorType::new([2, 3], DType::I1), |f, x| {
        let x = f.op(Op::Cast, &[x], &[("out_type", DType::I8.into())]);
        let x = f.op(Op::Pack, &[x], &[]);
        f.op(Op::Unpack, &[x], &[("shape", i64s(&[2, 3]))])
    });
    let (new, _) = passes("hla-canonicalize", &f).unwrap();
    assert_eq!(new.nodes.len(), 1);
}
