//! The equations of arXiv 2212.12649, each with numbers worked on paper, through the passes' graphs.
//!
//! The layer is y = Wᵀx with one row x = (1, 2), so that ∂L/∂w_ij = x_i·∂L/∂y_j; the loss is
//! L = ½·((y₁ − target₁)² + (y₂ − target₂)²), the mean over two elements, so that
//! ∂L/∂y_j = y_j − target_j. Matrices are written by rows, their columns are the w_j.

use std::collections::HashMap;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use hla_ir::{Arg, Function, Op, Tensor, TensorType};

use super::model::{Values, name, param, step};
use crate::build::{Build, passes};

/// Columns of length 1: (.6, .8) and (−.28, .96).
const UNIT: [f32; 4] = [0.6, -0.28, 0.8, 0.96];

/// y = Wᵀx of a parameter `w` with `rows` rows and two columns.
pub fn layer(rows: usize) -> Function {
    let mut f = Build::new();
    let x =
        f.0.add_arg(Arg::new(TensorType::f32([1, 1, rows])).named("x"));
    let w = param(&mut f, "w", &[1, rows, 2]);
    let y = f.op(Op::MatMul, &[x, w], &[]);
    f.results(&[y])
}

fn values(entries: &[(&str, &[f32])]) -> HashMap<String, Vec<f32>> {
    let entries = entries.iter();
    entries
        .map(|(n, v)| ((*n).to_owned(), v.to_vec()))
        .collect()
}

/// Runs a pipeline on a function, evaluates what it made, and gives its results: by name, `d NAME`
/// for the derivative by NAME, the new value under the parameter's name, `y` for one without a name.
pub fn evaluated(
    function: &Function,
    pipeline: &str,
    entries: &[(&str, &[f32])],
) -> HashMap<String, Vec<f64>> {
    let (f, _) = passes(pipeline, function).unwrap();
    let given = values(entries);
    let inputs: Vec<Tensor> = (f.args.iter())
        .map(|arg| {
            let numbers = given[&name(arg)].iter().map(|&v| f64::from(v));
            Tensor::from_f64s(arg.ty.tensor().unwrap().clone(), numbers).unwrap()
        })
        .collect();
    let results = hla_reference::evaluate(&f, &inputs).unwrap();
    let key = |i: usize| match (f.result_name(i), f.gradient_of(i), f.updates(i)) {
        (Some(name), _, _) | (_, _, Some(name)) => name.to_owned(),
        (_, Some(name), _) => format!("d {name}"),
        _ => "y".to_owned(),
    };
    let results = results.iter().enumerate();
    results
        .map(|(i, t)| (key(i), t.iter_f64().collect()))
        .collect()
}

#[track_caller]
pub fn close(found: &[f64], wanted: &[f64]) {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 2e-6 * (1.0 + b.abs());
    assert!(
        found.len() == wanted.len() && found.iter().zip(wanted).all(near),
        "{found:?} is not {wanted:?}"
    );
}

/// V = [3 0; 4 2]: the columns (3, 4) and (0, 2) have lengths 5 and 2, so W = [.6 0; .8 1].
/// With x = (3, 4): y = (.6·3 + .8·4, 4) = (5, 4); divided by ‖x‖ = 5: (1, .8).
/// With ε = 11 under the root: √(25 + 11) = 6 and √(4 + 11) = 3.8729833, so
/// y = ((3·3 + 4·4)/6, 2·4/3.8729833) = (4.1666667, 2.0655911).
#[test]
fn eq_3_a_hyperspherical_layer() {
    let given: [(&str, &[f32]); 2] = [("x", &[3.0, 4.0]), ("w", &[3.0, 0.0, 4.0, 2.0])];
    let y = |options: &str| {
        let pass = format!("hla-hyperspherical{{quantize-all {options}}}");
        evaluated(&layer(2), &pass, &given)["y"].clone()
    };
    close(&y("epsilon=0"), &[5.0, 4.0]);
    close(&y("epsilon=0 input-norm=patch"), &[1.0, 0.8]);
    close(&y("epsilon=11"), &[25.0 / 6.0, 2.065_591_1]);
    // The weights as they are: (3·3 + 4·4, 2·4).
    close(&y("mode=off"), &[25.0, 8.0]);
}

