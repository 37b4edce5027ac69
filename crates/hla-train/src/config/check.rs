//! Whether a course makes sense, and in what two of them differ.

use std::collections::BTreeMap;
use std::fmt;

use hla_ir::{Diagnostic, Location};

use super::TrainConfig;

impl TrainConfig {
    /// Whether the numbers make sense together.
    ///
    /// # Errors
    /// One for each that does not.
    pub fn check(&self) -> Result<(), Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut refuse = |name: &str, value: &dyn fmt::Display, help: &str| {
            let message = format!("{name} is {value}");
            problems.push(Diagnostic::error(Location::unknown(), message).help(help));
        };
        let positive = "a learning rate is a positive number, such as 0.01";
        for (name, rate) in [
            ("the learning rate", Some(self.learning_rate)),
            (
                "the learning rate of float training",
                self.float_learning_rate,
            ),
            ("the learning rate of stage 2", self.ternary_learning_rate),
        ] {
            if let Some(rate) = rate.filter(|r| !(r.is_finite() && *r > 0.0)) {
                refuse(name, &rate, positive);
            }
        }
        let least = self.least_learning_rate;
        if !(0.0..=self.learning_rate).contains(&least) {
            refuse(
                "the least learning rate",
                &least,
                "it lies between 0 and the learning rate",
            );
        }
        let share = "t is a share of zeros, from 0 to 1";
        for (name, t) in [
            ("t1", Some(self.t1)),
            ("t2", Some(self.t2)),
            ("the start of the threshold", self.threshold_start),
            ("the sparsity of a step", self.step_sparsity),
        ] {
            if let Some(t) = t.filter(|t| !(0.0..=1.0).contains(t)) {
                refuse(name, &t, share);
            }
        }
        let fixed = self.t1 >= self.t2;
        if !(self.t_step.is_finite() && (self.t_step >= 1e-4 || fixed && self.t_step >= 0.0)) {
            refuse(
                "the step of t",
                &self.t_step,
                "t grows by at least 0.0001, such as 0.04",
            );
        }
        for (name, weight) in [
            ("the weight of L_d", Some(self.loss_aware_weight)),
            (
                "the weight of L_d in stage 2",
                self.ternary_loss_aware_weight,
            ),
            (
                "the weight of L_d while settling",
                Some(self.settle_loss_aware_weight),
            ),
        ] {
            if let Some(weight) = weight.filter(|w| !(w.is_finite() && *w >= 0.0)) {
                refuse(name, &weight, "λ is 0 or more; the paper's is 1");
            }
        }
        if self
            .last_loss_aware_weight
            .is_some_and(|last| last * self.loss_aware_weight <= 0.0)
        {
            refuse(
                "the weight of L_d",
                &self.loss_aware_weight,
                "only a λ above 0 can grow",
            );
        }
        if !(0.0..=1e6).contains(&self.threshold_rate) {
            refuse(
                "the rate of the threshold",
                &self.threshold_rate,
                "it is a factor, such as 1",
            );
        }
        match problems {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems),
        }
    }

    /// The options in which another differs, with both values: `learning-rate (0.01, here 0.02)`.
    pub fn differences(&self, other: &TrainConfig) -> Vec<String> {
        let object = |config: &TrainConfig| {
            let mut options = BTreeMap::new();
            let value = serde_json::to_value(config).unwrap_or_default();
            for (key, value) in value.as_object().into_iter().flatten() {
                match value.as_object() {
                    Some(inner) if key == "graph-options" => {
                        options.extend(inner.iter().map(|(k, v)| (k.clone(), v.clone())))
                    }
                    _ => {
                        options.insert(key.clone(), value.clone());
                    }
                }
            }
            options
        };
        let (mine, theirs) = (object(self), object(other));
        let mut keys: Vec<&String> = mine.keys().chain(theirs.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let shown = |value: Option<&serde_json::Value>| {
            value.map_or("absent".to_owned(), ToString::to_string)
        };
        keys.into_iter()
            .filter(|&key| mine.get(key) != theirs.get(key))
            .map(|key| {
                format!(
                    "{key} ({}, here {})",
                    shown(mine.get(key)),
                    shown(theirs.get(key))
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_at_once() {
        assert!(TrainConfig::default().check().is_ok());
        let wrong = TrainConfig {
            learning_rate: f64::NAN,
            t2: 1.5,
            t_step: 0.0,
            loss_aware_weight: -1.0,
            ..TrainConfig::default()
        };
        // The least learning rate is no longer below the learning rate.
        assert_eq!(wrong.check().unwrap_err().len(), 5);
    }

    #[test]
    fn differences_are_named() {
        let mut a = TrainConfig::default();
        a.graph_options
            .insert("quantizer".to_owned(), "hla".to_owned());
        let mut b = a.clone();
        assert!(a.differences(&b).is_empty());
        b.learning_rate = 0.02;
        b.graph_options
            .insert("quantizer".to_owned(), "twn".to_owned());
        assert_eq!(
            a.differences(&b),
            [
                "learning-rate (0.01, here 0.02)",
                "quantizer (\"hla\", here \"twn\")"
            ]
        );
    }
}
