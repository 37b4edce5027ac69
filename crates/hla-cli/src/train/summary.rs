//! What a training came to: a table, or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hla_train::metrics::{Evaluation, History, LayerRecord, Stage};
use hla_train::{Blueprint, trainer};
use serde::Serialize;

use super::progress::duration;
use crate::timing::peak_memory;

/// What `--json` prints.
#[derive(Serialize)]
pub struct Summary {
    /// Where the trained model is.
    output: String,
    quantizer: String,
    epochs: u64,
    steps: u64,
    /// Of the whole training, also of earlier processes.
    seconds: f64,
    evaluation: Evaluations,
    layers: Vec<Layer>,
    /// Median of the steps of this process, by stage.
    step_milliseconds: BTreeMap<String, f64>,
    /// Of this process.
    peak_bytes: Option<u64>,
}

/// How the trained network does on the evaluation data.
#[derive(Serialize)]
struct Evaluations {
    /// The last epoch of the last stage in full precision.
    full_precision: Option<Accuracy>,
    /// Ternary weights.
    ternary: Option<Accuracy>,
}

#[derive(Serialize)]
struct Accuracy {
    loss: f64,
    correct: usize,
    count: usize,
    accuracy: f64,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    shape: Vec<usize>,
    /// Share of zeros.
    zeros: f64,
    /// Mean cosine of the columns of W and Ŵ.
    cosine: f64,
    threshold: Option<f64>,
}

impl Summary {
    /// Of a finished training.
    pub fn new(
        done: &trainer::Summary,
        history: &History,
        blueprint: &Blueprint,
        quantizer: String,
        output: &Path,
        times: Vec<(Stage, f64)>,
    ) -> Summary {
        let accuracy = |e: Evaluation| Accuracy {
            loss: e.loss,
            correct: e.correct,
            count: e.count,
            accuracy: e.accuracy(),
        };
        let shape = |name: &str| {
            let spec = blueprint.state.iter().find(|s| s.name == name);
            spec.map(|s| s.ty.shape.clone()).unwrap_or_default()
        };
        let layer = |l: &LayerRecord| Layer {
            name: l.name.clone(),
            shape: shape(&l.name),
            zeros: l.sparsity,
            cosine: l.cosine,
            threshold: l.threshold,
        };
        let mut full = history.epochs().filter(|e| e.stage != Stage::Ternarize);
        let full = full.next_back().and_then(|e| e.eval);
        Summary {
            output: output.display().to_string(),
            quantizer,
            epochs: done.epochs,
            steps: done.steps,
            seconds: history.epochs().map(|e| e.seconds).sum(),
            evaluation: Evaluations {
                full_precision: full.map(accuracy),
                ternary: done.ternary.map(accuracy),
            },
            layers: done.layers.iter().map(layer).collect(),
            step_milliseconds: times
                .into_iter()
                .map(|(stage, seconds)| (stage.to_string(), 1e3 * seconds))
                .collect(),
            peak_bytes: peak_memory(),
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        if !self.layers.is_empty() {
            let name = |l: &Layer| l.name.clone();
            let width = self.layers.iter().map(|l| name(l).chars().count());
            let width = width.max().unwrap_or(0).max("ternary layer".len());
            let _ = writeln!(
                out,
                "{:<width$}  {:<16} {:>9} {:>8} {:>10}",
                "ternary layer", "shape", "zeros", "cosine", "threshold"
            );
            for layer in &self.layers {
                let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
                let threshold = layer.threshold.map(|t| format!("{t:.5}"));
                let _ = writeln!(
                    out,
                    "{:<width$}  {:<16} {:>7.2} % {:>8.4} {:>10}",
                    name(layer),
                    shape.join("x"),
                    100.0 * layer.zeros,
                    layer.cosine,
                    threshold.as_deref().unwrap_or("-")
                );
            }
        }
        let rows = [
            ("full precision", &self.evaluation.full_precision),
            ("ternary", &self.evaluation.ternary),
        ];
        for (what, accuracy) in rows {
            if let Some(a) = accuracy {
                let _ = writeln!(
                    out,
                    "evaluation, {what}: {:.2} % ({} of {}), loss {:.4}",
                    100.0 * a.accuracy,
                    a.correct,
                    a.count,
                    a.loss
                );
            }
        }
        let _ = writeln!(
            out,
            "{} epochs, {} steps, {}",
            self.epochs,
            self.steps,
            duration(Duration::from_secs_f64(self.seconds.max(0.0)))
        );
        let _ = writeln!(out, "wrote {}", self.output);
        out
    }
}
