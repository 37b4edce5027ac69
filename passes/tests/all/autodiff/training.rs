//! The hla dialect's training ops.

use hla_ir::{Attr, DType, Op, TensorType};
use ndarray::{ArrayD, Axis};

use super::differences::{Problem, array, gradients};

/// A weight's shape and the axis of its columns.
const WEIGHTS: [(&[usize], i64); 4] = [
    (&[3, 2, 2, 2], 0),
    (&[1, 4, 3], 2),
    (&[2, 3, 2], 1),
    (&[1, 5, 1], 2),
];

#[test]
fn spheres() {
    for (shape, axis) in WEIGHTS {
        let mut p = Problem::new(axis as u64);
        let w = p.uniform(shape, -1.0, 1.0);
        let attrs = [("axis", Attr::I64(axis)), ("epsilon", Attr::F32(0.25))];
        let y = p.build.op(Op::Normalize, &[w], &attrs);
        p.weigh(y);
        p.check();
    }
}

#[test]
fn loss_aware_terms() {
    for (shape, axis) in WEIGHTS {
        for ternarized in [false, true] {
            let mut p = Problem::new(axis as u64);
            let w = p.spread(shape);
            let threshold = p.build.typed_arg(TensorType::f32([1]));
            p.inputs.push(array(&[1], vec![0.41]));
            let attrs = [("axis", Attr::I64(axis))];
            if ternarized {
                let y = p.build.op(Op::SteTernarize, &[w, threshold], &attrs);
                let y = p.build.op(Op::StopGradient, &[y], &[]);
                p.weigh(y);
            }
            let loss = p.build.op(Op::LossAware, &[w, threshold], &attrs);
            p.weigh(loss);
            p.check();
        }
    }
}

#[test]
fn cross_entropies() {
    // A label out of range has no one-hot term, but its share of smoothing.
    for (smoothing, labels) in [
        (0.0, [0., 3., 2.]),
        (0.1, [1., 1., 0.]),
        (0.2, [0., 7., -1.]),
        (0.0, [9., 1., 0.]),
    ] {
        let mut p = Problem::new(1);
        let logits = p.uniform(&[3, 4], -3.0, 3.0);
        let labels = p.input(TensorType::new([3], DType::I32), labels.to_vec());
        let attrs = [("label_smoothing", Attr::F32(smoothing))];
        let loss = p
            .build
            .op(Op::SoftmaxCrossEntropy, &[logits, labels], &attrs);
        p.weigh(loss);
        p.check();
    }
}

#[test]
fn batch_norms() {
    // Each of y, mean and variance alone, and all of them.
    for (seed, used) in [&[0][..], &[1], &[2], &[1, 2], &[0, 1, 2]]
        .into_iter()
        .enumerate()
    {
        for shape in [&[2, 3, 2, 3][..], &[5, 2]] {
            let mut p = Problem::new(seed as u64);
            let mut channels = vec![1; shape.len()];
            channels[shape.len() - 1] = shape[shape.len() - 1];
            let x = p.uniform(shape, -2.0, 3.0);
            let scale = p.uniform(&channels, 0.5, 2.0);
            let offset = p.uniform(&channels, -1.0, 1.0);
            let attrs = [("epsilon", Attr::F32(0.01))];
            let y = p.build.op(Op::BatchNorm, &[x, scale, offset], &attrs);
            let results = p.build.0.defining_node(y).unwrap().results.clone();
            for &i in used {
                let squashed = p.build.op(Op::Tanh, &[results[i]], &[]);
                p.weigh(squashed);
            }
            p.check();
        }
    }
}

/// Σ over all axes but one, which stay as unit extents.
fn columns(values: &ArrayD<f64>, axis: usize) -> ArrayD<f64> {
    let mut sum = values.clone();
    for other in (0..values.ndim()).filter(|&a| a != axis) {
        sum = sum.sum_axis(Axis(other)).insert_axis(Axis(other));
    }
    sum
}

