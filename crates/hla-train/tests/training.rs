//! Algorithm 1 on small problems, with the evaluator's arithmetic.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use common::{FEATURES, graphs, setup, short, trainer, try_trainer};
use hla_ir::{Tensor, TensorType};
use hla_passes::training::{Loss, Quantizer, Sphere, TrainingOptions, build};
use hla_runtime::ThreadPool;
use hla_train::config::Scope;
use hla_train::metrics::{Event, Moment, Stage};
use hla_train::observer::{Observer, Quiet, StepEvent};
use hla_train::{Outcome, Setup, Summary, TrainConfig, Trainer};
use safetensors::SafeTensors;

fn run(trainer: &mut Trainer<'_>) -> Summary {
    match trainer.run(&mut Quiet).unwrap() {
        Outcome::Finished(summary) => summary,
        Outcome::Stopped { .. } => panic!("nobody stopped it"),
    }
}

/// Stops before a step of the whole process.
struct StopAt(usize);

impl Observer for StopAt {
    fn step(&mut self, _: &StepEvent) -> ControlFlow<()> {
        match self.0 {
            0 => ControlFlow::Break(()),
            _ => {
                self.0 -= 1;
                ControlFlow::Continue(())
            }
        }
    }
}

/// The history without what depends on the clock.
fn timeless(trainer: &Trainer<'_>) -> String {
    let mut history = trainer.history().clone();
    for event in &mut history.events {
        if let Event::Epoch(record) = event {
            record.seconds = 0.0;
            record.images_per_second = 0.0;
        }
    }
    history.json_lines()
}

#[test]
fn every_quantizer_learns() {
    let dir = tempfile::tempdir().unwrap();
    for (quantizer, sphere) in [
        (Quantizer::Hla, Sphere::Reparametrize),
        (Quantizer::Hla, Sphere::Project),
        (Quantizer::Ste, Sphere::Reparametrize),
        (Quantizer::Twn, Sphere::Off),
        (Quantizer::Ttq, Sphere::Off),
    ] {
        let graphs = graphs(&TrainingOptions {
            quantizer,
            sphere,
            ..TrainingOptions::default()
        });
        let config = TrainConfig {
            ternary_epochs: 10,
            ..short()
        };
        let mut trainer = trainer(&graphs, setup(&graphs, dir.path(), config));
        assert_eq!(trainer.class_counts().iter().sum::<u64>(), 100);
        let summary = run(&mut trainer);
        let accuracy = summary.ternary.unwrap().accuracy();
        assert!(accuracy >= 0.9, "{quantizer:?} {sphere:?}: {accuracy}");
        assert_eq!(summary.epochs, 2 + 2 * 2 + 10);
        assert_eq!(summary.steps, summary.epochs * 6);
        assert_eq!(summary.layers.len(), 2);
        let stages: Vec<Stage> = trainer.history().epochs().map(|e| e.stage).collect();
        assert_eq!(stages[..7], {
            use Stage::{FineTune as T, Float as F, Ternarize as Z};
            [F, F, T, T, T, T, Z]
        });
        let best = trainer.history().epochs().filter_map(|e| e.eval);
        assert!(best.map(|e| e.accuracy()).fold(0.0, f64::max) >= 0.9);
    }
}

#[test]
fn a_squared_error_is_minimised_too() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions {
        loss: Loss::MeanSquaredError,
        ..TrainingOptions::default()
    });
    let summary = run(&mut trainer(&graphs, setup(&graphs, dir.path(), short())));
    let ternary = summary.ternary.unwrap();
    assert!(
        ternary.accuracy() >= 0.8 && ternary.loss < 0.2,
        "{ternary:?}"
    );
}

#[test]
fn thresholds_are_t_of_the_weights() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    for scope in [Scope::Layer, Scope::Global] {
        let config = TrainConfig {
            ternary_epochs: 0,
            threshold_scope: scope,
            threshold_start: Some(0.75),
            ..short()
        };
        let summary = run(&mut trainer(&graphs, setup(&graphs, dir.path(), config)));
        let sizes = [FEATURES * 12, 12 * 12].map(|n| n as f64);
        let zeros = summary
            .layers
            .iter()
            .zip(sizes)
            .map(|(l, n)| l.sparsity * n);
        let zeros: Vec<f64> = zeros.collect();
        match scope {
            // ⌊0.75·72⌋ and ⌊0.75·144⌋, but for columns that kept their largest weight.
            Scope::Layer => {
                assert!((zeros[0] - 54.0).abs() <= 3.0, "{zeros:?}");
                assert!((zeros[1] - 108.0).abs() <= 3.0, "{zeros:?}");
                assert_ne!(summary.layers[0].threshold, summary.layers[1].threshold);
            }
            Scope::Global => {
                assert!((zeros[0] + zeros[1] - 162.0).abs() <= 4.0, "{zeros:?}");
                assert_eq!(summary.layers[0].threshold, summary.layers[1].threshold);
            }
        }
    }
}

