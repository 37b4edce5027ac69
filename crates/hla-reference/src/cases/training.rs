//! Spheres, thresholds, straight-through nodes, losses, batch norm, updates.

use hla_ir::{DType, Op, Tensor};

use super::Case;
use super::generate::{Random, f32s, none, op_case};
use crate::tolerance::Tolerance::{self, Exact, Relative, Ulps};

use DType::{F32, I32};

/// For sums of up to some hundred squares or exponentials and functions of them.
const CLOSE: Tolerance = Relative {
    rtol: 2e-5,
    atol: 2e-6,
};
/// Weights of layers with the axis of their columns: convolution, matrix product, depthwise
/// convolution, others.
const WEIGHTS: [(&str, &[usize], i64); 7] = [
    ("conv", &[5, 3, 3, 7], 0),
    ("conv_wide", &[17, 1, 1, 33], 0),
    ("matmul", &[1, 19, 10], 2),
    ("depthwise", &[3, 3, 11, 1], 2),
    ("middle", &[2, 3, 4], 1),
    ("vector", &[6], 0),
    ("one_column", &[1, 3, 3, 2], 0),
];

pub(super) fn add_to(cases: &mut Vec<Case>) {
    spheres(cases);
    thresholds(cases);
    ternary(cases);
    straight_through(cases);
    cross_entropy(cases);
    batch_norm(cases);
    updates(cases);
}

fn spheres(cases: &mut Vec<Case>) {
    for (tag, shape, axis) in WEIGHTS {
        for epsilon in [1e-4f32, 0.0] {
            let name = format!("normalize_{tag}_{epsilon}");
            let weight = Random::new(&name).any(shape, F32);
            let attrs = none().with("axis", axis).with("epsilon", epsilon);
            op_case(cases, name, CLOSE, [weight], Op::Normalize, attrs);
        }
    }
    let weight = Tensor::splat(hla_ir::TensorType::f32([3, 4]), 0.0);
    op_case(
        cases,
        "normalize_zero",
        Exact,
        [weight],
        Op::Normalize,
        none(),
    );
}

fn thresholds(cases: &mut Vec<Case>) {
    for (i, share) in [
        0.0f32,
        0.3,
        0.5,
        0.7,
        0.999,
        1.0,
        7.0,
        -1.0,
        f32::NEG_INFINITY,
    ]
    .into_iter()
    .enumerate()
    {
        for (tag, shape, _) in [WEIGHTS[0], WEIGHTS[2], WEIGHTS[5]] {
            let name = format!("threshold_{tag}_{i}");
            let inputs = [Random::new(&name).any(shape, F32), f32s(&[share])];
            op_case(cases, name, Exact, inputs, Op::Threshold, none());
        }
    }
    // Ties, zeros of both signs, and ⌊0.7·10⌋ = 7 although 0.7 in f32 is less than 0.7.
    let tied = [0.5, -0.5, 0.0, -0.0, 0.5, 1.0, -1.0, 2.0, -0.25, 0.25];
    for share in [0.1f32, 0.5, 0.7] {
        let name = format!("threshold_tied_{share}");
        let inputs = [f32s(&tied), f32s(&[share])];
        op_case(cases, name, Exact, inputs, Op::Threshold, none());
    }
    let one = [f32s(&[-3.5]), f32s(&[0.5])];
    op_case(cases, "threshold_one", Exact, one, Op::Threshold, none());
    let large = Random::new("threshold_large").real(&[300, 70], F32, -1.0, 1.0);
    let inputs = [large, f32s(&[0.74])];
    op_case(
        cases,
        "threshold_large",
        Exact,
        inputs,
        Op::Threshold,
        none(),
    );
}

/// An odd number of values that no single block of a GPU takes: with ties and zeros of both signs,
/// all equal, with values that are no numbers.
pub(super) fn add_many_to(cases: &mut Vec<Case>) {
    const MANY: usize = 33_001;
    let of = |cases: &mut Vec<Case>, tag: &str, weight: Tensor, shares: &[f32]| {
        for share in shares {
            let name = format!("threshold_many_{tag}_{share}");
            let inputs = [weight.clone(), f32s(&[*share])];
            op_case(cases, name, Exact, inputs, Op::Threshold, none());
        }
    };
    let weight = Random::new("threshold_many").any(&[MANY], F32);
    of(cases, "any", weight, &[0.0, 0.37, 1.0, f32::NAN]);
    let weight = Random::new("threshold_tied").grid(&[3, MANY / 3], F32);
    of(cases, "tied", weight, &[0.05, 0.9]);
    let weight = Tensor::splat(hla_ir::TensorType::f32([MANY]), -0.25);
    of(cases, "equal", weight, &[0.5]);
    let odd = [f32::NAN, 1e-42, -0.0, f32::NEG_INFINITY, 3e38, -1e-45, 0.0];
    let odd: Vec<f32> = odd.into_iter().cycle().take(MANY).collect();
    of(cases, "odd", f32s(&odd), &[0.3, 0.5, 0.8, 0.9]);
}

