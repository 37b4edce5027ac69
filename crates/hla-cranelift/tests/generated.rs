//! Generated functions: compiled as a whole they give the bits of their nodes compiled one by one,
//! so fusion, planning and reuse of memory change nothing; and each node agrees with the reference.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::layout::LAYOUT;
use hla_ir::testing::{Options, function};
use hla_ir::{Arg, DType, Function, Node, Op, Tensor, ValueId};
use hla_reference::Tolerance;
use hla_runtime::ThreadPool;
use proptest::prelude::*;

/// Small numbers, some zero.
fn input(arg: &Arg, seed: usize) -> Tensor {
    let ty = arg.ty.tensor().unwrap().clone();
    let limit = if ty.dtype == DType::I1 { 2 } else { 13 };
    let low = if ty.dtype == DType::I1 { 0.0 } else { -6.0 };
    let values = (0..ty.elements()).map(|i| ((i * 31 + seed * 17) % limit) as f64 + low);
    let scale = if ty.dtype.is_float() { 0.375 } else { 1.0 };
    Tensor::from_f64s(ty, values.map(|v| v * scale)).unwrap()
}

/// The function of one node, whose operands are constants where they are in the original.
fn single(f: &Function, node: &Node, values: &HashMap<ValueId, Tensor>) -> (Function, Vec<Tensor>) {
    let mut new = Function::new("node");
    let mut inputs = Vec::new();
    let mut map = HashMap::new();
    for &operand in &node.operands {
        let constant = f.defining_node(operand).is_some_and(|n| {
            n.op == Op::Const || (n.op == Op::Unpack && f.constant_value(n.operands[0]).is_some())
        });
        if !constant && !map.contains_key(&operand) {
            map.insert(operand, new.add_arg(Arg::new(f.ty(operand).clone())));
            inputs.push(values[&operand].clone());
        }
    }
    for &operand in &node.operands {
        if map.contains_key(&operand) {
            continue;
        }
        let source = f.defining_node(operand).unwrap();
        let value = if source.op == Op::Const {
            new.constant(values[&operand].clone(), source.location.clone())
        } else {
            let packed = f.constant_value(source.operands[0]).unwrap().clone();
            let packed = new.constant(packed, source.location.clone());
            let attrs = source.attrs.clone();
            new.push(source.op, &[packed], attrs, source.location.clone())
                .unwrap()
        };
        map.insert(operand, value);
    }
    let operands: Vec<ValueId> = node.operands.iter().map(|o| map[o]).collect();
    let id = new
        .push_node(
            node.op,
            &operands,
            node.attrs.clone(),
            node.location.clone(),
        )
        .unwrap();
    new.results = new.node(id).results.clone();
    (new, inputs)
}

fn tolerance(op: Op) -> Tolerance {
    match op {
        Op::Conv2d
        | Op::DepthwiseConv2d
        | Op::TransposeConv2d
        | Op::MatMul
        | Op::ReduceSum
        | Op::ReduceProduct
        | Op::AvgPool2d
        | Op::Normalize
        | Op::LossAware
        | Op::SoftmaxCrossEntropy
        | Op::BatchNorm
        | Op::Conv2dInputGrad
        | Op::Conv2dWeightGrad
        | Op::DepthwiseConv2dInputGrad
        | Op::DepthwiseConv2dWeightGrad
        | Op::AvgPool2dGrad => Tolerance::Relative {
            rtol: 1e-2,
            atol: 1e-2,
        },
        Op::Maximum | Op::Minimum | Op::Clamp | Op::MaxPool2d | Op::ReduceMax | Op::ReduceMin => {
            // Which zero wins is not said.
            Tolerance::Ulps(0)
        }
        Op::Exp
        | Op::Log
        | Op::Tanh
        | Op::Sigmoid
        | Op::Erf
        | Op::Rsqrt
        | Op::Pow
        | Op::Reciprocal
        | Op::SteTernarize => Tolerance::Ulps(4),
        _ => Tolerance::Exact,
    }
}

