//! Pooling over windows.

use hla_ir::DType;

use crate::contraction::{Window, indices};
use crate::evaluate::Step;
use crate::number::{maximum, saturate};
use crate::real::Real;
use crate::value::Value;

fn window<F: Real>(step: &Step<'_, F>) -> Window {
    let kernel = step.usizes("kernel");
    Window::new(step, [kernel[0], kernel[1]])
}

/// Average over the taps inside the input. Integers divide by TOSA's `reciprocal_scale` and
/// `apply_scale_32`, and saturate.
pub(crate) fn avg_pool2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (window, result) = (window(step), step.result);
    match step.operands[0] {
        Value::Float(_, input) => {
            let averages = indices(&result.shape).map(|[n, oh, ow, c]| {
                let (mut sum, mut count) = (F::ZERO, 0u32);
                for [_, _, ih, iw] in window.taps(oh, ow) {
                    sum = sum + input[[n, ih, iw, c].as_slice()];
                    count += 1;
                }
                sum / F::of(count.into())
            });
            Value::floats(result.dtype, &result.shape, averages)
        }
        Value::Int(_, input) => {
            let (input_zp, output_zp) = (step.int("input_zp"), step.int("output_zp"));
            let averages = indices(&result.shape).map(|[n, oh, ow, c]| {
                let (mut sum, mut count) = (0i128, 0u32);
                for [_, _, ih, iw] in window.taps(oh, ow) {
                    sum += i128::from(input[[n, ih, iw, c].as_slice()]) - i128::from(input_zp);
                    count += 1;
                }
                saturate(result.dtype, divide(sum, count) + i128::from(output_zp))
            });
            Value::ints(result.dtype, &result.shape, averages)
        }
    }
}

/// sum/count by TOSA's fixed-point reciprocal, which lies a little above 1/count: halves of small
/// sums are rounded away from zero.
fn divide(sum: i128, count: u32) -> i128 {
    let k = 32 - count.saturating_sub(1).leading_zeros();
    let numerator = ((1i128 << 30) + 1) << k;
    let multiplier = numerator / i128::from(count.max(1));
    let shift = 30 + k;
    (sum * multiplier + (1i128 << (shift - 1))) >> shift
}

pub(crate) fn max_pool2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (window, result) = (window(step), step.result);
    match step.operands[0] {
        Value::Float(_, input) => {
            let ignore = step.ignores_nan();
            let maxima = indices(&result.shape).map(|[n, oh, ow, c]| {
                window
                    .taps(oh, ow)
                    .fold(F::of(f64::NEG_INFINITY), |max, [_, _, ih, iw]| {
                        maximum(max, input[[n, ih, iw, c].as_slice()], ignore)
                    })
            });
            Value::floats(result.dtype, &result.shape, maxima)
        }
        Value::Int(_, input) => {
            debug_assert_ne!(result.dtype, DType::I1);
            let maxima = indices(&result.shape).map(|[n, oh, ow, c]| {
                let taps = window.taps(oh, ow);
                let values = taps.map(|[_, _, ih, iw]| input[[n, ih, iw, c].as_slice()]);
                values.max().unwrap_or(i64::MIN)
            });
            Value::ints(result.dtype, &result.shape, maxima)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn averages_round_to_nearest() {
        assert_eq!(
            [divide(5, 2), divide(-5, 2), divide(7, 4), divide(-7, 4)],
            [3, -3, 2, -2]
        );
        assert_eq!(
            [divide(9, 9), divide(127 * 9, 9), divide(-128 * 9, 9)],
            [1, 127, -128]
        );
        assert_eq!([divide(4, 3), divide(5, 3), divide(10, 1)], [1, 2, 10]);
    }
}
