//! How a network does: loss and right answers from its logits, on the host.
//!
//! A program evaluates a whole batch at a time, so the last one is padded. Loss and right answers
//! are counted here, over the samples that are real; so the loss is that of the model, without label
//! smoothing, for any number of samples.

use hla_ir::{Diagnostic, Location};
use hla_runtime::{State, ThreadPool};

use crate::data::{Batches, Dataset};
use crate::metrics::Evaluation;
use crate::program::{Feed, Program};

/// Which loss is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// −log softmax(logits)_label.
    CrossEntropy,
    /// Mean of (logits − onehot)².
    SquaredError,
}

/// Evaluates a program on all samples of a data set.
pub(crate) fn evaluate(
    program: &mut Program,
    state: &mut State,
    batches: &Batches<'_>,
    name: &str,
    sparsity: f64,
    pool: Option<&ThreadPool>,
) -> Result<Evaluation, Diagnostic> {
    let data: &Dataset = batches.data;
    let places = batches.input.shape.first().copied().unwrap_or(1).max(1);
    let loss = match program.takes_targets() {
        true => Loss::SquaredError,
        false => Loss::CrossEntropy,
    };
    let samples: Vec<u32> = (0..data.len() as u32).collect();
    let (mut sum, mut correct) = (0.0, 0);
    let mut chunks = samples.chunks(places);
    let mut make = || chunks.next().map(|s| (s, batches.make(s, pool)));
    let mut ahead = make();
    while let Some((samples, batch)) = ahead {
        let batch = batch?;
        let feed = Feed {
            images: Some((name, &batch.images)),
            labels: Some(&batch.labels),
            learning_rate: 0.0,
            loss_aware_weight: 0.0,
            sparsity,
        };
        let begun = program.begin(state, &feed, pool)?;
        // The next batch is made while a device is at work.
        ahead = make();
        let outputs = program.finish(begun)?;
        let logits = outputs.get("logits").ok_or_else(no_logits)?.to_f32s();
        let labels = samples.iter().map(|&s| data.label(s as usize) as usize);
        for (row, label) in logits.chunks_exact(logits.len() / places).zip(labels) {
            sum += sample_loss(loss, row, label);
            correct += usize::from(argmax(row) == label);
        }
    }
    program.pull(state)?;
    Ok(Evaluation {
        loss: sum / data.len() as f64,
        correct,
        count: data.len(),
    })
}

pub(crate) fn no_logits() -> Diagnostic {
    Diagnostic::error(Location::unknown(), "the evaluation graphs give no logits")
        .help("build them with TrainingOptions::keep_logits")
}

fn sample_loss(loss: Loss, logits: &[f32], label: usize) -> f64 {
    let wide = logits.iter().map(|&l| f64::from(l));
    match loss {
        Loss::CrossEntropy => {
            let most = wide.clone().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = wide.map(|l| libm::exp(l - most)).sum();
            libm::log(sum) + most - logits.get(label).map_or(f64::NAN, |&l| f64::from(l))
        }
        Loss::SquaredError => {
            let target = |i: usize| f64::from(u8::from(i == label));
            let squares = wide.enumerate().map(|(i, l)| (l - target(i)).powi(2));
            squares.sum::<f64>() / logits.len().max(1) as f64
        }
    }
}

/// The first of the largest.
fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_by_hand() {
        // softmax(0, ln 3) = (¼, ¾).
        let logits = [0.0, 3.0_f32.ln()];
        assert!((sample_loss(Loss::CrossEntropy, &logits, 0) - 4.0_f64.ln()).abs() < 1e-6);
        assert!((sample_loss(Loss::CrossEntropy, &[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        // ((0.5 − 0)² + (2 − 1)²)/2.
        assert_eq!(sample_loss(Loss::SquaredError, &[0.5, 2.0], 1), 0.625);
        assert_eq!(argmax(&[1.0, 2.0, 2.0]), 1);
    }
}
