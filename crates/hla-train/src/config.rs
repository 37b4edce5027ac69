//! What a user chooses about the course of a training. What its graphs depend on is
//! [`hla_passes::training::TrainingOptions`] instead.

use std::collections::BTreeMap;
use std::fmt;

use hla_ir::{Diagnostic, Location};
use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::metrics::Stage;
use crate::schedule::{EarlyStop, Schedule, sparsities};

/// Over what T(t) of Eq. 8 is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Each layer has its own threshold.
    #[default]
    Layer,
    /// One threshold over all quantized layers together.
    Global,
}

/// Everything about the course of a training that its bits depend on. A checkpoint keeps it, and
/// only a training with the same one continues from there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TrainConfig {
    /// What shuffling, augmentation and initial weights come from.
    pub seed: u64,
    /// η_max of stage 1, and of the others where they have none of their own.
    pub learning_rate: f64,
    /// η_max of float training.
    pub float_learning_rate: Option<f64>,
    /// η_max of stage 2.
    pub ternary_learning_rate: Option<f64>,
    /// η_min of the schedule.
    pub least_learning_rate: f64,
    /// How the learning rate falls within a stage.
    pub schedule: Schedule,
    /// Epochs of plain float training before stage 1.
    pub float_epochs: u32,
    /// Whether that is all: no weight becomes ternary.
    pub float_only: bool,
    /// t₁ of stage 1.
    pub t1: f64,
    /// t₂ of stage 1.
    pub t2: f64,
    /// How t grows.
    pub t_step: f64,
    /// Whether stage 1 trains at t₂ too; Algorithm 1 prints `while t < t₂`.
    pub t2_inclusive: bool,
    /// Epochs of stage 1 at each t; 0 leaves stage 1 out.
    pub epochs_per_t: u32,
    /// λ, the weight of L_d.
    pub loss_aware_weight: f64,
    /// λ at the end of stage 1, if another: it changes by the same factor from epoch to epoch.
    pub last_loss_aware_weight: Option<f64>,
    /// λ of stage 2, if another than at the beginning of stage 1.
    pub ternary_loss_aware_weight: Option<f64>,
    /// Epochs at t₂ after those of stage 1, with a λ of their own, so that the weights settle where
    /// their ternary values are.
    pub settle_epochs: u32,
    /// λ of these epochs.
    pub settle_loss_aware_weight: f64,
    /// Epochs of stage 2.
    pub ternary_epochs: u32,
    /// Over what T(t) is taken.
    pub threshold_scope: Scope,
    /// Stage 2 begins with Δ̄ = T(this); none is Algorithm 1's t₂ + 0.1.
    pub threshold_start: Option<f64>,
    /// The learning rate of Δ̄ as a multiple of that of the weights; 0 lets Δ̄ stay where it starts.
    pub threshold_rate: f64,
    /// Whether weights are brought to columns of length 1 before they are trained on the sphere. The
    /// network stays as it is, but the steps on the sphere no longer depend on the lengths that
    /// float training left: a gradient by v is one by w over ‖v‖.
    pub unit_start: bool,
    /// t of a quantizer that takes T(t) in each step; none is t₂.
    pub step_sparsity: Option<f64>,
    /// How training images change.
    pub augment: Augment,
    /// When a stage, or a t of stage 1, ends before its epochs are over.
    pub early_stop: Option<EarlyStop>,
    /// Batches over which the running statistics of batch norm are estimated anew after stage 2,
    /// with the weights as they then are.
    pub reestimate_batches: u32,
    /// Whether stage 1 evaluates the ternary network too.
    pub evaluate_ternary: bool,
    /// What the graphs were built with, under the names of the options: so that a refused
    /// checkpoint can name what differs.
    pub graph_options: BTreeMap<String, String>,
}

