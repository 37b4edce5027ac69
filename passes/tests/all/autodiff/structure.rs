//! Which gradients are built, of what, and what is refused.

use hla_ir::{Arg, DType, Function, Location, Op, TensorType};

use super::differences::push;
use crate::build::passes;

/// loss = Σ tanh(x·w)·v + c, with a buffer b in place of a parameter.
fn small() -> Function {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([3])).named("x"));
    let w = f.add_arg(Arg::new(TensorType::f32([3])).param("w"));
    let v = f.add_arg(Arg::new(TensorType::f32([3])).param("v"));
    let mut buffer = Arg::new(TensorType::f32([3])).param("b");
    buffer.attrs.set("hla.buffer", hla_ir::Attr::Bool(true));
    let b = f.add_arg(buffer);
    let product = push(&mut f, Op::Mul, &[x, w], Default::default());
    let tanh = push(&mut f, Op::Tanh, &[product], Default::default());
    let weighed = push(&mut f, Op::Mul, &[tanh, v], Default::default());
    let shifted = push(&mut f, Op::Add, &[weighed, b], Default::default());
    let axis = hla_ir::Attrs::new().with("axis", 0i64);
    let loss = push(&mut f, Op::ReduceSum, &[shifted], axis);
    f.add_result(shifted, "hla.name", "logits");
    f.add_result(loss, "hla.name", "loss");
    f
}

fn count(f: &Function, op: Op) -> usize {
    f.nodes.iter().filter(|n| n.op == op).count()
}

fn message(pipeline: &str, f: &Function) -> String {
    passes(pipeline, f).unwrap_err().to_string()
}

#[test]
fn parameters_get_gradients_and_buffers_none() {
    let (new, report) = passes("hla-autodiff", &small()).unwrap();
    let gradients: Vec<_> = (0..new.results.len()).map(|i| new.gradient_of(i)).collect();
    assert_eq!(gradients, [None, None, Some("w"), Some("v")]);
    assert_eq!(new.result_name(1), Some("loss"));
    assert_eq!(report.get("gradients"), Some(&2usize.into()));
    assert!(report.remarks.is_empty());
}

#[test]
fn dead_gradients_are_not_built() {
    // By v alone the cotangent ends at its product: v̄ = tanh(x·w), seen by everyone.
    let (new, _) = passes("hla-autodiff{with-respect-to=v}", &small()).unwrap();
    assert_eq!(new.nodes.len(), 5);
    assert_eq!(new.results[2], new.nodes[1].result());
    // By w: 1 − r², times v, times x, and the constant 1.
    let (new, _) = passes("hla-autodiff{with-respect-to=w}", &small()).unwrap();
    assert_eq!(new.nodes.len(), 5 + 5);
    assert_eq!(count(&new, Op::Mul), 2 + 3);
    // The input costs one product more, if it is asked for.
    let (new, _) = passes("hla-autodiff{with-respect-to=w,x}", &small()).unwrap();
    assert_eq!(count(&new, Op::Mul), 2 + 4);
    assert_eq!(new.gradient_of(2), Some("x"));
    assert_eq!(new.gradient_of(3), Some("w"));
}

#[test]
fn the_input_of_the_first_convolution_gets_no_gradient() {
    let mut f = Function::new("main");
    let x = f.add_arg(Arg::new(TensorType::f32([1, 4, 4, 2])).named("x"));
    let w1 = f.add_arg(Arg::new(TensorType::f32([3, 3, 3, 2])).param("w1"));
    let w2 = f.add_arg(Arg::new(TensorType::f32([1, 4, 4, 3])).param("w2"));
    let zero = f.constant(
        hla_ir::Tensor::splat(TensorType::f32([1]), 0.0),
        Location::unknown(),
    );
    let conv = |pad: i64| {
        hla_ir::Attrs::new()
            .with("pad", vec![pad; 4])
            .with("stride", vec![1, 1])
            .with("dilation", vec![1, 1])
    };
    let y = push(&mut f, Op::Conv2d, &[x, w1, zero], conv(1));
    let z = push(&mut f, Op::Conv2d, &[y, w2, zero], conv(0));
    f.add_result(z, "hla.name", "objective");
    let (new, _) = passes("hla-autodiff", &f).unwrap();
    assert_eq!(count(&new, Op::Conv2dInputGrad), 1);
    assert_eq!(count(&new, Op::Conv2dWeightGrad), 2);
    let (new, _) = passes("hla-autodiff{with-respect-to=w2}", &f).unwrap();
    assert_eq!(count(&new, Op::Conv2dInputGrad), 0);
    assert_eq!(count(&new, Op::Conv2dWeightGrad), 1);
}

