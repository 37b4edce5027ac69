//! Ops that move data.

use hla_ir::{DType, Op, TensorType};

use super::differences::Problem;
use crate::build::i64s;

fn moved(op: Op, shape: &[usize], attrs: &[(&str, hla_ir::Attr)]) {
    let mut p = Problem::new(3);
    let x = p.uniform(shape, -1.0, 1.0);
    let y = p.build.op(op, &[x], attrs);
    let y = p.build.op(Op::Tanh, &[y], &[]);
    p.weigh(y);
    p.check();
}

#[test]
fn reshapes_and_permutations() {
    moved(Op::Reshape, &[2, 3, 2], &[("shape", i64s(&[4, 3]))]);
    moved(Op::Reshape, &[], &[("shape", i64s(&[1, 1]))]);
    moved(
        Op::Transpose,
        &[2, 3, 4],
        &[("perms", hla_ir::Attr::I64s(vec![2, 0, 1]))],
    );
    moved(Op::Reverse, &[2, 3], &[("axis", 1.into())]);
}

#[test]
fn boxes() {
    moved(Op::Pad, &[2, 3], &[("padding", i64s(&[1, 0, 2, 1]))]);
    let start = ("start", i64s(&[1, 0, 2]));
    let size = ("size", i64s(&[2, 3, 1]));
    moved(Op::Slice, &[4, 3, 5], &[start, size]);
    moved(Op::Tile, &[2, 1, 3], &[("multiples", i64s(&[3, 4, 2]))]);
    moved(Op::Tile, &[2], &[("multiples", i64s(&[1]))]);
}

#[test]
fn concatenations() {
    for axis in 0..2 {
        let mut p = Problem::new(4);
        let extents = |n: usize| if axis == 0 { [n, 2] } else { [2, n] };
        let parts = [1, 3, 2].map(|n| p.uniform(&extents(n), -1.0, 1.0));
        let axis = [("axis", (axis as i64).into())];
        // One part stands there twice.
        let all = [parts[0], parts[1], parts[2], parts[0]];
        let y = p.build.op(Op::Concat, &all, &axis);
        let y = p.build.op(Op::Tanh, &[y], &[]);
        p.weigh(y);
        p.check();
    }
}

#[test]
fn gathers() {
    let mut p = Problem::new(5);
    let x = p.uniform(&[2, 3, 4], -1.0, 1.0);
    let ty = TensorType::new([2, 5], DType::I32);
    let indices = p.input(ty, vec![0., 2., 2., 0., 2., 1., 1., 1., 0., 1.]);
    let y = p.build.op(Op::Gather, &[x, indices], &[]);
    let y = p.build.op(Op::Tanh, &[y], &[]);
    p.weigh(y);
    p.check();
}