impl Default for TrainConfig {
    fn default() -> TrainConfig {
        TrainConfig {
            seed: 0,
            learning_rate: 0.01,
            float_learning_rate: None,
            ternary_learning_rate: None,
            least_learning_rate: 0.0,
            schedule: Schedule::Stage,
            float_epochs: 0,
            float_only: false,
            t1: 0.3,
            t2: 0.7,
            t_step: 0.04,
            t2_inclusive: false,
            epochs_per_t: 10,
            loss_aware_weight: 1.0,
            last_loss_aware_weight: None,
            ternary_loss_aware_weight: None,
            settle_epochs: 0,
            settle_loss_aware_weight: 10.0,
            ternary_epochs: 200,
            threshold_scope: Scope::Layer,
            threshold_start: None,
            threshold_rate: 1.0,
            unit_start: true,
            step_sparsity: None,
            augment: Augment::default(),
            early_stop: None,
            reestimate_batches: 0,
            evaluate_ternary: true,
            graph_options: BTreeMap::new(),
        }
    }
}

/// A part of a training: the same graph, t and λ throughout.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Phase {
    /// The stage it is of.
    pub stage: Stage,
    /// t, in stage 1; where Δ̄ starts, in stage 2.
    pub t: Option<f64>,
    /// How many epochs; fewer if it stops early.
    pub epochs: u32,
    /// λ.
    pub loss_aware_weight: f64,
    /// Whether these are the epochs in which weights settle, with a λ of their own.
    pub settles: bool,
    /// Epochs of its stage before it.
    pub before: u32,
}

impl TrainConfig {
    /// The phases of Algorithm 1, in order; float training goes before it. Stage 2 is always there,
    /// if only to set Δ̄, unless all is float.
    pub fn plan(&self) -> Vec<Phase> {
        let phase = |stage, t, epochs, loss_aware_weight, before| Phase {
            stage,
            t,
            epochs,
            loss_aware_weight,
            settles: false,
            before,
        };
        let mut plan = Vec::new();
        if self.float_epochs > 0 {
            plan.push(phase(Stage::Float, None, self.float_epochs, 0.0, 0));
        }
        if self.float_only {
            return plan;
        }
        let mut before = 0;
        if self.epochs_per_t > 0 {
            for t in sparsities(self.t1, self.t2, self.t_step, self.t2_inclusive) {
                let lambda = self.loss_aware_weight;
                plan.push(phase(
                    Stage::FineTune,
                    Some(t),
                    self.epochs_per_t,
                    lambda,
                    before,
                ));
                before = before.saturating_add(self.epochs_per_t);
            }
        }
        if self.settle_epochs > 0 {
            let lambda = self.settle_loss_aware_weight;
            plan.push(Phase {
                settles: true,
                ..phase(
                    Stage::FineTune,
                    Some(self.t2),
                    self.settle_epochs,
                    lambda,
                    before,
                )
            });
        }
        let lambda = self
            .ternary_loss_aware_weight
            .unwrap_or(self.loss_aware_weight);
        let start = Some(self.start());
        plan.push(phase(
            Stage::Ternarize,
            start,
            self.ternary_epochs,
            lambda,
            0,
        ));
        plan
    }

    /// The t of Δ̄'s start.
    pub fn start(&self) -> f64 {
        self.threshold_start
            .unwrap_or_else(|| (self.t2 + 0.1).min(1.0))
    }

    /// η_max of a stage.
    pub fn base_rate(&self, stage: Stage) -> f64 {
        let own = match stage {
            Stage::Float => self.float_learning_rate,
            Stage::FineTune => None,
            Stage::Ternarize => self.ternary_learning_rate,
        };
        own.unwrap_or(self.learning_rate)
    }

    /// λ in an epoch of a phase.
    pub fn lambda(&self, phase: &Phase, epoch: u32) -> f64 {
        let (Some(last), Stage::FineTune, false) =
            (self.last_loss_aware_weight, phase.stage, phase.settles)
        else {
            return phase.loss_aware_weight;
        };
        let values = sparsities(self.t1, self.t2, self.t_step, self.t2_inclusive).len();
        let epochs = (values as f64 * f64::from(self.epochs_per_t) - 1.0).max(1.0);
        let part = f64::from(phase.before + epoch) / epochs;
        self.loss_aware_weight * libm::pow(last / self.loss_aware_weight, part)
    }