#[test]
fn straight_through_ternarization_follows_equations_11_to_13() {
    for (shape, axis) in WEIGHTS {
        for rescale in ["weight", "alpha", "none"] {
            for threshold_gradient in ["signed", "symmetric", "none"] {
                let mut p = Problem::new(3);
                let w = p.spread(shape);
                // One weight is zero, which Eq. 13 leaves out.
                p.inputs[0][vec![0; shape.len()].as_slice()] = 0.0;
                let threshold = p.param(&[1], vec![0.25]);
                let attrs = [
                    ("axis", Attr::I64(axis)),
                    ("rescale", rescale.into()),
                    ("threshold_gradient", threshold_gradient.into()),
                ];
                let y = p.build.op(Op::SteTernarize, &[w, threshold], &attrs);
                // The objective Σ c·ŵ makes g = c.
                let count: usize = shape.iter().product();
                let c: Vec<f32> = (0..count).map(|_| p.random.signed() as f32).collect();
                let weights = p.build.constant(shape, &c);
                let y = p.build.op(Op::Mul, &[y, weights], &[]);
                let y = p.build.op(
                    Op::Reshape,
                    &[y],
                    &[("shape", Attr::I64s(vec![count as i64]))],
                );
                let loss = p.build.op(Op::ReduceSum, &[y], &[("axis", 0.into())]);
                let mut f = p.build.0.clone();
                f.add_result(loss, "hla.name", "loss");

                let g = array(shape, c.iter().map(|&v| v.into()).collect());
                let w = &p.inputs[0];
                let slope = match rescale {
                    "none" => ArrayD::ones(w.raw_dim()),
                    "weight" => w.mapv(|w| 1.0 - w * w),
                    _ => {
                        // No column is empty here: 1/α² counts |w| > Δ.
                        let kept = columns(&w.mapv(|w| f64::from(w.abs() > 0.25)), axis as usize);
                        (1.0 - w * w * kept).mapv(|s| s.max(0.0))
                    }
                };
                let by_weight = g * slope;
                let mean: f64 = by_weight
                    .iter()
                    .zip(w)
                    .map(|(g, &w)| match threshold_gradient {
                        "signed" if w != 0.0 => *g,
                        "symmetric" if w != 0.0 => -g * w.signum(),
                        _ => 0.0,
                    })
                    .sum::<f64>()
                    / count as f64;

                let found = gradients(&f, &p.inputs);
                let difference = (&found[0].1 - &by_weight).mapv(f64::abs);
                assert!(difference.iter().all(|&d| d < 1e-12), "{difference}");
                let by_threshold = found[1].1.iter().next().unwrap();
                assert!((by_threshold - mean).abs() < 1e-7, "{by_threshold} {mean}");
            }
        }
    }
}

#[test]
fn straight_through_nodes_hand_on_to_latent_and_value() {
    for sloped in [false, true] {
        let mut p = Problem::new(6);
        let latent = p.uniform(&[2, 3], -1.0, 1.0);
        let value = p.uniform(&[2, 3], -1.0, 1.0);
        let slope = p.uniform(&[2, 3], 0.5, 2.0);
        let operands = [latent, value, slope];
        let operands = if sloped {
            &operands[..]
        } else {
            &operands[..2]
        };
        let y = p.build.op(Op::StraightThrough, operands, &[]);
        p.weigh(y);
        let f = p.function();
        let found = gradients(&f, &p.inputs);
        // By the value the op is the identity, which central differences see.
        let g = &found[1].1;
        let expected = if sloped { g * &p.inputs[2] } else { g.clone() };
        assert_eq!(found[0].1, expected);
        assert!(g.iter().all(|g| *g != 0.0));
        assert!(found[2].1.iter().all(|g| *g == 0.0));
    }
}

#[test]
fn stopped_gradients_and_thresholds_pass_nothing_on() {
    let mut p = Problem::new(6);
    let w = p.uniform(&[2, 3], -1.0, 1.0);
    let t = p.build.splat(&[1], 0.5);
    let threshold = p.build.op(Op::Threshold, &[w, t], &[]);
    let stopped = p.build.op(Op::StopGradient, &[w], &[]);
    let product = p.build.op(Op::Mul, &[w, stopped], &[]);
    p.weigh(product);
    p.weigh(threshold);
    let f = p.function();
    let found = gradients(&f, &p.inputs);
    // Only one factor counts: d/dw Σ c·w·stop(w) = c·w, half of what differences of w² would be.
    let weights: Vec<f64> = f
        .nodes
        .iter()
        .filter_map(|n| n.constant())
        .nth(1)
        .unwrap()
        .iter_f64()
        .collect();
    let expected = array(&[2, 3], weights) * &p.inputs[0];
    assert_eq!(found[0].1, expected);
}
