//! Training on a device with memory of its own comes to the bits of training in the state's.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use common::device::{Calls, compile, session};
use common::{FEATURES, Made, graphs, setup, short, trainer};
use hla_passes::training::{Quantizer, Sphere, TrainingOptions};
use hla_train::data::{Dataset, Names};
use hla_train::metrics::Event;
use hla_train::observer::{Observer, Quiet, StepEvent};
use hla_train::shuffle::permutation;
use hla_train::{Outcome, Setup, TrainConfig, Trainer};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize_to_file};

/// Everything that came of a training, but how long it took.
fn outcome(trainer: &mut Trainer<'_>) -> (String, Vec<u8>, hla_runtime::State) {
    match trainer.run(&mut Quiet).unwrap() {
        Outcome::Finished(_) => {}
        Outcome::Stopped { .. } => panic!("nobody stopped it"),
    }
    let mut history = trainer.history().clone();
    for event in &mut history.events {
        if let Event::Epoch(record) = event {
            record.seconds = 0.0;
            record.images_per_second = 0.0;
        }
    }
    let exported = trainer.export().unwrap();
    (
        history.json_lines(),
        exported,
        trainer.state().try_clone().unwrap(),
    )
}

fn on_device<'a>(made: &Made, setup: Setup<'a>) -> (Trainer<'a>, Calls) {
    let (session, calls) = session(&made.graphs, usize::MAX);
    let trainer = Trainer::new(setup, &mut compile(&session)).unwrap();
    (trainer, calls)
}

#[test]
fn the_bits_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (quantizer, sphere) in [
        (Quantizer::Hla, Sphere::Reparametrize),
        (Quantizer::Hla, Sphere::Project),
        (Quantizer::Ttq, Sphere::Off),
    ] {
        let options = TrainingOptions {
            quantizer,
            sphere,
            ..TrainingOptions::default()
        };
        let graphs = graphs(&options);
        let config = TrainConfig {
            threshold_rate: 0.5,
            reestimate_batches: 3,
            ..short()
        };
        let expected = outcome(&mut trainer(
            &graphs,
            setup(&graphs, dir.path(), config.clone()),
        ));
        let (mut trainer, calls) = on_device(&graphs, setup(&graphs, dir.path(), config));
        assert_eq!(outcome(&mut trainer), expected);
        assert!(calls.borrow().len() > 100);
    }
}

#[test]
fn the_state_stays_on_the_device_while_an_epoch_runs() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let config = TrainConfig {
        float_epochs: 1,
        epochs_per_t: 0,
        ternary_epochs: 0,
        ..short()
    };
    let (mut trainer, calls) = on_device(&graphs, setup(&graphs, dir.path(), config));
    outcome(&mut trainer);
    let calls = calls.borrow();
    let runs: Vec<usize> = (0..calls.len())
        .filter(|&i| calls[i] == format!("run {}", graphs.graphs.float_step.name))
        .collect();
    assert_eq!(runs.len(), 6);
    // Images, labels and the learning rate go there, objective, loss and right answers come back.
    for two in runs.windows(2) {
        let between: Vec<&str> = calls[two[0] + 1..two[1]].iter().map(|c| &**c).collect();
        let back = ["download 4"; 3];
        let there = ["upload 384", "upload 64", "upload 4"];
        assert_eq!(between, [back, there].concat());
    }
    // Evaluation takes the state from there. W on the sphere has taken the weights' places since: Ŵ
    // needs them again, and two thresholds that the host has set.
    for (function, expected) in [
        (&graphs.graphs.evaluate_float, &["384", "64"][..]),
        (&graphs.graphs.ternarize, &["288", "4", "4", "576"]),
    ] {
        let run = calls
            .iter()
            .position(|c| *c == format!("run {}", function.name));
        let before = calls[..run.unwrap()].iter().rev();
        let mut sent: Vec<&str> = before.map_while(|c| c.strip_prefix("upload ")).collect();
        sent.sort_unstable();
        assert_eq!(sent, expected, "{}", function.name);
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

#[test]
fn what_was_stopped_on_a_device_goes_on_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let expected = outcome(&mut trainer(&graphs, setup(&graphs, dir.path(), short())));
    let again = || Setup {
        checkpoints: Some(dir.path().join("checkpoints")),
        resume: true,
        ..setup(&graphs, dir.path(), short())
    };
    for stop in [8, 20] {
        let (mut first, _) = on_device(&graphs, again());
        let stopped = first.run(&mut StopAt(stop)).unwrap();
        assert!(matches!(stopped, Outcome::Stopped { .. }));
        // The state of a training that was stopped can be looked at.
        first.export().unwrap();
    }
    assert_eq!(outcome(&mut trainer(&graphs, again())), expected);
}

#[test]
fn divergence_is_told_with_the_layer() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let config = TrainConfig {
        learning_rate: 1e37,
        ..short()
    };
    let told = |mut trainer: Trainer<'_>| trainer.run(&mut Quiet).unwrap_err().to_string();
    let expected = told(trainer(&graphs, setup(&graphs, dir.path(), config.clone())));
    assert!(expected.contains("is the first layer with"), "{expected}");
    let (trainer, _) = on_device(&graphs, setup(&graphs, dir.path(), config));
    assert_eq!(told(trainer), expected);
}

#[test]
fn a_device_that_fails_leaves_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    let expected = outcome(&mut trainer(&graphs, setup(&graphs, dir.path(), short())));
    let again = || Setup {
        checkpoints: Some(dir.path().join("checkpoints")),
        resume: true,
        ..setup(&graphs, dir.path(), short())
    };
    let (session, _) = session(&graphs.graphs, 25);
    let mut failing = Trainer::new(again(), &mut compile(&session)).unwrap();
    let error = failing.run(&mut Quiet).unwrap_err();
    assert_eq!(error.message, "a kernel faulted");
    assert!(failing.export().is_err());
    assert!(failing.position().epochs > 0);
    assert_eq!(outcome(&mut trainer(&graphs, again())), expected);
}

/// Counts steps.
#[derive(Default)]
struct Count(usize);

impl Observer for Count {
    fn step(&mut self, _: &StepEvent) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

#[test]
fn a_wrong_sample_is_told_when_its_step_comes() {
    let dir = tempfile::tempdir().unwrap();
    let graphs = graphs(&TrainingOptions::default());
    // A sample of the third batch of 16.
    let sample = permutation(short().seed, 0, 100)[40];
    let wrong = |folder: &Path| {
        let mut setup = setup(&graphs, folder, short());
        let path = folder.join("wrong.safetensors");
        let bytes = fs::read(folder.join("train.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (images, labels) = (
            file.tensor("images").unwrap(),
            file.tensor("labels").unwrap(),
        );
        let mut data = images.data().to_vec();
        let at = sample as usize * FEATURES * 4;
        data[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let images = TensorView::new(Dtype::F32, images.shape().to_vec(), &data).unwrap();
        serialize_to_file([("images", images), ("labels", labels)], None, &path).unwrap();
        setup.data = Dataset::open(&path, &Names::default()).unwrap();
        setup
    };
    let told = |mut trainer: Trainer<'_>| {
        let mut count = Count::default();
        let error = trainer.run(&mut count).unwrap_err();
        let expected = format!("image {sample} holds inf at element 0");
        assert_eq!(error.message, expected);
        // The step before was finished.
        assert_eq!(trainer.state().away().count(), 0);
        count.0
    };
    assert_eq!(told(trainer(&graphs, wrong(dir.path()))), 2);
    assert_eq!(told(on_device(&graphs, wrong(dir.path())).0), 2);
}
