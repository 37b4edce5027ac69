//! Kernels large enough to be shared among threads give the same bits on any number of them.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::layout::LAYOUT;
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_runtime::ThreadPool;

type Body = Box<dyn Fn(&mut Function, &[ValueId]) -> ValueId>;

fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}

fn values(ty: &TensorType, seed: usize) -> Tensor {
    let values = (0..ty.elements()).map(|i| ((i * 7919 + seed * 31) % 241) as f64 - 120.0);
    let scale = if ty.dtype == DType::F32 { 0.03 } else { 1.0 };
    Tensor::from_f64s(ty.clone(), values.map(|v| v * scale)).unwrap()
}

/// One op of these attributes.
fn op(op: Op, attrs: Attrs) -> Body {
    Box::new(move |f, x| push(f, op, x, attrs.clone()))
}

fn planar(layout: &'static str, inner: Op, attrs: Attrs) -> Body {
    Box::new(move |f, x| {
        let at = Attrs::new().with(LAYOUT, layout);
        let p = push(f, Op::Relayout, x, at);
        let p = push(f, inner, &[p], attrs.clone().with(LAYOUT, layout));
        push(f, Op::Relayout, &[p], Attrs::new())
    })
}

/// A convolution with constant weights of some element type.
fn convolution(contraction: Op, weight: &'static [usize], dtype: DType) -> Body {
    Box::new(move |f, x| {
        let channels = if contraction == Op::DepthwiseConv2d {
            weight[2] * weight[3]
        } else {
            weight[0]
        };
        let mut operands = x.to_vec();
        let mut constant = |tensor| operands.push(f.constant(tensor, Location::unknown()));
        if contraction == Op::TernaryConv2d {
            let ty = TensorType::new(weight, DType::I8);
            let trits = (0..ty.elements()).map(|i| [0.0, 0.0, 1.0, 0.0, -1.0][i * 7 % 5]);
            constant(Tensor::from_f64s(ty, trits).unwrap());
            constant(values(&TensorType::f32([channels]), 1));
        } else {
            constant(values(&TensorType::new(weight, dtype), 1));
        }
        constant(values(&TensorType::f32([channels]), 2));
        let attrs = Attrs::new()
            .with("pad", vec![1i64; 4])
            .with("stride", vec![1i64; 2])
            .with("dilation", vec![1i64; 2]);
        push(f, contraction, &operands, attrs)
    })
}

