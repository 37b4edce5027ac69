//! Comparing an output with what it must be: `--expect`.

use hla_ir::{Diagnostic, Location, Tensor};

/// How near outputs must be, and what they came from.
pub struct Tolerance {
    /// Part of the expected magnitude, for floats.
    pub rtol: f64,
    /// Absolute part, for floats.
    pub atol: f64,
    /// Whether the reference evaluator computed them.
    pub reference: bool,
}

impl Tolerance {
    /// |a − e| ≤ atol + rtol·|e| for floats, where NaN equals NaN; equality for integers.
    fn accepts(&self, actual: &Tensor, a: f64, e: f64) -> bool {
        let difference = distance(a, e);
        let allowed = match actual.dtype().is_float() && e.is_finite() {
            true => self.atol + self.rtol * e.abs(),
            false => 0.0,
        };
        difference <= allowed
    }

    /// Compares output `index`.
    pub fn check(
        &self,
        index: usize,
        actual: &Tensor,
        expected: &Tensor,
    ) -> Result<(), Diagnostic> {
        let refuse = |message: String| Diagnostic::error(Location::unknown(), message);
        if actual.ty() != expected.ty() {
            let message = format!(
                "output {index} is {}, but {} is expected",
                actual.ty(),
                expected.ty()
            );
            return Err(refuse(message).help("give a file of the shape that the model has"));
        }
        let pairs = actual.iter_f64().zip(expected.iter_f64()).enumerate();
        let wrong: Vec<(usize, f64, f64)> = pairs
            .filter(|(_, (a, e))| !self.accepts(actual, *a, *e))
            .map(|(i, (a, e))| (i, a, e))
            .collect();
        let by_distance = |x: &&(usize, f64, f64), y: &&(usize, f64, f64)| {
            distance(x.1, x.2)
                .total_cmp(&distance(y.1, y.2))
                .then(y.0.cmp(&x.0))
        };
        let (Some(first), Some(worst)) = (wrong.first(), wrong.iter().max_by(by_distance)) else {
            return Ok(());
        };
        let float = actual.dtype().is_float();
        let how = match float {
            true => format!("beyond rtol {} and atol {}", self.rtol, self.atol),
            false => "not equal".to_owned(),
        };
        let describe = |word: &str, (i, a, e): &(usize, f64, f64)| {
            format!(
                "{word} at {:?}: {a} instead of {e}, {:e} apart",
                place(actual.shape(), *i),
                distance(*a, *e)
            )
        };
        let looser = match float {
            true => "if that is near enough, raise --rtol or --atol",
            false => "integers must be equal",
        };
        let who = match self.reference {
            true => "",
            false => "; --reference computes what is right",
        };
        Err(refuse(format!(
            "output {index}: {} of {} elements are {how}",
            wrong.len(),
            actual.ty().elements()
        ))
        .note(Location::unknown(), describe("first", first))
        .note(Location::unknown(), describe("worst", worst))
        .help(format!("{looser}{who}")))
    }
}

/// How far two values are apart; a NaN on one side is as far as can be.
fn distance(a: f64, e: f64) -> f64 {
    if a == e || (a.is_nan() && e.is_nan()) {
        return 0.0;
    }
    let difference = (a - e).abs();
    match difference.is_nan() {
        true => f64::INFINITY,
        false => difference,
    }
}

/// The indices of element `i`.
fn place(shape: &[usize], i: usize) -> Vec<usize> {
    let mut rest = i;
    let mut place = Vec::new();
    for &extent in shape.iter().rev() {
        place.push(rest % extent);
        rest /= extent;
    }
    place.reverse();
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use hla_ir::{DType, TensorType};

    const TOLERANCE: Tolerance = Tolerance {
        rtol: 1e-2,
        atol: 1e-3,
        reference: false,
    };

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_f32s([values.len()], values).unwrap()
    }

    #[test]
    fn the_first_and_the_worst_are_told() {
        let (a, e) = (
            floats(&[1.0, 2.0, 9.0, 4.2]),
            floats(&[1.005, 2.1, 3.0, 4.0]),
        );
        let error = TOLERANCE.check(0, &a, &e).unwrap_err();
        assert!(error.message.contains("3 of 4 elements"), "{error}");
        assert!(error.notes[0].1.contains("first at [1]"), "{error}");
        assert!(
            error.notes[1].1.contains("worst at [2]: 9 instead of 3"),
            "{error}"
        );
        assert!(TOLERANCE.check(0, &e, &e).is_ok());
    }

    #[test]
    fn special_values() {
        const INF: f32 = f32::INFINITY;
        const NAN: f32 = f32::NAN;
        for (a, e, fine) in [
            (NAN, NAN, true),
            (INF, INF, true),
            (NAN, 1.0, false),
            (1.0, NAN, false),
            (INF, -INF, false),
            (1.0, INF, false),
            (INF, 1.0, false),
            (-0.0, 0.0, true),
        ] {
            let result = TOLERANCE.check(0, &floats(&[a]), &floats(&[e]));
            assert_eq!(result.is_ok(), fine, "{a} {e}");
        }
    }

    #[test]
    fn integers_are_exact_and_types_must_agree() {
        let ints =
            |v: i64| Tensor::from_i64s(TensorType::new([2, 2], DType::I32), &[0, 1, 2, v]).unwrap();
        let error = TOLERANCE.check(1, &ints(1000), &ints(1001)).unwrap_err();
        assert!(error.notes[0].1.contains("[1, 1]"), "{error}");
        let error = TOLERANCE.check(1, &ints(1), &floats(&[1.0])).unwrap_err();
        assert!(error.message.contains("is expected"), "{error}");
    }
}
