//! Gradients of contractions, compiled and run on this machine and held against the reference: the
//! numeric cases, and random shapes, alone and on several threads.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_reference::Tolerance;
use hla_reference::cases::{Case, training_cases};
use hla_runtime::ThreadPool;
use proptest::prelude::*;

/// The contractions among the ops of training.
const CONTRACTIONS: [Op; 4] = [
    Op::Conv2dInputGrad,
    Op::Conv2dWeightGrad,
    Op::DepthwiseConv2dInputGrad,
    Op::DepthwiseConv2dWeightGrad,
];

fn run(case: &Case, pools: &[ThreadPool]) -> Result<(), String> {
    let expected = hla_reference::evaluate(&case.function, &case.inputs)
        .map_err(|e| format!("oracle: {e}"))?;
    let program =
        jit(&case.function, &CodegenOptions::default()).map_err(|e| format!("compile: {e}"))?;
    let run = |pool| program.run(&case.inputs, pool);
    let alone = run(None).map_err(|e| format!("run: {e}"))?;
    for (expected, computed) in expected.iter().zip(&alone) {
        case.tolerance.check(expected, computed)?;
    }
    for pool in pools {
        if alone != run(Some(pool)).map_err(|e| format!("run: {e}"))? {
            return Err("more threads give other bits than one".to_owned());
        }
    }
    Ok(())
}

#[test]
fn gradients_of_contractions_agree_with_the_reference() {
    let filter = std::env::var("CASE").unwrap_or_default();
    let pools = [2, 3, 7].map(|threads| ThreadPool::new(threads).unwrap());
    let contracts = |c: &Case| {
        c.function
            .nodes
            .iter()
            .any(|n| CONTRACTIONS.contains(&n.op))
    };
    let cases: Vec<Case> = training_cases()
        .into_iter()
        .filter(|c| contracts(c) && c.name.contains(&filter))
        .collect();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|c| run(c, &pools).err().map(|e| format!("{}: {e}", c.name)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    assert!(cases.len() > 40 || !filter.is_empty());
}

/// One dimension of a convolution: kernel, stride, dilation, padding before and after, extent of the
/// result.
type Dimension = [u64; 6];

prop_compose! {
    fn dimension()(
        kernel in 1u64..5, stride in prop_oneof![1u64..4, Just(11u64)], dilation in 1u64..4,
        before in 0u64..4, after in 0u64..4, output in 1u64..7,
    ) -> Dimension {
        [kernel, stride, dilation, before, after, output]
    }
}

/// The extent of the input, if there is one.
fn extent([kernel, stride, dilation, before, after, output]: Dimension) -> Option<usize> {
    let padded = (output - 1) * stride + (kernel - 1) * dilation + 1;
    let input = padded.checked_sub(before + after)?;
    (input > 0).then_some(input as usize)
}

/// Small multiples of 1/4: all sums are exact, in whatever order.
fn grid(shape: &[usize], seed: u64) -> Tensor {
    let ty = TensorType::try_new(shape, DType::F32).unwrap();
    let mut state = seed | 1;
    let values: Vec<f64> = (0..ty.elements())
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 60) as f64 - 8.0) / 4.0
        })
        .collect();
    Tensor::from_f64s(ty, values).unwrap()
}

/// A function of one gradient.
fn gradient(op: Op, operands: [&[usize]; 2], attrs: Attrs) -> Option<Function> {
    let mut function = Function::new("main");
    let args =
        operands.map(|s| function.add_arg(Arg::new(TensorType::try_new(s, DType::F32).unwrap())));
    let result = function.push(op, &args, attrs, Location::unknown()).ok()?;
    function.results.push(result);
    Some(function)
}

