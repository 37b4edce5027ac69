//! Ternary contractions of many shapes, layouts and epilogues: bit for bit as the reference
//! evaluator, alone and on three threads.

#![allow(clippy::unwrap_used)]

use hla_cranelift::jit::jit_for;
use hla_cranelift::{CodegenOptions, Target, TernaryStrategy, compile, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType};
use hla_runtime::ThreadPool;
use proptest::prelude::*;

mod layers;

use layers::{Layer, Random};

/// Compiles, runs and compares a function.
fn check(function: &Function, inputs: &[Tensor]) {
    let expected = hla_reference::evaluate(function, inputs).unwrap();
    let strategies = [
        None,
        Some(TernaryStrategy::SparseAdd),
        Some(TernaryStrategy::LookUpTable),
    ];
    for ternary in strategies {
        let options = CodegenOptions {
            ternary,
            ..CodegenOptions::default()
        };
        check_with(function, inputs, &expected, &options);
    }
}

fn check_with(
    function: &Function,
    inputs: &[Tensor],
    expected: &[Tensor],
    options: &CodegenOptions,
) {
    let program = jit(function, options).unwrap();
    let alone = program.run(inputs, None).unwrap();
    for (expected, computed) in expected.iter().zip(&alone) {
        if expected == computed {
            continue;
        }
        let (e, c) = (expected.to_f32s(), computed.to_f32s());
        let wrong: Vec<usize> = (0..e.len())
            .filter(|&i| e[i].to_bits() != c[i].to_bits())
            .collect();
        let i = wrong[0];
        panic!(
            "{} {options:?}: {} of {} elements differ; the first, {i}, is {} but should be {}",
            function.name,
            wrong.len(),
            e.len(),
            c[i],
            e[i]
        );
    }
    let pool = ThreadPool::new(3).unwrap();
    assert_eq!(alone, program.run(inputs, Some(&pool)).unwrap());
}

