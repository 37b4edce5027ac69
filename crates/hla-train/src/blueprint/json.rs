//! A blueprint as JSON. It goes with compiled programs, so it may come from anywhere: what does not
//! fit is refused.

use std::collections::BTreeMap;

use hla_ir::{DType, Diagnostic, Location, TensorType};
use hla_passes::training::{LayerPlan, Role, StateSpec};
use serde::{Deserialize, Serialize};

use super::Blueprint;

/// Grows when the meaning of a field changes.
const VERSION: u32 = 1;

/// What is read before anything else: a newer version may have other fields.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Body {
    version: u32,
    state: Vec<Entry>,
    layers: Vec<Layer>,
    input: Input,
    classes: usize,
    has_sphere: bool,
    projects: bool,
    fingerprint: u64,
    options: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    shape: Vec<usize>,
    dtype: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    role: RoleName,
    /// Of a weight.
    fan_in: Option<usize>,
    layer: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoleName {
    Weight,
    Bias,
    NormScale,
    NormOffset,
    RunningMean,
    RunningVariance,
    Threshold,
    Momentum,
    TtqScale,
    LossScale,
    CleanSteps,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Layer {
    weight: String,
    axis: usize,
    threshold: String,
    columns: usize,
    fan_in: usize,
}

impl Blueprint {
    /// As JSON.
    pub fn to_json(&self) -> String {
        let (name, ty) = &self.input;
        let body = Body {
            version: VERSION,
            state: self.state.iter().map(entry).collect(),
            layers: self.layers.iter().map(layer).collect(),
            input: Input {
                name: name.clone(),
                shape: ty.shape.clone(),
                dtype: ty.dtype.name().to_owned(),
            },
            classes: self.classes,
            has_sphere: self.has_sphere,
            projects: self.projects,
            fingerprint: self.fingerprint,
            options: self.options.clone(),
        };
        // Strings, numbers and lists of them: nothing that JSON cannot say.
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// From JSON.
    ///
    /// # Errors
    /// Text that no [`Blueprint::to_json`] gives, or one of a newer version.
    pub fn from_json(text: &str) -> Result<Blueprint, Diagnostic> {
        let refuse = |message: String| {
            Diagnostic::error(
                Location::unknown(),
                format!("what the program says of its training cannot be read: {message}"),
            )
            .help("compile the program again, with the hlac of this version")
        };
        let head: Head = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
        if head.version != VERSION {
            return Err(refuse(format!(
                "it has version {}, but {VERSION} is known",
                head.version
            )));
        }
        let body: Body = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
        let state: Result<Vec<StateSpec>, String> = body.state.into_iter().map(spec).collect();
        let state = state.map_err(refuse)?;
        let layers: Vec<LayerPlan> = body.layers.into_iter().map(plan).collect();
        for layer in &layers {
            let weight = state.iter().find(|s| s.name == layer.weight);
            if weight.is_none_or(|w| layer.axis >= w.ty.rank()) {
                return Err(refuse(format!(
                    "the layer of '{}' does not fit its state",
                    layer.weight
                )));
            }
        }
        let input = ty(body.input.shape, &body.input.dtype).map_err(refuse)?;
        Ok(Blueprint {
            state,
            layers,
            input: (body.input.name, input),
            classes: body.classes,
            has_sphere: body.has_sphere,
            projects: body.projects,
            fingerprint: body.fingerprint,
            options: body.options,
        })
    }
}

fn ty(shape: Vec<usize>, dtype: &str) -> Result<TensorType, String> {
    let dtype = DType::from_name(dtype).ok_or_else(|| format!("'{dtype}' is no element type"))?;
    TensorType::try_new(shape, dtype)
}

fn entry(spec: &StateSpec) -> Entry {
    let mut fan_in = None;
    let role = match spec.role {
        Role::Weight { fan_in: inputs } => {
            fan_in = Some(inputs);
            RoleName::Weight
        }
        Role::Bias => RoleName::Bias,
        Role::NormScale => RoleName::NormScale,
        Role::NormOffset => RoleName::NormOffset,
        Role::RunningMean => RoleName::RunningMean,
        Role::RunningVariance => RoleName::RunningVariance,
        Role::Threshold => RoleName::Threshold,
        Role::Momentum => RoleName::Momentum,
        Role::TtqScale => RoleName::TtqScale,
        Role::LossScale => RoleName::LossScale,
        Role::CleanSteps => RoleName::CleanSteps,
    };
    Entry {
        name: spec.name.clone(),
        shape: spec.ty.shape.clone(),
        dtype: spec.ty.dtype.name().to_owned(),
        role,
        fan_in,
        layer: spec.layer.clone(),
    }
}

fn spec(entry: Entry) -> Result<StateSpec, String> {
    let role = match (entry.role, entry.fan_in) {
        (RoleName::Weight, Some(fan_in)) => Role::Weight { fan_in },
        (RoleName::Weight, None) => {
            return Err(format!("the weight '{}' has no fan-in", entry.name));
        }
        (RoleName::Bias, _) => Role::Bias,
        (RoleName::NormScale, _) => Role::NormScale,
        (RoleName::NormOffset, _) => Role::NormOffset,
        (RoleName::RunningMean, _) => Role::RunningMean,
        (RoleName::RunningVariance, _) => Role::RunningVariance,
        (RoleName::Threshold, _) => Role::Threshold,
        (RoleName::Momentum, _) => Role::Momentum,
        (RoleName::TtqScale, _) => Role::TtqScale,
        (RoleName::LossScale, _) => Role::LossScale,
        (RoleName::CleanSteps, _) => Role::CleanSteps,
    };
    Ok(StateSpec {
        ty: ty(entry.shape, &entry.dtype)?,
        name: entry.name,
        role,
        layer: entry.layer,
    })
}

fn layer(plan: &LayerPlan) -> Layer {
    Layer {
        weight: plan.weight.clone(),
        axis: plan.axis,
        threshold: plan.threshold.clone(),
        columns: plan.columns,
        fan_in: plan.fan_in,
    }
}

fn plan(layer: Layer) -> LayerPlan {
    LayerPlan {
        weight: layer.weight,
        axis: layer.axis,
        threshold: layer.threshold,
        columns: layer.columns,
        fan_in: layer.fan_in,
    }
}
