//! The phases of a training, and how learning rate and λ go within them.

use super::TrainConfig;
use crate::metrics::Stage;
use crate::schedule::{Schedule, sparsities};

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
}
