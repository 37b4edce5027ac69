//! Whole programs: sharing, opaque ops, limits, locations, determinism.

use hla_ir::cost::total_multiplications;
use hla_ir::{Function, Location, Op, TensorType, Type};

use super::{RTOL, constant_of, eliminate, figure};
use crate::agree::assert_agree;
use crate::build::{Build, passes};

/// conv → batch norm → relu, ternary conv → batch norm → relu, pool, classifier.
fn network() -> Function {
    let mut f = Build::new();
    let x = f.arg(&[1, 4, 4, 3]);
    let y = f.conv(x, 4, 21);
    let y = f.channels(Op::Mul, y, &[0.5, -0.2, 3.0, 1.5]);
    let y = f.channels(Op::Add, y, &[0.1, 0.2, 0.3, 0.4]);
    let y = f.relu(y);
    let y = f.ternary(y, &[0.4, 0.3, 0.2, 0.1], &[0.0; 4], 23);
    let y = f.channels(Op::Mul, y, &[1.25, 2.0, -1.0, 0.7]);
    let y = f.channels(Op::Add, y, &[0.1, 0.2, 0.3, 0.4]);
    let y = f.relu(y);
    let y = f.pool(Op::AvgPool2d, y);
    let y = f.op(
        Op::Reshape,
        &[y],
        &[("shape", crate::build::i64s(&[1, 1, 16]))],
    );
    let w = f.random(&[1, 16, 10], 25);
    let y = f.op(Op::MatMul, &[y, w], &[]);
    f.results(&[y])
}

#[test]
fn a_network_keeps_the_multiplications_of_its_float_layers_only() {
    let old = network();
    let (new, report) = eliminate(&old);
    assert_agree(&old, &new, RTOL, 0.0);
    let (first, pool, classifier) = (64 * 27, 16, 160);
    assert_eq!(total_multiplications(&new), first + pool + classifier);
    assert_eq!(
        figure(&report, "multiplications before"),
        i64::try_from(first + 64 + 64 + 64 + pool + classifier).unwrap()
    );
    assert_eq!(
        report.get("stop reason").unwrap().to_string(),
        "saturated: no rule finds anything new"
    );
    insta::assert_snapshot!(new);
}

#[test]
fn a_reshape_between_a_product_and_its_batch_norm_costs_nothing() {
    // What specialising the batch of a perceptron leaves.
    let mut f = Build::new();
    let x = f.arg(&[1, 7, 6]);
    let trits = crate::agree::Random(5).trits(&[4, 6]);
    let w = f.0.constant(trits, Location::unknown());
    let (s, b) = (
        f.constant(&[4], &[0.4, 0.3, 0.2, 0.1]),
        f.constant(&[4], &[0.0; 4]),
    );
    let y = f.op(Op::TernaryMatMul, &[x, w, s, b], &[]);
    let shape = |shape: &[i64]| [("shape", crate::build::i64s(shape))];
    let y = f.op(Op::Reshape, &[y], &shape(&[7, 1, 4]));
    let y = f.channels(Op::Mul, y, &[1.25, 2.0, -1.0, 0.7]);
    let y = f.channels(Op::Add, y, &[0.1, 0.2, 0.3, 0.4]);
    let y = f.relu(y);
    let y = f.op(Op::Reshape, &[y], &shape(&[1, 7, 4]));
    let w = f.random(&[1, 4, 10], 25);
    let y = f.op(Op::MatMul, &[y, w], &[]);
    let old = f.results(&[y]);
    let (new, _) = eliminate(&old);
    assert_agree(&old, &new, RTOL, 0.0);
    assert_eq!(total_multiplications(&new), 7 * 4 * 10, "{new}");
}

#[test]
fn a_shared_contraction_is_not_computed_twice() {
    // The classifier would take the scale for nothing, but the second result needs it.
    let mut f = Build::new();
    let x = f.arg(&[1, 4, 4, 3]);
    let y = f.ternary(x, &[0.4, 0.3, 0.2, 0.1], &[1.0; 4], 23);
    let y = f.relu(y);
    let z = f.conv(y, 2, 9);
    let old = f.results(&[z, y]);
    let (new, _) = eliminate(&old);
    assert_agree(&old, &new, RTOL, 0.0);
    let ternary = new.nodes.iter().filter(|n| n.op == Op::TernaryConv2d);
    assert_eq!(ternary.count(), 1);
    assert_eq!(total_multiplications(&new), total_multiplications(&old));
}

