//! Steps through [`Rebind`]: what is bound to what, and what is refused.
#![allow(clippy::unwrap_used)]

use hla_ir::{Arg, Attrs, Diagnostic, Function, Location, Op, Tensor, TensorType};
use hla_runtime::{Executable, Rebind, Signature, State, StepProgram, ThreadPool};

/// w' = w + x and total = w · x, computed by hand: no evaluator is at hand here.
struct Program(Signature);

impl Executable for Program {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn run(&self, inputs: &[Tensor], _: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        let (w, x) = (inputs[0].to_f32s(), inputs[1].to_f32s());
        let each = |f: fn(f32, f32) -> f32| -> Vec<f32> {
            w.iter().zip(&x).map(|(w, x)| f(*w, *x)).collect()
        };
        let tensor = |v: Vec<f32>| Tensor::from_f32s([2], &v).unwrap();
        Ok(vec![tensor(each(|w, x| w * x)), tensor(each(|w, x| w + x))])
    }
}

fn function() -> Function {
    let ty = TensorType::f32([2]);
    let mut f = Function::new("step");
    let w = f.add_arg(Arg::new(ty.clone()).param("w"));
    let x = f.add_arg(Arg::new(ty).named("x"));
    let mut push = |op| {
        f.push(op, &[w, x], Attrs::new(), Location::unknown())
            .unwrap()
    };
    let (product, sum) = (push(Op::Mul), push(Op::Add));
    f.add_result(product, "hla.name", "product");
    f.add_result(sum, "hla.updates", "w");
    f
}

fn program(function: &Function) -> Result<Rebind<Program>, Diagnostic> {
    Rebind::new(Program(Signature::of(function).unwrap()))
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_f32s([values.len()], values).unwrap()
}

fn message(result: Result<Vec<(String, Tensor)>, Diagnostic>) -> String {
    result.unwrap_err().message
}

#[test]
fn updates_go_to_the_state_and_outputs_come_back() {
    let mut step = program(&function()).unwrap();
    let mut state = State::new();
    state.set("w", &tensor(&[1.0, 2.0])).unwrap();
    let x = tensor(&[3.0, 4.0]);
    let outputs = step.step(&mut state, &[("x", &x)], None).unwrap();
    assert_eq!(outputs, [("product".to_owned(), tensor(&[3.0, 8.0]))]);
    assert_eq!(state.get("w"), Some(tensor(&[4.0, 6.0])));
    let outputs = step.step(&mut state, &[("x", &x)], None).unwrap();
    assert_eq!(outputs, [("product".to_owned(), tensor(&[12.0, 24.0]))]);
    assert_eq!(state.get("w"), Some(tensor(&[7.0, 10.0])));
}

#[test]
fn wrong_inputs_and_states_are_named() {
    let mut step = program(&function()).unwrap();
    let x = tensor(&[3.0, 4.0]);
    let long = tensor(&[1.0; 3]);
    let mut state = State::new();
    assert_eq!(
        message(step.step(&mut state, &[("x", &x)], None)),
        "the state has no 'w', which the step reads"
    );
    state.set("w", &x).unwrap();
    assert_eq!(
        message(step.step(&mut state, &[], None)),
        "the input 'x' of the step is missing"
    );
    assert_eq!(
        message(step.step(&mut state, &[("x", &x), ("labels", &x)], None)),
        "the step takes no input 'labels'"
    );
    assert_eq!(
        message(step.step(&mut state, &[("x", &x), ("x", &x)], None)),
        "the input 'x' is given twice"
    );
    assert_eq!(
        message(step.step(&mut state, &[("x", &long)], None)),
        "the input 'x' is tensor<3xf32>, but the step takes tensor<2xf32>"
    );
    let mut state = State::new();
    state.set("w", &long).unwrap();
    assert_eq!(
        message(step.step(&mut state, &[("x", &x)], None)),
        "'w' is tensor<3xf32>, but the step takes tensor<2xf32>"
    );
    assert_eq!(state.get("w"), Some(long));
}

#[test]
fn functions_that_are_no_steps_are_refused() {
    let refused = |change: fn(&mut Function)| {
        let mut f = function();
        change(&mut f);
        program(&f).map(|_| ()).unwrap_err().message
    };
    assert_eq!(
        refused(|f| f.args[1].name = None),
        "argument 1 of a step, tensor<2xf32>, has no name"
    );
    assert_eq!(
        refused(|f| f.args[1].param = Some("w".into())),
        "two arguments of a step are named 'w'"
    );
    assert_eq!(
        refused(|f| f.result_attrs.clear()),
        "result 0 of a step, tensor<2xf32>, has no name"
    );
    assert_eq!(
        refused(|f| f.set_result_attr(0, "hla.updates", "w")),
        "two results of a step are for 'w'"
    );
    assert_eq!(
        refused(|f| f.set_result_attr(0, "hla.updates", "v")),
        "result 0 of a step updates 'v', but no argument has that hla.param"
    );
    assert_eq!(
        refused(|f| f.args[0].ty = TensorType::f32([3]).into()),
        "result 1 of a step updates 'w', which is tensor<3xf32>, but it is tensor<2xf32>"
    );
}
