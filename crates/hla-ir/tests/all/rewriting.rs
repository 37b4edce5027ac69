//! The rewriter: equal nodes once, dead ones gone, values mapped.

use hla_ir::graph::{GRADIENT, RESULT_NAME};
use hla_ir::rewrite::{Rewriter, rewrite, without_dead_nodes};
use hla_ir::verify::verify;
use hla_ir::{Function, Location, Op, Tensor, TensorType, Type, ValueId};

use crate::common::{function, none, ty};

fn at(line: u32) -> Location {
    Location::file("m.mlir", line, 1)
}

fn copied(f: &Function) -> Function {
    let new = rewrite(f, |_, _, _| Ok(None)).unwrap();
    verify(&new).unwrap();
    new
}

fn names(f: &Function) -> Vec<&str> {
    f.nodes.iter().map(|n| n.name()).collect()
}

#[test]
fn equal_nodes_are_built_once() {
    let (mut f, x) = function(&["4xf32", "4xf32"]);
    let a = f.push(Op::Add, &[x[0], x[1]], none(), at(1)).unwrap();
    let b = f.push(Op::Add, &[x[0], x[1]], none(), at(2)).unwrap();
    let c = f.push(Op::Sub, &[a, b], none(), at(3)).unwrap();
    f.results = vec![c, b];
    let new = copied(&f);
    assert_eq!(names(&new), ["tosa.add", "tosa.sub"]);
    assert_eq!(new.nodes[1].operands, [ValueId(2), ValueId(2)]);
    assert_eq!(new.nodes[0].location, at(1));
    assert_eq!(new.results, [ValueId(3), ValueId(2)]);
}

#[test]
fn unequal_nodes_stay_apart() {
    let (mut f, x) = function(&["4xf32", "4xf32"]);
    let clamp = |high: f32| none().with("min_val", 0.0f32).with("max_val", high);
    let constant =
        |f: &mut Function, v: f64| f.constant(Tensor::splat(TensorType::f32([4]), v), at(1));
    let values = [
        f.push(Op::Sub, &[x[0], x[1]], none(), at(1)).unwrap(),
        f.push(Op::Sub, &[x[1], x[0]], none(), at(1)).unwrap(),
        f.push(Op::Clamp, &[x[0]], clamp(1.0), at(1)).unwrap(),
        f.push(Op::Clamp, &[x[0]], clamp(2.0), at(1)).unwrap(),
        // 0 and −0 are different constants.
        constant(&mut f, 0.0),
        constant(&mut f, -0.0),
    ];
    f.results = values.to_vec();
    assert_eq!(copied(&f).nodes.len(), 6);
}

#[test]
fn equal_constants_are_found_however_they_are_stored() {
    let (mut f, _) = function(&[]);
    let splat = f.constant(Tensor::splat(TensorType::f32([2]), 0.5), at(1));
    let dense = f.constant(Tensor::from_f32s([2], &[0.5, 0.5]).unwrap(), at(2));
    f.results = vec![splat, dense];
    let new = copied(&f);
    assert_eq!((new.nodes.len(), new.results[0]), (1, new.results[1]));
}

#[test]
fn nodes_of_several_results_are_merged_whole() {
    let (mut f, x) = function(&["4xf32"]);
    let first = f
        .push_node(Op::DynamicQuantize, &[x[0]], none(), at(1))
        .unwrap();
    let second = f
        .push_node(Op::DynamicQuantize, &[x[0]], none(), at(2))
        .unwrap();
    let (a, b) = (f.node(first).results[0], f.node(second).results[1]);
    f.results = vec![a, b];
    let new = copied(&f);
    assert_eq!(new.nodes.len(), 1);
    assert_eq!(new.results, [ValueId(1), ValueId(2)]);
}