/// One layer over an input, with a residual of a type or none.
fn single(
    input: &[usize],
    dtype: DType,
    layer: Layer,
    residual: Option<DType>,
    relu: bool,
    seed: u64,
) {
    let mut random = Random(seed);
    let mut f = Function::new("single");
    let mut probe = Function::new("probe");
    let x = probe.add_arg(Arg::new(TensorType::new(input, dtype)));
    let shape = {
        let y = Layer {
            op: layer.op,
            weight: layer.weight.clone(),
            zeros: layer.zeros,
            attrs: layer.attrs.clone(),
        }
        .push(&mut probe, &mut Random(seed), x, None);
        probe.tensor_ty(y).shape.clone()
    };
    let x = f.add_arg(Arg::new(TensorType::new(input, dtype)));
    let r = residual.map(|dtype| f.add_arg(Arg::new(TensorType::new(shape.clone(), dtype))));
    let x = match relu {
        true => layers::relu(&mut f, x),
        false => x,
    };
    let y = layer.push(&mut f, &mut random, x, r);
    f.results = vec![y];
    let mut inputs = vec![random.tensor(input, dtype)];
    inputs.extend(residual.map(|dtype| random.tensor(&shape, dtype)));
    check(&f, &inputs);
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F32), Just(DType::I8)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions(
        images in 1usize..3, channels in 1usize..40, out in 1usize..20,
        size in [1usize..20, 1usize..20], kernel in [1usize..4, 1usize..4],
        pad in [0i64..3, 0i64..3, 0i64..3, 0i64..3],
        stride in [1i64..4, 1i64..4], dilation in [1i64..3, 1i64..3],
        zeros in 0i64..11, dtype in dtypes(), to in dtypes(),
        residual in proptest::option::of(dtypes()),
        clamp in any::<bool>(), relu in any::<bool>(), seed in any::<u64>(),
    ) {
        let fits = |d: usize| {
            let padded = size[d] as i64 + pad[2 * d] + pad[2 * d + 1];
            (kernel[d] as i64 - 1) * dilation[d] < padded
                && (padded - (kernel[d] as i64 - 1) * dilation[d] - 1) % stride[d] == 0
        };
        prop_assume!(fits(0) && fits(1));
        let mut layer = Layer::conv([out, kernel[0], kernel[1], channels], pad, stride, dilation)
            .zeros(zeros)
            .with("out_type", to)
            .with("residual_scale", 0.37f32);
        if clamp {
            layer = layer.with("min_val", 0.0f32).with("max_val", 6.5f32);
        }
        single(&[images, size[0], size[1], channels], dtype, layer, residual, relu, seed);
    }

    #[test]
    fn products(
        batch in 1usize..3, rows in 1usize..40, depth in 0usize..80, columns in 1usize..100,
        zeros in 0i64..11, dtype in dtypes(), to in dtypes(),
        residual in proptest::option::of(dtypes()), relu in any::<bool>(), seed in any::<u64>(),
    ) {
        let layer = Layer::matmul(columns, depth).zeros(zeros).with("out_type", to);
        single(&[batch, rows, depth], dtype, layer, residual, relu, seed);
    }

    #[test]
    fn whatever_the_attributes_nothing_panics(
        n in 0usize..3, h in 0usize..4, w in 1usize..4, kernel in [1usize..4, 1usize..4],
        steps in prop::array::uniform4(prop_oneof![1i64..3, 1i64..40, Just(i64::from(i32::MAX))]),
        pad in prop::array::uniform4(prop_oneof![0i64..3, Just(i64::from(i32::MAX))]),
        dtype in dtypes(),
    ) {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::new([n, h, w, 2], dtype)));
        let at = Location::unknown;
        let ty = TensorType::new([3, kernel[0], kernel[1], 2], DType::I8);
        let weight = f.constant(Tensor::splat(ty, 1.0), at());
        let ones = f.constant(Tensor::from_f32s([3], &[1.0; 3]).unwrap(), at());
        let attrs = Attrs::new()
            .with("pad", pad.to_vec())
            .with("stride", steps[..2].to_vec())
            .with("dilation", steps[2..].to_vec());
        if let Ok(y) = f.push(Op::TernaryConv2d, &[x, weight, ones, ones], attrs, at()) {
            f.results = vec![y];
            let target = Target::parse("aarch64", &[]).unwrap();
            if let Err(error) = compile(&f, &target, &CodegenOptions::default()) {
                prop_assert!(error.message.contains("too large"), "{error}");
            }
        }
    }

    /// Two convolutions, the first result planar, and both as residual of a third.
    #[test]
    fn planar_chains(
        size in [1usize..20, 1usize..20], channels in 1usize..20,
        halo in [0u8..3, 0u8..3, 0u8..3, 0u8..3], wide in any::<bool>(),
        stride in 1i64..3, dtype in dtypes(), seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let mut f = Function::new("chain");
        let shape = [2, size[0], size[1], channels];
        let x = f.add_arg(Arg::new(TensorType::new(shape, dtype)));
        let element = match (dtype, wide) {
            (DType::I8, true) => "i16",
            (DType::I8, false) => "i8",
            _ => "f32",
        };
        let [t, b, l, r] = halo;
        let planar = format!("planar<{t},{b},{l},{r},{element}>");
        let same = || {
            Layer::conv([channels, 3, 3, channels], [1; 4], [1, 1], [1, 1])
                .with("out_type", dtype)
        };
        let first = same().with("hla.layout", planar.as_str()).push(&mut f, &mut random, x, None);
        let second = same().with("hla.layout", planar.as_str()).push(&mut f, &mut random, first, Some(first));
        let end = stride.min(size[0].min(size[1]) as i64);
        let pad = [0, -(size[0] as i64 - 1) & (end - 1), 0, -(size[1] as i64 - 1) & (end - 1)];
        let third = Layer::conv([5, 1, 1, channels], pad, [end, end], [1, 1])
            .push(&mut f, &mut random, second, None);
        f.results = vec![third];
        let input = random.tensor(&shape, dtype);
        check(&f, &[input]);
    }
}