/// The same by a convolution whose patch is the whole 2×1 image, with a bias that no norm divides:
/// filters (3, 4) and (0, 2), x = (3, 4), bias (10, 20): y = (1 + 10, .8 + 20).
#[test]
fn eq_3_of_a_convolution() {
    let mut f = Build::new();
    let x =
        f.0.add_arg(Arg::new(TensorType::f32([1, 2, 1, 1])).named("x"));
    let w = param(&mut f, "w", &[2, 2, 1, 1]);
    let b = param(&mut f, "b", &[2]);
    let y = super::model::conv(&mut f, x, w, b);
    let f = f.results(&[y]);
    let given: [(&str, &[f32]); 3] = [
        ("x", &[3.0, 4.0]),
        ("w", &[3.0, 4.0, 0.0, 2.0]),
        ("b", &[10.0, 20.0]),
    ];
    let pass = "hla-hyperspherical{quantize-all epsilon=0 input-norm=patch}";
    close(&evaluated(&f, pass, &given)["y"], &[11.0, 20.8]);
}

/// Projection instead: after a step with gradient 0 and no momentum, V = [3 0; 4 2] lies on the
/// sphere: [.6 0; .8 1].
#[test]
fn eq_3_by_projection() {
    let pipeline = "hla-hyperspherical{quantize-all epsilon=0 mode=project},hla-loss{kind=mse},hla-autodiff,hla-sgd{weight-decay=0}";
    let found = evaluated(
        &layer(2),
        pipeline,
        &[
            ("x", &[0.0, 0.0]),
            ("targets", &[0.0, 0.0]),
            ("w", &[3.0, 0.0, 4.0, 2.0]),
            ("w.momentum", &[0.0; 4]),
            ("learning_rate", &[0.1]),
        ],
    );
    close(&found["w"], &[0.6, 0.0, 0.8, 1.0]);
}

/// What hla-ste{threshold=fixed} makes of W at Δ, seen through x = (1, 0), (0, 1).
fn ternary(w: &[f32; 4], delta: f32) -> [f64; 4] {
    let pass = "hla-ste{quantize-all threshold=fixed}";
    let mut all = [0.0; 4];
    for row in 0..2 {
        let x = [1.0 - row as f32, row as f32];
        let given: [(&str, &[f32]); 3] = [("x", &x), ("w", w), ("w.threshold", &[delta])];
        let y = &evaluated(&layer(2), pass, &given)["y"];
        all[2 * row..2 * row + 2].copy_from_slice(y);
    }
    all
}

/// W = [.6 −.28; .8 .96], Δ = .5: only −.28 is within Δ. Signs follow W.
#[test]
fn eq_4_what_lies_within_the_threshold_is_zero() {
    let signs = |w: &[f32; 4], delta| ternary(w, delta).map(|v| v.signum() * f64::from(v != 0.0));
    assert_eq!(signs(&UNIT, 0.5), [1.0, 0.0, 1.0, 1.0]);
    assert_eq!(signs(&UNIT.map(|w| -w), 0.5), [-1.0, 0.0, -1.0, -1.0]);
    // |w| = Δ becomes zero: |w| ≤ Δ.
    assert_eq!(signs(&[0.5, 0.9, -0.75, 0.9], 0.5), [0.0, 1.0, -1.0, 1.0]);
    // No |w| of column 1 is above .9: it keeps its largest, .8.
    assert_eq!(signs(&UNIT, 0.9), [0.0, 0.0, 1.0, 1.0]);
}

/// Two non-zeros: α₁ = 1/√2 = .70710678; one: α₂ = 1. ‖ŵ_j‖ = 1.
#[test]
fn eq_5_the_scale_makes_columns_of_length_one() {
    close(
        &ternary(&UNIT, 0.5),
        &[FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2, 1.0],
    );
    close(&ternary(&UNIT, 0.9), &[0.0, 0.0, 1.0, 1.0]);
}

/// Stage 1 at W = [.6 −.28; .8 .96], which needs no sphere, and Δ = .5, Ŵ = [.7071 0; .7071 1].
const STAGE_1: &str = "hla-loss{kind=mse},hla-hyperspherical{mode=project quantize-all},hla-loss-aware{quantize-all},hla-autodiff";

