//! Descent, losses, running statistics and the other quantizers, with numbers worked on paper.

use hla_ir::graph::{GRADIENT, NO_DECAY};
use hla_ir::{Arg, Function, Op, TensorType};

use super::equations::{close, evaluated, layer};
use super::model::param;
use crate::build::Build;

/// A parameter whose gradient is an input.
fn with_gradient(decays: bool) -> Function {
    let mut f = Build::new();
    let mut w = Arg::new(TensorType::f32([2])).param("w");
    if !decays {
        w.attrs.set(NO_DECAY, true);
    }
    f.0.add_arg(w);
    let g = f.0.add_arg(Arg::new(TensorType::f32([2])).named("g"));
    f.0.add_result(g, GRADIENT, "w");
    f.0
}

/// w = (1, −2), g = (.5, −1), m = (.2, 0), μ = .9, decay .1, rate .1:
/// g ← (.5 + .1, −1 − .2) = (.6, −1.2); m ← (.18 + .6, −1.2) = (.78, −1.2);
/// w ← (1 − .078, −2 + .12) = (.922, −1.88).
/// Nesterov steps by g + .9·m = (.6 + .702, −1.2 − 1.08) = (1.302, −2.28): w ← (.8698, −1.772).
/// Without decay m ← (.68, −1), w ← (.932, −1.9).
#[test]
fn descent_has_momentum_and_decay() {
    for (options, decays, w, m) in [
        ("", true, [0.922, -1.88], [0.78, -1.2]),
        ("nesterov", true, [0.8698, -1.772], [0.78, -1.2]),
        ("", false, [0.932, -1.9], [0.68, -1.0]),
    ] {
        let found = evaluated(
            &with_gradient(decays),
            &format!("hla-sgd{{weight-decay=0.1 {options}}}"),
            &[
                ("w", &[1.0, -2.0]),
                ("g", &[0.5, -1.0]),
                ("w.momentum", &[0.2, 0.0]),
                ("learning_rate", &[0.1]),
            ],
        );
        close(&found["w"], &w);
        close(&found["w.momentum"], &m);
    }
}

/// Logits (0, ln 3) have p = (.25, .75), label 1; logits (0, 0) have p = (.5, .5), label 0.
/// s = .2: targets (.1, .9) and (.9, .1): −.1·ln .25 − .9·ln .75 = .13862944 + .25891386 = .3975433,
/// ln 2 = .69314718, mean .54534524. Gradient (p − target)/2: (.075, −.075) and (−.2, .2).
/// s = 0: ½·(.28768207 + .69314718) = .49041463.
#[test]
fn labels_are_smoothed() {
    let mut f = Build::new();
    let logits = param(&mut f, "logits", &[2, 2]);
    let y = f.op(Op::Identity, &[logits], &[]);
    let f = f.results(&[y]);
    let run = |smoothing: f32| {
        let pipeline = format!("hla-loss{{label-smoothing={smoothing}}},hla-autodiff");
        evaluated(
            &f,
            &pipeline,
            &[
                ("logits", &[0.0, 3.0_f32.ln(), 0.0, 0.0]),
                ("labels", &[1.0, 0.0]),
            ],
        )
    };
    let found = run(0.2);
    close(&found["loss"], &[0.545_345_24]);
    close(&found["d logits"], &[0.075, -0.075, -0.2, 0.2]);
    // Of equal logits the first counts.
    assert_eq!(found["correct"], [2.0]);
    close(&run(0.0)["loss"], &[0.490_414_63]);
}

/// (y − target)²: .25, 1, 0, 4 over 2 rows of 2: mean 1.3125. Argmaxes 0, 1 against 0, 0.
#[test]
fn squares_are_averaged_over_all_elements() {
    let mut f = Build::new();
    let logits = param(&mut f, "logits", &[1, 2, 2]);
    let y = f.op(Op::Identity, &[logits], &[]);
    let found = evaluated(
        &f.results(&[y]),
        "hla-loss{kind=mse},hla-autodiff",
        &[
            ("logits", &[1.5, 0.0, 2.0, 3.0]),
            ("targets", &[1.0, -1.0, 2.0, 1.0]),
        ],
    );
    close(&found["loss"], &[1.3125]);
    // 2·(y − target)/4
    close(&found["d logits"], &[0.25, 0.5, 0.0, 1.0]);
    assert_eq!(found["correct"], [1.0]);
}

