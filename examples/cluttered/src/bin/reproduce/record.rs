//! What a run came to: a line of `results.jsonl`.

use std::path::{Path, PathBuf};

use cluttered::data::replace;
use hla_ir::{Diagnostic, Location};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Run;

/// A finished run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The setting, such as `hla-70`.
    pub setting: String,
    /// The seed.
    pub seed: u64,
    /// What `hlac train` was told, without files.
    pub arguments: Vec<String>,
    /// Percent of the test images that the trained network knows; in full precision if it is float.
    pub accuracy: f64,
    /// The same before stage 2, in full precision, where there is a stage before.
    pub full_precision: Option<f64>,
    /// Percent of zeros among the weights of ternary layers.
    pub zeros: f64,
    /// Cosine similarity of W and Ŵ, mean over the layers, after the last epoch in full precision.
    pub cosine: Option<f64>,
    /// Epochs, those of the weights it began with left out.
    pub epochs: u64,
    /// Time.
    pub seconds: f64,
}

impl Record {
    /// From the summary that `hlac train --json` prints and the lines that `--metrics` writes.
    pub fn new(run: &Run, summary: &str, metrics: &str) -> Result<Record, String> {
        let summary: Value = serde_json::from_str(summary).map_err(|e| e.to_string())?;
        let percent = |kind: &str| {
            let accuracy = &summary["evaluation"][kind]["accuracy"];
            accuracy.as_f64().map(|a| 100.0 * a)
        };
        let full_precision = percent("full_precision");
        let float = run.is_float();
        let accuracy = if float {
            full_precision
        } else {
            percent("ternary")
        };
        let layers = summary["layers"].as_array();
        Ok(Record {
            setting: run.setting.clone(),
            seed: run.seed,
            arguments: run.arguments.clone(),
            accuracy: accuracy.ok_or("the summary tells no accuracy")?,
            full_precision: full_precision.filter(|_| !float),
            zeros: layers
                .filter(|_| !float)
                .map_or(0.0, |layers| zeros(layers)),
            cosine: cosine(metrics),
            epochs: summary["epochs"].as_u64().unwrap_or(0),
            seconds: summary["seconds"].as_f64().unwrap_or(0.0),
        })
    }
}

/// Percent of zeros over all weights of these layers.
fn zeros(layers: &[Value]) -> f64 {
    let (mut zeros, mut weights) = (0.0, 0.0);
    for layer in layers {
        let shape = layer["shape"].as_array();
        let size: f64 = shape.map_or(0.0, |s| s.iter().filter_map(Value::as_f64).product());
        zeros += size * layer["zeros"].as_f64().unwrap_or(0.0);
        weights += size;
    }
    100.0 * zeros / f64::max(weights, 1.0)
}

/// The mean over the layers of the last epoch that was not ternary.
fn cosine(metrics: &str) -> Option<f64> {
    let last = metrics
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["event"] == "epoch" && line["stage"] != "ternarize")?;
    let cosines: Vec<f64> = last["layers"]
        .as_array()?
        .iter()
        .filter_map(|layer| layer["cosine"].as_f64())
        .collect();
    (!cosines.is_empty()).then(|| cosines.iter().sum::<f64>() / cosines.len() as f64)
}

/// All finished runs, and the file that keeps them.
pub struct Records {
    path: PathBuf,
    records: Vec<Record>,
}

impl Records {
    /// Those in the file, if there is one.
    pub fn open(path: &Path) -> Result<Records, Diagnostic> {
        let text = if path.exists() {
            std::fs::read_to_string(path).map_err(|e| refuse(path, 0, e))?
        } else {
            String::new()
        };
        let line =
            |(i, line)| serde_json::from_str(line).map_err(|e| refuse(path, i as u32 + 1, e));
        Ok(Records {
            path: path.to_owned(),
            records: text
                .lines()
                .enumerate()
                .map(line)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Adds one and writes the file.
    pub fn add(&mut self, record: Record) -> Result<(), Diagnostic> {
        let same = |r: &Record| r.setting == record.setting && r.seed == record.seed;
        self.records.retain(|r| !same(r));
        self.records.push(record);
        let mut text = String::new();
        for record in &self.records {
            let line = serde_json::to_string(record).map_err(|e| refuse(&self.path, 0, e))?;
            text += &line;
            text.push('\n');
        }
        replace(&self.path, text.as_bytes())
    }

    fn find(&self, run: &Run) -> Option<&Record> {
        self.records.iter().find(|r| {
            r.setting == run.setting && r.seed == run.seed && r.arguments == run.arguments
        })
    }

    /// Whether this run is done, with these arguments.
    pub fn done(&self, run: &Run) -> bool {
        self.find(run).is_some()
    }

    /// The records of these runs, as far as they are done.
    pub fn of(&self, runs: &[Run]) -> Vec<Record> {
        runs.iter()
            .filter_map(|run| self.find(run))
            .cloned()
            .collect()
    }
}

fn refuse(path: &Path, line: u32, error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(
        Location::file(path.display().to_string(), line, 0),
        format!("these results cannot be read or written: {error}"),
    )
    .help("move the file away, or give another --folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Run {
        Run {
            setting: "some".to_owned(),
            seed: 3,
            begins_with: None,
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
        }
    }

    const SUMMARY: &str = r#"{"epochs": 4, "seconds": 2.5,
        "evaluation": {"full_precision": {"accuracy": 0.9}, "ternary": {"accuracy": 0.8}},
        "layers": [{"shape": [2, 3], "zeros": 0.5}, {"shape": [2, 1], "zeros": 1.0}]}"#;

    const METRICS: &str = r#"{"event": "epoch", "stage": "fine-tune", "layers": [{"cosine": 0.1}]}
{"event": "epoch", "stage": "fine-tune", "layers": [{"cosine": 0.5}, {"cosine": 0.7}]}
{"event": "weights", "stage": "fine-tune"}
{"event": "epoch", "stage": "ternarize", "layers": [{"cosine": 0.9}]}"#;

    #[test]
    fn a_record_holds_the_end_and_the_cosine_before_stage_2() {
        let record = Record::new(&run(&["--quantizer", "hla"]), SUMMARY, METRICS).unwrap();
        // 3 of 6 and 2 of 2 weights are zero.
        assert_eq!((record.accuracy, record.zeros), (80.0, 62.5));
        assert!((record.cosine.unwrap() - 0.6).abs() < 1e-12);
        assert_eq!((record.full_precision, record.epochs), (Some(90.0), 4));
        let float = Record::new(&run(&["--quantizer", "float"]), SUMMARY, "").unwrap();
        assert_eq!(
            (float.accuracy, float.zeros, float.cosine),
            (90.0, 0.0, None)
        );
        assert!(Record::new(&run(&[]), "{}", METRICS).is_err());
    }

    #[test]
    fn records_are_kept_and_replaced_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let run = run(&["--quantizer", "hla"]);
        let record = Record::new(&run, SUMMARY, METRICS).unwrap();
        let mut records = Records::open(&path).unwrap();
        assert!(!records.done(&run));
        records.add(record.clone()).unwrap();
        records.add(record.clone()).unwrap();
        let again = Records::open(&path).unwrap();
        assert_eq!(again.of(std::slice::from_ref(&run)), [record]);
        let other = Run {
            arguments: Vec::new(),
            ..run
        };
        assert!(!again.done(&other));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(Records::open(&path).is_err());
    }
}