/// y = (.6 + 2·.8, −.28 + 2·.96) = (2.2, 1.64), targets (1.2, 1.14): ∂L/∂y = (1, .5),
/// L = ½·(1 + .25) = .625. L_d as in `eq_7`, .000850506.
/// J = L + λ·L_d: λ = 1: .625850506; λ = 10: .633505063.
/// ∂L/∂W = [1 .5; 2 1], ∂L_d/∂W = [−.0071068 0; −.0071068 −.04].
#[test]
fn eq_6_the_objective_of_stage_1() {
    for (lambda, objective, gradient) in [
        (1.0, 0.625_850_506, [0.992_893_22, 0.5, 1.992_893_22, 0.96]),
        (10.0, 0.633_505_063, [0.928_932_2, 0.5, 1.928_932_2, 0.6]),
    ] {
        let found = evaluated(
            &layer(2),
            STAGE_1,
            &[
                ("x", &[1.0, 2.0]),
                ("targets", &[1.2, 1.14]),
                ("w", &UNIT),
                ("w.threshold", &[0.5]),
                ("loss_aware_weight", &[lambda]),
            ],
        );
        close(&found["loss"], &[0.625]);
        close(&found["objective"], &[objective]);
        close(&found["d w"], &gradient);
        assert!(!found.contains_key("d w.threshold"));
    }
}

/// w₁ᵀŵ₁ = (.6 + .8)/√2 = .98994949, w₂ᵀŵ₂ = .96:
/// L_d = ½·(.01005051² + .04²) = ½·(.000101013 + .0016) = .000850506.
/// ∂L_d/∂w_j = (2/n)·(w_jᵀŵ_j − 1)·ŵ_j: −.01005051·.70710678 = −.00710678 twice, and (0, −.04).
#[test]
fn eq_7_the_distance_from_ternary_weights() {
    // x = 0 and targets 0 leave L_d alone.
    let found = evaluated(
        &layer(2),
        STAGE_1,
        &[
            ("x", &[0.0, 0.0]),
            ("targets", &[0.0, 0.0]),
            ("w", &UNIT),
            ("w.threshold", &[0.5]),
            ("loss_aware_weight", &[1.0]),
        ],
    );
    let l_d = found["loss_aware"][0];
    assert!((l_d - 0.000_850_506).abs() < 2e-9, "{l_d}");
    let gradient = [-0.007_106_78, 0.0, -0.007_106_78, -0.04];
    for (found, wanted) in found["d w"].iter().zip(gradient) {
        assert!((found - wanted).abs() < 2e-7, "{found} is not {wanted}");
    }
}

