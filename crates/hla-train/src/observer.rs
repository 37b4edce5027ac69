//! Who watches a training: progress bars, files of metrics, plots.

use std::ops::ControlFlow;
use std::path::Path;

use hla_ir::Diagnostic;

use crate::config::Phase;
use crate::metrics::{EpochRecord, History, Stage, WeightSnapshot};

/// A step that was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StepEvent {
    /// Epoch of the whole training, from 0.
    pub epoch: usize,
    /// The stage.
    pub stage: Stage,
    /// t, in stage 1.
    pub t: Option<f64>,
    /// Step of the epoch, from 0.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Loss of this batch, L_d left out.
    pub loss: f64,
    /// ΣL_d, not weighted; 0 without it.
    pub loss_aware: f64,
    /// Right answers in this epoch so far.
    pub correct: usize,
    /// Samples in this epoch so far.
    pub seen: usize,
    /// The learning rate.
    pub learning_rate: f64,
}

/// Told what happens, when it happens. Every method may be left out.
pub trait Observer {
    /// The training begins, with all its phases, or goes on where `history` ends.
    fn started(&mut self, _plan: &[Phase], _history: &History) {}

    /// A step was taken. `Break` stops the training at once: what the running epoch did is lost,
    /// the last checkpoint stays.
    fn step(&mut self, _step: &StepEvent) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// An epoch is over, and evaluated. `history` ends with it.
    fn epoch(&mut self, _record: &EpochRecord, _history: &History) {}

    /// Weights were looked at.
    fn weights(&mut self, _snapshot: &WeightSnapshot) {}

    /// A checkpoint was written.
    fn checkpoint(&mut self, _path: &Path) {}

    /// Something that a user should read.
    fn message(&mut self, _message: &Diagnostic) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {}
