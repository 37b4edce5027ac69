//! What a user chooses about the course of a training. What its graphs depend on is
//! [`hla_passes::training::TrainingOptions`] instead.
//!
//! - `plan`: the phases that follow from it, and rates and weights within them;
//! - `check`: whether it makes sense, and in what two of them differ.

mod check;
mod plan;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::schedule::{EarlyStop, Schedule};

pub use plan::Phase;

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
