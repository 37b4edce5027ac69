//! The verifier catches each kind of corruption that safe code can make.

use hla_ir::graph::{Module, UPDATES};
use hla_ir::verify::{verify, verify_module};
use hla_ir::{Attr, Def, Function, Location, NodeId, Op, Type, ValueId};

use crate::common::{function, none, ty};

/// y = x + x; z, s = dynamic_quantize(y); returns z.
fn sound() -> Function {
    let (mut f, x) = function(&["2x3xf32"]);
    let y = f
        .push(
            Op::Add,
            &[x[0], x[0]],
            none(),
            Location::file("m.mlir", 2, 5),
        )
        .unwrap();
    let z = f
        .push(
            Op::DynamicQuantize,
            &[y],
            none(),
            Location::file("m.mlir", 3, 5),
        )
        .unwrap();
    f.results = vec![z];
    f
}

#[track_caller]
fn caught(corrupt: impl FnOnce(&mut Function), words: &str) {
    let mut f = sound();
    corrupt(&mut f);
    let error = verify(&f).expect_err(words);
    assert!(error.message.contains(words), "{error}");
}

#[test]
fn a_sound_function_passes() {
    assert_eq!(verify(&sound()), Ok(()));
    assert_eq!(verify(&Function::new("empty")), Ok(()));
}

#[test]
fn operands_come_before_their_users() {
    let words = "'tosa.add': operand 1 is used before it is defined";
    caught(|f| f.nodes[0].operands[1] = ValueId(1), words);
    caught(|f| f.nodes[0].operands[1] = ValueId(2), words);
    caught(|f| f.nodes[0].operands[1] = ValueId(99), words);
    caught(
        |f| f.nodes.swap(0, 1),
        "operand 0 is used before it is defined",
    );
    let mut f = sound();
    f.nodes[0].operands[1] = ValueId(3);
    assert_eq!(
        verify(&f).unwrap_err().location,
        Location::file("m.mlir", 2, 5)
    );
}

#[test]
fn numbering_is_consistent() {
    caught(|f| f.values[1].def = Def::Arg(0), "result 0 is misnumbered");
    caught(
        |f| f.values[3].def = Def::Node(NodeId(1), 0),
        "result 1 is misnumbered",
    );
    caught(
        |f| f.nodes[1].results[1] = ValueId(2),
        "result 1 is misnumbered",
    );
    caught(
        |f| f.nodes[1].results[1] = ValueId(77),
        "result 1 is misnumbered",
    );
    caught(
        |f| f.values[0].def = Def::Arg(1),
        "argument 0 is not value 0",
    );
    caught(
        |f| f.values[0].ty = ty("5xf32").into(),
        "argument 0 is not value 0",
    );
    caught(
        |f| f.args.push(f.args[0].clone()),
        "argument 1 is not value 1",
    );
    caught(|f| f.values.clear(), "argument 0 is not value 0");
    caught(
        |f| f.results[0] = ValueId(44),
        "result 0 of 'test' is undefined",
    );
    caught(|f| f.nodes.truncate(1), "result 0 of 'test' is undefined");
}

#[test]
fn types_are_what_the_operands_imply() {
    let words = "the result is declared as tensor<2x4xf32>, but its operands imply tensor<2x3xf32>";
    caught(|f| f.values[1].ty = ty("2x4xf32").into(), words);
    caught(
        |f| f.values[1].ty = Type::Opaque("!acme.list".into()),
        "'tosa.add'",
    );
    caught(
        |f| f.nodes[1].results.truncate(1),
        "operands imply tensor<2x3xi8>, tensor<1xf32>",
    );
    caught(
        |f| f.nodes[0].op = Op::LogicalAnd,
        "'tosa.logical_and': operand 'input1'",
    );
    caught(|f| f.nodes[0].operands.truncate(1), "1 operands are given");
}

#[test]
fn attributes_are_declared_and_normalised() {
    caught(
        |f| f.nodes[0].attrs.set("axis", 1i64),
        "there is no attribute 'axis'",
    );
    caught(|f| f.nodes[0].op = Op::Mul, "attributes are not normalised");
    caught(
        |f| f.nodes[0].attrs.set("hla.layout", "diagonal"),
        "'hla.layout' is not a layout",
    );
    caught(
        |f| f.nodes[0].attrs.set("hla.layout", 3i64),
        "'hla.layout' is not a layout",
    );
    let mut f = sound();
    f.nodes[0].attrs.set("acme.note", Attr::Raw("unit".into()));
    f.nodes[0].attrs.set("hla.layout", "row_major");
    assert_eq!(verify(&f), Ok(()));
}

#[test]
fn opaque_nodes_are_only_checked_for_numbering() {
    let mut f = sound();
    let types = vec![Type::Opaque("!acme.list".into())];
    let id = f.push_opaque("acme.op", &[ValueId(0)], "", types, Location::unknown());
    assert_eq!(verify(&f), Ok(()));
    f.nodes[id.index()].operands[0] = ValueId(4);
    assert!(
        verify(&f)
            .unwrap_err()
            .message
            .contains("'acme.op': operand 0")
    );
}

#[test]
fn names_of_functions_are_unique() {
    let mut second = sound();
    second.location = Location::file("m.mlir", 9, 1);
    let mut module = Module {
        functions: vec![sound(), second],
        ..Module::default()
    };
    let error = verify_module(&module).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m.mlir:9:1: error: there are two functions named 'test'"
    );
    module.functions[1].name = "other".into();
    assert_eq!(verify_module(&module), Ok(()));
    module.functions[1].results[0] = ValueId(50);
    assert!(verify_module(&module).is_err());
}

/// w' = w + w with a state argument w.
fn update() -> Function {
    let (mut f, w) = function(&["2x3xf32"]);
    f.args[0].param = Some("w".into());
    let new = f.push(Op::Add, &[w[0], w[0]], none(), Location::unknown());
    f.add_result(new.unwrap(), UPDATES, "w");
    f
}

#[test]
fn an_update_has_the_type_of_its_parameter() {
    assert_eq!(verify(&update()), Ok(()));
    let caught = |corrupt: &dyn Fn(&mut Function), words: &str| {
        let mut f = update();
        corrupt(&mut f);
        let error = verify(&f).expect_err(words);
        assert!(error.message.contains(words), "{error}");
    };
    caught(
        &|f| f.set_result_attr(0, UPDATES, "v"),
        "result 0 updates 'v', but no argument has this hla.param",
    );
    caught(
        &|f| f.add_result(ValueId(0), UPDATES, "w"),
        "two results update 'w'",
    );
    caught(
        &|f| {
            let attrs = none().with("axis", 0);
            let sum = f.push(Op::ReduceSum, &[ValueId(0)], attrs, Location::unknown());
            f.results[0] = sum.unwrap();
        },
        "updates 'w' of type tensor<2x3xf32>, but has type tensor<1x3xf32>",
    );
    caught(
        &|f| f.results.clear(),
        "attributes of more results than it returns",
    );
}
