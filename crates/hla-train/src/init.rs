//! Where a training's state begins: from a file of weights, or drawn.

use std::collections::BTreeMap;
use std::path::Path;

use hla_ir::{DType, Diagnostic, Location, Tensor};
use hla_passes::mixed_precision::loss_scale;
use hla_passes::training::{Role, StateSpec};
use hla_runtime::State;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::random::Random;

/// The state before the first step. What `weights` has is taken from there; for the rest,
/// - weights of contractions are normal with variance 2/m (Kaiming and others, arXiv 1502.01852),
///   m inputs going into each output, each drawn from the seed and its name;
/// - γ, running variances and the scales of TTQ are 1, the scale of gradients in f16 is 2¹⁶, everything
///   else is 0.
///
/// # Errors
/// A weight of another shape than the model's.
pub fn state(
    specs: &[StateSpec],
    weights: &BTreeMap<String, Tensor>,
    seed: u64,
) -> Result<State, Diagnostic> {
    let mut state = State::new();
    for spec in specs {
        let value = match weights.get(&spec.name) {
            Some(value) if *value.ty() == spec.ty => value.clone(),
            Some(value) => {
                return Err(Diagnostic::error(
                    Location::unknown(),
                    format!(
                        "'{}' is {}, but the weights have {}",
                        spec.name,
                        spec.ty,
                        value.ty()
                    ),
                )
                .help("a convolution's weights are OHWI here (PyTorch's are OIHW)"));
            }
            None => drawn(spec, seed)?,
        };
        state.set(&spec.name, &value)?;
    }
    Ok(state)
}

fn drawn(spec: &StateSpec, seed: u64) -> Result<Tensor, Diagnostic> {
    let one = |value: f64| Tensor::splat(spec.ty.clone(), value);
    Ok(match spec.role {
        Role::Weight { fan_in } => {
            let deviation = libm::sqrtf(2.0 / fan_in.max(1) as f32);
            let mut random = Random::of(seed, &spec.name, 0, 0);
            let values: Vec<f32> = (0..spec.ty.elements())
                .map(|_| deviation * random.normal())
                .collect();
            Tensor::from_f32s(spec.ty.shape.clone(), &values)
                .map_err(|e| Diagnostic::error(Location::unknown(), e))?
        }
        Role::NormScale | Role::RunningVariance | Role::TtqScale => one(1.0),
        Role::LossScale => one(loss_scale::INITIAL),
        Role::Bias
        | Role::NormOffset
        | Role::RunningMean
        | Role::Threshold
        | Role::Momentum
        | Role::CleanSteps => one(0.0),
    })
}

/// Whether a tensor is the model's own, not one that training adds.
pub(crate) fn is_of_model(role: Role) -> bool {
    !matches!(
        role,
        Role::Threshold | Role::Momentum | Role::TtqScale | Role::LossScale | Role::CleanSteps
    )
}

/// Reads the model's parameters from a safetensors file; `f16` and `bf16` become `f32`. Tensors
/// that the model has not are left alone.
///
/// # Errors
/// A file that cannot be read or is damaged; each parameter that it lacks, has with another shape or
/// element type, or with a NaN or an infinity in it: all at once.
pub fn load(path: &Path, specs: &[StateSpec]) -> Result<BTreeMap<String, Tensor>, Vec<Diagnostic>> {
    let place = Location::file(&*path.to_string_lossy(), 0, 0);
    let refuse = |message: String| Diagnostic::error(place.clone(), message);
    let bytes = std::fs::read(path).map_err(|e| {
        vec![
            refuse(format!("the weights cannot be read: {e}"))
                .help("check the path and its permissions"),
        ]
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| {
        vec![
            refuse(format!("this is no sound safetensors file: {e}")).help("is the file complete?"),
        ]
    })?;
    let mut weights = BTreeMap::new();
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|s| is_of_model(s.role)) {
        let name = &spec.name;
        let Ok(view) = file.tensor(name) else {
            let mut names: Vec<&str> = file.names();
            names.sort_unstable();
            problems.push(
                refuse(format!("parameter '{name}' is not in the file"))
                    .help(format!("its tensors are {}", names.join(", "))),
            );
            continue;
        };
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                problems.push(
                    refuse(format!("tensor '{name}' is of the type {other:?}"))
                        .help("weights to train are f32, f16 or bf16"),
                );
                continue;
            }
        };
        if view.shape() != spec.ty.shape {
            problems.push(
                refuse(format!(
                    "parameter '{name}' is {}, but the file has the shape {:?}",
                    spec.ty,
                    view.shape()
                ))
                .help("a convolution's weights are OHWI here (PyTorch's are OIHW)"),
            );
            continue;
        }
        let values = Tensor::from_bytes(spec.ty.with_dtype(dtype), view.data().to_vec())
            .map(|tensor| tensor.to_f32s());
        match values {
            Ok(values) => match values.iter().position(|v| !v.is_finite()) {
                Some(at) => problems.push(
                    refuse(format!(
                        "tensor '{name}' holds {} at element {at}",
                        values[at]
                    ))
                    .help("training has diverged, or the file is damaged"),
                ),
                None => match Tensor::from_f32s(spec.ty.shape.clone(), &values) {
                    Ok(tensor) => {
                        weights.insert(name.clone(), tensor);
                    }
                    Err(message) => problems.push(refuse(message)),
                },
            },
            Err(message) => problems.push(refuse(message)),
        }
    }
    match problems {
        problems if problems.is_empty() => Ok(weights),
        problems => Err(problems),
    }
}