/// The innermost loops over the weights, as they come out for both processors.
#[test]
fn inner_loops() {
    let (i8, f32) = (DType::I8, DType::F32);
    let (sparse, look_up) = (TernaryStrategy::SparseAdd, TernaryStrategy::LookUpTable);
    let cases = [
        ("sparse_i8", 64, i8, sparse, ["vpaddw", "add v"]),
        ("pairs_i8", 64, i8, sparse, ["vpaddw", "add v"]),
        ("sparse_f32", 64, f32, sparse, ["vaddps", "fadd v"]),
        ("turns_f32", 1, f32, sparse, ["vaddps", "fadd v"]),
        ("look_up_i8", 64, i8, look_up, ["vpshufb", "tbl"]),
    ];
    for (name, rows, dtype, strategy, signs) in cases {
        for (target, sign) in ["x86_64", "aarch64"].into_iter().zip(signs) {
            let mut random = Random(1);
            let mut f = Function::new("f");
            let x = f.add_arg(Arg::new(TensorType::new([1, rows, 32], dtype)));
            let x = match name {
                "pairs_i8" => layers::relu(&mut f, x),
                _ => x,
            };
            let y = Layer::matmul(64, 32).push(&mut f, &mut random, x, None);
            f.results = vec![y];
            let options = CodegenOptions {
                ternary: Some(strategy),
                text: true,
                ..CodegenOptions::default()
            };
            let of = Target::parse(target, &[]).unwrap();
            let artifact = compile(&f, &of, &options).unwrap();
            let number = if name == "pairs_i8" { "_k02_" } else { "_k01_" };
            let kernel = artifact.asm.split(number).nth(1).unwrap();
            let block = kernel
                .split("\nblock")
                .max_by_key(|block| block.matches(sign).count())
                .unwrap();
            let text = block.split_once(":\n").unwrap().1.trim_end().to_owned();
            // Which register is whose chance decides.
            let filters = vec![
                (r"%xmm\d+", "%xmm"),
                (r"%(r[0-9a-z]+|e[a-ds][xip])", "%r"),
                (r"\b([vxqswd])\d+\b", "$1"),
                (r"label\d+", "label"),
            ];
            insta::with_settings!({ filters => filters }, {
                insta::assert_snapshot!(format!("{name}_{target}"), text);
            });
        }
    }
}

#[test]
fn every_part() {
    for case in layers::cases() {
        check(&case.function, &case.inputs);
    }
}

/// The largest sums: weights of one sign only, activations of the largest magnitude, a fan-in of
/// more than 10,000, and so many segments.
#[test]
fn sums_do_not_overflow() {
    for (activation, relu) in [
        (127.0, false),
        (-127.0, false),
        (-128.0, false),
        (127.0, true),
    ] {
        for sign in [1i64, -1] {
            let shape = [1, 3, 3, 1200];
            let mut f = Function::new("overflow");
            let x = f.add_arg(Arg::new(TensorType::new(shape, DType::I8)));
            let x = match relu {
                true => layers::relu(&mut f, x),
                false => x,
            };
            let ty = TensorType::new([2, 3, 3, 1200], DType::I8);
            let at = Location::unknown;
            let weight = f.constant(Tensor::splat(ty, sign as f64), at());
            let one = f.constant(Tensor::from_f32s([2], &[1.0; 2]).unwrap(), at());
            let zero = f.constant(Tensor::from_f32s([2], &[0.0; 2]).unwrap(), at());
            let attrs = Attrs::new()
                .with("pad", vec![1i64; 4])
                .with("stride", vec![1i64; 2])
                .with("dilation", vec![1i64; 2]);
            let y = f
                .push(Op::TernaryConv2d, &[x, weight, one, zero], attrs, at())
                .unwrap();
            f.results = vec![y];
            let input = Tensor::splat(TensorType::new(shape, DType::I8), activation);
            let program = jit(&f, &CodegenOptions::default()).unwrap();
            let out = program.run(&[input], None).unwrap()[0].to_f32s();
            for (i, sum) in out.iter().enumerate() {
                let (row, column) = (i / 6, i / 2 % 3);
                let taps = [2.0, 3.0, 2.0][row] * [2.0, 3.0, 2.0][column] * 1200.0;
                assert_eq!(*sum, taps * activation as f32 * sign as f32, "{i}");
            }
        }
    }
}

