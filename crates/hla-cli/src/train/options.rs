//! From the command line to what the graphs and the driver are told.

use std::collections::BTreeMap;

use hla_ir::{Diagnostic, Location};
use hla_passes::training as graphs;
use hla_train::config::{Scope as DriverScope, TrainConfig};
use hla_train::schedule::EarlyStop;

use super::args::{
    InputNormName, LossName, Options, QuantizerName, RescaleName, SphereName,
    ThresholdGradientName, ThresholdName, TwnScaleName,
};
use super::check::Shares;
use crate::values::{Scope, value_name};

/// Epochs in full precision where there are no weights to begin with.
const FLOAT_EPOCHS: u32 = 20;
/// Weight of L_d. The paper's is 1; `docs/reproduction.md` tells what that costs.
const LAMBDA: f64 = 0.1;
/// How much lower a loss must be to count as falling, as a share of the best.
const MARGIN: f64 = 1e-3;

/// What the graphs depend on.
pub fn graphs(args: &Options) -> graphs::TrainingOptions {
    let (method, descent, open) = (&args.method, &args.descent, &args.open);
    let default = graphs::TrainingOptions::default();
    graphs::TrainingOptions {
        quantizer: match method.quantizer {
            QuantizerName::Hla | QuantizerName::Float => graphs::Quantizer::Hla,
            QuantizerName::Ste => graphs::Quantizer::Ste,
            QuantizerName::Twn => graphs::Quantizer::Twn,
            QuantizerName::Ttq => graphs::Quantizer::Ttq,
        },
        sphere: match open.sphere {
            SphereName::Reparametrize => graphs::Sphere::Reparametrize,
            SphereName::Project => graphs::Sphere::Project,
            SphereName::Off => graphs::Sphere::Off,
        },
        epsilon: open.epsilon as f32,
        input_norm: match open.input_norm {
            InputNormName::Off => graphs::InputNorm::Off,
            InputNormName::Patch => graphs::InputNorm::Patch,
        },
        rescale: open.rescale.map(|s| match s {
            RescaleName::Weight => graphs::Rescale::Weight,
            RescaleName::Alpha => graphs::Rescale::Alpha,
            RescaleName::None => graphs::Rescale::None,
        }),
        threshold_gradient: match open.threshold_gradient {
            None => default.threshold_gradient,
            Some(ThresholdGradientName::Signed) => graphs::ThresholdGradient::Signed,
            Some(ThresholdGradientName::Symmetric) => graphs::ThresholdGradient::Symmetric,
            Some(ThresholdGradientName::None) => graphs::ThresholdGradient::None,
        },
        threshold: open.threshold.map(|source| match source {
            ThresholdName::Learned => graphs::ThresholdSource::Learned,
            ThresholdName::Fixed => graphs::ThresholdSource::Fixed,
            ThresholdName::Sparsity => graphs::ThresholdSource::Sparsity,
            ThresholdName::Rule => graphs::ThresholdSource::Rule,
        }),
        threshold_scope: match scope(args) {
            Scope::Layer => graphs::ThresholdScope::Layer,
            Scope::Global => graphs::ThresholdScope::Global,
        },
        twn_scale: match open.twn_scale {
            TwnScaleName::Layer => graphs::TwnScale::Layer,
            TwnScaleName::Column => graphs::TwnScale::Column,
        },
        loss_aware: match (method.quantizer, method.lambda) {
            (QuantizerName::Ste, Some(lambda)) => Some(lambda > 0.0),
            _ => default.loss_aware,
        },
        loss: match descent.loss {
            LossName::CrossEntropy => graphs::Loss::CrossEntropy {
                label_smoothing: descent.label_smoothing as f32,
            },
            LossName::Mse => graphs::Loss::MeanSquaredError,
        },
        batch_norm_momentum: descent.batch_norm_momentum as f32,
        momentum: descent.momentum as f32,
        weight_decay: descent.weight_decay as f32,
        nesterov: descent.nesterov,
        quantize_all: method.quantize_all,
        skip: match &method.skip {
            None => default.skip.clone(),
            Some(list) => list.split(',').map(|s| s.trim().to_owned()).collect(),
        },
        keep_logits: true,
    }
}

