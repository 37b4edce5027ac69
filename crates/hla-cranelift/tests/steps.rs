//! Steps compiled with [`jit_step`] against the reference evaluator behind
//! [`hla_runtime::Rebind`]: several steps on one state, on several numbers of threads. Random
//! functions read, update and exchange their arguments in every order.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit_step};
use hla_ir::{Arg, Attrs, Diagnostic, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_runtime::{Executable, Rebind, Signature, State, StepProgram, ThreadPool};
use proptest::prelude::*;

/// The evaluator as a program.
struct Reference {
    function: Function,
    signature: Signature,
}

impl Executable for Reference {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[Tensor], _: Option<&ThreadPool>) -> Result<Vec<Tensor>, Diagnostic> {
        hla_reference::evaluate(&self.function, inputs)
    }
}

fn reference(function: &Function) -> Rebind<Reference> {
    Rebind::new(Reference {
        signature: Signature::of(function).unwrap(),
        function: function.clone(),
    })
    .unwrap()
}

fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}

fn tensor(ty: &TensorType, seed: usize) -> Tensor {
    let values = (0..ty.elements()).map(|i| ((i * 5 + seed * 7) % 17) as f64 / 4.0 - 2.0);
    Tensor::from_f64s(ty.clone(), values).unwrap()
}

/// Runs some steps both ways; gives the first difference.
fn compare(f: &Function, steps: usize) -> Result<(), String> {
    let mut state = State::new();
    let mut inputs = Vec::new();
    for (i, arg) in f.args.iter().enumerate() {
        let value = tensor(arg.ty.tensor().unwrap(), i);
        match &arg.param {
            Some(param) => state.set(param, &value).unwrap(),
            None => inputs.push((arg.name.as_deref().unwrap(), value)),
        }
    }
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (*n, t)).collect();
    let mut expected_state = state.try_clone().unwrap();
    let mut oracle = reference(f);
    let mut compiled = jit_step(f, &CodegenOptions::default()).unwrap();
    for step in 0..steps {
        let expected = oracle.step(&mut expected_state, &inputs, None).unwrap();
        let before = state.try_clone().unwrap();
        let computed = compiled.step(&mut state, &inputs, None).unwrap();
        if expected != computed {
            return Err(format!("step {step}: {expected:?}, not {computed:?}"));
        }
        if expected_state != state {
            return Err(format!("step {step}: {expected_state:?}, not {state:?}"));
        }
        for threads in [2, 3, 7] {
            let pool = ThreadPool::new(threads).unwrap();
            let mut other = before.try_clone().unwrap();
            let again = compiled.step(&mut other, &inputs, Some(&pool)).unwrap();
            if again != computed || other != state {
                return Err(format!("step {step}: other bits on {threads} threads"));
            }
        }
    }
    Ok(())
}

/// A step over state `a`, `b`, `c` and the input `x`, all of one type.
fn open(ty: &TensorType) -> (Function, Vec<ValueId>) {
    let mut f = Function::new("step");
    let mut args = Vec::new();
    for name in ["a", "b", "c"] {
        args.push(f.add_arg(Arg::new(ty.clone()).param(name)));
    }
    args.push(f.add_arg(Arg::new(ty.clone()).named("x")));
    (f, args)
}

#[test]
fn an_update_waits_for_the_readers_of_the_old_value() {
    let (mut f, args) = open(&TensorType::f32([3, 5]));
    let none = Attrs::new;
    // Computed first, but a is read by what follows.
    let next = push(&mut f, Op::Add, &[args[0], args[3]], none());
    let late = push(&mut f, Op::Mul, &[args[0], args[3]], none());
    f.add_result(next, "hla.updates", "a");
    f.add_result(late, "hla.name", "product");
    compare(&f, 3).unwrap();
    let compiled = jit_step(&f, &CodegenOptions::default()).unwrap();
    assert_eq!(compiled.report().kernels.len(), 2);
    assert_eq!(compiled.report().workspace_bytes, 0);
}

#[test]
fn gradients_of_a_matrix_product_transpose_nothing() {
    let (mut f, args) = open(&TensorType::f32([1, 11, 11]));
    let none = Attrs::new;
    let swap = || Attrs::new().with("perms", vec![0i64, 2, 1]);
    let [a, _, _, x] = args[..] else {
        unreachable!()
    };
    let y = push(&mut f, Op::MatMul, &[x, a], none());
    let xt = push(&mut f, Op::Transpose, &[x], swap());
    let by_a = push(&mut f, Op::MatMul, &[xt, y], none());
    let at = push(&mut f, Op::Transpose, &[a], swap());
    // Before a is read a last time.
    let next = push(&mut f, Op::Sub, &[a, by_a], none());
    let by_x = push(&mut f, Op::MatMul, &[y, at], none());
    f.add_result(next, "hla.updates", "a");
    f.add_result(by_x, "hla.name", "by_x");
    f.add_result(y, "hla.name", "y");
    compare(&f, 3).unwrap();
    let compiled = jit_step(&f, &CodegenOptions::default()).unwrap();
    let kernels = &compiled.report().kernels;
    let moved = kernels.iter().find(|k| k.computes.contains("transpose"));
    assert_eq!(moved, None);
}

