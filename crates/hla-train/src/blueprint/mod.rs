//! What a training is made of, without its graphs: enough to drive programs that were compiled
//! elsewhere and lie in a file.
//!
//! - here: the parts of a training, and what they work on;
//! - `json`: the same as text, which goes with the compiled programs.

mod json;

use std::collections::BTreeMap;

use hla_ir::{Function, TensorType};
use hla_passes::training::{LayerPlan, StateSpec, TrainingGraphs};
use twox_hash::XxHash3_64;

/// A program of a training. Each is compiled from the graph of the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// A step of plain training.
    FloatStep,
    /// A step of stage 1.
    FineTuneStep,
    /// A step of stage 2.
    TernaryStep,
    /// The model as it is.
    EvaluateFloat,
    /// The model on the sphere.
    Evaluate,
    /// The ternary model.
    EvaluateTernary,
    /// Ŵ of the layers that become ternary.
    Ternarize,
    /// W of these layers on the sphere.
    Sphere,
}

impl Part {
    /// All, in the order of the training.
    pub const ALL: [Part; 8] = [
        Part::FloatStep,
        Part::FineTuneStep,
        Part::TernaryStep,
        Part::EvaluateFloat,
        Part::Evaluate,
        Part::EvaluateTernary,
        Part::Ternarize,
        Part::Sphere,
    ];

    /// The name of its function, in a file of compiled programs too.
    pub const fn name(self) -> &'static str {
        match self {
            Part::FloatStep => "float_step",
            Part::FineTuneStep => "finetune_step",
            Part::TernaryStep => "ternary_step",
            Part::EvaluateFloat => "evaluate_float",
            Part::Evaluate => "evaluate",
            Part::EvaluateTernary => "evaluate_ternary",
            Part::Ternarize => "ternarize",
            Part::Sphere => "project",
        }
    }

    /// Its graph, if this training has one.
    pub fn graph(self, graphs: &TrainingGraphs) -> Option<&Function> {
        match self {
            Part::FloatStep => Some(&graphs.float_step),
            Part::FineTuneStep => Some(&graphs.finetune_step),
            Part::TernaryStep => Some(&graphs.ternary_step),
            Part::EvaluateFloat => Some(&graphs.evaluate_float),
            Part::Evaluate => Some(&graphs.evaluate),
            Part::EvaluateTernary => Some(&graphs.evaluate_ternary),
            Part::Ternarize => Some(&graphs.ternarize),
            Part::Sphere => graphs.sphere.as_ref(),
        }
    }
}

/// What a training's programs work on: see [`TrainingGraphs`], whose fields these are.
#[derive(Clone, PartialEq, Debug)]
pub struct Blueprint {
    /// What is kept from step to step.
    pub state: Vec<StateSpec>,
    /// The weights that become ternary.
    pub layers: Vec<LayerPlan>,
    /// Name and type of the model's input.
    pub input: (String, TensorType),
    /// Classes of the model.
    pub classes: usize,
    /// Whether there is a [`Part::Sphere`].
    pub has_sphere: bool,
    /// Whether weights are brought onto the sphere before they are trained there.
    pub projects: bool,
    /// What tells this training's graphs from others: XXH3-64 of their text.
    pub fingerprint: u64,
    /// The options that the graphs were built with, as a user names them, for who has no graphs.
    pub options: BTreeMap<String, String>,
}

impl Blueprint {
    /// Of graphs that were built with these options.
    pub fn of(graphs: &TrainingGraphs, options: BTreeMap<String, String>) -> Blueprint {
        Blueprint {
            state: graphs.state.clone(),
            layers: graphs.layers.clone(),
            input: graphs.input.clone(),
            classes: graphs.classes,
            has_sphere: graphs.sphere.is_some(),
            projects: graphs.project.is_some(),
            fingerprint: fingerprint(graphs),
            options,
        }
    }
}

fn fingerprint(graphs: &TrainingGraphs) -> u64 {
    let steps = [
        &graphs.float_step,
        &graphs.finetune_step,
        &graphs.ternary_step,
        &graphs.ternarize,
    ];
    let text: String = steps.iter().map(ToString::to_string).collect();
    XxHash3_64::oneshot(text.as_bytes())
}