#[test]
fn equal_scales_leave_a_residual_block_together() {
    let mut f = Build::new();
    let x = f.arg(&[1, 4, 4, 4]);
    let y = f.ternary(x, &[0.4, 0.3, 0.2, 0.1], &[1.0; 4], 23);
    let z = f.ternary(x, &[0.4, 0.3, 0.2, 0.1], &[2.0; 4], 25);
    let y = f.op(Op::Add, &[y, z], &[]);
    let y = f.relu(y);
    let y = f.conv(y, 2, 9);
    let old = f.results(&[y]);
    let (new, _) = eliminate(&old);
    assert_agree(&old, &new, RTOL, 0.0);
    assert_eq!(total_multiplications(&new), 16 * 2 * 36, "{new}");
}

#[test]
fn opaque_ops_keep_their_place_and_their_operands() {
    let mut f = Build::new();
    let x = f.arg(&[1, 4]);
    let y = f.scale(x, 3.0);
    let y = f.scale(y, 0.5);
    let ty = TensorType::f32([1, 4]);
    let types = vec![Type::Tensor(ty), Type::Opaque("!my.token".to_owned())];
    let location = Location::file("test.mlir", 77, 1);
    let id = f.0.push_opaque("my.op", &[y], "", types, location.clone());
    let (z, token) = (f.0.node(id).results[0], f.0.node(id).results[1]);
    f.0.push_opaque("my.sink", &[token, y], "", Vec::new(), location.clone());
    let z = f.scale(z, 3.0);
    let z = f.scale(z, 0.25);
    let old = f.results(&[z]);
    let (new, _) = eliminate(&old);
    hla_ir::verify::verify(&new).unwrap();
    let names: Vec<&str> = new.opaque_nodes().map(|n| n.name()).collect();
    assert_eq!(names, ["my.op", "my.sink"]);
    assert!(new.opaque_nodes().all(|n| n.location == location));
    assert_eq!(total_multiplications(&new), 8);
    let scale = new.opaque_nodes().next().unwrap().operands[0];
    let scale = new.defining_node(scale).unwrap().operands[1];
    assert_eq!(constant_of(&new, scale).splat_value(), Some(1.5));
}

#[test]
fn ops_with_several_results_stay_one() {
    let mut f = Build::new();
    let x = f.arg(&[2, 3]);
    let x = f.scale(x, 3.0);
    let q = f.op(Op::DynamicQuantize, &[x], &[]);
    let scale = f.0.defining_node(q).unwrap().results[1];
    let old = f.results(&[q, scale]);
    let (new, _) = eliminate(&old);
    assert_agree(&old, &new, RTOL, 0.0);
    let count = new.nodes.iter().filter(|n| n.op == Op::DynamicQuantize);
    assert_eq!(count.count(), 1);
}

#[test]
fn locations_survive() {
    let old = network();
    let (new, _) = eliminate(&old);
    for node in &new.nodes {
        let same = |n: &&hla_ir::Node| n.op == node.op && n.location == node.location;
        if !node.location.is_unknown() && node.op != Op::Const {
            assert!(old.nodes.iter().any(|n| same(&n)), "{node:?}");
        }
    }
    let located = new.nodes.iter().filter(|n| n.op == Op::TernaryConv2d);
    assert!(located.clone().count() == 1 && located.clone().all(|n| n.location.line > 0));
}

#[test]
fn limits_stop_early_and_say_so_with_a_right_result() {
    let old = network();
    for (options, reason) in [
        ("iteration-limit=2", "iteration limit"),
        ("node-limit=40", "node limit"),
    ] {
        let pipeline = format!("hla-eliminate-multiplies{{{options}}}");
        let (new, report) = passes(&pipeline, &old).unwrap();
        assert_eq!(report.get("stop reason").unwrap().to_string(), reason);
        assert_agree(&old, &new, RTOL, 0.0);
        assert!(total_multiplications(&new) <= total_multiplications(&old));
    }
}

#[test]
fn the_same_program_gives_the_same_result() {
    let old = network();
    let (first, report) = eliminate(&old);
    for _ in 0..3 {
        assert_eq!(eliminate(&old), (first.clone(), report.clone()));
    }
}

#[test]
fn every_case_of_the_numeric_suite_keeps_its_values() {
    let tolerance = hla_reference::Tolerance::Relative {
        rtol: 1e-5,
        atol: 1e-5,
    };
    crate::oracle::keeps_all_cases("hla-eliminate-multiplies", tolerance);
}
