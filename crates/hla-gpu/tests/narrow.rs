//! A value that was rounded to 16 bits is stored in 16 bits, also where it is read under another shape.
#![allow(clippy::unwrap_used)]

use hla_gpu::{GpuOptions, lower};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_reference::Tolerance;
use hlac_tests::upstream::Upstream;

/// A convolution whose result is rounded, then normalized by statistics of the batch.
fn convolution_and_batch_norm(half: DType) -> Function {
    let mut function = Function::new("f");
    let types: [(&[usize], DType); 5] = [
        (&[2, 6, 6, 8], half),
        (&[16, 3, 3, 8], half),
        (&[16], DType::F32),
        (&[1, 1, 1, 16], DType::F32),
        (&[1, 1, 1, 16], DType::F32),
    ];
    let args =
        types.map(|(shape, dtype)| function.add_arg(Arg::new(TensorType::new(shape, dtype))));
    let mut op = |op: Op, operands: &[ValueId], attrs: Attrs| {
        let location = Location::unknown();
        function.push(op, operands, attrs, location).unwrap()
    };
    let to = |dtype: DType| Attrs::new().with("out_type", dtype);
    let window = to(DType::F32)
        .with("acc_type", DType::F32)
        .with("pad", vec![1_i64; 4])
        .with("stride", vec![1_i64, 1])
        .with("dilation", vec![1_i64, 1]);
    let sums = op(Op::Conv2d, &args[..3], window);
    let narrow = op(Op::Cast, &[sums], to(half));
    let wide = op(Op::Cast, &[narrow], to(DType::F32));
    let normal = op(Op::BatchNorm, &[wide, args[3], args[4]], Attrs::new());
    let result = op(Op::Cast, &[normal], to(half));
    function.results = vec![result];
    function
}

fn numbers(ty: &TensorType) -> Tensor {
    let number = |i: usize| ((i * 37 + i / 5) % 17) as f64 / 8.0 - 1.0;
    let numbers: Vec<f64> = (0..ty.elements()).map(number).collect();
    Tensor::from_f64s(ty.clone(), numbers).unwrap()
}

#[test]
fn of_a_convolution_before_a_batch_norm() {
    for half in [DType::BF16, DType::F16] {
        let function = convolution_and_batch_norm(half);
        let program = lower(&function, &GpuOptions::default()).unwrap();
        let large = TensorType::f32([2, 6, 6, 16]).elements();
        for (kernel, types) in program.kernels.iter().zip(&program.arguments) {
            let wide = types
                .iter()
                .any(|ty| ty.elements() == large && ty.dtype == DType::F32);
            assert!(!wide, "{} has {types:?}", kernel.computes);
        }
        let inputs = function.args.iter();
        let inputs: Vec<Tensor> = inputs.map(|a| numbers(a.ty.tensor().unwrap())).collect();
        let expected = hla_reference::evaluate(&function, &inputs).unwrap();
        let upstream = Upstream::find().unwrap();
        let computed = upstream.run_lowered(&program, &[&inputs]).unwrap();
        let tolerance = Tolerance::Relative {
            rtol: 1e-2,
            atol: 1e-2,
        };
        tolerance.check(&expected[0], &computed[0][0]).unwrap();
    }
}
