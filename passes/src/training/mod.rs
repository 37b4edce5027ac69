//! Training: from a model to the functions that a driver steps through.
//!
//! The passes do the work, in this order: [`crate::train_mode`], [`crate::hyperspherical`],
//! [`crate::ste`], [`crate::loss`], [`crate::loss_aware`], [`crate::autodiff`], [`crate::sgd`]. Here
//! is what joins them:
//!
//! - [`TrainingOptions`]: what a user chooses; [`build`] makes all graphs of a training;
//! - [`steps`]: the pipelines `hla-finetune-step`, `hla-ternary-step` and `hla-evaluate`, each a pass;
//! - `precision`: the same graphs with contractions in 16 bits;
//! - `check`: what a model must be; [`plan`]: what a driver is handed;
//! - `weights`, `batch_norm`, `roles`: what is what in a model; `edit`: what the passes share.

mod check;
mod graphs;
mod options;
pub mod plan;
mod precision;
pub mod steps;

pub(crate) mod batch_norm;
pub(crate) mod edit;
mod roles;
mod weights;

pub use edit::{LOWER_BOUND, SPHERE_EPSILON};
pub use graphs::build;
pub use options::{
    InputNorm, Loss, Quantizer, Rescale, Sphere, ThresholdGradient, ThresholdScope,
    ThresholdSource, TrainingOptions, TwnScale,
};
pub use plan::{LayerPlan, Role, StateSpec, TrainingGraphs};
pub use precision::with_precision;
pub(crate) use roles::roles;
pub(crate) use weights::Weights;

/// The name of a tensor that belongs to a parameter: `conv2.weight.threshold`.
pub fn companion(parameter: &str, what: &str) -> String {
    format!("{parameter}.{what}")
}
