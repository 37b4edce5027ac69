//! What the evaluator refuses: with a location and words a user understands, never with a panic.

use crate::common::{f32s, function, ints, none, try_run};
use hla_ir::{Arg, DType, Function, Location, Op, Tensor, TensorType, Type, ValueId};
use hla_reference::{MAX_LIVE_ELEMENTS, evaluate};

fn identity() -> Function {
    let mut f = function(Op::Identity, &[f32s(&[2], &[0.0; 2])], none());
    f.args[0].name = Some("image".into());
    f.args[0].location = Location::file("model.mlir", 2, 20);
    f
}

#[test]
fn the_number_of_arguments_is_checked() {
    let error = evaluate(&identity(), &[]).unwrap_err();
    assert_eq!(error.message, "'test' takes 1 arguments, but 0 are given");
    assert!(error.help.is_some());
}

#[test]
fn types_of_arguments_are_checked() {
    for wrong in [
        f32s(&[3], &[0.0; 3]),
        f32s(&[1, 2], &[0.0; 2]),
        ints(&[2], DType::I32, &[0, 0]),
    ] {
        let error = evaluate(&identity(), std::slice::from_ref(&wrong)).unwrap_err();
        assert_eq!(
            error.message,
            format!(
                "argument 0 (image) is tensor<2xf32>, but {} is given",
                wrong.ty()
            )
        );
        assert_eq!(error.location.line, 2);
    }
}

#[test]
fn opaque_ops_are_refused_all_at_once() {
    let mut f = Function::new("test");
    let x = f.add_arg(Arg::new(TensorType::f32([2])));
    let ty = Type::Tensor(TensorType::f32([2]));
    let first = f.push_opaque(
        "acme.fft",
        &[x],
        "",
        vec![ty.clone()],
        Location::file("m.mlir", 3, 1),
    );
    let y = f.node(first).result();
    let second = f.push_opaque(
        "acme.window",
        &[y],
        "",
        vec![ty],
        Location::file("m.mlir", 4, 1),
    );
    f.results = vec![f.node(second).result()];
    let error = evaluate(&f, &[f32s(&[2], &[0.0; 2])]).unwrap_err();
    assert_eq!(
        error.message,
        "evaluation does not know 'acme.fft' and 1 other op"
    );
    assert_eq!((error.location.line, error.notes[0].0.line), (3, 4));
}

#[test]
fn an_index_out_of_range_is_an_error_of_the_program() {
    for (wrong, position) in [([0, 5], 1), ([-1, 0], 0)] {
        let inputs = [
            f32s(&[1, 5, 1], &[0.0; 5]),
            ints(&[1, 2], DType::I32, &wrong),
        ];
        let error = try_run(Op::Gather, &inputs, none()).unwrap_err();
        assert_eq!((error.location.line, error.location.column), (7, 3));
        let expected = format!("index {} at position {position}", wrong[position]);
        assert!(error.message.contains(&expected), "{error}");
    }
}

/// A splat costs nothing until it is computed with.
#[test]
fn hostile_sizes_are_refused() {
    let mut f = Function::new("test");
    let huge = TensorType::new([1 << 20, 1 << 20], DType::I8);
    let x = f.constant(Tensor::splat(huge, 0.0), Location::file("m.mlir", 1, 1));
    f.results = vec![x];
    let error = evaluate(&f, &[]).unwrap_err();
    assert!(error.message.contains("at most 268435456"), "{error}");
    assert_eq!(error.location.line, 1);

    let tile = none().with("multiples", vec![1 << 39]);
    let error = try_run(Op::Tile, &[f32s(&[1], &[1.0])], tile).unwrap_err();
    assert!(
        error
            .message
            .starts_with("'tosa.tile': evaluation would hold"),
        "{error}"
    );
}

/// Values die after their last use, so a long chain does not add up.
#[test]
fn dead_values_do_not_count() {
    let mut f = Function::new("test");
    let ty = TensorType::new([1 << 16], DType::I8);
    let mut x = f.add_arg(Arg::new(ty.clone()));
    for _ in 0..(MAX_LIVE_ELEMENTS >> 16) + 2 {
        x = f
            .push(Op::Identity, &[x], none(), Location::unknown())
            .unwrap();
    }
    f.results = vec![x];
    let input = Tensor::splat(ty, 3.0);
    assert_eq!(evaluate(&f, std::slice::from_ref(&input)).unwrap(), [input]);
}

#[test]
fn unsound_functions_are_refused() {
    let input = [f32s(&[2], &[0.0; 2])];
    let mut f = identity();
    f.nodes[0].operands[0] = ValueId(1);
    assert!(
        evaluate(&f, &input)
            .unwrap_err()
            .message
            .contains("before it is defined")
    );
    let mut f = identity();
    f.results = vec![ValueId(9)];
    assert!(
        evaluate(&f, &input)
            .unwrap_err()
            .message
            .contains("is undefined")
    );
    let mut f = identity();
    f.values[1].ty = Type::Tensor(TensorType::f32([3]));
    assert!(
        evaluate(&f, &input)
            .unwrap_err()
            .message
            .contains("its operands imply")
    );
}