#[test]
fn thresholds_move_at_their_own_rate() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let moved = |threshold_rate| {
        let config = TrainConfig {
            threshold_rate,
            ternary_epochs: 1,
            float_epochs: 0,
            epochs_per_t: 0,
            ..short()
        };
        let mut trainer = trainer(
            &graphs,
            Setup {
                // One step.
                data: common::blobs(&dir.path().join("one.safetensors"), 16, 1, 0.6),
                ..setup(&graphs, dir.path(), config)
            },
        );
        run(&mut trainer);
        trainer.history().epochs().next().unwrap().layers[0]
            .threshold
            .unwrap()
    };
    let [still, half, whole] = [0.0, 0.5, 1.0].map(moved);
    assert_ne!(still, whole);
    assert!(
        (half - (still + whole) / 2.0).abs() < 1e-7,
        "{still} {half} {whole}"
    );
}

#[test]
fn a_unit_start_leaves_the_network_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let start = |unit_start| {
        let config = TrainConfig {
            unit_start,
            ternary_epochs: 0,
            epochs_per_t: 0,
            ..short()
        };
        let mut trainer = trainer(&graphs, setup(&graphs, dir.path(), config));
        run(&mut trainer);
        let weight = trainer.state().get("fc1.weight").unwrap().to_f32s();
        let length: f32 = (0..FEATURES).map(|row| weight[row * 12].powi(2)).sum();
        (
            trainer.history().snapshots().next().unwrap().counts.clone(),
            length,
        )
    };
    let (plain, longer) = start(false);
    let (unit, one) = start(true);
    assert!((one - 1.0).abs() < 1e-3 && (longer - 1.0).abs() > 0.05);
    let differ = plain.iter().zip(&unit).map(|(a, b)| a.abs_diff(*b));
    assert!(differ.sum::<u64>() <= 4);
}

#[test]
fn a_training_that_was_stopped_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let pool = ThreadPool::new(2).unwrap();
    let mut whole = trainer(&graphs, setup(&graphs, dir.path(), short()));
    run(&mut whole);
    let expected = (whole.export().unwrap(), timeless(&whole));

    let folder = dir.path().join("checkpoints");
    let again = |pool| Setup {
        pool,
        checkpoints: Some(folder.clone()),
        resume: true,
        ..setup(&graphs, dir.path(), short())
    };
    // 9 epochs of 6 steps: stopped in the middle of epochs, at their ends, twice in one epoch.
    let mut stops = [2, 8, 6, 7, 13, 3, 5, 0].into_iter();
    let mut begun = 0;
    let mut last = loop {
        begun += 1;
        let mut trainer = trainer(&graphs, again((begun % 2 == 0).then_some(&pool)));
        let stop = stops.next().unwrap_or(usize::MAX);
        match trainer.run(&mut StopAt(stop)).unwrap() {
            Outcome::Finished(_) => break trainer,
            Outcome::Stopped { .. } => {}
        }
    };
    assert!(begun > 5);
    assert_eq!((last.export().unwrap(), timeless(&last)), expected);
    assert_eq!(last.state(), whole.state());

    // Once more: it is over already.
    let mut over = trainer(&graphs, again(None));
    let summary = run(&mut over);
    assert_eq!((over.export().unwrap(), timeless(&over)), expected);
    assert_eq!(summary.steps, 54);
}

#[test]
fn other_trainings_checkpoints_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("checkpoints");
    let some = graphs(&TrainingOptions::default());
    let with = |made, config, resume| {
        let setup = Setup {
            checkpoints: Some(folder.clone()),
            resume,
            ..setup(made, dir.path(), config)
        };
        try_trainer(made, setup)
    };
    let refused = |made, config, resume| {
        let errors = with(made, config, resume).err().unwrap();
        errors[0].to_string()
    };
    let mut first = with(&some, short(), true).unwrap();
    let mut messages = Messages::default();
    first.run(&mut messages).unwrap();
    assert!(messages.0[0].contains("there is no checkpoint yet"));
    let text = refused(&some, short(), false);
    assert!(text.contains("which this one would overwrite"), "{text}");
    let other = TrainConfig {
        learning_rate: 0.06,
        ..short()
    };
    let text = refused(&some, other, true);
    assert!(text.contains("learning-rate (0.05, here 0.06)"), "{text}");
    let without = graphs(&TrainingOptions {
        loss_aware: Some(false),
        ..TrainingOptions::default()
    });
    let text = refused(&without, short(), true);
    assert!(text.contains("of another model"), "{text}");
    // A damaged one.
    let path = folder.join("latest.checkpoint");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&path, bytes).unwrap();
    let text = refused(&some, short(), true);
    assert!(
        text.contains("damaged") && text.contains("previous"),
        "{text}"
    );
}