/// The same for products, by either strategy: all weights of one sign, and of both in turn.
#[test]
fn sums_of_products_do_not_overflow() {
    let depth = 10_801;
    for strategy in [TernaryStrategy::SparseAdd, TernaryStrategy::LookUpTable] {
        for activation in [127.0, -128.0] {
            for weights in [[1, 1], [-1, -1], [1, -1]] {
                let mut f = Function::new("overflow");
                let ty = TensorType::new([1, 2, depth], DType::I8);
                let x = f.add_arg(Arg::new(ty.clone()));
                let trits: Vec<i64> = (0..3 * depth).map(|i| weights[i % depth % 2]).collect();
                let ty_weight = TensorType::new([3, depth], DType::I8);
                let at = Location::unknown;
                let weight = f.constant(Tensor::from_i64s(ty_weight, &trits).unwrap(), at());
                let one = f.constant(Tensor::from_f32s([3], &[1.0; 3]).unwrap(), at());
                let zero = f.constant(Tensor::from_f32s([3], &[0.0; 3]).unwrap(), at());
                let operands = [x, weight, one, zero];
                let y = f.push(Op::TernaryMatMul, &operands, Attrs::new(), at());
                f.results = vec![y.unwrap()];
                let options = CodegenOptions {
                    ternary: Some(strategy),
                    ..CodegenOptions::default()
                };
                let program = jit(&f, &options).unwrap();
                let input = Tensor::splat(ty, activation);
                let out = program.run(&[input], None).unwrap()[0].to_f32s();
                let count: i64 = trits[..depth].iter().sum();
                assert_eq!(out, vec![(count as f64 * activation) as f32; 6]);
            }
        }
    }
}

/// At x86-64-v2, without AVX and FMA: sums are exact all the same, and so are products with powers
/// of two.
#[cfg(target_arch = "x86_64")]
#[test]
fn older_processors() {
    let target = Target::parse("native", &["x86-64-v2".to_owned()]).unwrap();
    for (dtype, rows) in [
        (DType::I8, 1),
        (DType::I8, 40),
        (DType::F32, 3),
        (DType::F32, 40),
    ] {
        let mut random = Random(11);
        let mut f = Function::new("old");
        let x = f.add_arg(Arg::new(TensorType::new([1, rows, 70], dtype)));
        let weight = f.constant(random.trits(&[37, 70], 6), Location::unknown());
        let scale = f.constant(
            Tensor::from_f32s([37], &[0.25; 37]).unwrap(),
            Location::unknown(),
        );
        let bias = f.constant(
            Tensor::from_f32s([37], &[3.0; 37]).unwrap(),
            Location::unknown(),
        );
        let attrs = Attrs::new().with("out_type", dtype);
        let operands = [x, weight, scale, bias];
        let y = f.push(Op::TernaryMatMul, &operands, attrs, Location::unknown());
        f.results = vec![y.unwrap()];
        let input = match dtype {
            DType::I8 => random.tensor(&[1, rows, 70], dtype),
            _ => Tensor::splat(TensorType::new([1, rows, 70], dtype), 0.75),
        };
        let expected = hla_reference::evaluate(&f, std::slice::from_ref(&input)).unwrap();
        let program = jit_for(&f, &target, &CodegenOptions::default()).unwrap();
        assert_eq!(program.run(&[input], None).unwrap(), expected);
    }
}

#[test]
fn numbers_that_are_none() {
    let mut f = Function::new("nan");
    let mut random = Random(7);
    let x = f.add_arg(Arg::new(TensorType::new([1, 1, 4], DType::F32)));
    let layers = ["f32", "i8"].map(|to| {
        Layer::matmul(3, 4)
            .zeros(0)
            .with("out_type", DType::from_name(to).unwrap())
            .with("min_val", 0.0f32)
            .with("max_val", 200.0f32)
    });
    f.results = layers
        .map(|l| l.push(&mut f, &mut random, x, None))
        .to_vec();
    for values in [
        [f32::INFINITY; 4],
        [f32::NAN, 1.0, 2.0, 3.0],
        [f32::MAX; 4],
        [-0.0; 4],
    ] {
        let input = Tensor::from_f32s([1, 1, 4], &values).unwrap();
        let expected = hla_reference::evaluate(&f, std::slice::from_ref(&input)).unwrap();
        let program = jit(&f, &CodegenOptions::default()).unwrap();
        let computed = program.run(&[input], None).unwrap();
        assert_eq!(expected[1], computed[1]);
        for (e, c) in expected[0].to_f32s().iter().zip(computed[0].to_f32s()) {
            assert!(
                e.to_bits() == c.to_bits() || (e.is_nan() && c.is_nan()),
                "{e} {c}"
            );
        }
    }
}
