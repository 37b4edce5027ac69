//! Ternary contractions of packed weights on tensor cores, with activations of each type: exact to the
//! bit, as products with −1, 0 and 1 are, and sums of multiples of ¼ below 2²² in f32.

use hla_gpu::options::Precision;
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_reference::cases::Case;
use hla_reference::{Tolerance, evaluate};

use crate::job::{Job, job};
use crate::large::{random, values};
use crate::suite::check;

/// 2-bit codes of ternary values, as the reference packs them.
fn packed(trits: &Tensor) -> Tensor {
    let mut function = Function::new("pack");
    let arg = function.add_arg(Arg::new(trits.ty().clone()));
    let result = function
        .push(Op::Pack, &[arg], Attrs::new(), Location::unknown())
        .expect("trits");
    function.results = vec![result];
    evaluate(&function, std::slice::from_ref(trits))
        .expect("trits")
        .remove(0)
}

/// A ternary contraction of packed weights: everything an argument.
fn case(name: &str, op: Op, input: Tensor, weight: &[usize], attrs: Attrs) -> Case {
    let mut next = random(7);
    let ty = TensorType::new(weight, DType::I8);
    let trits: Vec<f64> = (0..ty.elements())
        .map(|_| (next() % 3) as f64 - 1.0)
        .collect();
    let trits = Tensor::from_f64s(ty, trits).expect("as many as elements");
    let channels = weight[0];
    let scales: Vec<f32> = (0..channels)
        .map(|_| [0.25, 0.5, 2.0][next() as usize % 3])
        .collect();
    let scale = Tensor::from_f32s([channels], &scales).expect("a scale each");
    let bias = values(&[channels], 3);
    let inputs = vec![input, packed(&trits), scale, bias];
    let mut function = Function::new(name);
    let args: Vec<_> = inputs
        .iter()
        .map(|t| function.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let shape: Vec<i64> = weight.iter().map(|&extent| extent as i64).collect();
    let unpacked = Attrs::new().with("shape", shape);
    let weights = function
        .push(Op::Unpack, &args[1..2], unpacked, Location::unknown())
        .expect("packed weights");
    let operands = [args[0], weights, args[2], args[3]];
    let attrs = attrs.with("min_val", 0.0f32);
    let result = function
        .push(op, &operands, attrs, Location::unknown())
        .expect("a sound case");
    function.results = vec![result];
    Case {
        name: name.to_owned(),
        function,
        inputs,
        tolerance: Tolerance::Exact,
    }
}

/// All of i8, or multiples of ¼ between −1 and 1.
fn activations(shape: &[usize], dtype: DType) -> Tensor {
    if dtype != DType::I8 {
        return values(shape, 5);
    }
    let mut next = random(11);
    let ty = TensorType::new(shape, dtype);
    let numbers: Vec<f64> = (0..ty.elements())
        .map(|_| f64::from(next() as u8 as i8))
        .collect();
    Tensor::from_f64s(ty, numbers).expect("as many as elements")
}

/// Rows of codes that are copied 16, 4 and 1 bytes at a time, in large and small tiles, ragged at both
/// ends and along k.
fn jobs(dtype: DType, precision: Precision, narrow: Option<DType>) -> Vec<Job> {
    let convolution = |stride: i64| {
        Attrs::new()
            .with("pad", vec![1i64; 4])
            .with("stride", vec![stride; 2])
            .with("dilation", vec![1i64, 1])
    };
    let product = |name, shape: [usize; 3], weight: [usize; 2]| {
        let input = activations(&shape, dtype);
        case(name, Op::TernaryMatMul, input, &weight, Attrs::new())
    };
    let window = |name, shape: [usize; 4], outputs: usize, stride| {
        let input = activations(&shape, dtype);
        let weight = [outputs, 3, 3, shape[3]];
        case(name, Op::TernaryConv2d, input, &weight, convolution(stride))
    };
    let cases = [
        product("product_128x128", [1, 1500, 72], [1272, 72]),
        product("product_rows_of_64", [2, 90, 256], [200, 256]),
        product("product_one_row", [1, 1, 333], [10, 333]),
        window("convolution_128x64", [4, 63, 61, 16], 56, 1),
        window("convolution_stride", [1, 15, 17, 64], 70, 2),
        window("convolution_odd_channels", [2, 31, 29, 3], 64, 1),
    ];
    cases
        .iter()
        .map(|case| {
            let job = job(case, precision, narrow).expect("a contraction");
            let kernel = &job.launches[0].0;
            let code = &kernel.gpu;
            assert!(code.contains("nvvm.mma.sync"), "{}", job.name);
            assert!(code.contains("llvm.nvvm.prmt"), "{}", job.name);
            job
        })
        .collect()
}

#[test]
fn whole_numbers_are_exact() {
    let jobs = jobs(DType::I8, Precision::F32, None);
    assert!(
        jobs.iter()
            .all(|job| job.launches[0].0.gpu.contains("<s8>"))
    );
    check(&jobs);
}

#[test]
fn tf32_is_exact() {
    check(&jobs(DType::F32, Precision::Tf32, None));
}

#[test]
fn narrow_types_are_exact() {
    for dtype in [DType::BF16, DType::F16] {
        check(&jobs(DType::F32, Precision::F32, Some(dtype)));
    }
}
