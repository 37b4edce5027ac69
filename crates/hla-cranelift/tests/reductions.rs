//! Long reductions, alone and with what is reduced computed on the way, against sums in f64, and
//! argmax along lanes against the definition; the same bits on any number of threads.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_runtime::ThreadPool;

fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}

fn noise(ty: &TensorType, seed: usize) -> Tensor {
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 20_011) as f64 / 10_000.0 - 1.0;
    Tensor::from_f64s(ty.clone(), (0..ty.elements()).map(value)).unwrap()
}

/// Runs on several numbers of threads; gives the results and what the kernels compute.
fn run(f: &Function, inputs: &[Tensor]) -> (Vec<Tensor>, Vec<String>) {
    let program = jit(f, &CodegenOptions::default()).unwrap();
    let alone = program.run(inputs, None).unwrap();
    for threads in [2, 3, 7] {
        let pool = ThreadPool::new(threads).unwrap();
        assert_eq!(program.run(inputs, Some(&pool)).unwrap(), alone);
    }
    let kernels = program.report().kernels.iter();
    (alone, kernels.map(|k| k.computes.clone()).collect())
}

/// Σ over the pixels of g·(x − mean) where y > 0, the gradient of a batch norm's scale.
fn batch_norm_scale(shape: [usize; 4]) -> (Function, Vec<Tensor>) {
    let image = TensorType::f32(shape);
    let [n, h, w, c] = shape;
    let mut f = Function::new("scale");
    let ty = |i: usize| match i {
        3 => TensorType::f32([1, 1, 1, c]),
        _ => image.clone(),
    };
    let args: Vec<ValueId> = (0..4).map(|i| f.add_arg(Arg::new(ty(i)))).collect();
    let zero = f.constant(
        Tensor::splat(TensorType::f32([1; 4]), 0.0),
        Location::unknown(),
    );
    let none = Attrs::new;
    let centred = push(&mut f, Op::Sub, &[args[0], args[3]], none());
    let mask = push(&mut f, Op::Greater, &[args[1], zero], none());
    let g = push(&mut f, Op::Select, &[mask, args[2], zero], none());
    let product = push(&mut f, Op::Mul, &[g, centred], none());
    let rows = Attrs::new().with("shape", vec![(n * h * w) as i64, c as i64]);
    let matrix = push(&mut f, Op::Reshape, &[product], rows);
    let sum = push(
        &mut f,
        Op::ReduceSum,
        &[matrix],
        Attrs::new().with("axis", 0),
    );
    f.results.push(sum);
    let inputs = (0..4).map(|i| noise(&ty(i), i)).collect();
    (f, inputs)
}

#[test]
fn sums_over_pixels_compute_what_they_sum() {
    for shape in [
        [3, 5, 7, 4],
        [16, 16, 16, 8],
        [9, 31, 17, 13],
        [4, 32, 33, 64],
        [2, 40, 50, 1],
        [64, 64, 16, 6],
    ] {
        let (f, inputs) = batch_norm_scale(shape);
        let (results, kernels) = run(&f, &inputs);
        let v: Vec<Vec<f32>> = inputs.iter().map(Tensor::to_f32s).collect();
        let c = shape[3];
        let mut expected = vec![0.0; c];
        for i in 0..v[0].len() {
            if v[1][i] > 0.0 {
                let product = v[2][i] * (v[0][i] - v[3][i % c]);
                expected[i % c] += f64::from(product);
            }
        }
        let count = (v[0].len() / c) as f64;
        for (computed, expected) in results[0].to_f32s().iter().zip(expected) {
            // Sums of blocks: the error grows much slower than the number of terms.
            let error = (f64::from(*computed) - expected).abs() - 1e-6 * expected.abs();
            assert!(
                error < 2e-6 * count.sqrt(),
                "{shape:?}: {computed} {expected}"
            );
        }
        // Nothing is stored before the sum: one kernel, or two where blocks are summed.
        assert!(kernels.len() <= 2, "{kernels:?}");
        assert!(
            kernels[0].contains("tosa.mul → tosa.reduce_sum"),
            "{kernels:?}"
        );
    }
}

#[test]
fn sums_over_entries_and_over_all() {
    for (shape, axis) in [
        ([64, 576], 1),
        ([1, 200_000], 1),
        ([3, 70_001], 1),
        ([5, 9], 1),
    ] {
        let mut f = Function::new("squares");
        let x = f.add_arg(Arg::new(TensorType::f32(shape)));
        let square = push(&mut f, Op::Mul, &[x, x], Attrs::new());
        let sum = push(
            &mut f,
            Op::ReduceSum,
            &[square],
            Attrs::new().with("axis", axis),
        );
        f.results.push(sum);
        let input = noise(&TensorType::f32(shape), 5);
        let (results, kernels) = run(&f, std::slice::from_ref(&input));
        let rows = input.to_f32s();
        for (row, computed) in rows.chunks(shape[1]).zip(results[0].to_f32s()) {
            let expected: f64 = row.iter().map(|v| f64::from(v * v)).sum();
            let error = (f64::from(computed) - expected).abs() / expected;
            assert!(error < 1e-5, "{shape:?}: {computed} {expected}");
        }
        assert!(
            kernels[0].contains("tosa.mul → tosa.reduce_sum"),
            "{kernels:?}"
        );
    }
}

#[test]
fn argmax_along_lanes_is_the_first_of_the_largest() {
    for (length, seed) in (16..80).zip(0..) {
        for ignore in [false, true] {
            let ty = TensorType::f32([6, length]);
            let mut f = Function::new("argmax");
            let x = f.add_arg(Arg::new(ty.clone()));
            let mode = if ignore { "IGNORE" } else { "PROPAGATE" };
            let attrs = Attrs::new().with("axis", 1).with("nan_mode", mode);
            let index = push(&mut f, Op::ArgMax, &[x], attrs);
            f.results.push(index);
            // Few values, so that many are equal; a NaN in some rows only.
            let value = |i: usize| match (i * 31 + seed * 7) % 97 % 7 {
                6 if (i / length).is_multiple_of(2) => f64::NAN,
                v => v as f64 - 3.0,
            };
            let values = Tensor::from_f64s(ty, (0..6 * length).map(value)).unwrap();
            let (results, _) = run(&f, std::slice::from_ref(&values));
            assert_eq!(results[0].dtype(), DType::I32);
            for (row, computed) in values.to_f32s().chunks(length).zip(results[0].to_f32s()) {
                let mut best = 0;
                for (i, &v) in row.iter().enumerate() {
                    let old = row[best];
                    let nan = if ignore {
                        old.is_nan() && !v.is_nan()
                    } else {
                        v.is_nan() && !old.is_nan()
                    };
                    if v > old || nan {
                        best = i;
                    }
                }
                assert_eq!(computed as usize, best, "{row:?}");
            }
        }
    }
}
