//! Calibration: how large the values of a function are on sample inputs.

use std::collections::HashMap;

use hla_ir::{Diagnostic, Function, Tensor, ValueId};

/// The range [−r, r] of each measured value.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Calibration {
    ranges: HashMap<ValueId, f32>,
}

impl Calibration {
    /// The range of a value, if it was measured.
    pub fn range(&self, value: ValueId) -> Option<f32> {
        self.ranges.get(&value).copied()
    }

    /// Sets the range of a value.
    pub fn set(&mut self, value: ValueId, range: f32) {
        self.ranges.insert(value, range);
    }
}

/// A function made ready to run.
pub type Program = Box<dyn FnMut(&[Tensor]) -> Result<Vec<Tensor>, Diagnostic>>;

/// Measures values of a function on samples, each a tensor for every argument.
///
/// The range of a value on one sample is the `percentile` of |x| over its elements (nearest rank
/// above; 100 gives the maximum); over all samples it is the largest of these. `prepare` makes a
/// function runnable: the reference evaluator and a compiled program serve alike.
pub fn calibrate(
    function: &Function,
    values: &[ValueId],
    samples: &[Vec<Tensor>],
    percentile: f64,
    prepare: &dyn Fn(&Function) -> Result<Program, Diagnostic>,
) -> Result<Calibration, Diagnostic> {
    let mut calibration = Calibration::default();
    if values.is_empty() {
        return Ok(calibration);
    }
    if samples.is_empty() {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!("there is no sample to calibrate '{}' with", function.name),
        )
        .help("give at least one sample input"));
    }
    let mut watched = function.clone();
    watched.results = values.to_vec();
    let mut program = prepare(&hla_ir::rewrite::without_dead_nodes(&watched))?;
    for (i, sample) in samples.iter().enumerate() {
        for (&value, result) in values.iter().zip(program(sample)?) {
            let mut magnitudes: Vec<f32> = result.to_f32s().iter().map(|v| v.abs()).collect();
            if magnitudes.iter().any(|v| !v.is_finite()) {
                let location = function
                    .defining_node(value)
                    .map_or(&function.location, |n| &n.location);
                return Err(Diagnostic::error(
                    location.clone(),
                    format!("calibration sample {i} gives NaN or infinity here"),
                )
                .help("leave this sample out, or look for what makes the model overflow"));
            }
            if magnitudes.is_empty() {
                continue;
            }
            let rank = (percentile / 100.0 * magnitudes.len() as f64).ceil() as usize;
            let rank = rank.clamp(1, magnitudes.len()) - 1;
            let (_, &mut range, _) = magnitudes.select_nth_unstable_by(rank, f32::total_cmp);
            let known = calibration.ranges.entry(value).or_insert(range);
            *known = known.max(range);
        }
    }
    Ok(calibration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hla_ir::{Arg, TensorType};

    fn identity() -> (Function, ValueId) {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::f32([4])));
        f.results.push(x);
        (f, x)
    }

    fn echo(_: &Function) -> Result<Program, Diagnostic> {
        Ok(Box::new(|inputs| Ok(inputs.to_vec())))
    }

    fn sample(values: [f32; 4]) -> Vec<Tensor> {
        vec![Tensor::from_f32s([4], &values).unwrap()]
    }

    #[test]
    fn the_range_is_the_largest_percentile_of_the_samples() {
        let (f, x) = identity();
        let samples = [sample([1.0, -2.0, 3.0, -4.0]), sample([0.5, 0.5, 2.5, 2.0])];
        for (percentile, range) in [(100.0, 4.0), (75.0, 3.0), (50.0, 2.0), (0.0, 1.0)] {
            let c = calibrate(&f, &[x], &samples, percentile, &echo).unwrap();
            assert_eq!(c.range(x), Some(range), "{percentile}");
        }
    }

    #[test]
    fn no_sample_and_nan_are_errors() {
        let (f, x) = identity();
        assert!(calibrate(&f, &[x], &[], 100.0, &echo).is_err());
        let bad = [sample([0.0, f32::NAN, 0.0, 0.0])];
        let error = calibrate(&f, &[x], &bad, 100.0, &echo).unwrap_err();
        assert!(error.message.contains("sample 0"), "{error}");
    }
}