#[test]
fn another_beginning_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("checkpoints");
    let some = graphs(&TrainingOptions::default());
    let with = |value: Option<f64>, eval: bool| {
        let setup = setup(&some, dir.path(), short());
        let weight = |value| Tensor::splat(TensorType::f32([1, 12, 12]), value);
        Setup {
            checkpoints: Some(folder.clone()),
            resume: true,
            weights: value
                .map(|v| ("fc2.weight".to_owned(), weight(v)))
                .into_iter()
                .collect(),
            eval: setup.eval.filter(|_| eval),
            ..setup
        }
    };
    trainer(&some, with(Some(0.1), true))
        .run(&mut StopAt(9))
        .unwrap();
    for (value, eval, says) in [
        (Some(0.2), true, "weights (\"checksum "),
        (None, true, "here \"none\")"),
        (Some(0.1), false, "eval (\"50 of [6]\", here \"none\")"),
    ] {
        let errors = try_trainer(&some, with(value, eval)).err().unwrap();
        let text = errors[0].to_string();
        assert!(
            text.contains("of a training with other options: ") && text.contains(says),
            "{text}"
        );
    }
    run(&mut trainer(&some, with(Some(0.1), true)));
}

#[test]
fn classes_without_samples_are_told() {
    let dir = tempfile::tempdir().unwrap();
    // Four outputs, but blobs of three classes.
    let options = TrainingOptions {
        keep_logits: true,
        ..TrainingOptions::default()
    };
    let graphs = build(&common::mlp(16, FEATURES, 4), &options).unwrap();
    let graphs = common::made(graphs);
    let mut messages = Messages::default();
    trainer(&graphs, setup(&graphs, dir.path(), short()))
        .run(&mut messages)
        .unwrap();
    assert_eq!(messages.0.len(), 1);
    let told = "of 4 classes that the model tells apart, no training sample is of class 3";
    assert!(
        messages.0[0].contains(told),
        "{messages:?}",
        messages = messages.0
    );
}

#[test]
fn a_network_that_died_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let messages = |config| {
        let mut messages = Messages::default();
        trainer(&graphs, setup(&graphs, dir.path(), config))
            .run(&mut messages)
            .unwrap();
        messages.0
    };
    assert_eq!(messages(short()), [""; 0]);
    // L_d takes all: every weight goes to 0, and the loss stays finite.
    let killed = messages(TrainConfig {
        loss_aware_weight: 1e30,
        ..short()
    });
    assert_eq!(killed.len(), 2, "{killed:?}");
    let since = "since epoch 3 of 9 (stage fine-tune, t = 0.30)";
    assert!(
        killed[0].contains(&format!("{since} the network tells no classes apart")),
        "{killed:?}"
    );
    assert!(
        killed[1].contains("the trained network tells no classes apart: "),
        "{killed:?}"
    );
    assert!(
        killed[1].contains(since) && killed[1].contains("--lambda"),
        "{killed:?}"
    );
}

/// Keeps messages.
#[derive(Default)]
struct Messages(Vec<String>);

impl Observer for Messages {
    fn message(&mut self, message: &hla_ir::Diagnostic) {
        self.0.push(message.to_string());
    }
}

#[test]
fn what_is_exported_is_what_was_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let mut trained = trainer(&graphs, setup(&graphs, dir.path(), short()));
    let summary = run(&mut trained);
    let bytes = trained.export().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(names.len(), 2 + 2 * 4 + 2, "{names:?}");
    let view = file.tensor("fc2.weight").unwrap();
    let values: Vec<f32> = view
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    let zeros = values.iter().filter(|v| **v == 0.0).count();
    assert_eq!(zeros as f64 / 144.0, summary.layers[1].sparsity);
    for column in 0..12 {
        // One magnitude a column, and length 1.
        let kept: Vec<f32> = (0..12).map(|row| values[row * 12 + column].abs()).collect();
        let most = kept.iter().fold(0.0_f32, |a, &b| a.max(b));
        assert!(kept.iter().all(|&v| v == 0.0 || v == most));
        let length: f32 = kept.iter().map(|v| v * v).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
    // The same training exports the same bytes.
    let mut again = trainer(&graphs, setup(&graphs, dir.path(), short()));
    run(&mut again);
    assert_eq!(again.export().unwrap(), bytes);

    // Ŵ as float weights is the ternary network.
    let path = dir.path().join("trained.safetensors");
    fs::write(&path, &bytes).unwrap();
    let weights = hla_train::init::load(&path, &graphs.blueprint.state).unwrap();
    let off = common::graphs(&TrainingOptions {
        quantizer: Quantizer::Twn,
        sphere: Sphere::Off,
        ..TrainingOptions::default()
    });
    let config = TrainConfig {
        float_epochs: 1,
        learning_rate: 1e-30,
        epochs_per_t: 0,
        ternary_epochs: 0,
        ..short()
    };
    let mut float = trainer(
        &off,
        Setup {
            data: common::blobs(&dir.path().join("few.safetensors"), 16, 9, 0.6),
            weights,
            ..setup(&off, dir.path(), config)
        },
    );
    // The running statistics move in the one step, so only about the same answers come.
    run(&mut float);
    let evaluated = float.history().epochs().next().unwrap().eval.unwrap();
    let ternary = summary.ternary.unwrap();
    assert!(evaluated.correct.abs_diff(ternary.correct) <= 4);
}

