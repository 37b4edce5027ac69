//! Gradients of convolutions, pooling and gather.
//!
//! A convolution's gradient sums from +0 with one fused multiply-add per product: by the input in
//! the order of (kh, kw, oc), by the weight in the order of (n, oh, ow). A pool's sums from +0 over
//! the windows in row-major order.

use ndarray::{ArrayD, IxDyn};

use crate::contraction::{Window, at, indices};
use crate::evaluate::Step;
use crate::real::Real;
use crate::value::Value;

fn kernel<F: Real>(step: &Step<'_, F>) -> [usize; 2] {
    let kernel = step.usizes("kernel");
    [kernel[0], kernel[1]]
}

fn floats<F: Real>(step: &Step<'_, F>, values: Vec<F>) -> Result<Value<F>, String> {
    Value::floats(step.result.dtype, &step.result.shape, values)
}

/// Result position and tap of each product that an input element takes part in, in the order of
/// (kh, kw): [ih, iw] → [(kh, kw, oh, ow)].
struct Reached(Vec<Vec<[usize; 4]>>, usize);

impl Reached {
    fn new(window: &Window, input: [usize; 2], output: [usize; 2]) -> Reached {
        let mut reached = vec![Vec::new(); input[0] * input[1]];
        for oh in 0..output[0] {
            for ow in 0..output[1] {
                for [kh, kw, ih, iw] in window.taps(oh, ow) {
                    reached[ih * input[1] + iw].push([kh, kw, oh, ow]);
                }
            }
        }
        reached.iter_mut().for_each(|taps| taps.sort_unstable());
        Reached(reached, input[1])
    }

    fn of(&self, ih: usize, iw: usize) -> &[[usize; 4]] {
        &self.0[ih * self.1 + iw]
    }
}

/// ∂/∂x\[n, ih, iw, ic\] = Σ over (kh, kw, oc) of g\[n, oh, ow, oc\]·w\[oc, kh, kw, ic\].
pub(crate) fn conv2d_input<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (gradient, weight) = (step.operands[0].to_floats()?, step.operands[1].to_floats()?);
    let (g, w) = (step.operands[0].shape(), step.operands[1].shape());
    let input = [step.result.shape[1], step.result.shape[2]];
    let window = Window::over(step, [w[1], w[2]], input);
    let reached = Reached::new(&window, input, [g[1], g[2]]);
    let sums = indices(&step.result.shape).map(|[n, ih, iw, ic]| {
        let mut sum = F::ZERO;
        for &[kh, kw, oh, ow] in reached.of(ih, iw) {
            for oc in 0..w[0] {
                let y = gradient[at(g, [n, oh, ow, oc])];
                sum = sum.accumulate(y, weight[at(w, [oc, kh, kw, ic])]);
            }
        }
        sum
    });
    floats(step, sums.collect())
}

/// ∂/∂w\[oc, kh, kw, ic\] = Σ over (n, oh, ow) of x\[n, ih, iw, ic\]·g\[n, oh, ow, oc\].
pub(crate) fn conv2d_weight<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    weight_gradient(step, |[oc, kh, kw, ic]| ([kh, kw], ic, oc))
}

/// ∂/∂w\[kh, kw, c, m\] = Σ over (n, oh, ow) of x\[n, ih, iw, c\]·g\[n, oh, ow, c·M + m\].
pub(crate) fn depthwise_conv2d_weight<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let multiplier = step.result.shape[3];
    weight_gradient(step, |[kh, kw, c, m]| ([kh, kw], c, c * multiplier + m))
}

/// The gradient by a weight; `place` gives the tap, the input channel and the output channel that
/// one of its elements joins.
fn weight_gradient<F: Real>(
    step: &Step<'_, F>,
    place: impl Fn([usize; 4]) -> ([usize; 2], usize, usize),
) -> Result<Value<F>, String> {
    let (input, gradient) = (step.operands[0].to_floats()?, step.operands[1].to_floats()?);
    let (x, g) = (step.operands[0].shape(), step.operands[1].shape());
    let window = Window::over(step, kernel(step), [x[1], x[2]]);
    let sums = indices(&step.result.shape).map(|index| {
        let ([kh, kw], ic, oc) = place(index);
        let mut sum = F::ZERO;
        for [n, oh, ow, _] in indices(&[g[0], g[1], g[2], 1]) {
            if let Some([ih, iw]) = window.tap(oh, ow, kh, kw) {
                let y = gradient[at(g, [n, oh, ow, oc])];
                sum = sum.accumulate(input[at(x, [n, ih, iw, ic])], y);
            }
        }
        sum
    });
    floats(step, sums.collect())
}

