//! What a training tells about itself: a record for each epoch, and histograms of its weights.
//!
//! The records of a training are its [`History`], which checkpoints keep: a training that continues
//! has the same one as if it had never stopped, except for times.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stage of a training.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Plain float training, before Algorithm 1.
    Float,
    /// Stage 1 of Algorithm 1: on the sphere, with L_d.
    FineTune,
    /// Stage 2 of Algorithm 1: ternary.
    Ternarize,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Float => "float",
            Stage::FineTune => "fine-tune",
            Stage::Ternarize => "ternarize",
        })
    }
}

/// How a network does on a data set.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean loss, without label smoothing.
    pub loss: f64,
    /// Samples it classifies rightly.
    pub correct: usize,
    /// Samples.
    pub count: usize,
}

impl Evaluation {
    /// Share of right answers; 0 without samples.
    pub fn accuracy(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.correct as f64 / count as f64,
        }
    }
}

/// A layer that becomes ternary.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LayerRecord {
    /// The name of its weight.
    pub name: String,
    /// Its elements, m·n.
    pub weights: usize,
    /// Share of zeros in Ŵ.
    pub sparsity: f64,
    /// Mean cosine similarity of the columns of W and Ŵ, as in the paper's Table 4.
    pub cosine: f64,
    /// Δ, or Δ̄ in stage 2; none where the quantizer has a rule of its own.
    pub threshold: Option<f64>,
}

/// An epoch.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number in the whole training, from 0.
    pub epoch: usize,
    /// The stage it is of.
    pub stage: Stage,
    /// t, in stage 1.
    pub t: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// Its steps.
    pub steps: usize,
    /// Mean loss over its steps, L_d left out.
    pub loss: f64,
    /// Mean of ΣL_d over its steps, not weighted by λ; 0 without it.
    pub loss_aware: f64,
    /// Share of right answers in training.
    pub train_accuracy: f64,
    /// The network that this stage trains, on the evaluation data.
    pub eval: Option<Evaluation>,
    /// The ternary network on the evaluation data.
    pub eval_ternary: Option<Evaluation>,
    /// The layers that become ternary.
    pub layers: Vec<LayerRecord>,
    /// Time it took, evaluation included.
    pub seconds: f64,
    /// Training images a second, evaluation left out.
    pub images_per_second: f64,
}

impl EpochRecord {
    /// Share of zeros over all layers that become ternary; 0 without one.
    pub fn sparsity(&self) -> f64 {
        let weights: usize = self.layers.iter().map(|l| l.weights).sum();
        let zeros = self.layers.iter().map(|l| l.sparsity * l.weights as f64);
        zeros.sum::<f64>() / weights.max(1) as f64
    }
}

/// When weights were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the first epoch of a stage.
    Start,
    /// After its last.
    End,
}

/// A histogram of a layer's weights W on the sphere: of w·√m, which are of order 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WeightSnapshot {
    /// The stage.
    pub stage: Stage,
    /// When within it.
    pub moment: Moment,
    /// Epochs of the whole training before it.
    pub epoch: usize,
    /// The name of the weight.
    pub layer: String,
    /// The least value of the first bin.
    pub low: f64,
    /// The greatest value of the last bin.
    pub high: f64,
    /// How many weights are in each bin; those beyond an end are in the bin at that end.
    pub counts: Vec<u64>,
    /// Δ·√m, if the layer has a Δ.
    pub threshold: Option<f64>,
}

/// Something that is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An epoch is over.
    Epoch(EpochRecord),
    /// Weights were looked at.
    Weights(WeightSnapshot),
}

/// All that was told, in order.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
}

impl History {
    /// The epochs.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = &EpochRecord> {
        self.events.iter().filter_map(|event| match event {
            Event::Epoch(record) => Some(record),
            Event::Weights(_) => None,
        })
    }

    /// The histograms.
    pub fn snapshots(&self) -> impl Iterator<Item = &WeightSnapshot> {
        self.events.iter().filter_map(|event| match event {
            Event::Weights(snapshot) => Some(snapshot),
            Event::Epoch(_) => None,
        })
    }

    /// One line of JSON for each event.
    pub fn json_lines(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            // These types hold nothing that JSON has not.
            text.push_str(&serde_json::to_string(event).unwrap_or_default());
            text.push('\n');
        }
        text
    }
}

/// Number of bins of a histogram, so that 0 is in the middle of one.
const BINS: usize = 201;
/// Histograms reach from −RANGE to RANGE.
const RANGE: f64 = 4.0;

/// Counts `values·scale` in bins of equal width.
pub fn histogram(values: &[f32], scale: f64) -> (f64, f64, Vec<u64>) {
    let mut counts = vec![0; BINS];
    for &value in values {
        let place = (f64::from(value) * scale + RANGE) / (2.0 * RANGE) * BINS as f64;
        // `as` takes NaN and what is below 0 to 0.
        counts[(place as usize).min(BINS - 1)] += 1;
    }
    (-RANGE, RANGE, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_everything() {
        let (low, high, counts) = histogram(&[0.0, 0.01, -0.01, -9.0, 9.0, 1.0], 2.0);
        assert_eq!((low, high), (-4.0, 4.0));
        assert_eq!(counts.iter().sum::<u64>(), 6);
        // Bins are 8/201 ≈ 0.0398 wide: 0 and ±0.02·… lie about the middle bin's ±0.0199.
        assert_eq!(counts[100] + counts[99] + counts[101], 3);
        assert_eq!((counts[0], counts[200]), (1, 1));
        // 2.0 is (2 + 4)/8·201 = 150.75.
        assert_eq!(counts[150], 1);
    }

    #[test]
    fn events_are_lines_that_can_be_read_back() {
        let record = EpochRecord {
            epoch: 3,
            stage: Stage::FineTune,
            t: Some(0.3),
            learning_rate: 0.1 + 0.2,
            steps: 7,
            loss: 1.0 / 3.0,
            loss_aware: 0.0,
            train_accuracy: 0.5,
            eval: Some(Evaluation {
                loss: 0.7,
                correct: 9,
                count: 10,
            }),
            eval_ternary: None,
            layers: vec![LayerRecord {
                name: "w".to_owned(),
                weights: 10,
                sparsity: 0.7,
                cosine: 0.9,
                threshold: None,
            }],
            seconds: 1.5,
            images_per_second: 100.0,
        };
        assert_eq!(record.eval.unwrap().accuracy(), 0.9);
        assert!((record.sparsity() - 0.7).abs() < 1e-12);
        let history = History {
            events: vec![Event::Epoch(record)],
        };
        let text = history.json_lines();
        assert!(text.starts_with("{\"event\":\"epoch\",\"epoch\":3,\"stage\":\"fine-tune\""));
        let back: Event = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(back, history.events[0]);
    }
}
