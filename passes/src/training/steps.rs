//! The pipelines of training under one name each: a model in, a step or an evaluation out.
//!
//! Each is a pass in the registry, so that `hlac opt --pass-pipeline='hla-ternary-step'` shows what
//! `hlac train` runs.

use hla_ir::{Diagnostic, Function};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use crate::selection::{QUANTIZE_ALL, SKIP};
use crate::{autodiff, hyperspherical, loss, loss_aware, sgd, ste, train_mode};

const SPHERE: OptionInfo = OptionInfo {
    name: "sphere",
    ..hyperspherical::MODE
};

const LOSS: OptionInfo = OptionInfo {
    name: "loss",
    ..loss::KIND
};

const BATCH_NORM_MOMENTUM: OptionInfo = OptionInfo {
    name: "batch-norm-momentum",
    kind: OptionKind::Float(0.0, 1.0),
    default: "0.1",
    help: "m: running statistics become (1 - m)·running + m·batch",
};

const LOSS_AWARE: OptionInfo = OptionInfo {
    name: "loss-aware",
    kind: OptionKind::Choice(&["auto", "true", "false"]),
    default: "auto",
    help: "whether L_d joins the objective; auto is for quantizer=hla only",
};

/// Every option of the steps.
pub(crate) static OPTIONS: &[OptionInfo] = &[
    ste::QUANTIZER,
    SPHERE,
    hyperspherical::EPSILON,
    hyperspherical::INPUT_NORM,
    ste::RESCALE,
    ste::THRESHOLD,
    ste::THRESHOLD_SCOPE,
    ste::THRESHOLD_GRADIENT,
    ste::TWN_SCALE,
    LOSS_AWARE,
    LOSS,
    loss::LABEL_SMOOTHING,
    BATCH_NORM_MOMENTUM,
    sgd::MOMENTUM,
    sgd::WEIGHT_DECAY,
    sgd::NESTEROV,
    SKIP,
    QUANTIZE_ALL,
];

/// Stage 1: L + λ·L_d with full-precision weights on the sphere.
pub const FINETUNE_STEP: PassInfo = PassInfo {
    name: "hla-finetune-step",
    summary: "make of a model the training step of stage 1: on the sphere, with L_d",
    options: OPTIONS,
    run: |function, options| run(function, finetune_step(options)?),
};

/// Stage 2: L(Ŵ) + λ·L_d.
pub const TERNARY_STEP: PassInfo = PassInfo {
    name: "hla-ternary-step",
    summary: "make of a model the training step of stage 2: ternary forward, straight-through backward",
    options: OPTIONS,
    run: |function, options| run(function, ternary_step(options)?),
};

/// Loss and right answers, without any update.
pub const EVALUATE: PassInfo = PassInfo {
    name: "hla-evaluate",
    summary: "make of a model the function that tells its loss and accuracy",
    options: &[
        OptionInfo {
            name: "weights",
            kind: OptionKind::Choice(&["float", "sphere", "ternary"]),
            default: "sphere",
            help: "the weights as they are, on the sphere, or ternary",
        },
        loss::KEEP_LOGITS,
        ste::QUANTIZER,
        SPHERE,
        hyperspherical::EPSILON,
        hyperspherical::INPUT_NORM,
        ste::RESCALE,
        ste::THRESHOLD,
        ste::THRESHOLD_SCOPE,
        ste::TWN_SCALE,
        LOSS,
        loss::LABEL_SMOOTHING,
        SKIP,
        QUANTIZE_ALL,
    ],
    run: |function, options| run(function, evaluate(options)?),
};

type Sequence = Vec<(PassInfo, Options)>;

/// Plain training in float.
pub(crate) fn float_step(options: &Options) -> Result<Sequence, Diagnostic> {
    let mut passes = vec![train_mode(options)?, loss(options, true)?];
    passes.extend(descend(options)?);
    Ok(passes)
}