/// ∂/∂x\[n, ih, iw, c\] = Σ over (kh, kw, m) of g\[n, oh, ow, c·M + m\]·w\[kh, kw, c, m\].
pub(crate) fn depthwise_conv2d_input<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (gradient, weight) = (step.operands[0].to_floats()?, step.operands[1].to_floats()?);
    let (g, w) = (step.operands[0].shape(), step.operands[1].shape());
    let input = [step.result.shape[1], step.result.shape[2]];
    let window = Window::over(step, [w[0], w[1]], input);
    let reached = Reached::new(&window, input, [g[1], g[2]]);
    let sums = indices(&step.result.shape).map(|[n, ih, iw, c]| {
        let mut sum = F::ZERO;
        for &[kh, kw, oh, ow] in reached.of(ih, iw) {
            for m in 0..w[3] {
                let y = gradient[at(g, [n, oh, ow, c * w[3] + m])];
                sum = sum.accumulate(y, weight[at(w, [kh, kw, c, m])]);
            }
        }
        sum
    });
    floats(step, sums.collect())
}

/// The first maximum of each window gets all of that window's gradient; a NaN counts as larger than
/// any number.
pub(crate) fn max_pool2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (input, gradient) = (step.operands[0].to_floats()?, step.operands[1].to_floats()?);
    let (x, g) = (step.operands[0].shape(), step.operands[1].shape());
    let window = Window::over(step, kernel(step), [x[1], x[2]]);
    let mut sums = vec![F::ZERO; input.len()];
    for index @ [n, oh, ow, c] in indices(g) {
        let mut largest: Option<(usize, F)> = None;
        for [_, _, ih, iw] in window.taps(oh, ow) {
            let place = at(x, [n, ih, iw, c]);
            let value = input[place];
            if largest.is_none_or(|(_, max)| value > max || value.is_nan() && !max.is_nan()) {
                largest = Some((place, value));
            }
        }
        if let Some((place, _)) = largest {
            sums[place] = sums[place] + gradient[at(g, index)];
        }
    }
    floats(step, sums)
}

/// Each window's gradient, divided by the number of its taps inside the input, goes to all of them.
pub(crate) fn avg_pool2d<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let gradient = step.operands[0].to_floats()?;
    let (x, g) = (&step.result.shape, step.operands[0].shape());
    let window = Window::over(step, kernel(step), [x[1], x[2]]);
    let mut sums = vec![F::ZERO; step.result.elements()];
    for index @ [n, oh, ow, c] in indices(g) {
        let share = gradient[at(g, index)] / F::of(window.taps(oh, ow).count() as f64);
        for [_, _, ih, iw] in window.taps(oh, ow) {
            let place = at(x, [n, ih, iw, c]);
            sums[place] = sums[place] + share;
        }
    }
    floats(step, sums)
}

/// result\[n, indices\[n, w\], c\] = Σ updates\[n, w, c\] in the order of w.
pub(crate) fn scatter_add<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let (Value::Int(_, rows), Value::Float(dtype, updates)) = (step.operands[0], step.operands[1])
    else {
        return Err("the operands are not integers and floats".to_owned());
    };
    let extent = step.result.shape[1];
    let mut sums = ArrayD::from_elem(IxDyn(&step.result.shape), F::ZERO);
    for (position, ((n, w), &row)) in indices_2d(rows.shape()).zip(rows).enumerate() {
        let row = usize::try_from(row).ok().filter(|&r| r < extent).ok_or_else(|| {
            format!("index {row} at position {position} of 'indices' is outside the {extent} rows of the result")
        })?;
        for c in 0..step.result.shape[2] {
            let sum = &mut sums[[n, row, c].as_slice()];
            *sum = *sum + updates[[n, w, c].as_slice()];
        }
    }
    Ok(Value::Float(*dtype, sums))
}

/// All indices of a rank-2 shape in row-major order.
fn indices_2d(shape: &[usize]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let [rows, columns] = [shape[0], shape[1]];
    (0..rows).flat_map(move |r| (0..columns).map(move |c| (r, c)))
}