fn ternary(cases: &mut Vec<Case>) {
    for (tag, shape, axis) in WEIGHTS {
        // At 2.9 columns are empty; a negative threshold counts as 0.
        let thresholds: &[f32] = match tag {
            "conv" => &[0.5, 2.9, -0.5, 0.0, 1.5, 9.0],
            _ => &[0.5, 2.9, -0.5],
        };
        for &threshold in thresholds {
            let attrs = none().with("axis", axis);
            let name = format!("ste_ternarize_{tag}_{threshold}");
            let mut random = Random::new(&name);
            let weight = match threshold > 0.0 {
                true => random.any(shape, F32),
                false => random.grid(shape, F32),
            };
            let inputs = [weight, f32s(&[threshold])];
            let op = Op::SteTernarize;
            op_case(cases, name, Ulps(1), inputs.clone(), op, attrs.clone());
            let name = format!("loss_aware_{tag}_{threshold}");
            op_case(cases, name, CLOSE, inputs, Op::LossAware, attrs);
        }
    }
    // Ties within columns, columns of zeros, values that are no numbers.
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let rows = [
        0.1, -0.2, 0.2, -0.2, 0.0, -0.0, 0.0, 0.0, 1.0, -1.0, 0.5, -0.5, NAN, 0.1, -0.2, NAN, NAN,
        NAN, NAN, NAN, -INF, 0.1, INF, 2.0,
    ];
    for (kind, threshold) in [("", 0.5f32), ("_nan", NAN), ("_infinite", INF)] {
        let weight = f32s(&rows).reshape([6, 4]).expect("24");
        let inputs = [weight, f32s(&[threshold])];
        let name = format!("ste_ternarize_special{kind}");
        op_case(cases, name, Ulps(1), inputs, Op::SteTernarize, none());
    }
}

fn straight_through(cases: &mut Vec<Case>) {
    let mut random = Random::new("straight_through");
    let inputs = [0, 1, 2].map(|_| random.any(&[2, 3, 5], F32));
    for count in [2, 3] {
        op_case(
            cases,
            format!("straight_through_{count}"),
            Exact,
            inputs[..count].iter().cloned(),
            Op::StraightThrough,
            none(),
        );
    }
    let input = inputs[..1].iter().cloned();
    op_case(
        cases,
        "stop_gradient",
        Exact,
        input,
        Op::StopGradient,
        none(),
    );
}

fn cross_entropy(cases: &mut Vec<Case>) {
    for (tag, rows, classes) in [
        ("odd", 7, 10),
        ("one", 1, 1),
        ("wide", 3, 101),
        ("batch", 64, 10),
    ] {
        for smoothing in [0.0f32, 0.1, 1.0] {
            let name = format!("softmax_cross_entropy_{tag}_{smoothing}");
            let mut random = Random::new(&name);
            let logits = random.real(&[rows, classes], F32, -8.0, 8.0);
            let labels = random.ints(&[rows], I32, 0, classes as i64 - 1);
            let attrs = none().with("label_smoothing", smoothing);
            let op = Op::SoftmaxCrossEntropy;
            op_case(cases, name, CLOSE, [logits, labels], op, attrs);
        }
    }
    // Logits whose exponentials overflow; an impossible class; labels that are no class.
    let minus = f32::NEG_INFINITY;
    let logits = [
        1e4, -1e4, 0.0, 3e38, 3e38, -3e38, 1.0, minus, 2.0, 0.5, 0.25, -0.5,
    ];
    let logits = f32s(&logits).reshape([4, 3]).expect("twelve");
    let labels = super::generate::ints(I32, &[0, 1, 2, -1]);
    let op = Op::SoftmaxCrossEntropy;
    let name = "softmax_cross_entropy_special";
    op_case(cases, name, CLOSE, [logits, labels], op, none());
}

fn batch_norm(cases: &mut Vec<Case>) {
    let shapes: [(&str, &[usize]); 6] = [
        ("odd", &[3, 5, 7, 5]),
        ("wide", &[2, 3, 3, 33]),
        ("batch", &[64, 10]),
        ("rank3", &[2, 9, 16]),
        ("channel", &[4, 4, 4, 1]),
        ("one_row", &[1, 1, 1, 3]),
    ];
    for (tag, shape) in shapes {
        let name = format!("batch_norm_{tag}");
        let mut random = Random::new(&name);
        let mut statistics = vec![1; shape.len()];
        statistics[shape.len() - 1] = shape[shape.len() - 1];
        let inputs = [
            // Far from zero: a variance by subtraction of squares would lose it.
            random.real(shape, F32, 9.0, 11.0),
            random.any(&statistics, F32),
            random.any(&statistics, F32),
        ];
        let tolerance = Relative {
            rtol: 1e-4,
            atol: 1e-4,
        };
        op_case(cases, name, tolerance, inputs, Op::BatchNorm, none());
    }
}

fn updates(cases: &mut Vec<Case>) {
    let shapes: [&[usize]; 4] = [&[5, 3, 3, 7], &[1], &[33], &[]];
    for (i, shape) in shapes.into_iter().enumerate() {
        for (mu, decay, nesterov) in [
            (0.9f32, 0.0f32, false),
            (0.9, 1e-4, false),
            (0.9, 5e-4, true),
            (0.0, 0.0, false),
        ] {
            let nesterov_tag = if nesterov { "_nesterov" } else { "" };
            let name = format!("sgd_update_{i}_{mu}_{decay}{nesterov_tag}");
            let mut random = Random::new(&name);
            let [p, g, m] = [0, 1, 2].map(|_| random.any(shape, F32));
            let attrs = none()
                .with("mu", mu)
                .with("weight_decay", decay)
                .with("nesterov", nesterov);
            let inputs = [p, g, m, f32s(&[0.05])];
            // Elementwise, each operation rounded by itself.
            op_case(cases, name, Exact, inputs, Op::SgdUpdate, attrs);
        }
    }
}