fn programs() -> Vec<(&'static str, Vec<TensorType>, Body)> {
    let f32 = |shape: &[usize]| TensorType::f32(shape);
    let none = Attrs::new;
    let image = f32(&[2, 28, 30, 19]);
    let quantized = TensorType::new([1, 28, 30, 32], DType::I8);
    let pool = || {
        none()
            .with("kernel", vec![3i64, 3])
            .with("stride", vec![1i64, 1])
            .with("pad", vec![1i64; 4])
    };
    let window = |key: &'static str, value: &[i64]| {
        none()
            .with("pad", vec![1i64; 4])
            .with("stride", vec![1i64; 2])
            .with("dilation", vec![1i64; 2])
            .with(key, value.to_vec())
    };
    let gradient = f32(&[2, 28, 30, 24]);
    let depthwise = f32(&[2, 28, 30, 38]);
    vec![
        (
            "conv2d_input_grad",
            vec![gradient.clone(), f32(&[24, 3, 3, 19])],
            op(Op::Conv2dInputGrad, window("input_shape", &[2, 28, 30, 19])),
        ),
        (
            "conv2d_weight_grad",
            vec![image.clone(), gradient],
            op(Op::Conv2dWeightGrad, window("kernel", &[3, 3])),
        ),
        (
            "depthwise_input_grad",
            vec![depthwise.clone(), f32(&[3, 3, 19, 2])],
            op(
                Op::DepthwiseConv2dInputGrad,
                window("input_shape", &[2, 28, 30, 19]),
            ),
        ),
        (
            "depthwise_weight_grad",
            vec![image.clone(), depthwise],
            op(Op::DepthwiseConv2dWeightGrad, window("kernel", &[3, 3])),
        ),
        ("sigmoid", vec![f32(&[50_001])], op(Op::Sigmoid, none())),
        (
            "broadcast",
            vec![image.clone(), f32(&[1, 28, 1, 19])],
            op(Op::Add, none()),
        ),
        (
            "cast",
            vec![image.clone()],
            op(Op::Cast, none().with("out_type", DType::I64)),
        ),
        (
            "relayout",
            vec![image.clone()],
            planar("planar<1,2,0,3,f32>", Op::Abs, none()),
        ),
        ("max_pool", vec![image.clone()], op(Op::MaxPool2d, pool())),
        (
            "avg_pool",
            vec![quantized.clone()],
            op(Op::AvgPool2d, pool()),
        ),
        (
            "planar_pool",
            vec![quantized.clone()],
            planar("planar<1,1,1,1,i16>", Op::MaxPool2d, pool()),
        ),
        (
            "sum_inner",
            vec![f32(&[300, 333])],
            op(Op::ReduceSum, none().with("axis", 1i64)),
        ),
        (
            "sum_outer",
            vec![f32(&[99, 1001])],
            op(Op::ReduceSum, none().with("axis", 0i64)),
        ),
        (
            "argmax",
            vec![f32(&[64, 33, 20])],
            op(Op::ArgMax, none().with("axis", 1i64)),
        ),
        (
            "transpose",
            vec![image.clone()],
            op(Op::Transpose, none().with("perms", vec![3i64, 0, 2, 1])),
        ),
        (
            "slice",
            vec![image.clone()],
            op(
                Op::Slice,
                none()
                    .with("start", vec![0i64, 1, 2, 3])
                    .with("size", vec![2i64, 27, 28, 16]),
            ),
        ),
        (
            "pad",
            vec![image.clone()],
            op(
                Op::Pad,
                none().with("padding", vec![0i64, 1, 2, 3, 4, 5, 6, 7]),
            ),
        ),
        (
            "concat",
            vec![image.clone(), image.clone()],
            op(Op::Concat, none().with("axis", 2i64)),
        ),
        (
            "dynamic",
            vec![image.clone()],
            op(Op::DynamicQuantize, none()),
        ),
        (
            "conv2d",
            vec![image.clone()],
            convolution(Op::Conv2d, &[24, 3, 3, 19], DType::F32),
        ),
        (
            "depthwise",
            vec![image.clone()],
            convolution(Op::DepthwiseConv2d, &[3, 3, 19, 2], DType::F32),
        ),
        (
            "ternary_f32",
            vec![image],
            convolution(Op::TernaryConv2d, &[24, 3, 3, 19], DType::F32),
        ),
        (
            "ternary_i8",
            vec![quantized],
            convolution(Op::TernaryConv2d, &[24, 3, 3, 32], DType::I8),
        ),
        (
            "matmul",
            vec![f32(&[3, 70, 50]), f32(&[3, 50, 90])],
            op(Op::MatMul, none()),
        ),
    ]
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let pools: Vec<ThreadPool> = [2, 3, 7].map(|n| ThreadPool::new(n).unwrap()).into();
    for (name, types, body) in programs() {
        let mut f = Function::new(name);
        let args: Vec<ValueId> = types
            .iter()
            .map(|ty| f.add_arg(Arg::new(ty.clone())))
            .collect();
        let result = body(&mut f, &args);
        f.results.push(result);
        let inputs: Vec<Tensor> = types.iter().zip(5..).map(|(ty, i)| values(ty, i)).collect();
        let program = jit(&f, &CodegenOptions::default()).unwrap();
        let shared = program.report().kernels.iter().any(|k| k.shared);
        assert!(shared, "{name}: nothing to share");
        let alone = program.run(&inputs, None).unwrap();
        for pool in &pools {
            let threaded = program.run(&inputs, Some(pool)).unwrap();
            assert!(alone == threaded, "{name}: {} threads", pool.threads());
        }
    }
}
