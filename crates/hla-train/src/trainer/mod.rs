//! Algorithm 1.
//!
//! - here: what a training is made of, and whether its parts fit together;
//! - `run`: the phases, one after the other; `epoch`: steps, evaluation and checkpoint of an epoch;
//! - `finite`: where numbers stopped being numbers; `chance`: whether a network learned anything;
//! - `identity`: what tells one training's beginning from another's.
//!
//! Programs may keep the state in memory of their own while an epoch's steps run. It is pulled when they
//! end, whether well or not; so everything outside of the steps sees all of it.

mod chance;
mod epoch;
mod finite;
mod identity;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hla_ir::{Diagnostic, Location, Tensor, TensorType};
use hla_passes::training::{LayerPlan, StateSpec};
use hla_runtime::{State, ThreadPool};

use crate::blueprint::{Blueprint, Part};
use crate::checkpoint::{self, Position};
use crate::config::{Phase, TrainConfig};
use crate::data::Dataset;
use crate::evaluate::no_logits;
use crate::metrics::{Evaluation, History, LayerRecord, Stage};
use crate::program::{Compile, Program};
use crate::{export, init};

/// What a training starts from.
pub struct Setup<'a> {
    /// What its programs work on; those of evaluation must give `logits`.
    pub blueprint: &'a Blueprint,
    /// What it learns from.
    pub data: Dataset,
    /// What it is evaluated on, after each epoch.
    pub eval: Option<Dataset>,
    /// Its course.
    pub config: TrainConfig,
    /// Where parameters begin; see [`init::state`].
    pub weights: BTreeMap<String, Tensor>,
    /// Threads.
    pub pool: Option<&'a ThreadPool>,
    /// The folder of its checkpoints.
    pub checkpoints: Option<PathBuf>,
    /// Whether to go on from the latest of them.
    pub resume: bool,
}

/// How a training ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// All its epochs are over.
    Finished(Summary),
    /// Its observer stopped it; so many epochs are over, of which the last is in the checkpoint.
    Stopped {
        /// Epochs of the whole training.
        epochs: u64,
    },
}

/// What came out of a training.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    /// The ternary network on the evaluation data.
    pub ternary: Option<Evaluation>,
    /// The same before the running statistics were estimated anew, if they were.
    pub before_reestimation: Option<Evaluation>,
    /// The layers that are ternary.
    pub layers: Vec<LayerRecord>,
    /// Epochs of the whole training.
    pub epochs: u64,
    /// Its steps.
    pub steps: u64,
    /// Time since this process began to train.
    pub seconds: f64,
}

/// The compiled graphs; those that the plan has no use for are not compiled.
struct Programs {
    float_step: Option<Program>,
    finetune_step: Option<Program>,
    ternary_step: Option<Program>,
    evaluate_float: Option<Program>,
    evaluate: Option<Program>,
    evaluate_ternary: Option<Program>,
    ternarize: Program,
    sphere: Option<Program>,
    /// Whether weights are brought onto the sphere before they are trained there.
    project: bool,
}

/// A training.
pub struct Trainer<'a> {
    specs: Vec<StateSpec>,
    layers: Vec<LayerPlan>,
    input: (String, TensorType),
    programs: Programs,
    data: Dataset,
    counts: Vec<u64>,
    eval: Option<Dataset>,
    /// How often each class occurs in the evaluation data.
    eval_counts: Vec<u64>,
    config: TrainConfig,
    plan: Vec<Phase>,
    pool: Option<&'a ThreadPool>,
    checkpoints: Option<PathBuf>,
    /// [`Blueprint::fingerprint`].
    graphs: u64,
    state: State,
    position: Position,
    history: History,
    /// What an observer is told first.
    messages: Vec<Diagnostic>,
    /// Whether an observer was told that the network died.
    warned: bool,
}