fn check(words: &[u32], options: Options) -> Result<(), TestCaseError> {
    let f = function(words, options, 12);
    let inputs: Vec<Tensor> = f.args.iter().zip(1..).map(|(a, i)| input(a, i)).collect();
    let mut values: HashMap<ValueId, Tensor> = HashMap::new();
    for (i, tensor) in inputs.iter().enumerate() {
        values.insert(ValueId(i as u32), tensor.clone());
    }
    let codegen = CodegenOptions::default();
    // Not every op takes every layout; it says so.
    let planar = f.nodes.iter().any(|n| n.attrs.get(LAYOUT).is_some());
    for (_, node) in f.iter_nodes() {
        if let Some(tensor) = node.constant() {
            values.insert(node.result(), tensor.clone());
            continue;
        }
        let (one, operands) = single(&f, node, &values);
        // Padding is skipped, or is a product with zero, which an infinity tells apart.
        let contraction = matches!(
            node.op,
            Op::Conv2d
                | Op::DepthwiseConv2d
                | Op::TransposeConv2d
                | Op::MatMul
                | Op::Conv2dInputGrad
                | Op::Conv2dWeightGrad
                | Op::DepthwiseConv2dInputGrad
                | Op::DepthwiseConv2dWeightGrad
        );
        let infinite = |v: &ValueId| values[v].to_f32s().iter().any(|v| !v.is_finite());
        if contraction && node.operands.iter().any(infinite) {
            return Ok(());
        }
        // What the reference refuses (codes that are none, indices out of range) has no value.
        let Ok(expected) = hla_reference::evaluate(&one, &operands) else {
            return Ok(());
        };
        let program = jit(&one, &codegen);
        if planar && program.is_err() {
            return Ok(());
        }
        prop_assert!(
            program.is_ok(),
            "{}: {}",
            node.name(),
            program.err().unwrap()
        );
        let computed = program.unwrap().run(&operands, None).unwrap();
        // A sum in another order cancels otherwise: of huge numbers it says nothing. Where more is computed
        // of sums, infinities become NaNs or not by how near a factor comes to 0.
        let composed = matches!(
            node.op,
            Op::BatchNorm | Op::Normalize | Op::LossAware | Op::SoftmaxCrossEntropy
        );
        let huge = |v: &ValueId| {
            let mut values = values[v].iter_f64();
            values.any(|v| (composed || v.is_finite()) && (v.is_nan() || v.abs() > 1e3))
        };
        let sums = matches!(tolerance(node.op), Tolerance::Relative { .. });
        let tells = !sums || !node.operands.iter().any(huge);
        for ((expected, computed), &result) in expected.iter().zip(&computed).zip(&node.results) {
            let agrees = tolerance(node.op).check(expected, computed);
            prop_assert!(
                !tells || agrees.is_ok(),
                "{}: {agrees:?}\n{one:?}",
                node.name()
            );
            values.insert(result, computed.clone());
        }
    }
    let program = jit(&f, &codegen);
    if planar && program.is_err() {
        return Ok(());
    }
    prop_assert!(program.is_ok(), "{}", program.err().unwrap());
    let program = program.unwrap();
    let mut workspace = program.workspace().unwrap();
    workspace.as_mut_slice().fill(0x7f);
    let computed = program.run_in(&inputs, &mut workspace, None).unwrap();
    for (i, (&result, computed)) in f.results.iter().zip(&computed).enumerate() {
        let agrees = Tolerance::Exact.check(&values[&result], computed);
        prop_assert!(agrees.is_ok(), "result {i}: {agrees:?}\n{f:?}");
    }
    let pool = ThreadPool::new(2).unwrap();
    let threaded = program.run(&inputs, Some(&pool)).unwrap();
    prop_assert!(threaded == computed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whole_functions_give_the_bits_of_their_nodes(words in prop::collection::vec(any::<u32>(), 0..300)) {
        check(&words, Options { training: true, ..Options::default() })?;
    }

    #[test]
    fn special_numbers_too(words in prop::collection::vec(any::<u32>(), 0..300)) {
        check(&words, Options { special_floats: true, training: true, ..Options::default() })?;
    }
}