#[test]
fn arguments_are_exchanged_and_returned() {
    let (mut f, args) = open(&TensorType::f32([7]));
    f.add_result(args[1], "hla.updates", "a");
    f.add_result(args[2], "hla.updates", "b");
    f.add_result(args[0], "hla.updates", "c");
    f.add_result(args[0], "hla.name", "old");
    f.add_result(args[3], "hla.name", "input");
    compare(&f, 4).unwrap();
}

#[test]
fn a_cycle_of_reads_is_copied_and_told() {
    let (mut f, args) = open(&TensorType::f32([4]));
    let none = Attrs::new;
    let a = push(&mut f, Op::Add, &[args[0], args[3]], none());
    let axis = Attrs::new().with("axis", 0);
    // Reads the new value and, elsewhere than where it writes, the old one.
    let turned = push(&mut f, Op::Reverse, &[args[0]], axis);
    let sum = push(&mut f, Op::Add, &[a, turned], none());
    let back = push(&mut f, Op::Reverse, &[sum], Attrs::new().with("axis", 0));
    let again = push(&mut f, Op::Mul, &[back, args[0]], none());
    f.add_result(a, "hla.updates", "a");
    f.add_result(again, "hla.updates", "b");
    compare(&f, 3).unwrap();
    let compiled = jit_step(&f, &CodegenOptions::default()).unwrap();
    let notes = &compiled.report().notes;
    assert!(
        notes.iter().any(|n| n.contains("new value of 'a'")),
        "{notes:?}"
    );
}

#[test]
fn descent_is_one_pass_over_a_parameter() {
    let ty = TensorType::f32([300, 70]);
    let mut f = Function::new("descent");
    let names = ["w", "w.momentum", "gradient"];
    let args = names.map(|name| match name {
        "gradient" => f.add_arg(Arg::new(ty.clone()).named(name)),
        _ => f.add_arg(Arg::new(ty.clone()).param(name)),
    });
    let rate = f.add_arg(Arg::new(TensorType::f32([1])).named("learning_rate"));
    for nesterov in [false, true] {
        let mut f = f.clone();
        let attrs = Attrs::new()
            .with("weight_decay", 0.5f32)
            .with("nesterov", nesterov);
        let operands = [args[0], args[2], args[1], rate];
        let node = f
            .push_node(Op::SgdUpdate, &operands, attrs, Location::unknown())
            .unwrap();
        let [w, momentum] = f.node(node).results[..] else {
            panic!("two results");
        };
        f.add_result(w, "hla.updates", "w");
        f.add_result(momentum, "hla.updates", "w.momentum");
        compare(&f, 3).unwrap();
        let compiled = jit_step(&f, &CodegenOptions::default()).unwrap();
        assert_eq!(compiled.report().kernels.len(), 1);
        assert_eq!(compiled.report().workspace_bytes, 0);
    }
}

/// A random step: words choose ops, operands and what is updated.
fn random(words: &[u8], rows: usize) -> Function {
    let ty = TensorType::f32([rows, 6]);
    let (mut f, mut values) = open(&ty);
    let mut words = words.iter().map(|&w| usize::from(w));
    let mut next = || words.next();
    while let (Some(op), Some(x), Some(y)) = (next(), next(), next()) {
        let (x, y) = (values[x % values.len()], values[y % values.len()]);
        let axis = |axis: i64| Attrs::new().with("axis", axis);
        let value = match op % 10 {
            0 | 1 => push(&mut f, Op::Add, &[x, y], Attrs::new()),
            2 => push(&mut f, Op::Maximum, &[x, y], Attrs::new()),
            3 => push(&mut f, Op::Sub, &[x, y], Attrs::new()),
            4 => push(&mut f, Op::Reverse, &[x], axis(1)),
            5 => push(&mut f, Op::Abs, &[x], Attrs::new()),
            6 => {
                let row = push(&mut f, Op::ReduceMax, &[x], axis(0));
                push(&mut f, Op::Minimum, &[y, row], Attrs::new())
            }
            7 => {
                let flat = Attrs::new().with("shape", vec![6 * rows as i64]);
                let x = push(&mut f, Op::Reshape, &[x], flat.clone());
                let y = push(&mut f, Op::Reshape, &[y], flat);
                let sum = push(&mut f, Op::Add, &[x, y], Attrs::new());
                let shape = Attrs::new().with("shape", vec![rows as i64, 6]);
                push(&mut f, Op::Reshape, &[sum], shape)
            }
            8 => push(&mut f, Op::Concat, &[x], axis(0)),
            _ => {
                let column = push(&mut f, Op::ReduceMin, &[y], axis(1));
                push(&mut f, Op::Maximum, &[x, column], Attrs::new())
            }
        };
        values.push(value);
    }
    let n = values.len();
    let pick = |k: usize| values[(n * k / 4 + k).min(n - 1)];
    f.add_result(pick(1), "hla.updates", "a");
    f.add_result(pick(3), "hla.updates", "b");
    f.add_result(values[n - 1], "hla.updates", "c");
    f.add_result(pick(2), "hla.name", "out");
    f.add_result(pick(1), "hla.name", "again");
    f
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_steps_update_as_the_evaluator_does(words in prop::collection::vec(any::<u8>(), 0..60), rows in 1usize..5) {
        let f = random(&words, rows);
        let result = compare(&f, 2);
        prop_assert!(result.is_ok(), "{}\n{f:?}", result.unwrap_err());
    }
}
