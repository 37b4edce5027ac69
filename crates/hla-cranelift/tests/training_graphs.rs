//! Whole training steps of the example networks against the reference evaluator, and on several
//! threads.
#![allow(clippy::unwrap_used)]

mod models;

use hla_cranelift::{CodegenOptions, jit_step};
use hla_ir::{Function, Tensor};
use hla_passes::training::{TrainingGraphs, TrainingOptions, build};
use hla_reference::Tolerance;
use hla_runtime::{StepProgram, ThreadPool};

fn graphs(model: &Function) -> TrainingGraphs {
    build(model, &TrainingOptions::default()).unwrap()
}

/// One step from the same state: near the evaluator, and the same bits on all numbers of threads.
fn check(graphs: &TrainingGraphs, step: &Function) {
    let inputs = models::inputs(step);
    let named: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (&**n, t)).collect();
    let state = models::state(&graphs.state);
    let arguments: Vec<Tensor> = step
        .args
        .iter()
        .map(|arg| match &arg.param {
            Some(param) => state.get(param).unwrap(),
            None => {
                let name = arg.name.as_deref().unwrap();
                inputs.iter().find(|(n, _)| n == name).unwrap().1.clone()
            }
        })
        .collect();
    let expected = hla_reference::evaluate(step, &arguments).unwrap();
    let mut program = jit_step(step, &CodegenOptions::default()).unwrap();
    assert_eq!(program.report().notes, Vec::<String>::new(), "no copies");
    let mut first = None;
    for threads in [1, 2, 3, 7] {
        let pool = ThreadPool::new(threads).unwrap();
        let mut after = state.try_clone().unwrap();
        let mut outputs = program.step(&mut after, &named, Some(&pool)).unwrap();
        outputs.extend(program.step(&mut after, &named, Some(&pool)).unwrap());
        let (outputs_once, after_once) = first.get_or_insert((outputs.clone(), after));
        if threads > 1 {
            assert_eq!(*outputs_once, outputs, "{threads} threads");
            let mut again = state.try_clone().unwrap();
            program.step(&mut again, &named, Some(&pool)).unwrap();
            program.step(&mut again, &named, Some(&pool)).unwrap();
            assert!(again == *after_once, "{threads} threads");
        }
    }
    let mut after = state.try_clone().unwrap();
    let outputs = program.step(&mut after, &named, None).unwrap();
    let tolerance = Tolerance::Relative {
        rtol: 1e-3,
        atol: 1e-4,
    };
    let mut differences = Vec::new();
    for (i, expected) in expected.iter().enumerate() {
        let (name, computed) = match (step.updates(i), step.result_name(i)) {
            (Some(param), _) => (param, after.get(param).unwrap()),
            (None, name) => {
                let name = name.unwrap();
                let found = outputs.iter().find(|(n, _)| n == name).unwrap();
                (name, found.1.clone())
            }
        };
        if let Err(e) = tolerance.check(expected, &computed) {
            differences.push(format!("{} {name}: {e}", step.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn steps_of_the_digit_classifier() {
    let graphs = graphs(&models::digits(4));
    check(&graphs, &graphs.float_step);
    check(&graphs, &graphs.finetune_step);
    check(&graphs, &graphs.ternary_step);
}

#[test]
fn a_step_of_resnet8() {
    let graphs = graphs(&models::resnet8(2));
    check(&graphs, &graphs.ternary_step);
}
