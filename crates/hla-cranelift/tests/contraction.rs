//! Contractions against the reference on random shapes and real numbers, to the bit; and what
//! their inner loops look like.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, Target, compile, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_reference::Tolerance;
use proptest::prelude::*;

/// A small generator of numbers: a contraction's values are too many for proptest's own.
struct Random(u64);

impl Random {
    fn tensor(&mut self, shape: &[usize], dtype: DType) -> Tensor {
        let ty = TensorType::try_new(shape, dtype).unwrap();
        let values: Vec<f64> = (0..ty.elements()).map(|_| self.number(dtype)).collect();
        Tensor::from_f64s(ty, values).unwrap()
    }

    fn number(&mut self, dtype: DType) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let unit = (self.0 >> 33) as f64 / (1u64 << 31) as f64;
        match dtype.is_float() {
            true => (unit - 0.5) * 4.0,
            false => (unit * 255.0).floor() - 128.0,
        }
    }
}

/// Runs an op on this machine and holds it against the reference; operands from `constant` on are
/// constants.
fn check(op: Op, operands: &[Tensor], constant: usize, attrs: Attrs) -> Result<(), TestCaseError> {
    let mut function = Function::new("main");
    let args: Vec<_> = operands[..constant]
        .iter()
        .map(|t| function.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let place = Location::unknown();
    let constants = operands[constant..].iter();
    let values: Vec<_> = args
        .into_iter()
        .chain(
            constants
                .map(|t| function.constant(t.clone(), place.clone()))
                .collect::<Vec<_>>(),
        )
        .collect();
    let result = function
        .push(op, &values, attrs, place)
        .map_err(|e| TestCaseError::reject(e.message))?;
    function.results.push(result);
    let inputs = &operands[..constant];
    let expected = hla_reference::evaluate(&function, inputs).unwrap();
    let computed = jit(&function, &CodegenOptions::default())
        .unwrap()
        .run(inputs, None)
        .unwrap();
    Tolerance::Exact
        .check(&expected[0], &computed[0])
        .map_err(TestCaseError::fail)
}

/// Element types of the operands and of the bias.
fn types(int8: bool) -> (DType, DType) {
    if int8 {
        (DType::I8, DType::I32)
    } else {
        (DType::F32, DType::F32)
    }
}

fn zero_points(attrs: Attrs, names: [&str; 2], int8: bool) -> Attrs {
    match int8 {
        true => attrs.with(names[0], 3i64).with(names[1], -11i64),
        false => attrs,
    }
}

/// Output extents that a convolution of these extents has, and the padding after the input that
/// makes the windows fit.
fn fit(input: u64, before: u64, kernel: u64, dilation: u64, stride: u64) -> i64 {
    let window = (kernel - 1) * dilation + 1;
    let after = window.saturating_sub(input + before);
    let rest = (input + before + after - window) % stride;
    (after + (stride - rest) % stride) as i64
}

prop_compose! {
    /// Kernel, stride, dilation, padding before: one dimension of a window.
    fn dimension()(kernel in 1u64..5, stride in 1u64..4, dilation in 1u64..3, before in 0u64..3) -> [u64; 4] {
        [kernel, stride, dilation, before]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_give_the_bits_of_the_reference(
        n in 1usize..3, h in 1u64..8, w in 1u64..12, ic in 1usize..10, oc in 1usize..22,
        rows in dimension(), cols in dimension(), constant in 1usize..3, int8: bool, depthwise: bool, seed: u64,
    ) {
        let mut random = Random(seed);
        let (dtype, sum) = types(int8);
        let [kh, sh, dh, top] = rows;
        let [kw, sw, dw, left] = cols;
        let pad = vec![top as i64, fit(h, top, kh, dh, sh), left as i64, fit(w, left, kw, dw, sw)];
        let attrs = Attrs::new()
            .with("pad", pad)
            .with("stride", vec![sh as i64, sw as i64])
            .with("dilation", vec![dh as i64, dw as i64]);
        let attrs = zero_points(attrs, ["input_zp", "weight_zp"], int8);
        let (kh, kw) = (kh as usize, kw as usize);
        let (op, weight, channels) = match depthwise {
            true => (Op::DepthwiseConv2d, [kh, kw, ic, oc % 6 + 1], ic * (oc % 6 + 1)),
            false => (Op::Conv2d, [oc, kh, kw, ic], oc),
        };
        let operands = [
            random.tensor(&[n, h as usize, w as usize, ic], dtype),
            random.tensor(&weight, dtype),
            random.tensor(&[if seed % 2 == 0 { channels } else { 1 }], sum),
        ];
        check(op, &operands, constant, attrs)?;
    }

    #[test]
    fn transposed_convolutions_give_the_bits_of_the_reference(
        n in 1usize..3, h in 1usize..5, w in 1usize..6, ic in 1usize..8, oc in 1usize..14,
        kh in 1usize..5, kw in 1usize..5, sh in 1i64..5, sw in 1i64..12,
        pad in prop::array::uniform4(-1i64..3), constant in 1usize..3, int8: bool, seed: u64,
    ) {
        let mut random = Random(seed);
        let (dtype, sum) = types(int8);
        let attrs = Attrs::new().with("out_pad", pad.to_vec()).with("stride", vec![sh, sw]);
        let attrs = zero_points(attrs, ["input_zp", "weight_zp"], int8);
        let operands = [
            random.tensor(&[n, h, w, ic], dtype),
            random.tensor(&[oc, kh, kw, ic], dtype),
            random.tensor(&[oc], sum),
        ];
        check(Op::TransposeConv2d, &operands, constant, attrs)?;
    }

    #[test]
    fn whatever_the_attributes_nothing_panics(
        n in 0usize..3, h in 0usize..4, w in 1usize..4, kh in 1usize..4, ic in 1usize..3, oc in 1usize..9,
        steps in prop::array::uniform4(prop_oneof![1i64..3, 1i64..40, Just(i64::from(i32::MAX))]),
        pad in prop::array::uniform4(prop_oneof![-2i64..3, Just(i64::from(i32::MAX))]),
        op in prop_oneof![Just(Op::Conv2d), Just(Op::DepthwiseConv2d), Just(Op::TransposeConv2d)],
    ) {
        let mut function = Function::new("main");
        let mut arg = |shape: &[usize]| function.add_arg(Arg::new(TensorType::try_new(shape, DType::F32).unwrap()));
        let weight = if op == Op::DepthwiseConv2d { [kh, 2, ic, oc] } else { [oc, kh, 2, ic] };
        let operands = [arg(&[n, h, w, ic]), arg(&weight), arg(&[1])];
        let mut attrs = Attrs::new().with("stride", steps[..2].to_vec());
        if op == Op::TransposeConv2d {
            attrs.set("out_pad", pad.to_vec());
        } else {
            attrs.set("pad", pad.to_vec());
            attrs.set("dilation", steps[2..].to_vec());
        }
        if let Ok(result) = function.push(op, &operands, attrs, Location::unknown()) {
            function.results.push(result);
            let target = Target::parse("aarch64", &[]).unwrap();
            if let Err(error) = compile(&function, &target, &CodegenOptions::default()) {
                prop_assert!(error.message.contains("too large"), "{error}");
            }
        }
    }

    #[test]
    fn transposed_products_give_the_bits_of_the_reference(
        n in 1usize..4, rows in 1usize..14, depth in 1usize..40, columns in 1usize..70,
        left: bool, right: bool, seed: u64,
    ) {
        let mut random = Random(seed);
        let mut function = Function::new("main");
        let mut inputs = Vec::new();
        let mut values = Vec::new();
        for ([a, b], transposed) in [([rows, depth], left), ([depth, columns], right)] {
            let shape = if transposed { [n, b, a] } else { [n, a, b] };
            inputs.push(random.tensor(&shape, DType::F32));
            values.push(function.add_arg(Arg::new(TensorType::f32(shape))));
        }
        for (value, transposed) in values.iter_mut().zip([left, right]) {
            if transposed {
                let attrs = Attrs::new().with("perms", vec![0i64, 2, 1]);
                *value = function.push(Op::Transpose, &[*value], attrs, Location::unknown()).unwrap();
            }
        }
        let result = function.push(Op::MatMul, &values, Attrs::new(), Location::unknown()).unwrap();
        function.results.push(result);
        let expected = hla_reference::evaluate(&function, &inputs).unwrap();
        let program = jit(&function, &CodegenOptions::default()).unwrap();
        prop_assert!(program.report().kernels.iter().all(|k| !k.computes.contains("transpose")));
        let computed = program.run(&inputs, None).unwrap();
        Tolerance::Exact.check(&expected[0], &computed[0]).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn products_give_the_bits_of_the_reference(
        n in 1usize..4, rows in 1usize..14, depth in 1usize..40, columns in 1usize..70,
        constant in 1usize..3, int8: bool, seed: u64,
    ) {
        let mut random = Random(seed);
        let (dtype, _) = types(int8);
        let attrs = zero_points(Attrs::new(), ["a_zp", "b_zp"], int8);
        let operands = [random.tensor(&[n, rows, depth], dtype), random.tensor(&[n, depth, columns], dtype)];
        check(Op::MatMul, &operands, constant, attrs)?;
    }
}

/// A contraction followed by scale, shift, residual, clamp and quantization; with a matrix product
/// for a pixel or a depthwise convolution.
fn followed(op: Op, columns: usize, rows: usize, seed: u64) -> (Function, Vec<Tensor>) {
    let mut random = Random(seed);
    let mut function = Function::new("main");
    let place = Location::unknown;
    let attrs = Attrs::new()
        .with("pad", vec![1i64, 1, 0, 1])
        .with("stride", vec![1i64; 2])
        .with("dilation", vec![1i64; 2]);
    let (input, weight, output, attrs) = match op {
        Op::MatMul => (
            vec![1, rows, 5],
            vec![1, 5, columns],
            vec![1, rows, columns],
            Attrs::new(),
        ),
        Op::DepthwiseConv2d => (
            vec![1, rows, 3, columns],
            vec![3, 2, columns, 1],
            vec![1, rows, 3, columns],
            attrs,
        ),
        _ => (
            vec![1, rows, 3, 4],
            vec![columns, 3, 2, 4],
            vec![1, rows, 3, columns],
            attrs,
        ),
    };
    let mut broadcast = vec![1; output.len()];
    broadcast[output.len() - 1] = columns;
    let inputs = vec![
        random.tensor(&input, DType::F32),
        random.tensor(&output, DType::F32),
    ];
    let args: Vec<_> = inputs
        .iter()
        .map(|t| function.add_arg(Arg::new(t.ty().clone())))
        .collect();
    let mut operands = vec![
        args[0],
        function.constant(random.tensor(&weight, DType::F32), place()),
    ];
    if op != Op::MatMul {
        operands.push(function.constant(random.tensor(&[columns], DType::F32), place()));
    }
    let sums = function.push(op, &operands, attrs, place()).unwrap();
    let scale = function.constant(random.tensor(&broadcast, DType::F32), place());
    let scaled = function
        .push(Op::Mul, &[sums, scale], Attrs::new(), place())
        .unwrap();
    let shifted = function
        .push(Op::Add, &[args[1], scaled], Attrs::new(), place())
        .unwrap();
    let bounds = Attrs::new()
        .with("min_val", -1.5f32)
        .with("max_val", 3.0f32);
    let clamped = function
        .push(Op::Clamp, &[shifted], bounds, place())
        .unwrap();
    let quantum = Attrs::new().with("scale", 0.02f32);
    let codes = function
        .push(Op::Quantize, &[clamped], quantum, place())
        .unwrap();
    function.results.push(codes);
    (function, inputs)
}

#[test]
fn elementwise_ops_that_follow_are_fused() {
    for op in [Op::Conv2d, Op::DepthwiseConv2d, Op::MatMul] {
        for (columns, rows, fused) in [
            (4, 1, true),
            (8, 7, true),
            (12, 5, true),
            (37, 3, true),
            (7, 3, false),
        ] {
            let (function, inputs) = followed(op, columns, rows, 7);
            let expected = hla_reference::evaluate(&function, &inputs).unwrap();
            let program = jit(&function, &CodegenOptions::default()).unwrap();
            let computed = program.run(&inputs, None).unwrap();
            let checked = Tolerance::Exact.check(&expected[0], &computed[0]);
            assert_eq!(checked, Ok(()), "{op:?} {columns} {rows}");
            let kernels = &program.report().kernels;
            let maps = kernels
                .iter()
                .filter(|k| k.symbol.contains("_map_"))
                .count();
            assert_eq!(maps, usize::from(!fused), "{op:?} {columns} {kernels:?}");
        }
    }
}

#[test]
fn sums_that_others_use_are_stored() {
    let (mut function, inputs) = followed(Op::Conv2d, 8, 7, 7);
    let sums = function
        .nodes
        .iter()
        .find(|n| n.op == Op::Conv2d)
        .unwrap()
        .result();
    function.results.push(sums);
    let expected = hla_reference::evaluate(&function, &inputs).unwrap();
    let computed = jit(&function, &CodegenOptions::default())
        .unwrap()
        .run(&inputs, None)
        .unwrap();
    for (expected, computed) in expected.iter().zip(&computed) {
        assert_eq!(Tolerance::Exact.check(expected, computed), Ok(()));
    }
}

#[test]
fn sums_whose_cheap_user_is_computed_in_two_kernels_are_stored() {
    // The product is computed on the way to the sum over it, and again on the way to the difference:
    // neither kernel has the sums of the contraction to itself.
    let mut random = Random(11);
    let place = Location::unknown;
    let inputs = [[1, 7, 5], [1, 5, 8], [1, 7, 8]].map(|s| random.tensor(&s, DType::F32));
    let mut function = Function::new("main");
    let [a, b, x] = [0, 1, 2].map(|i| function.add_arg(Arg::new(inputs[i].ty().clone())));
    let plain = Attrs::new;
    let sums = function
        .push(Op::MatMul, &[a, b], plain(), place())
        .unwrap();
    let product = function
        .push(Op::Mul, &[sums, x], plain(), place())
        .unwrap();
    let difference = function
        .push(Op::Sub, &[product, x], plain(), place())
        .unwrap();
    let axis = plain().with("axis", 1i64);
    let total = function
        .push(Op::ReduceSum, &[product], axis, place())
        .unwrap();
    function.results = vec![difference, total];
    let expected = hla_reference::evaluate(&function, &inputs).unwrap();
    let computed = jit(&function, &CodegenOptions::default())
        .unwrap()
        .run(&inputs, None)
        .unwrap();
    assert_eq!(Tolerance::Exact.check(&expected[0], &computed[0]), Ok(()));
    let near = Tolerance::Relative {
        rtol: 1e-5,
        atol: 1e-5,
    };
    assert_eq!(near.check(&expected[1], &computed[1]), Ok(()));
}

#[test]
fn what_a_sum_over_everything_cannot_read_on_the_way_is_computed_before() {
    // One factor for each slice has no stride along all elements in a row.
    let mut random = Random(13);
    let place = Location::unknown;
    let inputs = [vec![4, 3, 2], vec![4, 1, 1]].map(|s| random.tensor(&s, DType::F32));
    let mut function = Function::new("main");
    let [x, a] = [0, 1].map(|i| function.add_arg(Arg::new(inputs[i].ty().clone())));
    let plain = Attrs::new;
    let scaled = function.push(Op::Mul, &[x, a], plain(), place()).unwrap();
    let shifted = function
        .push(Op::Add, &[scaled, x], plain(), place())
        .unwrap();
    let flat = plain().with("shape", vec![1i64, 24]);
    let row = function
        .push(Op::Reshape, &[shifted], flat, place())
        .unwrap();
    let axis = plain().with("axis", 1i64);
    let total = function.push(Op::ReduceSum, &[row], axis, place()).unwrap();
    function.results = vec![total];
    let expected = hla_reference::evaluate(&function, &inputs).unwrap();
    let computed = jit(&function, &CodegenOptions::default())
        .unwrap()
        .run(&inputs, None)
        .unwrap();
    let near = Tolerance::Relative {
        rtol: 1e-5,
        atol: 1e-5,
    };
    assert_eq!(near.check(&expected[0], &computed[0]), Ok(()));
}

#[test]
fn a_step_that_nobody_takes_may_be_huge() {
    let mut random = Random(5);
    let attrs = Attrs::new()
        .with("pad", vec![0i64; 4])
        .with("stride", vec![i64::from(i32::MAX); 2])
        .with("dilation", vec![i64::from(i32::MAX); 2]);
    let operands = [
        random.tensor(&[2, 1, 1, 4], DType::F32),
        random.tensor(&[4, 1, 1, 4], DType::F32),
        random.tensor(&[4], DType::F32),
    ];
    check(Op::Conv2d, &operands, 1, attrs.clone()).unwrap();
    let weight = random.tensor(&[1, 1, 4, 1], DType::F32);
    let operands = [operands[0].clone(), weight, operands[2].clone()];
    check(Op::DepthwiseConv2d, &operands, 1, attrs).unwrap();
}

#[test]
fn a_huge_padded_input_is_refused() {
    let mut function = Function::new("main");
    let ty = |shape: &[usize]| TensorType::try_new(shape, DType::F32).unwrap();
    let args = [[1, 1, 1, 64], [1, 1, 1, 64]].map(|s| function.add_arg(Arg::new(ty(&s))));
    let bias = function.constant(Tensor::splat(ty(&[1]), 0.0), Location::unknown());
    let attrs = Attrs::new()
        .with("pad", vec![(1i64 << 31) - 1, 0, (1 << 31) - 1, 0])
        .with("stride", vec![(1i64 << 31) - 1; 2])
        .with("dilation", vec![1i64; 2]);
    let operands = [args[0], args[1], bias];
    let y = function
        .push(Op::Conv2d, &operands, attrs, Location::unknown())
        .unwrap();
    function.results.push(y);
    let target = Target::parse("x86_64", &[]).unwrap();
    let error = compile(&function, &target, &CodegenOptions::default()).unwrap_err();
    assert!(error.message.contains("too large"), "{error}");
}

/// The assembly of the block that multiplies most: the inner loop.
fn inner_loop(target: &str, input: &[usize], weight: &[usize], dtype: DType) -> String {
    let mut random = Random(1);
    let mut function = Function::new("main");
    let x = function.add_arg(Arg::new(TensorType::try_new(input, dtype).unwrap()));
    let place = Location::unknown();
    let w = function.constant(random.tensor(weight, dtype), place.clone());
    let sum = if dtype == DType::I8 {
        DType::I32
    } else {
        dtype
    };
    let b = function.constant(random.tensor(&weight[..1], sum), place.clone());
    let attrs = Attrs::new()
        .with("pad", vec![0i64; 4])
        .with("stride", vec![1i64; 2])
        .with("dilation", vec![1i64; 2]);
    let y = function.push(Op::Conv2d, &[x, w, b], attrs, place).unwrap();
    function.results.push(y);
    let options = CodegenOptions {
        text: true,
        ..CodegenOptions::default()
    };
    let artifact = compile(&function, &Target::parse(target, &[]).unwrap(), &options).unwrap();
    let kernel = artifact.asm.split("_conv2d:").nth(1).unwrap();
    let multiplies = |block: &&str| {
        block.matches("vfmadd").count()
            + block.matches("fmla").count()
            + block.matches("vpmaddwd").count()
            + block.matches("smull").count()
    };
    let block = kernel.split("\nblock").max_by_key(multiplies).unwrap();
    block.split_once(":\n").unwrap().1.trim_end().to_owned()
}

#[test]
fn inner_loops() {
    // Of 2 pixels × 16 channels (4 × 8 of i8), and of 1 × 32.
    let image = (&[1, 8, 8, 64][..], &[64, 1, 1, 64][..]);
    let vector = (&[1, 1, 1, 64][..], &[64, 1, 1, 64][..]);
    for target in ["x86_64", "aarch64"] {
        for (name, (input, weight), dtype) in [
            ("image_f32", image, DType::F32),
            ("vector_f32", vector, DType::F32),
            ("image_i8", image, DType::I8),
        ] {
            let text = inner_loop(target, input, weight, dtype);
            // Which register is whose chance decides.
            let filters = vec![
                (r"%xmm\d+", "%xmm"),
                (r"%(r[0-9a-z]+|e[a-d]x)", "%r"),
                (r"\b([vxqsw])\d+\b", "$1"),
                (r"label\d+", "label"),
            ];
            insta::with_settings!({ filters => filters }, {
                insta::assert_snapshot!(format!("{name}_{target}"), text);
            });
        }
    }
}
