//! Scaled gradients in f16, with numbers worked on paper.
//!
//! The layer is that of the equations with one row: y = (w₁·x, w₂·x), L = ½·((y₁ − t₁)² + (y₂ − t₂)²),
//! so that at w = 0 and x = 1 the gradients of y and of w are (−t₁, −t₂). A step at rate 1 without decay
//! gives w′ = w − m′, m′ = .9·m + g.

use std::collections::HashMap;

use hla_ir::Function;
use hla_passes::training::{Role, TrainingOptions, build, with_precision};

use super::equations::{evaluated, layer};
use super::model::{network, step, values};
use crate::build::passes;

const STEP: &str = "hla-loss{kind=mse},hla-autodiff,hla-sgd{weight-decay=0}";

/// A step at w = 0 with these targets, scale and number of clean steps.
fn stepped(targets: [f32; 2], scale: f32, clean: f32) -> HashMap<String, Vec<f64>> {
    evaluated(
        &layer(1),
        &format!("{STEP},hla-mixed-precision{{precision=f16 growth-interval=3}}"),
        &[
            ("x", &[1.0]),
            ("w", &[0.0, 0.0]),
            ("targets", &targets),
            ("w.momentum", &[0.25, 0.5]),
            ("learning_rate", &[1.0]),
            ("loss_scale", &[scale]),
            ("loss_scale.clean_steps", &[clean]),
        ],
    )
}

/// f16 ends at 2⁻²⁴ = 5.96e-8: 2⁻²⁶ is 0 there, but 2¹⁶·2⁻²⁶ = 2⁻¹⁰ is not.
#[test]
fn small_gradients_survive() {
    let small = 2f32.powi(-26);
    // m′ = (.225 + 2⁻²⁶, .45 + .5)
    let found = stepped([-small, -0.5], 65536.0, 0.0);
    let momentum = f64::from(0.9_f32 * 0.25 + small);
    assert_eq!(found["w.momentum"][0], momentum);
    assert_ne!(f64::from(0.9_f32 * 0.25), momentum);
    assert!((found["w"][1] + 0.95).abs() < 1e-6);
    let found = stepped([-small, -0.5], 1.0, 0.0);
    assert_eq!(found["w.momentum"][0], f64::from(0.9_f32 * 0.25));
}

/// g = (0, 2): 2·65536 and 2·32768 are beyond 65504, 2·16384 is not. Then m′ = (.225, .45 + 2).
#[test]
fn a_step_that_overflows_is_skipped() {
    for scale in [65536.0, 32768.0] {
        let found = stepped([0.0, -2.0], scale, 2.0);
        assert_eq!(found["w"], [0.0, 0.0]);
        assert_eq!(found["w.momentum"], [0.25, 0.5]);
        assert_eq!(found["loss_scale"], [f64::from(scale) / 2.0]);
        assert_eq!(found["loss_scale.clean_steps"], [0.0]);
        // What is told is told.
        assert_eq!(found["loss"], [2.0]);
    }
    let found = stepped([0.0, -2.0], 16384.0, 0.0);
    assert!((found["w"][1] + 2.45).abs() < 1e-6);
    assert_eq!(found["loss_scale"], [16384.0]);
    assert_eq!(found["loss_scale.clean_steps"], [1.0]);
}

#[test]
fn the_scale_grows_after_clean_steps() {
    for (scale, clean, then, clean_then) in [
        (8.0, 0.0, 8.0, 1.0),
        (8.0, 1.0, 8.0, 2.0),
        (8.0, 2.0, 16.0, 0.0),
        // The largest scale is 2²⁴.
        (16_777_216.0, 2.0, 16_777_216.0, 0.0),
    ] {
        let found = stepped([0.0, -0.001], scale, clean);
        assert_eq!(found["loss_scale"], [then]);
        assert_eq!(found["loss_scale.clean_steps"], [clean_then]);
    }
}

