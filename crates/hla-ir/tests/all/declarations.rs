//! The table of ops is consistent with itself.

use std::collections::HashSet;

use hla_ir::Op;
use hla_ir::op::{Arity, AttrKind, Default, Form};
use hla_ir::ops::OPS;

#[test]
fn a_row_stands_where_its_op_says() {
    for (i, def) in OPS.iter().enumerate() {
        assert_eq!(def.op as usize, i);
        assert_eq!(def.op.def().name, def.name);
        let found = Op::from_name(def.name);
        assert_eq!(found, (def.op != Op::Opaque).then_some(def.op));
    }
    assert_eq!(Op::from_name("tosa.rescale"), None);
}

#[test]
fn declarations_are_sound() {
    let mut names = HashSet::new();
    for def in OPS.iter().filter(|d| d.op != Op::Opaque) {
        assert!(names.insert(def.name), "{}", def.name);
        assert!(def.name.starts_with("tosa.") || def.name.starts_with("hla."));
        assert!(
            def.summary.trim().ends_with('.'),
            "{}: {}",
            def.name,
            def.summary
        );
        let last = def.operands.len().saturating_sub(1);
        for (i, operand) in def.operands.iter().enumerate() {
            assert!(operand.arity == Arity::One || i == last, "{}", def.name);
        }
        let mut own = HashSet::new();
        for attr in def.attrs {
            assert!(own.insert(attr.name), "{}: {}", def.name, attr.name);
            assert!(
                !attr.name.contains('.'),
                "{} would look discardable",
                attr.name
            );
            if let Form::ConstOperand(like) = attr.form {
                assert!(
                    like < def.operands.len() && attr.default == Default::Zero,
                    "{}",
                    def.name
                );
            }
            if attr.form == Form::ShapeOperand {
                assert!(attr.kind == AttrKind::I64s && attr.default == Default::Required);
            }
        }
        assert!(!def.commutative || def.operands.len() == 2, "{}", def.name);
    }
}
