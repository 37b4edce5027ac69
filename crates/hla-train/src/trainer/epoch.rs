//! An epoch: its steps, its evaluation, its checkpoint.

use std::ops::ControlFlow;
use std::time::Instant;

use hla_ir::{Diagnostic, Location};

use super::Trainer;
use super::finite;
use crate::checkpoint::{self, Record};
use crate::config::Phase;
use crate::data::{Batches, Dataset};
use crate::evaluate::evaluate;
use crate::layers;
use crate::metrics::{EpochRecord, Evaluation, Event, LayerRecord, Stage};
use crate::observer::{Observer, StepEvent};
use crate::program::{Feed, Program};
use crate::shuffle::permutation;

/// Sums over the steps of an epoch.
#[derive(Default)]
struct Sums {
    loss: f64,
    loss_aware: f64,
    correct: usize,
    learning_rate: f64,
}

impl Trainer<'_> {
    /// Trains, evaluates and writes a checkpoint.
    pub(super) fn epoch(
        &mut self,
        phase: &Phase,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<()>, Diagnostic> {
        let begun = Instant::now();
        let steps = self.data.len() / self.batch().max(1);
        let stepped = self.steps(phase, steps, observer);
        let pulled = self.programs.pull(&mut self.state);
        let stepped = stepped?;
        pulled?;
        let ControlFlow::Continue(sums) = stepped else {
            return Ok(ControlFlow::Break(()));
        };
        let trained = begun.elapsed().as_secs_f64();
        finite::check(&self.specs, &self.state).map_err(|e| self.locate(phase, steps, e))?;
        let seen = (steps * self.batch()) as f64;
        let mean = |sum: f64| sum / steps as f64;
        let eval = self.evaluate(phase.stage)?;
        let eval_ternary = match phase.stage {
            Stage::Ternarize => eval,
            Stage::FineTune if self.config.evaluate_ternary => self.evaluate_ternary()?,
            _ => None,
        };
        let mut record = EpochRecord {
            epoch: self.position.epochs as usize,
            stage: phase.stage,
            t: self.shown_t(phase),
            learning_rate: sums.learning_rate,
            steps,
            loss: mean(sums.loss),
            loss_aware: mean(sums.loss_aware),
            train_accuracy: sums.correct as f64 / seen,
            eval,
            eval_ternary,
            layers: self.layer_records(phase.stage)?,
            seconds: 0.0,
            images_per_second: seen / trained,
        };
        self.position.epoch += 1;
        self.position.epochs += 1;
        self.position.steps += steps as u64;
        if let Some(stop) = &self.config.early_stop {
            let weight = self.config.lambda(phase, self.position.epoch - 1);
            let objective = record.loss + weight * record.loss_aware;
            if self.position.convergence.observe(stop, objective) {
                self.position.epoch = phase.epochs;
            }
        }
        record.seconds = begun.elapsed().as_secs_f64();
        self.history.events.push(Event::Epoch(record.clone()));
        if let Some(folder) = &self.checkpoints {
            let whole = Record {
                config: self.config.clone(),
                graphs: self.graphs,
                position: self.position,
                history: self.history.clone(),
            };
            observer.checkpoint(&checkpoint::write(folder, &whole, &self.state)?);
        }
        observer.epoch(&record, &self.history);
        self.warn_of_death(observer);
        Ok(ControlFlow::Continue(()))
    }

    fn steps(
        &mut self,
        phase: &Phase,
        steps: usize,
        observer: &mut dyn Observer,
    ) -> Result<ControlFlow<(), Sums>, Diagnostic> {
        let (batch, epoch) = (self.batch(), self.position.epochs);
        let order = permutation(self.config.seed, epoch, self.data.len() as u32);
        let (augment, seed) = (self.config.augment, self.config.seed);
        let loss_aware_weight = self.config.lambda(phase, self.position.epoch);
        let t = self.shown_t(phase);
        let mut sums = Sums::default();
        let batches = Batches {
            data: &self.data,
            input: &self.input.1,
            augment: (!augment.is_identity()).then_some((&augment, seed, epoch)),
        };
        let mut chunks = order.chunks_exact(batch).enumerate();
        let mut make = || chunks.next().map(|(i, s)| (i, batches.make(s, self.pool)));
        let mut ahead = make();
        while let Some((step, made)) = ahead {
            let made = made?;
            let time = f64::from(self.position.epoch) + step as f64 / steps as f64;
            sums.learning_rate = self.config.rate(phase, &self.plan, time);
            let feed = Feed {
                images: Some((&self.input.0, &made.images)),
                labels: Some(&made.labels),
                learning_rate: sums.learning_rate,
                loss_aware_weight,
                sparsity: self.config.step_sparsity.unwrap_or(self.config.t2),
            };
            let program = match phase.stage {
                Stage::Float => &mut self.programs.float_step,
                Stage::FineTune => &mut self.programs.finetune_step,
                Stage::Ternarize => &mut self.programs.ternary_step,
            };
            let program = program.as_mut().ok_or_else(|| not_compiled(phase.stage))?;
            let slow = phase.stage == Stage::Ternarize && self.config.threshold_rate != 1.0;
            let before = match slow {
                true => layers::thresholds_of(&self.layers, &self.state),
                false => Vec::new(),
            };
            let begun = program.begin(&mut self.state, &feed, self.pool)?;
            // The next batch is made while a device is at work; what is wrong with it is told when
            // its step comes.
            ahead = make();
            let outputs = program.finish(begun)?;
            program.pull_these(&mut self.state, before.iter().map(|(name, _)| &**name))?;
            layers::slow_thresholds(&mut self.state, &before, self.config.threshold_rate)?;
            let loss = outputs.number("loss").unwrap_or(f64::NAN);
            let loss_aware = outputs.number("loss_aware").unwrap_or(0.0);
            if !(loss.is_finite() && loss_aware.is_finite()) {
                let what = match loss.is_finite() {
                    false => format!("the loss is {loss}"),
                    true => format!("L_d is {loss_aware}"),
                };
                self.programs.pull(&mut self.state)?;
                let at = finite::check(&self.specs, &self.state).err();
                let what = at.map_or(what.clone(), |at| format!("{what}: {at}"));
                return Err(self.locate(phase, step, what));
            }
            sums.loss += loss;
            sums.loss_aware += loss_aware;
            sums.correct += outputs.number("correct").unwrap_or(0.0) as usize;
            let event = StepEvent {
                epoch: epoch as usize,
                stage: phase.stage,
                t,
                step,
                steps,
                loss,
                loss_aware,
                correct: sums.correct,
                seen: (step + 1) * batch,
                learning_rate: sums.learning_rate,
            };
            if observer.step(&event).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(sums))
    }

    /// An error with the place in the training where it happened.
    fn locate(&self, phase: &Phase, step: usize, what: String) -> Diagnostic {
        let time = f64::from(self.position.epoch);
        let rate = self.config.rate(phase, &self.plan, time);
        let t = self
            .shown_t(phase)
            .map(|t| format!(", t = {t:.2}"))
            .unwrap_or_default();
        let written = self.checkpoints.as_deref().and_then(checkpoint::find);
        let rate_is_why = self.position.epochs > 0 || step > 0;
        let help = match (rate_is_why, written) {
            // Nothing has been learned yet.
            (false, _) => {
                "look for numbers that are too large in the data and the weights; in f16 they end at 65504, \
                 where --precision bf16 or scaled data help"
            }
            (true, Some(_)) => "lower the learning rate; the last checkpoint is as it was",
            (true, None) => "lower the learning rate",
        };
        Diagnostic::error(
            Location::unknown(),
            format!(
                "training has diverged in epoch {}, step {step} (stage {}{t}, learning rate {rate}): {what}",
                self.position.epochs, phase.stage
            ),
        )
        .help(help)
    }

    /// Samples a step takes.
    pub(super) fn batch(&self) -> usize {
        self.input.1.shape.first().copied().unwrap_or(1).max(1)
    }

    /// t of a quantizer that takes T(t) in each step.
    pub(super) fn step_sparsity(&self) -> f64 {
        self.config.step_sparsity.unwrap_or(self.config.t2)
    }

    /// What a program that takes the state alone is given.
    pub(super) fn sparsity_feed(&self) -> Feed<'static> {
        Feed::of_state(self.step_sparsity())
    }

    /// t as stage 1 has it.
    fn shown_t(&self, phase: &Phase) -> Option<f64> {
        phase.t.filter(|_| phase.stage == Stage::FineTune)
    }

    /// The network that a stage trains, on the evaluation data.
    fn evaluate(&mut self, stage: Stage) -> Result<Option<Evaluation>, Diagnostic> {
        let sparsity = self.step_sparsity();
        let program = match stage {
            Stage::Float => &mut self.programs.evaluate_float,
            Stage::FineTune => &mut self.programs.evaluate,
            Stage::Ternarize => &mut self.programs.evaluate_ternary,
        };
        let (Some(data), Some(program)) = (&self.eval, program) else {
            return Ok(None);
        };
        let batches = plain(data, &self.input.1);
        let name = &self.input.0;
        evaluate(
            program,
            &mut self.state,
            &batches,
            name,
            sparsity,
            self.pool,
        )
        .map(Some)
    }

    /// The ternary network on the evaluation data.
    pub(super) fn evaluate_ternary(&mut self) -> Result<Option<Evaluation>, Diagnostic> {
        self.evaluate(Stage::Ternarize)
    }

    /// How ternary the layers are. Float training knows no Δ: there it is T(t₂).
    pub(super) fn layer_records(&mut self, stage: Stage) -> Result<Vec<LayerRecord>, Diagnostic> {
        let latent = self.latent()?;
        let feed = self.sparsity_feed();
        let mut scratch = self.state.try_clone()?;
        if stage == Stage::Float {
            let (t, scope) = (self.config.t2, self.config.threshold_scope);
            let thresholds = layers::thresholds(&self.layers, &latent, t, scope)?;
            layers::set_thresholds(&self.layers, &mut scratch, &thresholds)?;
            layers::set_scales(&self.specs, &mut scratch)?;
        }
        let ternarize: &mut Program = &mut self.programs.ternarize;
        let ternary = ternarize.derive(&scratch, &feed, self.pool)?;
        let ternary = layers::weights(&self.layers, &ternary)?;
        Ok(layers::records(&self.layers, &scratch, &latent, &ternary))
    }
}

fn plain<'d>(data: &'d Dataset, input: &'d hla_ir::TensorType) -> Batches<'d> {
    Batches {
        data,
        input,
        augment: None,
    }
}

fn not_compiled(stage: Stage) -> Diagnostic {
    Diagnostic::error(
        Location::unknown(),
        format!("the step of stage {stage} is not compiled"),
    )
}