    /// The learning rate in a phase when `time` epochs of it have passed. A schedule's clock starts
    /// with the stage; [`Schedule::Stage`]'s starts with each phase.
    pub fn rate(&self, phase: &Phase, plan: &[Phase], time: f64) -> f64 {
        let of_stage = plan.iter().filter(|p| p.stage == phase.stage);
        let epochs: f64 = of_stage.map(|p| f64::from(p.epochs)).sum();
        let (passed, epochs) = match self.schedule {
            Schedule::Stage => (time, f64::from(phase.epochs)),
            _ => (f64::from(phase.before) + time, epochs),
        };
        let base = self.base_rate(phase.stage);
        self.schedule
            .rate(base, self.least_learning_rate, passed, epochs)
    }

    /// Whether the numbers make sense together.
    ///
    /// # Errors
    /// One for each that does not.
    pub fn check(&self) -> Result<(), Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut refuse = |name: &str, value: &dyn fmt::Display, help: &str| {
            let message = format!("{name} is {value}");
            problems.push(Diagnostic::error(Location::unknown(), message).help(help));
        };
        let positive = "a learning rate is a positive number, such as 0.01";
        for (name, rate) in [
            ("the learning rate", Some(self.learning_rate)),
            (
                "the learning rate of float training",
                self.float_learning_rate,
            ),
            ("the learning rate of stage 2", self.ternary_learning_rate),
        ] {
            if let Some(rate) = rate.filter(|r| !(r.is_finite() && *r > 0.0)) {
                refuse(name, &rate, positive);
            }
        }
        let least = self.least_learning_rate;
        if !(0.0..=self.learning_rate).contains(&least) {
            refuse(
                "the least learning rate",
                &least,
                "it lies between 0 and the learning rate",
            );
        }
        let share = "t is a share of zeros, from 0 to 1";
        for (name, t) in [
            ("t1", Some(self.t1)),
            ("t2", Some(self.t2)),
            ("the start of the threshold", self.threshold_start),
            ("the sparsity of a step", self.step_sparsity),
        ] {
            if let Some(t) = t.filter(|t| !(0.0..=1.0).contains(t)) {
                refuse(name, &t, share);
            }
        }
        let fixed = self.t1 >= self.t2;
        if !(self.t_step.is_finite() && (self.t_step >= 1e-4 || fixed && self.t_step >= 0.0)) {
            refuse(
                "the step of t",
                &self.t_step,
                "t grows by at least 0.0001, such as 0.04",
            );
        }
        for (name, weight) in [
            ("the weight of L_d", Some(self.loss_aware_weight)),
            (
                "the weight of L_d in stage 2",
                self.ternary_loss_aware_weight,
            ),
            (
                "the weight of L_d while settling",
                Some(self.settle_loss_aware_weight),
            ),
        ] {
            if let Some(weight) = weight.filter(|w| !(w.is_finite() && *w >= 0.0)) {
                refuse(name, &weight, "λ is 0 or more; the paper's is 1");
            }
        }
        if self
            .last_loss_aware_weight
            .is_some_and(|last| last * self.loss_aware_weight <= 0.0)
        {
            refuse(
                "the weight of L_d",
                &self.loss_aware_weight,
                "only a λ above 0 can grow",
            );
        }
        if !(0.0..=1e6).contains(&self.threshold_rate) {
            refuse(
                "the rate of the threshold",
                &self.threshold_rate,
                "it is a factor, such as 1",
            );
        }
        match problems {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems),
        }
    }

    /// The options in which another differs, with both values: `learning-rate (0.01, here 0.02)`.
    pub fn differences(&self, other: &TrainConfig) -> Vec<String> {
        let object = |config: &TrainConfig| {
            let mut options = BTreeMap::new();
            let value = serde_json::to_value(config).unwrap_or_default();
            for (key, value) in value.as_object().into_iter().flatten() {
                match value.as_object() {
                    Some(inner) if key == "graph-options" => {
                        options.extend(inner.iter().map(|(k, v)| (k.clone(), v.clone())))
                    }
                    _ => {
                        options.insert(key.clone(), value.clone());
                    }
                }
            }
            options
        };
        let (mine, theirs) = (object(self), object(other));
        let mut keys: Vec<&String> = mine.keys().chain(theirs.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let shown = |value: Option<&serde_json::Value>| {
            value.map_or("absent".to_owned(), ToString::to_string)
        };
        keys.into_iter()
            .filter(|&key| mine.get(key) != theirs.get(key))
            .map(|key| {
                format!(
                    "{key} ({}, here {})",
                    shown(mine.get(key)),
                    shown(theirs.get(key))
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_algorithm_1() {
        let plan = TrainConfig::default().plan();
        assert_eq!(plan.len(), 11);
        assert!(
            plan[..10]
                .iter()
                .all(|p| p.stage == Stage::FineTune && p.epochs == 10)
        );
        assert_eq!(plan[3].before, 30);
        assert_eq!(plan[10].stage, Stage::Ternarize);
        assert_eq!(plan[10].epochs, 200);
        assert!((plan[10].t.unwrap() - 0.8).abs() < 1e-12);
        let float = TrainConfig {
            float_epochs: 3,
            float_only: true,
            ..TrainConfig::default()
        };
        let plan = float.plan();
        assert_eq!((plan.len(), plan[0].stage), (1, Stage::Float));
        let all = TrainConfig {
            float_epochs: 3,
            t1: 0.7,
            settle_epochs: 2,
            threshold_start: Some(0.65),
            ..TrainConfig::default()
        };
        let plan: Vec<_> = all
            .plan()
            .iter()
            .map(|p| (p.stage, p.t, p.before))
            .collect();
        assert_eq!(
            plan,
            [
                (Stage::Float, None, 0),
                (Stage::FineTune, Some(0.7), 0),
                (Stage::FineTune, Some(0.7), 10),
                (Stage::Ternarize, Some(0.65), 0)
            ]
        );
    }

    #[test]
    fn rates_restart_with_each_t_or_run_through_the_stage() {
        let config = TrainConfig {
            epochs_per_t: 4,
            learning_rate: 0.2,
            ternary_learning_rate: Some(0.1),
            ..TrainConfig::default()
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        let plan = config.plan();
        near(config.rate(&plan[5], &plan, 0.0), 0.2);
        near(config.rate(&plan[5], &plan, 2.0), 0.1);
        near(config.rate(&plan[10], &plan, 100.0), 0.05);
        let cosine = TrainConfig {
            schedule: Schedule::Cosine,
            ..config
        };
        // 40 epochs in stage 1; the sixth phase begins after 20.
        near(cosine.rate(&plan[5], &plan, 0.0), 0.1);
    }

    #[test]
    fn lambda_grows_by_a_factor() {
        let config = TrainConfig {
            t1: 0.5,
            epochs_per_t: 2,
            t_step: 0.1,
            last_loss_aware_weight: Some(8.0),
            settle_epochs: 1,
            ..TrainConfig::default()
        };
        // Four epochs: 1, 2, 4, 8; then settling and stage 2.
        let plan = config.plan();
        let lambdas: Vec<f64> = plan[..2]
            .iter()
            .flat_map(|p| (0..2).map(|e| config.lambda(p, e)))
            .collect();
        for (lambda, expected) in lambdas.iter().zip([1.0, 2.0, 4.0, 8.0]) {
            assert!((lambda - expected).abs() < 1e-12, "{lambdas:?}");
        }
        assert_eq!(config.lambda(&plan[2], 0), 10.0);
        assert_eq!(config.lambda(&plan[3], 0), 1.0);
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_once() {
        assert!(TrainConfig::default().check().is_ok());
        let wrong = TrainConfig {
            learning_rate: f64::NAN,
            t2: 1.5,
            t_step: 0.0,
            loss_aware_weight: -1.0,
            ..TrainConfig::default()
        };
        // The least learning rate is no longer below the learning rate.
        assert_eq!(wrong.check().unwrap_err().len(), 5);
    }

    #[test]
    fn differences_are_named() {
        let mut a = TrainConfig::default();
        a.graph_options
            .insert("quantizer".to_owned(), "hla".to_owned());
        let mut b = a.clone();
        assert!(a.differences(&b).is_empty());
        b.learning_rate = 0.02;
        b.graph_options
            .insert("quantizer".to_owned(), "twn".to_owned());
        assert_eq!(
            a.differences(&b),
            [
                "learning-rate (0.01, here 0.02)",
                "quantizer (\"hla\", here \"twn\")"
            ]
        );
    }
}