#[test]
fn divergence_is_told_with_layer_and_step() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let config = TrainConfig {
        learning_rate: 1e37,
        ..short()
    };
    let folder = dir.path().join("checkpoints");
    let mut trainer = trainer(
        &graphs,
        Setup {
            checkpoints: Some(folder.clone()),
            ..setup(&graphs, dir.path(), config)
        },
    );
    let error = trainer.run(&mut Quiet).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("training has diverged in epoch 0, step "),
        "{text}"
    );
    assert!(text.contains("stage float, learning rate"), "{text}");
    assert!(text.contains("is the first layer with"), "{text}");
    assert!(!folder.exists());
    // There is no checkpoint to speak of.
    assert_eq!(error.help.as_deref(), Some("lower the learning rate"));
}

#[test]
fn divergence_is_told_with_the_checkpoint_where_one_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let config = TrainConfig {
        learning_rate: 1e37,
        float_learning_rate: Some(0.01),
        ..short()
    };
    let folder = dir.path().join("checkpoints");
    let without = || setup(&graphs, dir.path(), config.clone());
    let with = Setup {
        checkpoints: Some(folder.clone()),
        ..without()
    };
    let told = |setup| trainer(&graphs, setup).run(&mut Quiet).unwrap_err();
    let error = told(with);
    assert!(error.message.contains("stage fine-tune"), "{error}");
    assert!(folder.exists());
    let help = "lower the learning rate; the last checkpoint is as it was";
    assert_eq!(error.help.as_deref(), Some(help));
    let alone = told(without());
    assert_eq!(alone.message, error.message);
    assert_eq!(alone.help.as_deref(), Some("lower the learning rate"));
}

#[test]
fn weights_are_looked_at_around_the_stages() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let mut trainer = trainer(&graphs, setup(&graphs, dir.path(), short()));
    run(&mut trainer);
    let looked: Vec<_> = trainer
        .history()
        .snapshots()
        .map(|s| (s.stage, s.moment, s.epoch, s.counts.iter().sum::<u64>()))
        .collect();
    let [first, second] = [72, 144];
    assert_eq!(
        looked,
        [
            (Stage::FineTune, Moment::Start, 2, first),
            (Stage::FineTune, Moment::Start, 2, second),
            (Stage::FineTune, Moment::End, 6, first),
            (Stage::FineTune, Moment::End, 6, second),
            (Stage::Ternarize, Moment::End, 9, first),
            (Stage::Ternarize, Moment::End, 9, second),
        ]
    );
}

#[test]
fn statistics_are_estimated_anew() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let run_with = |reestimate_batches| {
        let config = TrainConfig {
            reestimate_batches,
            ..short()
        };
        let mut trainer = trainer(&graphs, setup(&graphs, dir.path(), config));
        let summary = run(&mut trainer);
        let get = |name: &str| trainer.state().get(name).unwrap();
        let kept = (
            get("fc1.weight"),
            get("bn1.weight"),
            get("fc2.weight.threshold"),
        );
        (summary, kept, get("bn2.running_mean"))
    };
    let (plain, kept, mean) = run_with(0);
    let (anew, kept_too, other) = run_with(30);
    assert_eq!(kept, kept_too);
    assert_ne!(mean, other);
    assert_eq!(plain.before_reestimation, None);
    assert_eq!(anew.before_reestimation, plain.ternary);
    assert!(anew.ternary.unwrap().accuracy() >= 0.8);
}

#[test]
fn data_and_options_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let config = TrainConfig {
        t1: 2.0,
        augment: "shift=1".parse().unwrap(),
        ..short()
    };
    let setup = Setup {
        data: common::blobs(&dir.path().join("few.safetensors"), 5, 1, 0.6),
        weights: BTreeMap::new(),
        ..setup(&graphs, dir.path(), config)
    };
    let errors = try_trainer(&graphs, setup).err().unwrap();
    let text: String = errors.iter().map(ToString::to_string).collect();
    assert!(text.contains("t1 is 2"), "{text}");
    assert!(
        text.contains("there are 5 samples, but a batch takes 16"),
        "{text}"
    );
    assert!(text.contains("only images can be moved"), "{text}");
}
