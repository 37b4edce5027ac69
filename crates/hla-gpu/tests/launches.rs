//! Launches share their work among whole warps, whatever the shapes are.
#![allow(clippy::unwrap_used)]

use hla_gpu::{GpuOptions, lower};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, TensorType};
use hla_reference::cases::{cases, odd_cases, random_network, training_cases};
use hlac_tests::launches::complaints;

use DType::{BF16, F32, I8};

#[test]
fn of_the_numeric_suite() {
    let networks = (0..50).map(random_network);
    let mut wrong = Vec::new();
    let suite = [cases(), training_cases(), odd_cases()].concat();
    for case in suite.into_iter().chain(networks) {
        wrong.extend(complaints(
            &lower(&case.function, &GpuOptions::default()).unwrap(),
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Shape<'a> = (&'a [usize], DType);

/// One op on arguments of these types.
fn of(op: Op, args: &[Shape<'_>], attrs: Attrs) -> Function {
    let mut function = Function::new(op.def().name.split('.').next_back().unwrap_or_default());
    let args: Vec<_> = args
        .iter()
        .map(|(shape, dtype)| function.add_arg(Arg::new(TensorType::new(*shape, *dtype))))
        .collect();
    let result = function
        .push(op, &args, attrs, Location::unknown())
        .unwrap();
    function.results = vec![result];
    function
}

/// Functions of which some extent is beyond what one dimension of a grid takes.
fn huge() -> Vec<Function> {
    let none = Attrs::new;
    let axis = |axis: i64| none().with("axis", axis);
    let pool = || {
        none()
            .with("kernel", vec![3_i64, 3])
            .with("stride", vec![2_i64, 2])
            .with("pad", vec![1_i64, 1, 1, 1])
    };
    let window = || {
        none()
            .with("pad", vec![0_i64; 4])
            .with("stride", vec![1_i64, 1])
            .with("dilation", vec![1_i64, 1])
    };
    let image: &[usize] = &[70_000, 33, 33, 24];
    let pooled: &[usize] = &[70_000, 17, 17, 24];
    vec![
        of(Op::Exp, &[(&[1 << 33], F32)], none()),
        of(Op::Exp, &[(&[(1 << 32) - 1, 3], F32)], none()),
        of(
            Op::Add,
            &[(&[70_000, 70_000, 3], BF16), (&[1, 70_000, 1], BF16)],
            none(),
        ),
        of(
            Op::Transpose,
            &[(&[70_000, 17_001, 3], F32)],
            none().with("perms", vec![2_i64, 1, 0]),
        ),
        of(
            Op::Transpose,
            &[(&[30, 16_001, 2000], F32)],
            none().with("perms", vec![0_i64, 2, 1]),
        ),
        of(
            Op::Concat,
            &[(&[1 << 31, 2], I8), (&[1 << 31, 1], I8)],
            axis(1),
        ),
        of(Op::ReduceSum, &[(&[1 << 20, 1 << 12], F32)], axis(1)),
        of(Op::ReduceSum, &[(&[1 << 20, 1 << 12], F32)], axis(0)),
        of(Op::ReduceMax, &[(&[70_000, 70_000, 3], BF16)], axis(1)),
        of(Op::ReduceSum, &[(&[1, 1 << 33], F32)], axis(1)),
        of(Op::ReduceProduct, &[(&[1 << 30, 2], F32)], axis(1)),
        of(Op::ArgMax, &[(&[1 << 22, 1000], F32)], axis(1)),
        of(Op::MaxPool2d, &[(image, F32)], pool()),
        of(Op::MaxPool2dGrad, &[(image, F32), (pooled, F32)], pool()),
        of(Op::AvgPool2d, &[(image, I8)], pool()),
        of(
            Op::ScatterAdd,
            &[(&[70_000, 5], DType::I32), (&[70_000, 5, 1000], F32)],
            none().with("rows", 70_i64),
        ),
        of(
            Op::Threshold,
            &[(&[(1 << 32) - 1], F32), (&[1], F32)],
            none(),
        ),
        of(Op::Pack, &[(&[1 << 20, 4097], I8)], none()),
        of(
            Op::Unpack,
            &[(&[(1 << 20) * 1025], I8)],
            none().with("shape", vec![1_i64 << 20, 4097]),
        ),
        of(Op::DynamicQuantize, &[(&[1 << 20, 4097], F32)], none()),
        of(
            Op::Ternarize,
            &[(&[1 << 20, 4097], F32)],
            none().with("threshold", 0.5_f32),
        ),
        of(
            Op::MatMul,
            &[(&[70_000, 17, 9], F32), (&[70_000, 9, 40], F32)],
            none(),
        ),
        of(
            Op::MatMul,
            &[(&[1, 1 << 23, 9], F32), (&[1, 9, 40], F32)],
            none(),
        ),
        of(
            Op::MatMul,
            &[(&[1, 40, 9], F32), (&[1, 9, 1 << 23], F32)],
            none(),
        ),
        of(
            Op::Conv2d,
            &[
                (&[70_000, 32, 32, 16], F32),
                (&[16, 3, 3, 16], F32),
                (&[16], F32),
            ],
            window().with("acc_type", F32),
        ),
        of(
            Op::DepthwiseConv2d,
            &[
                (&[70_000, 32, 32, 16], F32),
                (&[3, 3, 16, 1], F32),
                (&[16], F32),
            ],
            window().with("acc_type", F32),
        ),
    ]
}

#[test]
fn of_huge_shapes() {
    let mut wrong = Vec::new();
    for function in huge() {
        match lower(&function, &GpuOptions::default()) {
            Ok(program) => wrong.extend(complaints(&program)),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_no_gpu_has_memory_for_is_refused() {
    let function = of(Op::Exp, &[(&[1 << 39], F32)], Attrs::new());
    let error = lower(&function, &GpuOptions::default()).unwrap_err();
    assert!(error.message.contains("549755813888 elements"), "{error}");
}
