use hla_ir::Op;

use hla_reference::Tolerance;

use crate::build::{Build, passes};
use crate::oracle::keeps_all_cases;

#[test]
fn equal_subtrees_merge() {
    let mut f = Build::new();
    let x = f.arg(&[2, 3]);
    let side = |f: &mut Build| {
        let one = f.splat(&[1, 1], 1.0);
        let sum = f.op(Op::Add, &[x, one], &[]);
        f.op(Op::Exp, &[sum], &[])
    };
    let (a, b) = (side(&mut f), side(&mut f));
    let product = f.op(Op::Mul, &[a, b], &[]);
    let f = f.results(&[product, a, b]);
    let (new, _) = passes("hla-cse", &f).unwrap();
    let ops: Vec<Op> = new.nodes.iter().map(|n| n.op).collect();
    assert_eq!(ops, [Op::Const, Op::Add, Op::Exp, Op::Mul]);
    assert_eq!(new.results[1], new.results[2]);
}

#[test]
fn every_case_keeps_its_bits() {
    keeps_all_cases("hla-cse", Tolerance::Exact);
}
