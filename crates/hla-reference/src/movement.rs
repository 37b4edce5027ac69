//! Ops that only move data.

use hla_ir::Op;
use ndarray::{ArrayD, Axis, Dimension, IxDyn, Slice};

use crate::evaluate::Step;
use crate::real::Real;
use crate::value::{Value, map_array};

pub(crate) fn reshape<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    debug_assert_eq!(step.op, Op::Reshape);
    let (dtype, shape) = (step.result.dtype, &step.result.shape);
    match step.operands[0] {
        Value::Float(_, array) => Value::floats(dtype, shape, array.iter().copied()),
        Value::Int(_, array) => Value::ints(dtype, shape, array.iter().copied()),
    }
}

pub(crate) fn transpose<F: Real>(step: &Step<'_, F>) -> Value<F> {
    let perms = IxDyn(&step.usizes("perms"));
    map_array!(step.operands[0], a => a.view().permuted_axes(perms).as_standard_layout().into_owned())
}

/// The array of this shape whose element at i is the input's at `from(i)`.
fn gathered<T: Copy>(
    shape: &[usize],
    input: &ArrayD<T>,
    from: impl Fn(&[usize]) -> Vec<usize>,
) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape), |i| input[IxDyn(&from(i.slice()))])
}

pub(crate) fn concat<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let axis = Axis(step.axis());
    let (dtype, wrong) = (step.result.dtype, "the operands differ in type");
    if dtype.is_float() {
        let parts = step.operands.iter().map(|v| match v {
            Value::Float(_, a) => Ok(a.view()),
            Value::Int(..) => Err(wrong),
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let array = ndarray::concatenate(axis, &parts).map_err(|e| e.to_string())?;
        Ok(Value::Float(dtype, array))
    } else {
        let parts = step.operands.iter().map(|v| match v {
            Value::Int(_, a) => Ok(a.view()),
            Value::Float(..) => Err(wrong),
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let array = ndarray::concatenate(axis, &parts).map_err(|e| e.to_string())?;
        Ok(Value::Int(dtype, array))
    }
}

pub(crate) fn pad<F: Real>(step: &Step<'_, F>) -> Value<F> {
    let padding = step.usizes("padding");
    let before: Vec<usize> = padding.iter().step_by(2).copied().collect();
    fn padded<T: Copy>(shape: &[usize], input: &ArrayD<T>, before: &[usize], fill: T) -> ArrayD<T> {
        let mut array = ArrayD::from_elem(IxDyn(shape), fill);
        let box_ = |axis: usize| {
            let start = before[axis] as isize;
            Slice::new(start, Some(start + input.shape()[axis] as isize), 1)
        };
        array
            .slice_each_axis_mut(|axis| box_(axis.axis.index()))
            .assign(input);
        array
    }
    let shape = &step.result.shape;
    match step.operands[0] {
        Value::Float(dtype, input) => {
            let fill = step.float("pad_const", 0.0).stored(*dtype);
            Value::Float(*dtype, padded(shape, input, &before, fill))
        }
        Value::Int(dtype, input) => {
            let fill = crate::number::wrap(*dtype, step.int("pad_const"));
            Value::Int(*dtype, padded(shape, input, &before, fill))
        }
    }
}

pub(crate) fn slice<F: Real>(step: &Step<'_, F>) -> Value<F> {
    let (start, size) = (step.usizes("start"), step.usizes("size"));
    map_array!(step.operands[0], a => a.slice_each_axis(|axis| {
        let i = axis.axis.index();
        Slice::new(start[i] as isize, Some((start[i] + size[i]) as isize), 1)
    }).to_owned())
}

pub(crate) fn tile<F: Real>(step: &Step<'_, F>) -> Value<F> {
    map_array!(step.operands[0], a => gathered(&step.result.shape, a, |i| {
        i.iter().zip(a.shape()).map(|(i, extent)| i % extent).collect()
    }))
}

pub(crate) fn reverse<F: Real>(step: &Step<'_, F>) -> Value<F> {
    let axis = Axis(step.axis());
    map_array!(step.operands[0], a => {
        let mut view = a.view();
        view.invert_axis(axis);
        view.as_standard_layout().into_owned()
    })
}

pub(crate) fn gather<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
    let Value::Int(_, indices) = step.operands[1] else {
        return Err("the indices are no integers".to_owned());
    };
    let extent = step.operands[0].shape()[1];
    for (position, &index) in indices.iter().enumerate() {
        if usize::try_from(index).ok().is_none_or(|i| i >= extent) {
            return Err(format!(
                "index {index} at position {position} of 'indices' is outside the {extent} rows of 'values'"
            ));
        }
    }
    Ok(
        map_array!(step.operands[0], values => gathered(&step.result.shape, values, |i| {
            vec![i[0], indices[[i[0], i[1]].as_slice()] as usize, i[2]]
        })),
    )
}
