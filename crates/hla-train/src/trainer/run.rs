//! The phases of a training, one after the other.

use std::ops::ControlFlow;
use std::time::Instant;

use hla_ir::{Diagnostic, Tensor};
use hla_passes::training::Role;

use super::{Outcome, Summary, Trainer};
use crate::config::Phase;
use crate::data::Batches;
use crate::layers;
use crate::metrics::{Event, Moment, Stage};
use crate::observer::Observer;
use crate::program::Feed;

impl Trainer<'_> {
    /// Trains to the end, from where the state is.
    ///
    /// # Errors
    /// A loss or a weight that is NaN or infinite, with stage, step and layer; a sample that is; a
    /// checkpoint that cannot be written. The last checkpoint stays as it is.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome, Diagnostic> {
        let begun = Instant::now();
        observer.started(&self.plan, &self.history);
        for message in std::mem::take(&mut self.messages) {
            observer.message(&message);
        }
        while let Some(phase) = self.plan.get(self.position.phase).copied() {
            if self.position.epoch == 0 {
                self.begin(&phase, observer)?;
            }
            while self.position.epoch < phase.epochs {
                if self.epoch(&phase, observer)? == ControlFlow::Break(()) {
                    return Ok(Outcome::Stopped {
                        epochs: self.position.epochs,
                    });
                }
            }
            self.end(&phase, observer)?;
            self.position.phase += 1;
            self.position.epoch = 0;
            self.position.convergence = Default::default();
        }
        let before = self.evaluate_ternary()?;
        let reestimated = self.reestimate()?;
        let ternary = match reestimated {
            true => self.evaluate_ternary()?,
            false => before,
        };
        if let Some(warning) = self.learned_nothing(ternary) {
            observer.message(&warning);
        }
        Ok(Outcome::Finished(Summary {
            ternary,
            before_reestimation: before.filter(|_| reestimated),
            layers: self.layer_records(Stage::Ternarize)?,
            epochs: self.position.epochs,
            steps: self.position.steps,
            seconds: begun.elapsed().as_secs_f64(),
        }))
    }

    /// The stage before this phase, if it is of another one.
    fn begins_stage(&self, phase: &Phase) -> Option<Option<Stage>> {
        let before = self.position.phase.checked_sub(1);
        let before = before.and_then(|i| self.plan.get(i)).map(|p| p.stage);
        (before != Some(phase.stage)).then_some(before)
    }

    /// What happens before the first epoch of a phase: lines 4, 6 and 15 of Algorithm 1. A new stage
    /// begins without momentum.
    fn begin(&mut self, phase: &Phase, observer: &mut dyn Observer) -> Result<(), Diagnostic> {
        let begins = self.begins_stage(phase);
        if let Some(before) = begins {
            for spec in self.specs.iter().filter(|s| s.role == Role::Momentum) {
                self.state
                    .set(&spec.name, &Tensor::splat(spec.ty.clone(), 0.0))?;
            }
            let enters = phase.stage != Stage::Float && before != Some(Stage::FineTune);
            if enters && (self.programs.project || self.config.unit_start) {
                self.project()?;
            }
        }
        if let (Some(t), true) = (phase.t, phase.stage != Stage::Float) {
            let latent = self.latent()?;
            let scope = self.config.threshold_scope;
            let thresholds = layers::thresholds(&self.layers, &latent, t, scope)?;
            layers::set_thresholds(&self.layers, &mut self.state, &thresholds)?;
        }
        if phase.stage == Stage::Ternarize {
            layers::set_scales(&self.specs, &mut self.state)?;
        }
        if begins.is_some() && phase.stage == Stage::FineTune {
            self.look(phase.stage, Moment::Start, observer)?;
        }
        Ok(())
    }

    /// What happens after the last epoch of a phase.
    fn end(&mut self, phase: &Phase, observer: &mut dyn Observer) -> Result<(), Diagnostic> {
        let next = self.plan.get(self.position.phase + 1).map(|p| p.stage);
        match phase.stage {
            Stage::FineTune | Stage::Ternarize if next != Some(phase.stage) => {
                self.look(phase.stage, Moment::End, observer)
            }
            _ => Ok(()),
        }
    }

    /// Takes histograms of the weights.
    fn look(
        &mut self,
        stage: Stage,
        moment: Moment,
        observer: &mut dyn Observer,
    ) -> Result<(), Diagnostic> {
        let latent = self.latent()?;
        let epoch = self.position.epochs as usize;
        let when = (stage, moment, epoch);
        for snapshot in layers::snapshots(&self.layers, &latent, &self.state, when) {
            observer.weights(&snapshot);
            self.history.events.push(Event::Weights(snapshot));
        }
        Ok(())
    }

    /// Brings the weights themselves onto the sphere.
    fn project(&mut self) -> Result<(), Diagnostic> {
        let Some(sphere) = &mut self.programs.sphere else {
            return Ok(());
        };
        let projected = sphere.derive(&self.state, &Feed::of_state(0.0), self.pool)?;
        for layer in &self.layers {
            if let Some(weight) = projected.get(&layer.weight) {
                self.state.set(&layer.weight, &weight)?;
            }
        }
        Ok(())
    }

    /// W of each layer.
    pub(super) fn latent(&mut self) -> Result<Vec<Vec<f32>>, Diagnostic> {
        let sphere = self.programs.sphere.as_mut();
        layers::latent(&self.layers, sphere, &self.state, self.pool)
    }

    /// Estimates the running statistics of batch norm anew: steps of stage 2 at learning rate 0 on
    /// training images as they are, from which only those statistics are kept. Whether it did.
    fn reestimate(&mut self) -> Result<bool, Diagnostic> {
        let batch = self.batch();
        let batches = self.config.reestimate_batches as usize;
        let order = crate::shuffle::permutation(self.config.seed, u64::MAX, self.data.len() as u32);
        let mut scratch = self.state.try_clone()?;
        let sparsity = self.step_sparsity();
        let Some(step) = self.programs.ternary_step.as_mut().filter(|_| batches > 0) else {
            return Ok(false);
        };
        let maker = Batches {
            data: &self.data,
            input: &self.input.1,
            augment: None,
        };
        for samples in order.chunks_exact(batch).cycle().take(batches) {
            let made = maker.make(samples, self.pool)?;
            let feed = Feed {
                images: Some((&self.input.0, &made.images)),
                labels: Some(&made.labels),
                learning_rate: 0.0,
                loss_aware_weight: 0.0,
                sparsity,
            };
            step.step(&mut scratch, &feed, self.pool)?;
        }
        step.pull(&mut scratch)?;
        let statistics = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
        for spec in self.specs.iter().filter(|s| statistics(s.role)) {
            if let Some(value) = scratch.get(&spec.name) {
                self.state.set(&spec.name, &value)?;
            }
        }
        Ok(true)
    }
}
