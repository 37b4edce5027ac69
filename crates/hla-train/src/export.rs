//! The trained network as a safetensors file.

use std::collections::HashMap;

use hla_ir::{Diagnostic, Location};
use hla_passes::training::{LayerPlan, StateSpec};
use hla_runtime::State;
use safetensors::tensor::{Dtype, TensorView};

use crate::config::TrainConfig;
use crate::init::is_of_model;

/// The model's parameters under their names: Ŵ for the layers that become ternary, from `ternary`,
/// the others from `state`. The metadata is one text, under `hlac`: version, options of the
/// graphs, and names and thresholds of the ternary layers, in JSON.
pub(crate) fn safetensors(
    specs: &[StateSpec],
    layers: &[LayerPlan],
    state: &State,
    ternary: &State,
    config: &TrainConfig,
) -> Result<Vec<u8>, Diagnostic> {
    let refuse = |message: String| {
        Diagnostic::error(
            Location::unknown(),
            format!("the weights cannot be written: {message}"),
        )
    };
    let mut views = Vec::new();
    for spec in specs.iter().filter(|s| is_of_model(s.role)) {
        let is_ternary = layers.iter().any(|l| l.weight == spec.name);
        let bytes = match is_ternary {
            true => ternary.bytes(&spec.name),
            false => state.bytes(&spec.name),
        };
        let bytes = bytes.ok_or_else(|| refuse(format!("there is no '{}'", spec.name)))?;
        let view = TensorView::new(Dtype::F32, spec.ty.shape.clone(), bytes)
            .map_err(|e| refuse(e.to_string()))?;
        views.push((spec.name.as_str(), view));
    }
    let threshold = |layer: &LayerPlan| {
        let value = state.get(&layer.threshold)?.iter_f64().next()?;
        serde_json::to_value(value).ok()
    };
    let layers: serde_json::Map<String, serde_json::Value> = layers
        .iter()
        .map(|layer| (layer.weight.clone(), threshold(layer).into()))
        .collect();
    let about = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "options": config.graph_options,
        "t": [config.t1, config.t2],
        "threshold_start": config.start(),
        "thresholds": layers,
    });
    // One entry: the order of several would change from run to run.
    let metadata = HashMap::from([("hlac".to_owned(), about.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| refuse(e.to_string()))
}
