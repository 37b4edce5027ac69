//! Mixed precision of single ops: what they read, and what they give, with numbers worked on paper.

use hla_ir::graph::{GRADIENT, UPDATES};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};

use super::mixed::mixed;

/// One op after the other of a function that a test makes.
struct Made(Function);

impl Made {
    fn arg(&mut self, shape: &[usize], name: &str) -> ValueId {
        let mut arg = Arg::new(TensorType::f32(shape));
        arg.name = Some(name.into());
        self.0.add_arg(arg)
    }

    fn constant(&mut self, shape: &[usize], dtype: DType, values: &[f64]) -> ValueId {
        let ty = TensorType::new(shape, dtype);
        let tensor = Tensor::from_f64s(ty, values.to_vec()).unwrap();
        self.0.constant(tensor, Location::unknown())
    }

    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        let location = Location::unknown();
        self.0.push(op, operands, attrs, location).unwrap()
    }
}

/// What evaluation gives for one input, as f64.
fn evaluated(f: &Function, input: &[f64]) -> Vec<f64> {
    let ty = f.args[0].ty.tensor().unwrap().clone();
    let input = Tensor::from_f64s(ty, input.to_vec()).unwrap();
    let results = hla_reference::evaluate(f, &[input]).unwrap();
    results[0].iter_f64().collect()
}

/// x·W₁ᵀ + b₁, clamped at 0, then y·W₂ᵀ + y: with x = (1 + 2⁻¹⁰, 3), W₁ = ((1, 0), (−1, 1)) and
/// b₁ = (2⁻¹⁰, 0) it is by hand, with x rounded to (1, 3): y = (1 + 2⁻¹⁰, 2), which is rounded to
/// (1, 2); then with W₂ = ((1, 1), (0, −1)) and the residual y: (1 + 2 + 1, −2 + 2) = (4, 0).
#[test]
fn a_ternary_product_reads_its_input_and_residual_rounded() {
    let mut made = Made(Function::new("f"));
    let small = 2f64.powi(-10);
    let x = made.arg(&[1, 1, 2], "x");
    let ones = made.constant(&[2], DType::F32, &[1.0, 1.0]);
    let none = made.constant(&[2], DType::F32, &[0.0, 0.0]);
    let bias = made.constant(&[2], DType::F32, &[small, 0.0]);
    let w1 = made.constant(&[2, 2], DType::I8, &[1.0, 0.0, -1.0, 1.0]);
    let w2 = made.constant(&[2, 2], DType::I8, &[1.0, 1.0, 0.0, -1.0]);
    let relu = Attrs::new().with("min_val", 0.0_f32);
    let y = made.op(Op::TernaryMatMul, &[x, w1, ones, bias], relu);
    let z = made.op(Op::TernaryMatMul, &[y, w2, ones, none, y], Attrs::new());
    made.0.results = vec![z];
    let input = [1.0 + small, 3.0];
    // In f32: y = (1 + 2⁻⁹, 2 − 2⁻¹⁰), z = (y₁ + y₂ + y₁, 0).
    let exact = evaluated(&made.0, &input);
    assert_eq!(exact, [4.0 + 3.0 * small, 0.0]);
    let rounded = mixed(&made.0, "bf16");
    assert_eq!(evaluated(&rounded, &input), [4.0, 0.0]);
    let products = rounded.nodes.iter().filter(|n| n.op == Op::TernaryMatMul);
    let read: Vec<Vec<DType>> = products
        .map(|n| {
            let dtypes = n.operands.iter().map(|v| rounded.tensor_ty(*v).dtype);
            dtypes.collect()
        })
        .collect();
    use DType::{BF16, F32, I8};
    assert_eq!(read[0], [BF16, I8, F32, F32]);
    assert_eq!(read[1], [BF16, I8, F32, F32, BF16]);
}