/// |W| sorted is .1 .2 .3 .4 .5 .6. t = .5: the ⌊.5·6⌋ = 3rd is .3, and .4, .5, .6 stay. t = .7: the
/// ⌊4.2⌋ = 4th, .4. t = 0: 0, and all stay. t = 1: the largest, .6.
#[test]
fn eq_8_the_threshold_of_a_share() {
    let w = [0.3, -0.4, -0.1, 0.6, 0.5, 0.2];
    for (t, kept) in [
        (0.5, [0.0, -1.0, 0.0, 1.0, 1.0, 0.0]),
        (0.7, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
        (0.0, [1.0, -1.0, -1.0, 1.0, 1.0, 1.0]),
        (1.0, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
    ] {
        let mut signs = Vec::new();
        for row in 0..3 {
            let mut x = [0.0; 3];
            x[row] = 1.0;
            let given: [(&str, &[f32]); 3] = [("x", &x), ("w", &w), ("sparsity", &[t])];
            let pass = "hla-ste{quantizer=ste quantize-all}";
            let y = &evaluated(&layer(3), pass, &given)["y"];
            signs.extend(y.iter().map(|v| v.signum() * f64::from(*v != 0.0)));
        }
        // Column 1, (.3, −.1, .5), and column 2, (−.4, .6, .2), keep at least their largest.
        assert_eq!(signs, kept, "t = {t}");
    }
}

/// Over both layers |w| is .1 .2 .3 .4 (first) and .5 .6 .7 .8 (second): t = .5 gives the 4th, .4.
/// The first layer's columns keep their largest, (.3) and (.4); the second's all stay.
#[test]
fn eq_8_over_all_layers() {
    let mut f = Build::new();
    let x = f.0.add_arg(Arg::new(TensorType::f32([1, 1, 2])).named("x"));
    let a = param(&mut f, "a", &[1, 2, 2]);
    let b = param(&mut f, "b", &[1, 2, 2]);
    let y = f.op(Op::MatMul, &[x, a], &[]);
    let z = f.op(Op::MatMul, &[y, b], &[]);
    let f = f.results(&[z]);
    let given: [(&str, &[f32]); 4] = [
        ("x", &[1.0, 1.0]),
        ("a", &[0.1, 0.2, 0.3, 0.4]),
        ("b", &[0.5, 0.6, 0.7, 0.8]),
        ("sparsity", &[0.5]),
    ];
    // Global: Â = [0 0; 1 1], y = (1, 1); B̂ = [.7071 .7071; .7071 .7071], z = (1.4142136, 1.4142136).
    let global = "hla-ste{quantizer=ste quantize-all threshold-scope=global}";
    close(&evaluated(&f, global, &given)["y"], &[SQRT_2, SQRT_2]);
    // Each layer its 2nd: .2 and .6. Â = [0 0; 1 1]; B̂ = [0 0; 1 1].
    let own = "hla-ste{quantizer=ste quantize-all}";
    close(&evaluated(&f, own, &given)["y"], &[1.0, 1.0]);
}

/// Stage 2 at the same W, Δ̄ = .5 and x: ŷ = Ŵᵀx = (3/√2, 2) = (2.1213203, 2); targets
/// (1.1213203, 1.5): ∂L/∂ŷ = (1, .5), L = .625, ∂L/∂Ŵ = [1 .5; 2 1].
fn stage_2(ste: &str, lambda: f32, w: &[f32; 4]) -> HashMap<String, Vec<f64>> {
    let pipeline = format!(
        "hla-hyperspherical{{mode=project quantize-all}},hla-ste{{quantize-all {ste}}},hla-loss{{kind=mse}},hla-loss-aware{{quantize-all}},hla-autodiff"
    );
    evaluated(
        &layer(2),
        &pipeline,
        &[
            ("x", &[1.0, 2.0]),
            ("targets", &[1.121_320_3, 1.5]),
            ("w", w),
            ("w.threshold", &[0.5]),
            ("loss_aware_weight", &[lambda]),
        ],
    )
}

/// J = L(Ŵ) + λ·L_d(W, Δ̄) = .625 + .000850506. Its gradient is Eq. 11's plus Eq. 7's:
/// [.64 − .0071068, .4608; .72 − .0071068, .0784 − .04].
#[test]
fn eq_9_the_objective_of_stage_2() {
    let found = stage_2("", 1.0, &UNIT);
    close(&found["loss"], &[0.625]);
    close(&found["objective"], &[0.625_850_506]);
    close(&found["d w"], &[0.632_893_22, 0.4608, 0.712_893_22, 0.0384]);
}

/// Forward with Ŵ: ŷ = (2.1213203, 2), so that targets equal to it give L = 0, and
/// targets (1.1213203, 1.5) give .625.
#[test]
fn eq_10_forward_is_ternary() {
    let given: [(&str, &[f32]); 3] = [("x", &[1.0, 2.0]), ("w", &UNIT), ("w.threshold", &[0.5])];
    let found = evaluated(&layer(2), "hla-ste{quantize-all}", &given);
    close(&found["y"], &[2.121_320_34, 2.0]);
    close(&stage_2("", 0.0, &UNIT)["objective"], &[0.625]);
}

/// ∂J/∂W ≈ ∂J/∂Ŵ ⊙ S = [1 .5; 2 1] ⊙ [.64 .9216; .36 .0784] = [.64 .4608; .72 .0784].
/// Without S it is [1 .5; 2 1].
#[test]
fn eq_11_backward_is_rescaled() {
    close(
        &stage_2("", 0.0, &UNIT)["d w"],
        &[0.64, 0.4608, 0.72, 0.0784],
    );
    close(
        &stage_2("rescale=none", 0.0, &UNIT)["d w"],
        &[1.0, 0.5, 2.0, 1.0],
    );
}

/// S = 1 − W⊙W: [1 − .36, 1 − .0784; 1 − .64, 1 − .9216]. On w/α: (w/α)² is [.72 .0784; 1.28 .9216]
/// with α = (.7071, 1), so S = [.28 .9216; 0 .0784].
#[test]
fn eq_12_the_scale_of_the_gradient() {
    let s = |ste: &str| -> Vec<f64> {
        let found = stage_2(ste, 0.0, &UNIT);
        let unscaled = [1.0, 0.5, 2.0, 1.0];
        found["d w"]
            .iter()
            .zip(unscaled)
            .map(|(d, g)| d / g)
            .collect()
    };
    close(&s("rescale=weight"), &[0.64, 0.9216, 0.36, 0.0784]);
    close(&s("rescale=alpha"), &[0.28, 0.9216, 0.0, 0.0784]);
}

/// ∂L/∂Δ̄ = ¼·(.64 + .4608 + .72 + .0784) = 1.8992/4 = .4748. Symmetric, with −.28 the only negative
/// weight: −¼·(.64 − .4608 + .72 + .0784) = −.2444. L_d gives Δ̄ no gradient.
/// W = [.6 0; .8 1]: w₁₂ = 0 does not count: ¼·(.64 + .72 + 1·0) = .34, for S₂₂ = 1 − 1.
#[test]
fn eq_13_the_gradient_of_the_threshold() {
    let found = |ste: &str, lambda, w| stage_2(ste, lambda, w)["d w.threshold"].clone();
    close(&found("", 0.0, &UNIT), &[0.4748]);
    close(&found("", 10.0, &UNIT), &[0.4748]);
    close(
        &found("threshold-gradient=symmetric", 0.0, &UNIT),
        &[-0.2444],
    );
    close(&found("", 0.0, &[0.6, 0.0, 0.8, 1.0]), &[0.34]);
    close(&found("threshold-gradient=none", 0.0, &UNIT), &[0.0]);
}

/// The step through the whole graph of a step: Δ̄ ← .5 − .1·.4748 = .45252, its momentum .4748, and
/// W by Eq. 11 with weight decay .01: g = .64 + .006, ….
#[test]
fn eq_13_moves_the_threshold_down_the_gradient() {
    let pipeline = "hla-hyperspherical{mode=off},hla-ste{quantize-all},hla-loss{kind=mse},hla-autodiff,hla-sgd{weight-decay=0.01}";
    let (f, _) = passes(pipeline, &layer(2)).unwrap();
    let mut values = Values::new();
    for (name, given) in self::values(&[
        ("x", &[1.0, 2.0]),
        ("targets", &[1.121_320_3, 1.5]),
        ("w", &UNIT),
        ("w.momentum", &[0.0; 4]),
        ("w.threshold", &[0.5]),
        ("w.threshold.momentum", &[0.0]),
        ("learning_rate", &[0.1]),
    ]) {
        let arg = f.args.iter().find(|a| super::model::name(a) == name);
        let shape = &arg.unwrap().ty.tensor().unwrap().shape;
        values.insert(name, Tensor::from_f32s(&shape[..], &given).unwrap());
    }
    step(&f, &mut values);
    let of = |name: &str| -> Vec<f64> { values[name].iter_f64().collect() };
    close(&of("w.threshold"), &[0.45252]);
    close(&of("w.threshold.momentum"), &[0.4748]);
    // .6 − .1·(.64 + .006), −.28 − .1·(.4608 − .0028), .8 − .1·(.72 + .008), .96 − .1·(.0784 + .0096)
    close(&of("w"), &[0.5354, -0.3258, 0.7272, 0.9512]);
    // A large step further down Δ̄ stops at 0.
    values.insert(
        "w.threshold".to_owned(),
        Tensor::from_f32s([1], &[0.01]).unwrap(),
    );
    values.insert(
        "learning_rate".to_owned(),
        Tensor::from_f32s([1], &[10.0]).unwrap(),
    );
    step(&f, &mut values);
    assert_eq!(values["w.threshold"].to_f32s(), [0.0]);
}