/// 10⁵ is beyond f16 at any scale: at 2 the step is skipped, at 1 it is not, and shows.
#[test]
fn what_is_not_finite_without_a_scale_is_not_hidden() {
    let found = stepped([0.0, -1e5], 2.0, 0.0);
    assert_eq!(found["w"], [0.0, 0.0]);
    assert_eq!(found["loss_scale"], [1.0]);
    let found = stepped([0.0, -1e5], 1.0, 0.0);
    assert!(!found["w"][1].is_finite(), "{found:?}");
    assert_eq!(found["loss_scale"], [1.0]);
}

fn mixed(f: &Function, precision: &str) -> Function {
    let pipeline = format!("hla-mixed-precision{{precision={precision}}}");
    passes(&pipeline, f).unwrap().0
}

/// Statistics, thresholds and momenta stay too.
#[test]
fn a_skipped_step_leaves_all_state() {
    let graphs = build(&network(6), &TrainingOptions::default()).unwrap();
    for f in [
        &graphs.float_step,
        &graphs.finetune_step,
        &graphs.ternary_step,
    ] {
        let f = mixed(f, "f16");
        let mut state = values(&[&f]);
        state.insert("loss_scale".to_owned(), scalar(16_777_216.0));
        let before = state.clone();
        let told = step(&f, &mut state);
        assert!(told["loss"][0].is_finite());
        assert_eq!(state["loss_scale"].to_f32s(), [8_388_608.0]);
        state.insert("loss_scale".to_owned(), scalar(16_777_216.0));
        assert_eq!(state, before);
    }
}

fn scalar(value: f32) -> hla_ir::Tensor {
    hla_ir::Tensor::from_f32s([1], &[value]).unwrap()
}

/// bf16 has the range of f32, and inference has no gradients.
#[test]
fn nothing_else_is_scaled() {
    let graphs = build(&network(6), &TrainingOptions::default()).unwrap();
    let scaled = |f: &Function| {
        let mut args = f.args.iter();
        args.any(|a| a.param.as_deref() == Some("loss_scale"))
    };
    assert!(!scaled(&mixed(&graphs.ternary_step, "bf16")));
    assert!(!scaled(&mixed(&graphs.evaluate_ternary, "f16")));
    assert!(!scaled(&mixed(&network(6), "f16")));
    assert!(scaled(&mixed(&graphs.ternary_step, "f16")));
}

#[test]
fn the_graphs_of_a_training_learn_in_16_bits() {
    for precision in ["bf16", "f16"] {
        let graphs = build(&network(6), &TrainingOptions::default()).unwrap();
        let before = graphs.state.clone();
        let graphs = with_precision(graphs, precision).unwrap();
        let added: Vec<_> = graphs
            .state
            .iter()
            .filter(|s| !before.contains(s))
            .collect();
        match precision {
            "f16" => {
                assert_eq!(added.len(), 2);
                assert_eq!(
                    (&*added[0].name, added[0].role),
                    ("loss_scale", Role::LossScale)
                );
                assert_eq!(added[1].role, Role::CleanSteps);
                let momentum = graphs.state.iter().position(|s| s.role == Role::Momentum);
                assert_eq!(graphs.state[momentum.unwrap() - 1], *added[1]);
            }
            _ => assert!(added.is_empty()),
        }
        let all = [
            &graphs.finetune_step,
            &graphs.ternary_step,
            &graphs.evaluate_ternary,
        ];
        let mut state = values(&all);
        for f in &all[..2] {
            hla_ir::verify::verify(f).unwrap();
            let first = step(f, &mut state)["objective"][0];
            let mut last = first;
            for _ in 0..40 {
                last = step(f, &mut state)["objective"][0];
            }
            assert!(last < 0.95 * first, "{precision}: {first} to {last}");
        }
        assert!(step(all[2], &mut state)["loss"][0].is_finite());
    }
}