/// A max-pool between two convolutions, and the gradient of the first one's weight: what is pooled, its
/// gradient and that of the pool are of 16 bits, in f16 with one scale.
#[test]
fn a_pool_moves_gradients_of_16_bits() {
    for (half, precision) in [(DType::BF16, "bf16"), (DType::F16, "f16")] {
        let mut made = Made(Function::new("f"));
        let image = made.arg(&[2, 6, 6, 3], "image");
        let param = |made: &mut Made, shape: &[usize], name: &str| {
            let mut arg = Arg::new(TensorType::f32(shape));
            arg.param = Some(name.into());
            made.0.add_arg(arg)
        };
        let weight = param(&mut made, &[4, 3, 3, 3], "w");
        let last = param(&mut made, &[2, 2, 2, 4], "last");
        let momentum = param(&mut made, &[4, 3, 3, 3], "m");
        let rate = made.arg(&[1], "rate");
        let bias = |made: &mut Made, n| made.constant(&[n], DType::F32, &vec![0.0; n]);
        let window = |kernel: Option<i64>, stride| {
            let attrs = Attrs::new()
                .with("pad", vec![0_i64; 4])
                .with("stride", vec![stride; 2]);
            match kernel {
                Some(kernel) => attrs.with("kernel", vec![kernel; 2]),
                None => attrs,
            }
        };
        let dilated = |attrs: Attrs| attrs.with("dilation", vec![1_i64, 1]);
        let (b1, b2) = (bias(&mut made, 4), bias(&mut made, 2));
        let forward = || dilated(window(None, 1)).with("acc_type", DType::F32);
        let x = made.op(Op::Conv2d, &[image, weight, b1], forward());
        let pooled = made.op(Op::MaxPool2d, &[x], window(Some(2), 2));
        let y = made.op(Op::Conv2d, &[pooled, last, b2], forward());
        let g = made.op(Op::Exp, &[y], Attrs::new());
        let attrs = dilated(window(None, 1)).with("input_shape", vec![2_i64, 2, 2, 4]);
        let g = made.op(Op::Conv2dInputGrad, &[g, last], attrs);
        let g = made.op(Op::MaxPool2dGrad, &[x, g], window(Some(2), 2));
        let attrs = dilated(window(Some(3), 1));
        let g = made.op(Op::Conv2dWeightGrad, &[image, g], attrs);
        let operands = [weight, g, momentum, rate];
        let location = Location::unknown();
        let step = made
            .0
            .push_node(Op::SgdUpdate, &operands, Attrs::new(), location)
            .unwrap();
        let [new, moved] = made.0.node(step).results[..] else {
            panic!("a weight and a momentum");
        };
        made.0.results = vec![y, new, moved];
        made.0.set_result_attr(1, UPDATES, "w");
        made.0.set_result_attr(2, UPDATES, "m");
        let rounded = mixed(&made.0, precision);
        let dtype = |v: &ValueId| rounded.tensor_ty(*v).dtype;
        let pool = rounded.nodes.iter().find(|n| n.op == Op::MaxPool2dGrad);
        let pool = pool.unwrap();
        assert_eq!([0, 1].map(|i| dtype(&pool.operands[i])), [half; 2]);
        assert_eq!(dtype(&pool.result()), half);
        let gradient = rounded.nodes.iter().find(|n| n.op == Op::Conv2dWeightGrad);
        // As it is, without another rounding between.
        assert_eq!(gradient.unwrap().operands[1], pool.result());
    }
}

/// Gradients of two convolutions meet, a ReLU's mask is put on, zeros are put around, and a weight's
/// gradient reads that: the sum is rounded once, what follows moves its 16 bits.
#[test]
fn sums_of_gradients_are_rounded_once() {
    let mut made = Made(Function::new("f"));
    let image = made.arg(&[1, 4, 4, 2], "image");
    let g = made.arg(&[1, 2, 2, 3], "g");
    let param = |made: &mut Made, shape: &[usize], name: &str| {
        let mut arg = Arg::new(TensorType::f32(shape));
        arg.param = Some(name.into());
        made.0.add_arg(arg)
    };
    let w1 = param(&mut made, &[3, 2, 2, 2], "w1");
    let w2 = param(&mut made, &[3, 2, 2, 2], "w2");
    let window = || {
        Attrs::new()
            .with("pad", vec![0_i64; 4])
            .with("stride", vec![1_i64; 2])
            .with("dilation", vec![1_i64; 2])
    };
    let back = window().with("input_shape", vec![1_i64, 3, 3, 2]);
    let a = made.op(Op::Conv2dInputGrad, &[g, w1], back.clone());
    let b = made.op(Op::Conv2dInputGrad, &[g, w2], back);
    let sum = made.op(Op::Add, &[a, b], Attrs::new());
    let small = made.op(
        Op::Slice,
        &[image],
        Attrs::new()
            .with("start", vec![0_i64; 4])
            .with("size", vec![1_i64, 3, 3, 2]),
    );
    let zero = made.constant(&[1, 1, 1, 1], DType::F32, &[0.0]);
    let positive = made.op(Op::Greater, &[small, zero], Attrs::new());
    let masked = made.op(Op::Select, &[positive, sum, zero], Attrs::new());
    let around = Attrs::new()
        .with("padding", vec![0_i64, 0, 0, 1, 0, 1, 0, 0])
        .with("pad_const", 0.0_f32);
    let padded = made.op(Op::Pad, &[masked], around);
    let attrs = window().with("kernel", vec![1_i64, 1]);
    let gradient = made.op(Op::Conv2dWeightGrad, &[image, padded], attrs);
    // The masked sum in f32 is read too, as a batch norm's gradient does.
    let axis = Attrs::new().with("axis", 3_i64);
    let scaled = made.op(Op::ReduceSum, &[masked], axis);
    let square = made.op(Op::Mul, &[masked, scaled], Attrs::new());
    let attrs = window().with("kernel", vec![2_i64, 2]);
    let other = made.op(Op::Conv2dWeightGrad, &[image, square], attrs);
    made.0.results = vec![gradient, other];
    made.0.set_result_attr(0, GRADIENT, "w1");
    made.0.set_result_attr(1, GRADIENT, "w2");

    let rounded = mixed(&made.0, "bf16");
    let users = rounded.users();
    let dtype = |v: ValueId| rounded.tensor_ty(v).dtype;
    let find = |op: Op| rounded.nodes.iter().find(|n| n.op == op).unwrap();
    let sum = find(Op::Add).result();
    let [reader] = users[sum.index()][..] else {
        panic!("the sum has one reader");
    };
    let narrow = rounded.node(reader);
    assert_eq!(narrow.op, Op::Cast);
    assert_eq!(dtype(narrow.result()), DType::BF16);
    let select = find(Op::Select);
    assert_eq!(select.operands[1], narrow.result());
    assert_eq!(find(Op::Pad).operands[0], select.result());
    assert_eq!(
        find(Op::Conv2dWeightGrad).operands[1],
        find(Op::Pad).result()
    );
    // Who computes in f32 widens what was rounded.
    let widened = rounded.defining_node(find(Op::ReduceSum).operands[0]);
    assert_eq!(widened.unwrap().operands[0], select.result());
}