/// Stage 1.
pub(crate) fn finetune_step(options: &Options) -> Result<Sequence, Diagnostic> {
    let mut passes = vec![train_mode(options)?, hyperspherical(options)?];
    passes.push(loss(options, true)?);
    if wants_loss_aware(options) {
        passes.push(of(loss_aware::PASS, options, &[])?);
    }
    passes.extend(descend(options)?);
    Ok(passes)
}

/// Stage 2.
pub(crate) fn ternary_step(options: &Options) -> Result<Sequence, Diagnostic> {
    let mut passes = vec![train_mode(options)?, hyperspherical(options)?];
    passes.push(of(ste::PASS, options, &[])?);
    passes.push(loss(options, true)?);
    if wants_loss_aware(options) {
        passes.push(of(loss_aware::PASS, options, &[])?);
    }
    passes.extend(descend(options)?);
    Ok(passes)
}

/// Loss and right answers, batch norm as in inference.
pub(crate) fn evaluate(options: &Options) -> Result<Sequence, Diagnostic> {
    let mut passes = Vec::new();
    let weights = options.text("weights");
    if weights != "float" {
        passes.push(hyperspherical(options)?);
    }
    if weights == "ternary" {
        passes.push(of(ste::PASS, options, &[])?);
    }
    passes.push(loss(options, false)?);
    Ok(passes)
}

fn train_mode(options: &Options) -> Result<(PassInfo, Options), Diagnostic> {
    let renamed = [("batch-norm-momentum", "momentum")];
    of(train_mode::PASS, options, &renamed)
}

/// TWN and TTQ know no sphere.
pub(crate) fn hyperspherical(options: &Options) -> Result<(PassInfo, Options), Diagnostic> {
    let (pass, mut own) = of(hyperspherical::PASS, options, &[("sphere", "mode")])?;
    if matches!(options.text("quantizer"), "twn" | "ttq") {
        own.set("mode", "off")?;
    }
    Ok((pass, own))
}

fn loss(options: &Options, objective: bool) -> Result<(PassInfo, Options), Diagnostic> {
    let (pass, own) = of(loss::PASS, options, &[("loss", "kind")])?;
    Ok((pass, own.with("objective", objective)?))
}

fn wants_loss_aware(options: &Options) -> bool {
    match options.text("loss-aware") {
        "auto" => options.text("quantizer") == "hla",
        chosen => chosen == "true",
    }
}

/// From an objective to updates.
fn descend(options: &Options) -> Result<Sequence, Diagnostic> {
    Ok(vec![
        of(autodiff::PASS, options, &[])?,
        of(sgd::PASS, options, &[])?,
    ])
}

/// A pass with its share of the options of a step: those of the same name, and renamed ones, which
/// are (name in the step, name in the pass).
pub(crate) fn of(
    pass: PassInfo,
    options: &Options,
    renamed: &[(&str, &str)],
) -> Result<(PassInfo, Options), Diagnostic> {
    let mut own = Options::defaults(pass.options);
    for option in pass.options {
        let from = renamed.iter().find(|(_, to)| *to == option.name);
        // `momentum` of the step is not that of batch norm.
        let name = from.map_or(option.name, |(from, _)| from);
        if let Some(value) = options.get(name) {
            own.set(option.name, &value.to_string())?;
        }
    }
    Ok((pass, own))
}

/// Runs the passes of a step after checking that the model can be trained.
pub(crate) fn run(function: &Function, passes: Sequence) -> Result<(Function, Report), Diagnostic> {
    super::check::check(function).map_err(|mut errors| errors.swap_remove(0))?;
    let mut report = Report::default();
    let made = crate::pipeline::run(function, &passes, false, &mut |run| {
        report.remarks.extend(run.report.remarks.iter().cloned());
        report.figures.extend(run.report.figures.iter().cloned());
        report.tables.extend(run.report.tables.iter().cloned());
    })?;
    Ok((made, report))
}