#[test]
fn dead_nodes_go_and_opaque_ones_stay() {
    let (mut f, x) = function(&["4xf32"]);
    let dead = f.push(Op::Exp, &[x[0]], none(), at(1)).unwrap();
    f.push(Op::Log, &[dead], none(), at(2)).unwrap();
    let kept = f.push(Op::Abs, &[x[0]], none(), at(3)).unwrap();
    f.push_opaque("acme.print", &[kept], "", vec![], at(4));
    let also_opaque = vec![Type::Tensor(ty("4xf32"))];
    f.push_opaque("acme.print", &[kept], "", also_opaque, at(5));
    let y = f.push(Op::Ceil, &[x[0]], none(), at(6)).unwrap();
    f.results = vec![y];
    let expected = ["tosa.abs", "acme.print", "acme.print", "tosa.ceil"];
    let new = without_dead_nodes(&f);
    verify(&new).unwrap();
    assert_eq!(names(&new), expected);
    assert_eq!(names(&copied(&f)), expected);
    assert_eq!(new, without_dead_nodes(&new));
}

#[test]
fn a_rule_replaces_values() {
    let (mut f, x) = function(&["4xf32"]);
    let a = f.push(Op::Identity, &[x[0]], none(), at(1)).unwrap();
    let b = f.push(Op::Identity, &[a], none(), at(2)).unwrap();
    let c = f.push(Op::Abs, &[b], none(), at(3)).unwrap();
    f.results = vec![c, a];
    let new = rewrite(&f, |r, _, node| {
        Ok((node.op == Op::Identity).then(|| vec![r.get(node.operands[0])]))
    })
    .unwrap();
    verify(&new).unwrap();
    assert_eq!(names(&new), ["tosa.abs"]);
    assert_eq!(new.results, [ValueId(1), ValueId(0)]);
    assert_eq!(new.args, f.args);
}

#[test]
fn types_follow_changed_arguments() {
    let (mut f, x) = function(&["1x4xf32", "3xi8"]);
    let y = f.push(Op::Abs, &[x[0]], none(), at(1)).unwrap();
    let z = f
        .push(Op::ReduceSum, &[y], none().with("axis", 1i64), at(2))
        .unwrap();
    f.results = vec![z];
    // Without the argument nobody uses, and with a batch of 7.
    let mut r = Rewriter::without_args(&f);
    r.replace_arg(0, ty("7x4xf32").into());
    for (id, _) in f.iter_nodes() {
        r.copy(id).unwrap();
    }
    let new = r.finish();
    verify(&new).unwrap();
    assert_eq!(new.args.len(), 1);
    assert_eq!(new.tensor_ty(new.results[0]), &ty("7x1xf32"));
    // A type that an op refuses is an error with the op's location.
    let mut r = Rewriter::without_args(&f);
    r.replace_arg(0, ty("4xf32").into());
    r.copy(hla_ir::NodeId(0)).unwrap();
    assert_eq!(r.copy(hla_ir::NodeId(1)).unwrap_err().location, at(2));
}

#[test]
fn rewriting_is_stable() {
    let (mut f, x) = function(&["2x3xf32", "2x3xf32"]);
    let a = f.push(Op::Mul, &[x[0], x[1]], none(), at(1)).unwrap();
    let b = f.push(Op::Mul, &[x[0], x[1]], none(), at(2)).unwrap();
    let c = f
        .push(Op::Concat, &[a, b], none().with("axis", 0i64), at(3))
        .unwrap();
    f.results = vec![c];
    let once = copied(&f);
    assert_eq!(once, copied(&once));
    assert_eq!(once.users()[2].len(), 2);
}

#[test]
fn attributes_of_results_stay() {
    let (mut f, x) = function(&["2xf32", "2xf32"]);
    let y = f.push(Op::Add, &[x[0], x[1]], none(), at(1)).unwrap();
    f.results = vec![x[0]];
    f.add_result(y, RESULT_NAME, "loss");
    let same = copied(&f);
    assert_eq!(
        (same.result_name(0), same.result_name(1)),
        (None, Some("loss"))
    );
    assert_eq!(same.updates(1), None);

    // A pass that adds a result with a gradient and takes the first one away.
    let mut rewriter = Rewriter::new(&f);
    for (id, _) in f.iter_nodes() {
        rewriter.copy(id).unwrap();
    }
    let mut results = rewriter.mapped_results();
    results.remove(0);
    results.push((rewriter.get(x[1]), none().with(GRADIENT, "w")));
    let new = rewriter.finish_with(results);
    assert_eq!(new.results, [y, x[1]]);
    assert_eq!(
        (new.result_name(0), new.gradient_of(1)),
        (Some("loss"), Some("w"))
    );
}
