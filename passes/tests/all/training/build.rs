use std::collections::HashSet;

use hla_ir::Function;
use hla_passes::training::{
    InputNorm, Loss, Quantizer, Role, Sphere, ThresholdScope, ThresholdSource, TrainingGraphs,
    TrainingOptions, build,
};

use super::model::{name, network, step, values};

fn graphs(options: &TrainingOptions) -> TrainingGraphs {
    let graphs = build(&network(6), options).unwrap();
    for f in functions(&graphs) {
        hla_ir::verify::verify(f).unwrap();
    }
    graphs
}

fn functions(graphs: &TrainingGraphs) -> Vec<&Function> {
    let mut all = vec![
        &graphs.float_step,
        &graphs.finetune_step,
        &graphs.ternary_step,
        &graphs.evaluate_float,
        &graphs.evaluate,
        &graphs.evaluate_ternary,
        &graphs.ternarize,
    ];
    all.extend(&graphs.project);
    all
}

/// Names of the inputs of a function that are no state.
fn inputs(f: &Function) -> Vec<String> {
    let plain = f.args.iter().filter(|a| a.param.is_none());
    plain.map(name).collect()
}

#[test]
fn graphs_take_what_they_need_and_say_what_they_give() {
    let graphs = graphs(&TrainingOptions::default());
    let step = ["image", "labels", "learning_rate"];
    assert_eq!(inputs(&graphs.float_step), step);
    let with_distance = ["image", "labels", "loss_aware_weight", "learning_rate"];
    assert_eq!(inputs(&graphs.finetune_step), with_distance);
    assert_eq!(inputs(&graphs.ternary_step), with_distance);
    assert_eq!(inputs(&graphs.evaluate_ternary), ["image", "labels"]);
    assert_eq!(inputs(&graphs.ternarize), [""; 0]);
    let names = |f: &Function| -> Vec<String> {
        let named = (0..f.results.len()).filter_map(|i| f.result_name(i));
        named.map(str::to_owned).collect()
    };
    assert_eq!(names(&graphs.float_step), ["objective", "loss", "correct"]);
    let all = ["objective", "loss", "loss_aware", "correct"];
    assert_eq!(names(&graphs.finetune_step), all);
    assert_eq!(names(&graphs.evaluate), ["loss", "correct"]);
    assert_eq!(graphs.input.0, "image");
    assert_eq!(graphs.classes, 5);
    assert_eq!(graphs.remarks, []);
    // Every trained parameter and running statistic is updated, and nothing else.
    let updated = |f: &Function| -> HashSet<String> {
        let names = (0..f.results.len()).filter_map(|i| f.updates(i));
        names.map(str::to_owned).collect()
    };
    let state: HashSet<String> = graphs.state.iter().map(|s| s.name.clone()).collect();
    assert_eq!(updated(&graphs.ternary_step), state);
    assert!(!updated(&graphs.finetune_step).contains("conv2.weight.threshold"));
    assert!(updated(&graphs.evaluate).is_empty());
}

#[test]
fn state_and_layers_have_roles() {
    let graphs = graphs(&TrainingOptions::default());
    let role = |name: &str| {
        let spec = graphs.state.iter().find(|s| s.name == name).unwrap();
        (spec.role, spec.layer.clone().unwrap())
    };
    let named = |layer: &str| layer.to_owned();
    let weight = Role::Weight { fan_in: 12 };
    assert_eq!(role("conv2.weight"), (weight, named("conv2")));
    assert_eq!(role("conv3.bias"), (Role::Bias, named("conv3")));
    assert_eq!(role("bn1.weight"), (Role::NormScale, named("bn1")));
    assert_eq!(role("bn1.bias"), (Role::NormOffset, named("bn1")));
    assert_eq!(role("bn2.running_mean"), (Role::RunningMean, named("bn2")));
    assert_eq!(
        role("bn2.running_var"),
        (Role::RunningVariance, named("bn2"))
    );
    let threshold = "conv3.weight.threshold";
    assert_eq!(role(threshold), (Role::Threshold, named("conv3")));
    assert_eq!(
        role("conv3.weight.threshold.momentum"),
        (Role::Momentum, named("conv3"))
    );
    let layers: Vec<_> = (graphs.layers.iter())
        .map(|l| (&*l.weight, l.axis, &*l.threshold, l.columns, l.fan_in))
        .collect();
    assert_eq!(
        layers,
        [
            ("conv2.weight", 0, "conv2.weight.threshold", 4, 12),
            ("conv3.weight", 0, "conv3.weight.threshold", 4, 16)
        ]
    );
}

/// Forty steps on one batch: each kind of training lowers its loss.
#[test]
fn every_quantizer_learns_a_batch() {
    let mut variants = vec![TrainingOptions::default()];
    for quantizer in [Quantizer::Ste, Quantizer::Twn, Quantizer::Ttq] {
        variants.push(TrainingOptions {
            quantizer,
            ..Default::default()
        });
        variants.push(TrainingOptions {
            quantizer,
            threshold: Some(ThresholdSource::Sparsity),
            threshold_scope: ThresholdScope::Global,
            ..Default::default()
        });
    }
    variants.push(TrainingOptions {
        sphere: Sphere::Project,
        input_norm: InputNorm::Patch,
        ..Default::default()
    });
    for options in variants {
        let graphs = graphs(&options);
        let mut values = values(&functions(&graphs));
        if let Some(project) = &graphs.project {
            step(project, &mut values);
        }
        for f in [&graphs.finetune_step, &graphs.ternary_step] {
            let first = step(f, &mut values)["objective"][0];
            let mut last = first;
            for _ in 0..40 {
                last = step(f, &mut values)["objective"][0];
            }
            assert!(last < 0.95 * first, "{options:?}: {first} to {last}");
        }
        let evaluated = step(&graphs.evaluate_ternary, &mut values);
        assert!(evaluated["loss"][0].is_finite());
        // The weights that `ternarize` writes give the same result without the quantizer.
        if options.quantizer != Quantizer::Ttq {
            let mut exported = values.clone();
            step(&graphs.ternarize, &mut exported);
            let plain = match options.input_norm {
                InputNorm::Off => step(&graphs.evaluate_float, &mut exported),
                InputNorm::Patch => continue,
            };
            assert_eq!(plain["loss"], evaluated["loss"], "{options:?}");
        }
    }
}

#[test]
fn mean_squared_error_needs_targets() {
    let graphs = graphs(&TrainingOptions {
        loss: Loss::MeanSquaredError,
        keep_logits: true,
        ..Default::default()
    });
    assert_eq!(
        inputs(&graphs.float_step),
        ["image", "targets", "learning_rate"]
    );
    let f = &graphs.evaluate;
    assert_eq!(f.result_name(2), Some("logits"));
}