/// Over what T(t) is taken.
fn scope(args: &Options) -> Scope {
    let usual = match args.method.quantizer {
        QuantizerName::Hla => Scope::Global,
        _ => Scope::Layer,
    };
    args.open.threshold_scope.unwrap_or(usual)
}

/// What the driver is told.
pub fn driver(args: &Options, shares: &Shares) -> TrainConfig {
    let (method, descent, open) = (&args.method, &args.descent, &args.open);
    let default = TrainConfig::default();
    let hla = method.quantizer == QuantizerName::Hla;
    let lambda = match hla {
        true => LAMBDA,
        false => 0.0,
    };
    let otherwise_float = match (method.quantizer, &args.weights) {
        (QuantizerName::Float, _) | (_, None) => FLOAT_EPOCHS,
        (_, Some(_)) => 0,
    };
    TrainConfig {
        seed: args.process.seed,
        learning_rate: descent.lr.unwrap_or(default.learning_rate),
        float_learning_rate: descent.float_lr.or(default.float_learning_rate),
        ternary_learning_rate: descent.ternary_lr.or(default.ternary_learning_rate),
        least_learning_rate: descent.lr_end,
        schedule: descent.schedule,
        float_epochs: method.float_epochs.unwrap_or(otherwise_float),
        float_only: method.quantizer == QuantizerName::Float,
        t1: shares.first,
        t2: shares.last,
        t_step: shares.step,
        t2_inclusive: open.t2_inclusive,
        epochs_per_t: match hla {
            true => method.epochs_per_t.unwrap_or(default.epochs_per_t),
            false => 0,
        },
        loss_aware_weight: method.lambda.unwrap_or(lambda),
        last_loss_aware_weight: method.lambda_last,
        ternary_loss_aware_weight: method.ternary_lambda,
        settle_epochs: method.settle_epochs,
        settle_loss_aware_weight: method.settle_lambda,
        ternary_epochs: method.ternary_epochs.unwrap_or(default.ternary_epochs),
        threshold_scope: match scope(args) {
            Scope::Layer => DriverScope::Layer,
            Scope::Global => DriverScope::Global,
        },
        threshold_start: Some(shares.start),
        threshold_rate: descent.threshold_rate,
        unit_start: !open.no_unit_start,
        step_sparsity: method.sparsity,
        augment: args.data.augment,
        early_stop: descent.early_stop.map(|patience| EarlyStop {
            patience,
            margin: MARGIN,
        }),
        reestimate_batches: descent.reestimate,
        evaluate_ternary: default.evaluate_ternary,
        graph_options: graph_options(args),
    }
}

/// What the result is not fit for.
pub fn caution(args: &Options) -> Option<Diagnostic> {
    (args.open.input_norm == InputNormName::Patch).then(|| {
        Diagnostic::warning(
            Location::unknown(),
            "with --input-norm patch the trained network divides by the lengths of patches, which the \
             model does not do: its accuracy with these weights is another",
        )
        .help("this option is for comparing methods; leave it off to compile the result")
    })
}

/// What shapes the graphs, as the user says it: a checkpoint that was made with other options names
/// them so.
fn graph_options(args: &Options) -> BTreeMap<String, String> {
    let (method, descent, open) = (&args.method, &args.descent, &args.open);
    let mut options = BTreeMap::new();
    let mut say = |name: &str, value: String| options.insert(name.to_owned(), value);
    say("quantizer", value_name(method.quantizer));
    say("quantize-all", method.quantize_all.to_string());
    say(
        "skip",
        method.skip.clone().unwrap_or_else(|| "auto".to_owned()),
    );
    say("batch", descent.batch.to_string());
    say("momentum", descent.momentum.to_string());
    say("nesterov", descent.nesterov.to_string());
    say("weight-decay", descent.weight_decay.to_string());
    say("loss", value_name(descent.loss));
    say("label-smoothing", descent.label_smoothing.to_string());
    say(
        "batch-norm-momentum",
        descent.batch_norm_momentum.to_string(),
    );
    say("sphere", value_name(open.sphere));
    say("epsilon", open.epsilon.to_string());
    say("input-norm", value_name(open.input_norm));
    say("twn-scale", value_name(open.twn_scale));
    let usual = || "default".to_owned();
    say("threshold", open.threshold.map_or_else(usual, value_name));
    say(
        "threshold-gradient",
        open.threshold_gradient.map_or_else(usual, value_name),
    );
    say("rescale", open.rescale.map_or_else(usual, value_name));
    options
}

