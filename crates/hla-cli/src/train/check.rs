//! What can be refused before anything is read or computed: options that contradict each other, and
//! places that cannot be written.

use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Location};

use super::args::{LossName, Options, QuantizerName, ThresholdName};
use crate::Failure;
use crate::output::{self, Outputs};

/// T₁, T₂ and the step of Algorithm 1 where nothing is said.
const T: (f64, f64, f64) = (0.3, 0.7, 0.04);
/// How far above t₂ the threshold of stage 2 begins in Algorithm 1.
const ABOVE: f64 = 0.1;

/// The shares of zeros that t goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// t₁.
    pub first: f64,
    /// t₂.
    pub last: f64,
    /// What t grows by.
    pub step: f64,
    /// What the threshold of stage 2 begins with.
    pub start: f64,
}

/// The shares of zeros that these options mean.
pub fn shares(args: &Options) -> Result<Shares, Failure> {
    let method = &args.method;
    let first = method
        .t1
        .unwrap_or_else(|| T.0.min(method.t2.unwrap_or(T.1)));
    let last = method.t2.unwrap_or_else(|| T.1.max(first));
    let step = method.t_step.unwrap_or(T.2);
    let start = method.threshold_start.unwrap_or(last + ABOVE);
    if first > last {
        return Err(Failure::Usage(format!(
            "t grows from --t1 to --t2, but {first} is more than {last}"
        )));
    }
    if first < last && step == 0.0 {
        return Err(Failure::Usage(
            "with --t-step 0 t never comes from --t1 to --t2: give a step, or the same share twice"
                .to_owned(),
        ));
    }
    let hla = method.quantizer == QuantizerName::Hla;
    if hla && start >= 1.0 {
        return Err(Failure::Usage(format!(
            "stage 2 would begin with a share of {start:.2} zeros: give --threshold-start less than 1, \
             or a smaller --t2"
        )));
    }
    Ok(Shares {
        first,
        last,
        step,
        start,
    })
}

/// Refuses options that contradict each other.
pub fn options(args: &Options) -> Result<(), Failure> {
    let (method, descent, open) = (&args.method, &args.descent, &args.open);
    let quantizer = method.quantizer;
    let only = |given: bool, option: &str, needs: &str| match given {
        true => Err(Failure::Usage(format!(
            "{option} is of use only with {needs}"
        ))),
        false => Ok(()),
    };
    use QuantizerName::{Float, Hla, Ste};
    if quantizer == Float {
        let ternary = "a quantizer: --quantizer float has no ternary weights";
        only(method.t1.is_some(), "--t1", ternary)?;
        only(method.t2.is_some(), "--t2", ternary)?;
        only(method.t_step.is_some(), "--t-step", ternary)?;
        only(method.epochs_per_t.is_some(), "--epochs-per-t", ternary)?;
        only(method.ternary_epochs.is_some(), "--ternary-epochs", ternary)?;
        only(descent.ternary_lr.is_some(), "--ternary-lr", ternary)?;
        only(method.quantize_all, "--quantize-all", ternary)?;
        only(method.skip.is_some(), "--skip", ternary)?;
        only(open.rescale.is_some(), "--rescale", ternary)?;
        only(open.threshold.is_some(), "--threshold", ternary)?;
        only(method.settle_epochs > 0, "--settle-epochs", ternary)?;
    }
    if quantizer != Hla {
        let hla = "--quantizer hla, which has a stage 1 and learns thresholds";
        only(method.t1.is_some(), "--t1", hla)?;
        only(method.t_step.is_some(), "--t-step", hla)?;
        only(method.epochs_per_t.is_some(), "--epochs-per-t", hla)?;
        only(method.settle_epochs > 0, "--settle-epochs", hla)?;
        only(method.lambda_last.is_some(), "--lambda-last", hla)?;
        only(
            open.threshold_gradient.is_some(),
            "--threshold-gradient",
            hla,
        )?;
    }
    if !matches!(quantizer, Hla | Ste) {
        let sphere = "--quantizer hla or ste: the others have rules of their own";
        only(method.t2.is_some(), "--t2", sphere)?;
        only(method.lambda.is_some(), "--lambda", sphere)?;
        only(method.ternary_lambda.is_some(), "--ternary-lambda", sphere)?;
        only(
            method.threshold_start.is_some(),
            "--threshold-start",
            sphere,
        )?;
    }
    only(
        descent.nesterov && descent.momentum == 0.0,
        "--nesterov",
        "a --momentum above 0",
    )?;
    only(
        descent.loss == LossName::Mse && descent.label_smoothing > 0.0,
        "--label-smoothing",
        "--loss cross-entropy",
    )?;
    let recomputed = match open.threshold {
        None => quantizer == Ste,
        Some(source) => source == ThresholdName::Sparsity,
    };
    only(
        method.sparsity.is_some() && !recomputed,
        "--sparsity",
        "--quantizer ste or --threshold sparsity: else thresholds are not computed from it",
    )?;
    only(
        method.threshold_start.is_some() && recomputed,
        "--threshold-start",
        "thresholds that are kept: these are computed in each step, from --sparsity",
    )?;
    only(
        open.threshold_gradient.is_some()
            && open.threshold.is_some_and(|t| t != ThresholdName::Learned),
        "--threshold-gradient",
        "--threshold learned",
    )?;
    let float_only = quantizer == Float && method.float_epochs == Some(0);
    let nothing = quantizer != Float
        && method.ternary_epochs == Some(0)
        && (quantizer != Hla || method.epochs_per_t == Some(0))
        && method.float_epochs.unwrap_or(0) == 0;
    if float_only || nothing {
        return Err(Failure::Usage(
            "there is nothing to train: all epochs are 0".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses places that cannot be written, and inputs named as outputs, before hours of training.
pub fn places(args: &Options, inputs: &[PathBuf]) -> Result<(), Diagnostic> {
    let process = &args.process;
    let mut outputs = Outputs::sparing(inputs.iter().map(PathBuf::as_path));
    outputs.add("-o", &args.output, "");
    if let Some(metrics) = &process.metrics {
        outputs.add("--metrics", metrics, "");
    }
    outputs.check()?;
    let folders = [
        ("--checkpoint", &process.checkpoint),
        ("--plots", &process.plots),
    ];
    for (option, folder) in folders {
        let Some(folder) = folder else { continue };
        output::check_folder(option, folder)?;
        let files = [Some(&args.output), process.metrics.as_ref()];
        for file in files.into_iter().flatten() {
            if is_inside(file, folder) {
                return Err(Diagnostic::error(
                    Location::unknown(),
                    format!(
                        "{} lies in {}, whose files are replaced while training goes on",
                        file.display(),
                        folder.display()
                    ),
                )
                .help("give checkpoints and plots folders of their own"));
            }
        }
    }
    Ok(())
}

/// Whether a file would lie directly in a folder.
fn is_inside(file: &Path, folder: &Path) -> bool {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) => parent == folder,
        // A folder that is not there yet holds nothing to be replaced by name.
        _ => parent == folder,
    }
}
