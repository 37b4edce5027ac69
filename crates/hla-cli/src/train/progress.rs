//! How a training goes, on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use hla_train::config::Phase;
use hla_train::metrics::{EpochRecord, Stage};
use hla_train::observer::StepEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{say, visible};

/// Shows what happens.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// Epochs of the whole plan.
    epochs: usize,
    /// Epochs that are over.
    done: usize,
    /// Epochs that this process began with, and when it did.
    since: (f64, Instant),
    /// Sums over the steps of the running epoch: L, L_d.
    sums: (f64, f64),
    /// Share of zeros after the last epoch.
    zeros: Option<f64>,
}

/// Parts of an epoch that the bar knows.
const PARTS: u64 = 1000;

impl Progress {
    /// Shows nothing yet.
    pub fn new(quiet: bool) -> Progress {
        let target = match !quiet && std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(10),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Progress {
            bar,
            quiet,
            epochs: 0,
            done: 0,
            since: (0.0, Instant::now()),
            sums: (0.0, 0.0),
            zeros: None,
        }
    }

    /// Training begins, or goes on after so many epochs.
    pub fn started(&mut self, plan: &[Phase], done: usize) {
        self.epochs = plan.iter().map(|phase| phase.epochs as usize).sum();
        self.done = done;
        self.since = (done as f64, Instant::now());
        self.bar.set_length(self.epochs as u64 * PARTS);
        self.bar.set_position(done as u64 * PARTS);
    }

    /// After a step.
    pub fn step(&mut self, step: &StepEvent) {
        if step.step == 0 {
            self.sums = (0.0, 0.0);
        }
        self.sums.0 += step.loss;
        self.sums.1 += step.loss_aware;
        if self.bar.is_hidden() {
            return;
        }
        let part = (step.step + 1) as f64 / step.steps.max(1) as f64;
        let position = (self.done as f64 + part) * PARTS as f64;
        self.bar.set_position(position as u64);
        let n = (step.step + 1) as f64;
        let mut message = head(step.stage, step.t, step.epoch, self.epochs);
        message.push_str(&format!("  loss {:.4}", self.sums.0 / n));
        if step.stage != Stage::Float {
            message.push_str(&format!("  L_d {:.4}", self.sums.1 / n));
        }
        let accuracy = step.correct as f64 / step.seen.max(1) as f64;
        message.push_str(&format!("  accuracy {:.2} %", 100.0 * accuracy));
        if let (Some(zeros), true) = (self.zeros, step.stage != Stage::Float) {
            message.push_str(&format!("  zeros {:.1} %", 100.0 * zeros));
        }
        if let Some(left) = self.left(part) {
            message.push_str(&format!("  {left} left"));
        }
        self.bar.set_message(message);
    }

    /// After an epoch: one line, which stays.
    pub fn epoch(&mut self, record: &EpochRecord) {
        self.done = record.epoch + 1;
        let mut line = head(record.stage, record.t, record.epoch, self.epochs);
        line.push_str(&format!("  loss {:.4}", record.loss));
        if record.stage != Stage::Float {
            line.push_str(&format!("  L_d {:.4}", record.loss_aware));
        }
        line.push_str(&format!(
            "  accuracy {:.2} %",
            100.0 * record.train_accuracy
        ));
        if let Some(eval) = record.eval {
            line.push_str(&format!("  eval {:.2} %", 100.0 * eval.accuracy()));
        }
        if let (Some(eval), false) = (record.eval_ternary, record.stage == Stage::Ternarize) {
            line.push_str(&format!("  ternary {:.2} %", 100.0 * eval.accuracy()));
        }
        if record.stage != Stage::Float && !record.layers.is_empty() {
            self.zeros = Some(record.sparsity());
            line.push_str(&format!("  zeros {:.1} %", 100.0 * record.sparsity()));
        }
        if let (true, Some(left)) = (self.bar.is_hidden(), self.left(0.0)) {
            line.push_str(&format!("  {left} left"));
        }
        self.say(&line);
    }

    /// A line of its own.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        match self.bar.is_hidden() {
            true => say(&visible(line)),
            false => self.bar.println(visible(line)),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Runs what writes to standard error, with the bar out of the way.
    pub fn aside(&self, write: impl FnOnce()) {
        if !self.quiet {
            self.bar.suspend(write);
        }
    }

    /// The time that is left, by the epochs that this process did, where `part` of one is running.
    fn left(&self, part: f64) -> Option<String> {
        let now = self.done as f64 + part;
        let (from, since) = self.since;
        let rest = self.epochs as f64 - now;
        (now > from && rest > 0.0).then(|| {
            let each = since.elapsed().as_secs_f64() / (now - from);
            duration(Duration::from_secs_f64(each * rest))
        })
    }
}

/// Stage, t and epoch.
fn head(stage: Stage, t: Option<f64>, epoch: usize, epochs: usize) -> String {
    let stage = match (stage, t) {
        (Stage::Float, _) => "float          ".to_owned(),
        (Stage::FineTune, Some(t)) => format!("stage 1  t {t:.2}"),
        (Stage::FineTune, None) => "stage 1        ".to_owned(),
        (Stage::Ternarize, _) => "stage 2        ".to_owned(),
    };
    let width = epochs.to_string().len();
    format!("{stage}  epoch {:>width$}/{epochs}", epoch + 1)
}

/// A duration as people say it.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let say = |s| duration(Duration::from_secs(s));
        assert_eq!(say(59), "59 s");
        assert_eq!(say(61), "1 min 1 s");
        assert_eq!(say(3720), "1 h 2 min");
    }

    #[test]
    fn lines_begin_alike() {
        let lines = [
            head(Stage::Float, None, 0, 120),
            head(Stage::FineTune, Some(0.34), 20, 120),
            head(Stage::Ternarize, None, 119, 120),
        ];
        assert_eq!(lines[1], "stage 1  t 0.34  epoch  21/120");
        assert!(lines.iter().all(|l| l.len() == lines[1].len()), "{lines:?}");
    }
}
