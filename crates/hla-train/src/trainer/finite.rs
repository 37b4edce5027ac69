//! Where numbers stopped being numbers.

use hla_passes::training::{Role, StateSpec};
use hla_runtime::State;

/// Finds NaN and infinity in a state: `'conv2' is the first layer with NaN (in
/// 'conv2.running_mean')`. Running statistics come first, for they show the layer where a forward
/// pass went wrong; the gradients of one NaN reach every weight before it.
pub(super) fn check(specs: &[StateSpec], state: &State) -> Result<(), String> {
    let statistics = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
    let (first, then): (Vec<_>, Vec<_>) = specs.iter().partition(|s| statistics(s.role));
    for spec in first.into_iter().chain(then) {
        let Some(bytes) = state.bytes(&spec.name) else {
            continue;
        };
        let wrong = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .find(|v| !v.is_finite());
        if let Some(value) = wrong {
            let name = &spec.name;
            let layer = spec.layer.as_deref().unwrap_or(name);
            return Err(format!(
                "'{layer}' is the first layer with {value} (in '{name}')"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hla_ir::{Tensor, TensorType};

    use super::*;

    #[test]
    fn running_statistics_tell_first() {
        let spec = |name: &str, role| StateSpec {
            name: name.to_owned(),
            ty: TensorType::f32([2]),
            role,
            layer: name.rsplit_once('.').map(|(layer, _)| layer.to_owned()),
        };
        let specs = [
            spec("a.weight", Role::Weight { fan_in: 2 }),
            spec("b.running_mean", Role::RunningMean),
        ];
        let state = |a: [f32; 2], b: [f32; 2]| {
            let mut state = State::new();
            for (spec, values) in specs.iter().zip([a, b]) {
                let tensor = Tensor::from_f32s([2], &values).unwrap();
                state.set(&spec.name, &tensor).unwrap();
            }
            state
        };
        assert_eq!(check(&specs, &state([0.0, 1.0], [f32::MAX, -1.0])), Ok(()));
        assert_eq!(
            check(&specs, &state([f32::NAN, 1.0], [0.0, f32::INFINITY])).unwrap_err(),
            "'b' is the first layer with inf (in 'b.running_mean')"
        );
        assert_eq!(
            check(&specs, &state([0.0, f32::NAN], [0.0, 0.0])).unwrap_err(),
            "'a' is the first layer with NaN (in 'a.weight')"
        );
    }
}