#[test]
fn what_the_objective_does_not_depend_on_gets_zeros_and_a_remark() {
    let (new, report) = passes("hla-autodiff{with-respect-to=x,b of=loss}", &small()).unwrap();
    assert!(report.remarks.is_empty());
    assert_eq!(
        new.constant_value(new.results[3]).unwrap().splat_value(),
        Some(1.0)
    );
    let mut f = small();
    let loss = f.results[1];
    let floor = push(&mut f, Op::Floor, &[loss], Default::default());
    f.add_result(floor, "hla.name", "objective");
    let (new, report) = passes("hla-autodiff", &f).unwrap();
    assert_eq!(report.remarks.len(), 2);
    let remark = report.remarks[0].to_string();
    assert!(remark.contains("does not depend on 'w'"), "{remark}");
    for i in [3, 4] {
        let zeros = new.constant_value(new.results[i]).unwrap();
        assert_eq!((zeros.shape(), zeros.splat_value()), (&[3][..], Some(0.0)));
    }
}

#[test]
fn all_ops_without_a_derivative_are_named_at_once() {
    let mut f = Function::new("main");
    let w = f.add_arg(Arg::new(TensorType::f32([2])).param("w"));
    let at = |line| Location::file("model.mlir", line, 5);
    let to = |dtype: DType| hla_ir::Attrs::new().with("out_type", dtype);
    let cast = f.push(Op::Cast, &[w], to(DType::I32), at(2)).unwrap();
    let twice = f.push(Op::Add, &[cast, cast], Default::default(), at(3));
    let back = f.push(Op::Cast, &[twice.unwrap()], to(DType::F32), at(4));
    let ty = TensorType::f32([1]).into();
    let opaque = f.push_opaque("other.sum", &[back.unwrap()], "", vec![ty], at(5));
    let loss = f.node(opaque).result();
    // Off the path of the objective anything may stand.
    let ty = TensorType::f32([1]).into();
    f.push_opaque("other.print", &[w], "", vec![ty], at(6));
    f.add_result(loss, "hla.name", "loss");
    assert_eq!(
        message("hla-autodiff", &f),
        "model.mlir:2:5: error: 'tosa.cast' to tensor<2xi32> on the way from a parameter to the \
         objective and 1 other op have no derivative\
         \n  model.mlir:5:5: 'other.sum'\
         \n  help: keep gradients away from these ops with hla.stop_gradient, or lead them past with \
         hla.straight_through"
    );
    f.results.clear();
    f.result_attrs.clear();
    let axis = hla_ir::Attrs::new().with("axis", 0i64);
    let sum = push(&mut f, Op::ReduceSum, &[w], axis);
    f.add_result(sum, "hla.name", "loss");
    passes("hla-autodiff", &f).unwrap();
}

#[test]
fn names_that_are_not_there_get_a_hint() {
    let text = message("hla-autodiff{of=los}", &small());
    assert!(text.contains("no result named 'los'"), "{text}");
    assert!(text.contains("did you mean 'loss'"), "{text}");
    let text = message("hla-autodiff{of=logits}", &small());
    assert!(text.contains("tensor<3xf32>, but only one float"), "{text}");
    let text = message("hla-autodiff{with-respect-to=w,q}", &small());
    assert!(text.contains("no argument named 'q'"), "{text}");
    let mut f = small();
    f.result_attrs.clear();
    let text = message("hla-autodiff", &f);
    assert!(
        text.contains("no result named 'objective' or 'loss'"),
        "{text}"
    );
}

#[test]
fn the_manual_has_the_table_of_rules() {
    let page = include_str!("../../../../docs/autodiff.md");
    let table = hla_passes::autodiff::manual();
    assert!(
        page.contains(&table),
        "docs/autodiff.md needs this table:\n{table}"
    );
    let list = hla_passes::autodiff::without_derivative()
        .filter(|&op| op != Op::Opaque && op != Op::Const)
        .map(|op| format!("`{}`", op.def().name));
    let list: Vec<String> = list.collect();
    let list = list.join(", ");
    assert!(
        page.contains(&list),
        "docs/autodiff.md needs this list:\n{list}"
    );
}