impl<'a> Trainer<'a> {
    /// Checks that everything fits together, takes the programs that the plan has a use for, and
    /// makes the state or reads it from the checkpoint.
    ///
    /// # Errors
    /// Everything that is wrong with options and data at once; then what does not compile; then a
    /// checkpoint that is damaged, of another model or of other options.
    pub fn new(
        mut setup: Setup<'a>,
        compile: &mut Compile<'_>,
    ) -> Result<Trainer<'a>, Vec<Diagnostic>> {
        let (counts, eval_counts) = check(&setup)?;
        setup.config.graph_options.extend(identity::of(&setup));
        let blueprint = setup.blueprint;
        let config = &setup.config;
        let plan = config.plan();
        let messages = absent(&counts, setup.data.place()).into_iter().collect();
        let programs = Programs::compile(blueprint, config, &plan, setup.eval.is_some(), compile)
            .map_err(|e| vec![e])?;
        let state =
            init::state(&blueprint.state, &setup.weights, config.seed).map_err(|e| vec![e])?;
        let mut trainer = Trainer {
            specs: blueprint.state.clone(),
            layers: match setup.config.float_only {
                true => Vec::new(),
                false => blueprint.layers.clone(),
            },
            input: blueprint.input.clone(),
            programs,
            data: setup.data,
            counts,
            eval: setup.eval,
            eval_counts,
            config: setup.config,
            plan,
            pool: setup.pool,
            checkpoints: setup.checkpoints,
            graphs: blueprint.fingerprint,
            state,
            position: Position::default(),
            history: History::default(),
            messages,
            warned: false,
        };
        trainer.restore(setup.resume).map_err(|e| vec![e])?;
        Ok(trainer)
    }

    /// Goes on from a checkpoint, or sees that none is in the way.
    fn restore(&mut self, resume: bool) -> Result<(), Diagnostic> {
        let Some(folder) = &self.checkpoints else {
            return Ok(());
        };
        checkpoint::clean(folder);
        let place = |path: &std::path::Path| Location::file(&*path.to_string_lossy(), 0, 0);
        let path = match (checkpoint::find(folder), resume) {
            (None, false) => return Ok(()),
            (None, true) => {
                self.messages.push(Diagnostic::warning(
                    place(folder),
                    "there is no checkpoint yet: the training starts from its beginning",
                ));
                return Ok(());
            }
            (Some(path), false) => {
                return Err(Diagnostic::error(
                    place(&path),
                    "the folder holds the checkpoint of another training, which this one would overwrite",
                )
                .help("go on from it with --resume, remove it, or give another folder"));
            }
            (Some(path), true) => path,
        };
        let (record, state) = checkpoint::read(&path)?;
        let refuse =
            |message: String, help: &str| Err(Diagnostic::error(place(&path), message).help(help));
        let differences = record.config.differences(&self.config);
        if !differences.is_empty() {
            return refuse(
                format!(
                    "the checkpoint is of a training with other options: {}",
                    differences.join(", ")
                ),
                "go on with the same options, or begin again in another folder",
            );
        }
        let same = self.state.len() == state.len()
            && (self.state.names().zip(state.names()))
                .all(|(mine, theirs)| mine == theirs && self.state.ty(mine) == state.ty(theirs));
        if record.graphs != self.graphs || !same {
            return refuse(
                "the checkpoint is of another model, or of one that was compiled otherwise: in another precision, by \
                 another hlac"
                    .to_owned(),
                "go on with the same model, --precision and hlac, or begin again in another folder",
            );
        }
        self.state = state;
        self.position = record.position;
        self.history = record.history;
        Ok(())
    }

    /// How often each class occurs in the training data.
    pub fn class_counts(&self) -> &[u64] {
        &self.counts
    }

    /// What was told so far, by this process or by those before it.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The state as it is now. Where a program failed while it kept some of it in memory of its own,
    /// that is [away](State::is_away).
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where the training stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The network as it is now, as the bytes of a safetensors file: layers that become ternary are
    /// Ŵ, bit by bit what the ternary evaluation computes with, all other parameters are as they
    /// are.
    ///
    /// # Errors
    /// As the programs give them; a program that failed while it kept some of the state.
    pub fn export(&mut self) -> Result<Vec<u8>, Diagnostic> {
        let mut away = self.state.away();
        away.try_for_each(|name| self.state.check_here(name))?;
        let feed = self.sparsity_feed();
        let ternary = self
            .programs
            .ternarize
            .derive(&self.state, &feed, self.pool)?;
        export::safetensors(
            &self.specs,
            &self.layers,
            &self.state,
            &ternary,
            &self.config,
        )
    }
}

