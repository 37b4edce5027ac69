//! Who watches a training: shows progress, keeps the metrics file and the plots up to date, and
//! stops it when the user asks.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hla_ir::{Diagnostic, Location};
use hla_train::config::Phase;
use hla_train::metrics::{EpochRecord, History, Stage};
use hla_train::observer::{Observer, StepEvent};

use super::plots;
use super::progress::Progress;
use crate::output::Outputs;
use crate::report::{self, Sources};

/// Plots are drawn anew after an epoch if this much time has passed.
const PLOT_EVERY: Duration = Duration::from_secs(20);

/// Where files of a training go besides its result.
pub struct Files {
    /// JSON lines.
    pub metrics: Option<PathBuf>,
    /// Figures.
    pub plots: Option<PathBuf>,
    /// What was read: never overwritten.
    pub inputs: Vec<PathBuf>,
}

impl Files {
    /// Writes the metrics of a history.
    fn write_metrics(&self, history: &History) -> Result<(), Diagnostic> {
        let Some(path) = &self.metrics else {
            return Ok(());
        };
        let mut outputs = Outputs::sparing(self.inputs.iter().map(PathBuf::as_path));
        outputs.add("--metrics", path, history.json_lines());
        outputs.commit()
    }

    /// Draws the figures of a history.
    fn write_plots(&self, history: &History) -> Result<(), Diagnostic> {
        let Some(folder) = &self.plots else {
            return Ok(());
        };
        let figures = plots::draw(history).map_err(|e| {
            Diagnostic::error(
                Location::unknown(),
                format!("the plots cannot be drawn: {e}"),
            )
            .help("this is a mistake in hlac; train without --plots")
        })?;
        // If that fails, writing the first file tells why.
        let _ = std::fs::create_dir(folder);
        let mut outputs = Outputs::sparing(self.inputs.iter().map(PathBuf::as_path));
        for figure in figures {
            for (ending, bytes) in [("svg", figure.svg), ("png", figure.png)] {
                let path = folder.join(format!("{}.{ending}", figure.name));
                outputs.add("--plots", path, bytes);
            }
        }
        outputs.commit()
    }

    /// Both.
    pub fn write(&self, history: &History) -> Result<(), Diagnostic> {
        self.write_metrics(history)?;
        self.write_plots(history)
    }
}

/// Watches.
pub struct Watch<'a> {
    progress: Progress,
    files: &'a Files,
    sources: &'a Sources,
    stop: Arc<AtomicBool>,
    drawn: Instant,
    /// Whether it was told that files cannot be written: once is enough.
    troubled: bool,
    previous: Option<Instant>,
    /// Seconds of steps, by stage.
    times: Vec<(Stage, Vec<f64>)>,
}

impl<'a> Watch<'a> {
    /// Of a training whose steps in an epoch are known.
    pub fn new(
        progress: Progress,
        files: &'a Files,
        sources: &'a Sources,
        stop: Arc<AtomicBool>,
    ) -> Watch<'a> {
        Watch {
            progress,
            files,
            sources,
            stop,
            drawn: Instant::now(),
            troubled: false,
            previous: None,
            times: Vec::new(),
        }
    }

    /// Takes the progress bar away; gives the median time of a step of each stage, in seconds.
    pub fn finish(self) -> Vec<(Stage, f64)> {
        self.progress.finish();
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let times = self.times.into_iter();
        times.map(|(stage, t)| (stage, median(t))).collect()
    }

    /// Tells once that a file cannot be written; training goes on, and tries again.
    fn tell(&mut self, written: Result<(), Diagnostic>) {
        if let (Err(trouble), false) = (written, self.troubled) {
            self.troubled = true;
            self.message(&Diagnostic {
                severity: hla_ir::Severity::Warning,
                ..trouble
            });
        }
    }
}

impl Observer for Watch<'_> {
    fn started(&mut self, plan: &[Phase], history: &History) {
        self.progress.started(plan, history.epochs().count());
        if let Some(last) = history.epochs().next_back() {
            let line = format!("goes on after epoch {}", last.epoch + 1);
            self.progress.say(&line);
        }
    }

    fn step(&mut self, step: &StepEvent) -> ControlFlow<()> {
        let now = Instant::now();
        // The first step of an epoch comes after an evaluation.
        if let (Some(previous), true) = (self.previous, step.step > 0) {
            let seconds = (now - previous).as_secs_f64();
            match self.times.iter_mut().find(|(s, _)| *s == step.stage) {
                Some((_, times)) => times.push(seconds),
                None => self.times.push((step.stage, vec![seconds])),
            }
        }
        self.progress.step(step);
        self.previous = Some(Instant::now());
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn epoch(&mut self, record: &EpochRecord, history: &History) {
        self.progress.epoch(record);
        let written = self.files.write_metrics(history);
        self.tell(written);
        if self.drawn.elapsed() > PLOT_EVERY {
            let written = self.files.write_plots(history);
            self.tell(written);
            self.drawn = Instant::now();
        }
    }

    fn message(&mut self, message: &Diagnostic) {
        self.progress
            .aside(|| report::print(std::slice::from_ref(message), self.sources));
    }
}
