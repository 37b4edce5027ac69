//! What a driver of a training is handed: its functions, its state, its layers.

use hla_ir::{Diagnostic, Function, TensorType};

/// What a driver steps through. Every function takes the state and the model's input as arguments,
/// with `hla.param` and `hla.name`; besides these, steps take `learning_rate` and what their loss
/// needs (`labels` or `targets`), those with L_d `loss_aware_weight`, those that compute T(t)
/// themselves `sparsity`.
#[derive(Clone, Debug)]
pub struct TrainingGraphs {
    /// A step of plain training in float. Results: `objective`, `loss`, `correct`, updates.
    pub float_step: Function,
    /// A step of stage 1: weights in full precision on the sphere, L + λ·L_d. Results: `objective`,
    /// `loss`, `loss_aware` (with L_d), `correct`, updates. TWN and TTQ have neither sphere nor L_d.
    pub finetune_step: Function,
    /// A step of stage 2: ternary forward. Results as in stage 1.
    pub ternary_step: Function,
    /// The model as it is. Results of evaluation: `loss`, `correct`, on demand `logits`.
    pub evaluate_float: Function,
    /// The model on the sphere.
    pub evaluate: Function,
    /// The ternary model.
    pub evaluate_ternary: Function,
    /// Ŵ of every layer of [`TrainingGraphs::layers`] from the state: a result that updates each
    /// weight. What it gives is what [`TrainingGraphs::evaluate_ternary`] computes with, so a model
    /// with these weights gives its accuracy.
    pub ternarize: Function,
    /// Unless weights have no sphere: W of every layer of [`TrainingGraphs::layers`] as it is on the
    /// sphere, as a result that updates the weight.
    pub sphere: Option<Function>,
    /// With [`Sphere::Project`](super::options::Sphere::Project): each weight of [`TrainingGraphs::layers`] on the sphere, as a result
    /// that updates it. A driver runs it once before stage 1 (or stage 2, without one).
    pub project: Option<Function>,
    /// What is kept from step to step: the model's parameters in their order, then what the passes
    /// add, momenta last.
    pub state: Vec<StateSpec>,
    /// The weights that become ternary, in the order of their layers.
    pub layers: Vec<LayerPlan>,
    /// Name and type of the model's input.
    pub input: (String, TensorType),
    /// C: the extent of the last dimension of the logits.
    pub classes: usize,
    /// Warnings and remarks of the passes.
    pub remarks: Vec<Diagnostic>,
}

/// A tensor that lives from step to step: an argument with `hla.param`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateSpec {
    /// The name in `hla.param`.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// What it is.
    pub role: Role,
    /// The layer it belongs to: its name without the last part, `conv1` of `conv1.weight`.
    pub layer: Option<String>,
}

/// What a tensor of the state is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The weight of a contraction: m inputs go into each output.
    Weight {
        /// m.
        fan_in: usize,
    },
    /// Any other parameter of the model, such as a bias.
    Bias,
    /// γ of a batch norm.
    NormScale,
    /// β of a batch norm.
    NormOffset,
    /// The running mean of a batch norm.
    RunningMean,
    /// The running (unbiased) variance of a batch norm.
    RunningVariance,
    /// Δ of a layer.
    Threshold,
    /// Momentum of gradient descent, of another entry; zero at the start.
    Momentum,
    /// W_p or W_n of TTQ.
    TtqScale,
    /// The scale of gradients in f16: see
    /// [`loss_scale`](crate::mixed_precision::loss_scale).
    LossScale,
    /// How many steps went well with that scale.
    CleanSteps,
}

/// A weight that becomes ternary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerPlan {
    /// Name of the weight in the state.
    pub weight: String,
    /// The axis of its n columns, one for each output channel.
    pub axis: usize,
    /// Name of its Δ in the state. The entry exists if L_d is computed or Δ is learned or fixed.
    pub threshold: String,
    /// n.
    pub columns: usize,
    /// m.
    pub fan_in: usize,
}