impl Programs {
    /// Brings back what the programs keep of a state in memory of their own.
    fn pull(&mut self, state: &mut State) -> Result<(), Diagnostic> {
        let Programs {
            float_step,
            finetune_step,
            ternary_step,
            evaluate_float,
            evaluate,
            evaluate_ternary,
            ternarize,
            sphere,
            project: _,
        } = self;
        let steps = [float_step, finetune_step, ternary_step];
        let evaluations = [evaluate_float, evaluate, evaluate_ternary, sphere];
        let all = steps.into_iter().chain(evaluations).flatten();
        for program in all.chain([ternarize]) {
            program.pull(state)?;
        }
        state.away().try_for_each(|name| state.check_here(name))
    }

    fn compile(
        blueprint: &Blueprint,
        config: &TrainConfig,
        plan: &[Phase],
        evaluates: bool,
        compile: &mut Compile<'_>,
    ) -> Result<Programs, Diagnostic> {
        let has = |stage| plan.iter().any(|p| p.stage == stage && p.epochs > 0);
        let mut when = |needed: bool, part: Part| match needed {
            true => Program::new(part, compile).map(Some),
            false => Ok(None),
        };
        let (float, finetune) = (has(Stage::Float), has(Stage::FineTune));
        let ternary = has(Stage::Ternarize) || config.reestimate_batches > 0;
        let programs = Programs {
            float_step: when(float, Part::FloatStep)?,
            finetune_step: when(finetune, Part::FineTuneStep)?,
            ternary_step: when(ternary, Part::TernaryStep)?,
            evaluate_float: when(evaluates && float, Part::EvaluateFloat)?,
            evaluate: when(evaluates && finetune, Part::Evaluate)?,
            evaluate_ternary: when(evaluates && !config.float_only, Part::EvaluateTernary)?,
            sphere: when(blueprint.has_sphere, Part::Sphere)?,
            ternarize: Program::new(Part::Ternarize, compile)?,
            project: blueprint.projects,
        };
        let evaluations = [
            &programs.evaluate_float,
            &programs.evaluate,
            &programs.evaluate_ternary,
        ];
        let complete = (evaluations.into_iter().flatten()).all(|p| p.gives("logits"));
        complete.then_some(programs).ok_or_else(no_logits)
    }
}

/// Checks options and data; gives the class counts of the training data and of the evaluation data.
fn check(setup: &Setup<'_>) -> Result<(Vec<u64>, Vec<u64>), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    problems.extend(setup.config.check().err().into_iter().flatten());
    let (_, input) = &setup.blueprint.input;
    let classes = setup.blueprint.classes;
    let batch = input.shape.first().copied().unwrap_or(1);
    let mut count = |data: &Dataset, least| {
        data.check(input, classes, least).unwrap_or_else(|errors| {
            problems.extend(errors);
            Vec::new()
        })
    };
    let counts = count(&setup.data, batch);
    let eval_counts = setup.eval.as_ref().map(|eval| count(eval, 1));
    if setup.config.augment.moves() && input.rank() != 4 {
        problems.push(
            Diagnostic::error(
                Location::unknown(),
                format!("only images can be moved, but the model takes {input}"),
            )
            .help("of augmentations only noise suits such data"),
        );
    }
    match problems {
        problems if problems.is_empty() => Ok((counts, eval_counts.unwrap_or_default())),
        problems => Err(problems),
    }
}

/// A warning of classes that no training sample has.
fn absent(counts: &[u64], place: &Location) -> Option<Diagnostic> {
    let none = counts.iter().enumerate().filter(|(_, n)| **n == 0);
    let none: Vec<String> = none.map(|(class, _)| class.to_string()).collect();
    let (first, more) = none.split_at(none.len().min(8));
    (!first.is_empty()).then(|| {
        let more = match more.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        Diagnostic::warning(
            place.clone(),
            format!(
                "of {} classes that the model tells apart, no training sample is of class {}{more}",
                counts.len(),
                first.join(", ")
            ),
        )
        .help("if that is not meant, see that the labels begin with 0 and the data are complete")
    })
}