/// What a compiled program says of the options that its graphs were built with: all that a user can
/// no longer choose.
pub fn of_graphs(args: &Options) -> BTreeMap<String, String> {
    let mut options = graph_options(args);
    options.insert("threshold-scope".to_owned(), value_name(scope(args)));
    let loss_aware = graphs(args).loss_aware;
    let loss_aware = loss_aware.map_or_else(|| "default".to_owned(), |on| on.to_string());
    options.insert("loss-aware".to_owned(), loss_aware);
    options
}

/// The command line that says these options, as [`of_graphs`] gives them. To be put before what a
/// user says.
pub fn command_line(options: &BTreeMap<String, String>) -> Vec<String> {
    let mut line = Vec::new();
    for (name, value) in options {
        match (name.as_str(), value.as_str()) {
            // Follows from the quantizer and the weight of L_d.
            ("loss-aware", _) | (_, "default") | ("skip", "auto") => {}
            ("quantize-all" | "nesterov", "true") => line.push(format!("--{name}")),
            ("quantize-all" | "nesterov", _) => {}
            _ => line.push(format!("--{name}={value}")),
        }
    }
    line
}

/// Refuses options that a program was not compiled with.
///
/// # Errors
/// Each option in which they differ.
pub fn check_program(args: &Options, program: &BTreeMap<String, String>) -> Result<(), Diagnostic> {
    let differences: Vec<String> = of_graphs(args)
        .into_iter()
        .filter_map(|(name, here)| match program.get(&name) {
            Some(there) if *there == here => None,
            Some(there) => Some(format!("{name} ({there}, here {here})")),
            None => Some(format!("{name} (nothing, here {here})")),
        })
        .collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Diagnostic::error(
            Location::unknown(),
            format!(
                "the program was compiled with other options: {}",
                differences.join(", ")
            ),
        )
        .help("leave them away, or compile the model again with these options")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(args_override_self = true)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &[String]) -> Options {
        let fixed = ["train", "--data", "d", "-o", "o"].map(str::to_owned);
        let line = fixed.into_iter().chain(line.iter().cloned());
        Command::try_parse_from(line).unwrap().options
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_comes_back_from_what_it_means() {
        for line in [
            "",
            "--quantizer ste --sphere off --sparsity 0.5",
            "--quantizer ste --lambda 0.5",
            "--quantizer twn --twn-scale column --quantize-all",
            "--batch 256 --momentum 0.8 --nesterov --weight-decay 5e-5 --skip conv1,fc",
            "--loss mse --batch-norm-momentum 0.2 --epsilon 1e-5 --input-norm patch",
            "--threshold fixed --rescale alpha --threshold-scope layer --label-smoothing 0.1",
        ] {
            let said = parse(&words(line));
            let meant = of_graphs(&said);
            let mut again = command_line(&meant);
            // The weight of L_d is chosen anew for each training.
            if line.contains("--lambda") {
                again.extend(words("--lambda 0.1"));
            }
            let again = parse(&again);
            assert_eq!(of_graphs(&again), meant, "{line}");
            assert_eq!(graphs(&again), graphs(&said), "{line}");
            assert!(check_program(&again, &meant).is_ok());
        }
    }

    #[test]
    fn another_option_than_the_programs_is_refused() {
        let meant = of_graphs(&parse(&words("--momentum 0.8")));
        let mut line = command_line(&meant);
        line.extend(words("--momentum 0.7 --lr 0.5"));
        let error = check_program(&parse(&line), &meant).unwrap_err();
        assert!(
            error.message.contains("momentum (0.8, here 0.7)"),
            "{error}"
        );
    }
}
