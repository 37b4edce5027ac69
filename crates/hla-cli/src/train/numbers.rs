//! Numbers on the command line, each within its range.

use std::fmt::Display;

fn number(text: &str, fits: impl Fn(f64) -> bool, wanted: impl Display) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if fits(value) => Ok(value),
        _ => Err(format!("it is {wanted}")),
    }
}

/// A share that leaves something: 0 ≤ v < 1.
pub fn open_share(text: &str) -> Result<f64, String> {
    number(
        text,
        |v| (0.0..1.0).contains(&v),
        "a share: from 0 to less than 1",
    )
}

/// A share: 0 ≤ v ≤ 1.
pub fn share(text: &str) -> Result<f64, String> {
    number(text, |v| (0.0..=1.0).contains(&v), "a number from 0 to 1")
}

/// A factor below 1: 0 ≤ v < 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    number(
        text,
        |v| (0.0..1.0).contains(&v),
        "a number from 0 to less than 1",
    )
}

/// A positive number that an f32 can hold.
pub fn positive(text: &str) -> Result<f64, String> {
    let fits = |v: f64| v as f32 > 0.0 && (v as f32).is_finite();
    number(text, fits, "a number greater than 0")
}

/// A number of at least 0 that an f32 can hold.
pub fn weight(text: &str) -> Result<f64, String> {
    let fits = |v: f64| v >= 0.0 && (v as f32).is_finite();
    number(text, fits, "a number of at least 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_held() {
        assert_eq!(open_share("0.3"), Ok(0.3));
        assert_eq!(positive("1e-3"), Ok(1e-3));
        assert_eq!(weight("0"), Ok(0.0));
        for text in ["1", "-0.1", "nan", "", "0,3"] {
            assert!(
                open_share(text).is_err() && fraction(text).is_err(),
                "{text}"
            );
        }
        for text in ["0", "-1", "inf", "1e99", "1e-99", "nan"] {
            assert!(positive(text).is_err(), "{text}");
        }
        for text in ["-1e-9", "inf", "1e39"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }
}
