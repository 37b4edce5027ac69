//! Which parameters are weights of layers, and along which axis their columns lie.

use hla_ir::graph::SPHERE_AXIS;
use hla_ir::{Arg, Attr, Function, Op, TensorType, ValueId};
use hla_passes::training::{TrainingGraphs, TrainingOptions, build};

use super::equations::{close, evaluated};
use super::model::{conv, param};
use crate::build::{Build, i64s, passes};

/// A parameter behind movements, times x = \[1, 2, 3\]: the matrix is \[1, 3, 4\].
fn moved(shape: &[usize], movements: &[(Op, &str, Attr)]) -> Function {
    let mut f = Build::new();
    let x = f.0.add_arg(Arg::new(TensorType::f32([1, 2, 3])).named("x"));
    let mut w = param(&mut f, "w", shape);
    for (op, key, value) in movements {
        w = f.op(*op, &[w], &[(key, value.clone())]);
    }
    let y = f.op(Op::MatMul, &[x, w], &[]);
    f.results(&[y])
}

fn axis(f: &Function) -> Option<i64> {
    let (new, _) = passes("hla-hyperspherical{quantize-all}", f).unwrap();
    let found = new.nodes.iter().find(|n| n.op == Op::Normalize);
    // The other mode marks the same axis.
    let (projected, _) = passes("hla-hyperspherical{quantize-all mode=project}", f).unwrap();
    let marked = projected.args.iter().find_map(|a| a.attrs.i64(SPHERE_AXIS));
    assert_eq!(found.and_then(|n| n.attrs.i64("axis")), marked);
    marked
}

#[test]
fn columns_are_found_behind_movements() {
    let turn = |perms: &[i64]| (Op::Transpose, "perms", i64s(perms));
    let reshape = |shape: &[i64]| (Op::Reshape, "shape", i64s(shape));
    assert_eq!(axis(&moved(&[1, 3, 4], &[])), Some(2));
    // PyTorch's [out, in].
    assert_eq!(
        axis(&moved(&[4, 3], &[turn(&[1, 0]), reshape(&[1, 3, 4])])),
        Some(0)
    );
    assert_eq!(axis(&moved(&[3, 4], &[reshape(&[1, 3, 4])])), Some(1));
    assert_eq!(axis(&moved(&[1, 4, 3], &[turn(&[0, 2, 1])])), Some(1));
    assert_eq!(axis(&moved(&[3, 1, 2, 2], &[reshape(&[1, 3, 4])])), None);
}

/// \[out, in\] weights (3, 4) and (0, 2) behind a transposition: y = (5, 4) for x = (3, 4), as in
/// `eq_3`.
#[test]
fn a_transposed_weight_lies_on_the_sphere_by_its_own_columns() {
    let mut f = Build::new();
    let x = f.0.add_arg(Arg::new(TensorType::f32([1, 1, 2])).named("x"));
    let w = param(&mut f, "w", &[1, 2, 2]);
    let turned = f.op(Op::Transpose, &[w], &[("perms", i64s(&[0, 2, 1]))]);
    let y = f.op(Op::MatMul, &[x, turned], &[]);
    let f = f.results(&[y]);
    let given: [(&str, &[f32]); 2] = [("x", &[3.0, 4.0]), ("w", &[3.0, 4.0, 0.0, 2.0])];
    let pass = "hla-hyperspherical{quantize-all epsilon=0}";
    close(&evaluated(&f, pass, &given)["y"], &[5.0, 4.0]);
}

fn built(f: &Function) -> TrainingGraphs {
    build(f, &TrainingOptions::default()).unwrap()
}

/// Three convolutions, the second and third of one weight.
fn shared(last_is_shared: bool) -> Function {
    let mut f = Build::new();
    let x =
        f.0.add_arg(Arg::new(TensorType::f32([2, 1, 1, 3])).named("x"));
    let names = ["a", "b", "c"];
    let [a, b, c] = names.map(|name| param(&mut f, name, &[3, 1, 1, 3]));
    let none = f.splat(&[1], 0.0);
    let mut y: ValueId = x;
    for w in [a, b, b, if last_is_shared { b } else { c }] {
        y = conv(&mut f, y, w, none);
    }
    f.results(&[y])
}

#[test]
fn a_weight_of_two_layers_is_one_weight() {
    let graphs = built(&shared(false));
    assert_eq!(graphs.layers.len(), 1);
    assert_eq!(graphs.layers[0].weight, "b");
    let count = |op| {
        graphs
            .ternary_step
            .nodes
            .iter()
            .filter(|n| n.op == op)
            .count()
    };
    assert_eq!(count(Op::LossAware), 1);
    // Where the last layer reads it too, it stays float for that.
    let error = build(&shared(true), &TrainingOptions::default())
        .map(|_| ())
        .unwrap_err();
    assert!(error[0].message.contains("no layer"), "{}", error[0]);
}