/// Channel 1 has 1, 2, 3, 6: mean 3, Σ(x − 3)² = 14; channel 2 has 0, 0, 0, 4: mean 1, Σ = 12.
/// Biased variances 3.5 and 3; with ε = .5 the roots are 2 and 1.8708287.
/// y₁ = 2·(x − 3)/2, y₂ = (x − 1)/1.8708287 + 1 = 1 − .53452248, …, 1 + 1.6035675.
/// Unbiased variances 14/3 and 4. m = .1: means .9·(10, 20) + .1·(3, 1) = (9.3, 18.1), variances
/// .9·(1, 2) + .1·(4.6666667, 4) = (1.3666667, 2.2).
#[test]
fn running_statistics_follow_the_batch() {
    let mut f = Build::new();
    let x =
        f.0.add_arg(Arg::new(TensorType::f32([2, 2, 1, 2])).named("x"));
    let [mean, variance, scale, offset] =
        ["mean", "variance", "scale", "offset"].map(|name| param(&mut f, name, &[1, 1, 1, 2]));
    let epsilon = f.splat(&[1; 4], 0.5);
    let centred = f.op(Op::Sub, &[x, mean], &[]);
    let sum = f.op(Op::Add, &[variance, epsilon], &[]);
    let inverse = f.op(Op::Rsqrt, &[sum], &[]);
    let y = f.op(Op::Mul, &[centred, inverse], &[]);
    let y = f.op(Op::Mul, &[y, scale], &[]);
    let y = f.op(Op::Add, &[y, offset], &[]);
    let found = evaluated(
        &f.results(&[y]),
        "hla-train-mode",
        &[
            ("x", &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 6.0, 4.0]),
            ("mean", &[10.0, 20.0]),
            ("variance", &[1.0, 2.0]),
            ("scale", &[2.0, 1.0]),
            ("offset", &[0.0, 1.0]),
        ],
    );
    let low = 0.465_477_52;
    close(
        &found["y"],
        &[-2.0, low, -1.0, low, 0.0, low, 3.0, 2.603_567_5],
    );
    close(&found["mean"], &[9.3, 18.1]);
    close(&found["variance"], &[1.366_666_7, 2.2]);
}

/// W = [.1 −.5; .4 .8], x = (1, 2); ∂L/∂ŷ = ŷ − target, ∂L/∂ŵ_ij = x_i·∂L/∂ŷ_j.
fn learned(ste: &str, given: &[(&str, &[f32])]) -> std::collections::HashMap<String, Vec<f64>> {
    let pipeline =
        format!("hla-ste{{quantize-all {ste}}},hla-loss{{kind=mse keep-logits}},hla-autodiff");
    let mut all: Vec<(&str, &[f32])> = vec![("x", &[1.0, 2.0]), ("w", &[0.1, -0.5, 0.4, 0.8])];
    all.extend(given);
    evaluated(&layer(2), &pipeline, &all)
}

/// Δ = .7·1.8/4 = .315: .1 becomes zero; α = (.5 + .4 + .8)/3 = .56666667: ŷ = (2·α, −α + 2·α).
/// By column α = (.4, .65): ŷ = (.8, .65). At T(.5) = .4 (the 2nd) −.5 and .8 stay, α = .65: ŷ =
/// (0, −.65 + 1.3).
/// The gradient of Ŵ goes to W as it is: targets 1 and .5 below ŷ give [1 .5; 2 1].
#[test]
fn twn_takes_the_mean_of_what_is_kept() {
    let found = learned(
        "quantizer=twn",
        &[("targets", &[0.133_333_33, 0.066_666_67])],
    );
    close(&found["logits"], &[1.133_333_33, 0.566_666_67]);
    close(&found["d w"], &[1.0, 0.5, 2.0, 1.0]);
    let targets: (&str, &[f32]) = ("targets", &[0.0, 0.0]);
    let found = learned("quantizer=twn twn-scale=column", &[targets]);
    close(&found["logits"], &[0.8, 0.65]);
    let sparsity: (&str, &[f32]) = ("sparsity", &[0.5]);
    let found = learned("quantizer=twn threshold=sparsity", &[targets, sparsity]);
    close(&found["logits"], &[0.0, 0.65]);
}

/// Δ = .05·.8 = .04 keeps all. W_p = .6, W_n = .3: Ŵ = [.6 −.3; .6 .6], ŷ = (1.8, .9); targets
/// (.8, .4): ∂L/∂Ŵ = [1 .5; 2 1], by W ⊙ [.6 .3; .6 .6], by W_p 1 + 2 + 1 = 4, by W_n −.5.
/// At Δ = .2 the weight .1 is zero, its gradient unscaled: ŷ = (1.2, .9), W_p gets 2 + 1 = 3.
#[test]
fn ttq_learns_its_two_scales() {
    let scales: [(&str, &[f32]); 2] = [("w.positive", &[0.6]), ("w.negative", &[0.3])];
    let mut given = scales.to_vec();
    given.push(("targets", &[0.8, 0.4]));
    let found = learned("quantizer=ttq", &given);
    close(&found["logits"], &[1.8, 0.9]);
    close(&found["d w"], &[0.6, 0.15, 1.2, 0.6]);
    close(&found["d w.positive"], &[4.0]);
    close(&found["d w.negative"], &[-0.5]);
    let mut given = scales.to_vec();
    given.push(("targets", &[0.2, 0.4]));
    given.push(("w.threshold", &[0.2]));
    let found = learned("quantizer=ttq threshold=fixed", &given);
    close(&found["logits"], &[1.2, 0.9]);
    close(&found["d w"], &[1.0, 0.15, 1.2, 0.6]);
    close(&found["d w.positive"], &[3.0]);
    close(&found["d w.negative"], &[-0.5]);
}