#[test]
fn taps_that_see_nothing_but_padding_have_no_gradient() {
    let attrs = Attrs::new()
        .with("pad", vec![0i64, 0, 2, 0])
        .with("stride", vec![1i64; 2])
        .with("dilation", vec![1i64; 2])
        .with("kernel", vec![1i64, 3]);
    let function = gradient(Op::Conv2dWeightGrad, [&[1, 1, 1, 4], &[1, 1, 1, 1]], attrs).unwrap();
    let tensor = |shape: &[usize], values: &[f32]| Tensor::from_f32s(shape, values).unwrap();
    let inputs = [
        tensor(&[1, 1, 1, 4], &[1.0, 2.0, 3.0, 4.0]),
        tensor(&[1, 1, 1, 1], &[10.0]),
    ];
    let program = jit(&function, &CodegenOptions::default()).unwrap();
    let computed = program.run(&inputs, None).unwrap();
    let expected = [0.0; 8].into_iter().chain([10.0, 20.0, 30.0, 40.0]);
    assert_eq!(computed[0].to_f32s(), expected.collect::<Vec<f32>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_of_random_convolutions(
        n in 1usize..4, ic in 1usize..20, oc in 1usize..36, rows in dimension(), cols in dimension(),
        depthwise: bool, seed: u64,
    ) {
        let (Some(h), Some(w)) = (extent(rows), extent(cols)) else {
            return Err(TestCaseError::reject("no input"));
        };
        let multiplier = 1 + oc % 3;
        let [kh, kw] = [rows[0] as usize, cols[0] as usize];
        let [oh, ow] = [rows[5] as usize, cols[5] as usize];
        let (by_input, by_weight, weight, columns) = match depthwise {
            true => (Op::DepthwiseConv2dInputGrad, Op::DepthwiseConv2dWeightGrad, [kh, kw, ic, multiplier], ic * multiplier),
            false => (Op::Conv2dInputGrad, Op::Conv2dWeightGrad, [oc, kh, kw, ic], oc),
        };
        let pair = |i: usize| vec![rows[i] as i64, cols[i] as i64];
        let attrs = Attrs::new()
            .with("pad", vec![rows[3] as i64, rows[4] as i64, cols[3] as i64, cols[4] as i64])
            .with("stride", pair(1))
            .with("dilation", pair(2));
        let (input, output) = ([n, h, w, ic], [n, oh, ow, columns]);
        let shape = attrs.clone().with("input_shape", input.map(|e| e as i64).to_vec());
        let kernel = attrs.with("kernel", pair(0));
        for (op, operands, attrs) in [(by_input, [output, weight], shape), (by_weight, [input, output], kernel)] {
            let function = gradient(op, [&operands[0], &operands[1]], attrs).unwrap();
            let inputs = [grid(&operands[0], seed), grid(&operands[1], seed ^ 7)];
            let expected = hla_reference::evaluate(&function, &inputs).unwrap();
            let program = jit(&function, &CodegenOptions::default()).unwrap();
            let computed = program.run(&inputs, None).unwrap();
            Tolerance::Exact.check(&expected[0], &computed[0]).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn whatever_the_attributes_nothing_panics(
        extents in prop::array::uniform4(1usize..4), kernel in prop::array::uniform2(1usize..4), columns in 1usize..9,
        steps in prop::array::uniform4(prop_oneof![1i64..3, 1i64..40, Just(i64::from(i32::MAX))]),
        pad in prop::array::uniform4(prop_oneof![0i64..3, Just(i64::from(i32::MAX))]),
        depthwise: bool, fit: bool,
    ) {
        let [n, _, _, ic] = extents;
        let reach = |d: usize| {
            let padded = extents[1 + d] as i64 + pad[2 * d] + pad[2 * d + 1];
            (padded - (kernel[d] as i64 - 1) * steps[2 + d] - 1) / steps[d] + 1
        };
        let outputs = [0, 1].map(|d| if fit { reach(d) } else { 1 });
        prop_assume!(outputs.iter().all(|o| (1..100_000).contains(o)));
        let [oh, ow] = outputs.map(|o| o as usize);
        let attrs = Attrs::new()
            .with("pad", pad.to_vec())
            .with("stride", steps[..2].to_vec())
            .with("dilation", steps[2..].to_vec())
            .with("kernel", kernel.map(|k| k as i64).to_vec())
            .with("input_shape", extents.map(|e| e as i64).to_vec());
        let (ops, weight) = match depthwise {
            true => ([Op::DepthwiseConv2dInputGrad, Op::DepthwiseConv2dWeightGrad], [kernel[0], kernel[1], ic, columns]),
            false => ([Op::Conv2dInputGrad, Op::Conv2dWeightGrad], [columns, kernel[0], kernel[1], ic]),
        };
        let output = [n, oh, ow, if depthwise { ic * columns } else { columns }];
        let target = Target::parse("aarch64", &[]).unwrap();
        for (op, operands) in [(ops[0], [output, weight]), (ops[1], [extents, output])] {
            let Some(function) = gradient(op, [&operands[0], &operands[1]], attrs.clone()) else {
                continue;
            };
            if let Err(error) = compile(&function, &target, &CodegenOptions::default()) {
                prop_assert!(error.message.contains("too large"), "{error}");
            }
        }
    }
}
