//! Whether a network tells classes apart at all.
//!
//! A network can die with numbers that are all finite: too large a step, or too large a weight of
//! L_d, and it answers the same whatever it sees. Its loss then looks like any other, so right
//! answers are compared with those of a guess that sees no sample: always the most frequent class.

use hla_ir::{Diagnostic, Location};

use super::Trainer;
use crate::metrics::{EpochRecord, Evaluation, Stage};
use crate::observer::Observer;

/// Right answers, and what guessing would have.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Score {
    correct: f64,
    count: f64,
    /// The most frequent class, and its share of the data.
    guess: (usize, f64),
}

impl Score {
    /// None without samples or classes. The first of the most frequent classes is the guess.
    fn new(correct: f64, count: f64, classes: &[u64]) -> Option<Score> {
        let all: u64 = classes.iter().sum();
        let (class, &most) = classes.iter().enumerate().rev().max_by_key(|(_, n)| **n)?;
        (all > 0 && count > 0.0).then_some(Score {
            correct,
            count,
            guess: (class, most as f64 / all as f64),
        })
    }

    /// Whether this is no better than the guess. Chance makes a network that sees nothing right a
    /// little more often: three standard deviations are allowed, but no more than a tenth of what
    /// there is to be learned, for the deviation of few samples or of a frequent class is large.
    fn is_chance(&self) -> bool {
        let share = self.guess.1;
        let deviation = (share * (1.0 - share) / self.count).sqrt();
        let margin = (3.0 * deviation).min((1.0 - share) / 10.0);
        self.correct <= (share + margin) * self.count
    }
}

impl Trainer<'_> {
    /// Warns when a network that told classes apart no longer does: once, for some recover.
    pub(super) fn warn_of_death(&mut self, observer: &mut dyn Observer) {
        let mut epochs = self.history.epochs().rev();
        let (Some(now), Some(before)) = (epochs.next(), epochs.next()) else {
            return;
        };
        let was_alive = self.score(before).is_some_and(|s| !s.is_chance());
        let Some(score) = self.score(now).filter(Score::is_chance) else {
            return;
        };
        if !was_alive || self.warned {
            return;
        }
        let warning = Diagnostic::warning(
            Location::unknown(),
            format!(
                "since {} the network tells no classes apart: {}",
                self.place(now),
                told(&score)
            ),
        )
        .help(format!(
            "if it does not recover, {}; the epoch before it did better",
            self.remedy()
        ));
        self.warned = true;
        observer.message(&warning);
    }

    /// A warning if the trained network is no better than a guess. `ternary` is how it did.
    pub(super) fn learned_nothing(&self, ternary: Option<Evaluation>) -> Option<Diagnostic> {
        let last = self.history.epochs().next_back()?;
        let score = match ternary {
            Some(evaluation) => self.evaluated(evaluation),
            None => self.score(last),
        };
        let score = score.filter(Score::is_chance)?;
        let is_chance = |record: &&EpochRecord| self.score(record).is_some_and(|s| s.is_chance());
        let dead = self.history.epochs().rev().take_while(is_chance).last();
        let (since, remedy) = match dead {
            Some(first) if first.epoch == 0 => {
                ("in no epoch did it do better".to_owned(), self.remedy())
            }
            Some(first) => (
                format!("so it has been since {}", self.place(first)),
                self.remedy(),
            ),
            // Only what was never trained to be ternary is worse than its last epoch.
            None => (
                "in full precision it does better".to_owned(),
                "train it with ternary weights (--ternary-epochs)",
            ),
        };
        Some(
            Diagnostic::warning(
                Location::unknown(),
                format!(
                    "the trained network tells no classes apart: {}; {since}",
                    told(&score)
                ),
            )
            .help(format!(
                "{remedy}, train for more epochs, or see that labels and images belong together"
            )),
        )
    }

    /// How the network that an epoch trained did: on the evaluation data if there are any.
    fn score(&self, record: &EpochRecord) -> Option<Score> {
        match record.eval {
            Some(evaluation) => self.evaluated(evaluation),
            None => {
                let seen = (record.steps * self.batch()) as f64;
                Score::new(record.train_accuracy * seen, seen, &self.counts)
            }
        }
    }

    fn evaluated(&self, evaluation: Evaluation) -> Option<Score> {
        let (correct, count) = (evaluation.correct as f64, evaluation.count as f64);
        Score::new(correct, count, &self.eval_counts)
    }

    /// `epoch 3 of 14 (stage fine-tune, t = 0.34)`, epochs counted as the progress counts them.
    fn place(&self, record: &EpochRecord) -> String {
        let all: u32 = self.plan.iter().map(|phase| phase.epochs).sum();
        let t = record.t.map(|t| format!(", t = {t:.2}"));
        format!(
            "epoch {} of {all} (stage {}{})",
            record.epoch + 1,
            record.stage,
            t.unwrap_or_default()
        )
    }

    fn remedy(&self) -> &'static str {
        let config = &self.config;
        let pulled = |phase: &crate::config::Phase| {
            phase.stage != Stage::Float && config.lambda(phase, 0) > 0.0
        };
        match self.plan.iter().any(pulled) {
            true => "lower the learning rate (--lr) or the weight of L_d (--lambda)",
            false => "lower the learning rate (--lr)",
        }
    }
}

fn told(score: &Score) -> String {
    let (class, share) = score.guess;
    format!(
        "{:.0} of {:.0} answers are right, where always answering {class} would have {:.0}",
        score.correct,
        score.count,
        share * score.count
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_the_most_frequent_class() {
        let score = Score::new(40.0, 450.0, &[45, 46, 46, 313 - 270, 270]).unwrap();
        assert_eq!(score.guess, (4, 0.6));
        let tie = Score::new(1.0, 3.0, &[0, 2, 2]).unwrap();
        assert_eq!(tie.guess, (1, 0.5));
        assert_eq!(Score::new(0.0, 0.0, &[1]), None);
        assert_eq!(Score::new(1.0, 2.0, &[]), None);
    }

    #[test]
    fn chance_has_a_width() {
        let chance = |correct: u32, count: u32, classes: &[u64]| {
            let score = Score::new(correct.into(), count.into(), classes).unwrap();
            score.is_chance()
        };
        // Ten classes, 450 answers: 45 ± 3·√(450·0.1·0.9) = 45 ± 19.09.
        assert!(chance(45, 450, &[45; 10]) && chance(64, 450, &[45; 10]));
        assert!(!chance(65, 450, &[45; 10]));
        // A class of 99 %: 9900 + min(3·9.95, 10 000·0.01/10) = 9910.
        assert!(chance(9910, 10_000, &[99, 1]) && !chance(9911, 10_000, &[99, 1]));
        // Five answers, two of five are of one class: 2 + 5·0.06, not 2 + 3·1.1.
        assert!(chance(2, 5, &[2, 1, 1, 1]) && !chance(3, 5, &[2, 1, 1, 1]));
        // One class: everything is a guess.
        assert!(chance(5, 5, &[5]));
    }
}
