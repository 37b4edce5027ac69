//! What changes while a training goes on: learning rates, and the shares of zeros of stage 1.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the learning rate falls within a stage. Time is counted in epochs since the stage began,
/// and parts of them: step s of an epoch of n steps is at s/n.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Always the base rate.
    Constant,
    /// Half a cosine from the base rate to the least over the whole stage.
    Cosine,
    /// SGDR (arXiv 1608.03983): half a cosine over T_0 epochs, then again from the base rate, each
    /// period `factor` times as long as the one before.
    Restarts {
        /// T_0, in epochs.
        period: u32,
        /// T_mult, at least 1.
        factor: u32,
    },
    /// SGDR with the periods of the stage: one period for each t of stage 1, and one for each other
    /// stage.
    #[default]
    Stage,
}

impl Schedule {
    /// η_t of SGDR's Eq. 5: `least + ½(base − least)(1 + cos(π·T_cur/T_i))`, where `time` epochs of
    /// a stage (for [`Schedule::Stage`], a phase) of `epochs` have passed.
    pub fn rate(self, base: f64, least: f64, time: f64, epochs: f64) -> f64 {
        let (passed, period) = match self {
            Schedule::Constant => return base,
            Schedule::Cosine | Schedule::Stage => (time.min(epochs), epochs),
            Schedule::Restarts { period, factor } => within(time, period, factor),
        };
        if period <= 0.0 {
            return base;
        }
        least + 0.5 * (base - least) * (1.0 + libm::cos(PI * passed / period))
    }
}

/// T_cur and T_i: the epochs since the last restart, and how long that period is.
fn within(time: f64, period: u32, factor: u32) -> (f64, f64) {
    let mut period = f64::from(period.max(1));
    if factor <= 1 {
        return (time % period, period);
    }
    let mut passed = time;
    while passed >= period {
        passed -= period;
        period *= f64::from(factor);
    }
    (passed, period)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str("constant"),
            Schedule::Cosine => f.write_str("cosine"),
            Schedule::Stage => f.write_str("restarts"),
            Schedule::Restarts { period, factor } => write!(f, "restarts={period}x{factor}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Reads `constant`, `cosine`, `restarts`, `restarts=10` or `restarts=10x2` (T_0 and T_mult).
    fn from_str(text: &str) -> Result<Schedule, String> {
        let number = |text: &str| {
            text.parse::<u32>().ok().filter(|&n| n > 0).ok_or_else(|| {
                format!("'{text}' is no count of epochs: write restarts=10 or restarts=10x2")
            })
        };
        match text.split_once('=') {
            None => match text {
                "constant" => Ok(Schedule::Constant),
                "cosine" => Ok(Schedule::Cosine),
                "restarts" => Ok(Schedule::Stage),
                _ => Err(format!(
                    "'{text}' is no schedule: write constant, cosine, restarts, or restarts=T0xTMULT"
                )),
            },
            Some(("restarts", periods)) => {
                let (period, factor) = periods.split_once('x').unwrap_or((periods, "1"));
                Ok(Schedule::Restarts {
                    period: number(period)?,
                    factor: number(factor)?,
                })
            }
            Some(_) => Err(format!(
                "'{text}' is no schedule: only restarts takes a number"
            )),
        }
    }
}

/// The values of t in stage 1: t₁, t₁ + step, … while t < t₂, as Algorithm 1 prints it, and t₂ too
/// if `inclusive`. A fixed t, t₁ ≥ t₂, is one value. A sum that rounding left a hair below t₂ counts
/// as t₂.
pub fn sparsities(t1: f64, t2: f64, step: f64, inclusive: bool) -> Vec<f64> {
    const HAIR: f64 = 1e-9;
    // 0.34, not 0.33999999999999997: t is shown, and stands in files of metrics.
    let tidy = |t: f64| (t * 1e9).round() / 1e9;
    let mut values = vec![t1];
    if step > 0.0 {
        // t₁ + i·step, not a running sum, whose error grows.
        let more = (1..).map(|i| tidy(t1 + f64::from(i) * step));
        values.extend(more.take_while(|t| *t < t2 - HAIR));
    }
    if inclusive && t1 < t2 - HAIR {
        values.push(t2);
    }
    values
}

/// When a stage has converged before its epochs are over.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EarlyStop {
    /// Epochs without a better training loss that end the stage, or the current t of stage 1.
    pub patience: u32,
    /// How much lower a loss must be to count as better, as a share of the best.
    pub margin: f64,
}

/// The best loss so far and how long ago it was. It is part of a checkpoint.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Convergence {
    /// The lowest loss seen; none yet at first.
    pub best: Option<f64>,
    /// Epochs since.
    pub stale: u32,
}

impl Convergence {
    /// Takes an epoch's loss in; whether the stage has converged.
    pub fn observe(&mut self, stop: &EarlyStop, loss: f64) -> bool {
        match self.best {
            Some(best) if loss >= best - stop.margin * best.abs() => self.stale += 1,
            _ => {
                self.best = Some(loss);
                self.stale = 0;
            }
        }
        self.stale >= stop.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_by_hand() {
        // ½(1 + cos(π/2)) = ½ halfway, ½(1 + cos(π/3)) = ¾ after a third.
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(Schedule::Cosine.rate(0.2, 0.0, 5.0, 10.0), 0.1);
        near(Schedule::Cosine.rate(0.4, 0.0, 2.0, 6.0), 0.3);
        near(Schedule::Cosine.rate(0.5, 0.1, 10.0, 10.0), 0.1);
        near(Schedule::Cosine.rate(0.5, 0.1, 0.0, 10.0), 0.5);
        assert_eq!(Schedule::Constant.rate(0.5, 0.1, 3.0, 10.0), 0.5);
        near(Schedule::Stage.rate(0.5, 0.1, 2.0, 4.0), 0.3);
    }

    #[test]
    fn schedules_are_read_as_they_are_written() {
        for text in ["constant", "cosine", "restarts", "restarts=10x2"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!(
            "restarts=10".parse(),
            Ok(Schedule::Restarts {
                period: 10,
                factor: 1
            })
        );
        for text in [
            "",
            "cosine=3",
            "restarts=0",
            "restarts=",
            "restarts=2x0",
            "linear",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn t_grows_as_in_algorithm_1() {
        let values = sparsities(0.3, 0.7, 0.04, false);
        assert_eq!(values.len(), 10);
        assert_eq!((values[1], values[9]), (0.34, 0.66));
        assert_eq!(sparsities(0.3, 0.7, 0.04, true).last(), Some(&0.7));
        assert_eq!(sparsities(0.3, 0.7, 0.04, true).len(), 11);
        assert_eq!(sparsities(0.7, 0.7, 0.04, true), [0.7]);
        assert_eq!(sparsities(0.9, 0.7, 0.04, false), [0.9]);
        assert_eq!(sparsities(0.3, 0.7, 0.0, false), [0.3]);
    }

    #[test]
    fn convergence_waits_for_patience() {
        let stop = EarlyStop {
            patience: 2,
            margin: 0.01,
        };
        let mut c = Convergence::default();
        let stops: Vec<bool> = [1.0, 0.9, 0.895, 0.88, 0.9, 0.88]
            .iter()
            .map(|&loss| c.observe(&stop, loss))
            .collect();
        assert_eq!(stops, [false, false, false, false, false, true]);
    }
}
