//! A tensor while it is computed with: elements widened to a float to compute in, or i64.

use hla_ir::{DType, Tensor, TensorType};
use ndarray::{ArrayD, IxDyn};

use crate::number;
use crate::real::Real;

/// Widened elements together with the type they have in memory.
#[derive(Clone, Debug)]
pub(crate) enum Value<F> {
    /// f32, f16 or bf16.
    Float(DType, ArrayD<F>),
    /// Any integer, the boolean as 0 or 1.
    Int(DType, ArrayD<i64>),
}

/// Applies the same expression to the array inside a value, whatever its elements are.
macro_rules! map_array {
    ($value:expr, $array:ident => $body:expr) => {
        match $value {
            $crate::value::Value::Float(dtype, $array) => {
                $crate::value::Value::Float(*dtype, $body)
            }
            $crate::value::Value::Int(dtype, $array) => $crate::value::Value::Int(*dtype, $body),
        }
    };
}
pub(crate) use map_array;

impl<F: Real> Value<F> {
    /// Widens a tensor.
    pub(crate) fn from_tensor(tensor: &Tensor) -> Result<Value<F>, String> {
        let shape = IxDyn(tensor.shape());
        let wrong = |e: ndarray::ShapeError| e.to_string();
        let dtype = tensor.dtype();
        Ok(match tensor.to_i64s() {
            Some(ints) => Value::Int(dtype, ArrayD::from_shape_vec(shape, ints).map_err(wrong)?),
            None => {
                let floats = tensor.iter_f64().map(F::of).collect();
                Value::Float(dtype, ArrayD::from_shape_vec(shape, floats).map_err(wrong)?)
            }
        })
    }

    /// Narrows to a tensor; every element is a value of the type already.
    pub(crate) fn to_tensor(&self) -> Result<Tensor, String> {
        match self {
            Value::Float(dtype, array) => Tensor::from_f64s(
                TensorType::try_new(array.shape(), *dtype)?,
                array.iter().map(|&v| v.wide()),
            ),
            Value::Int(dtype, array) => {
                let values: Vec<i64> = array.iter().copied().collect();
                Tensor::from_i64s(TensorType::try_new(array.shape(), *dtype)?, &values)
            }
        }
    }

    /// Takes elements of a type as they are; those of an integer type must be values of it.
    pub(crate) fn from_f64s(dtype: DType, array: &ArrayD<f64>) -> Result<Value<F>, String> {
        if dtype.is_float() {
            return Ok(Value::Float(dtype, array.mapv(F::of)));
        }
        match array
            .iter()
            .find(|&&v| number::wrap(dtype, v as i64) as f64 != v)
        {
            None => Ok(Value::Int(dtype, array.mapv(|v| v as i64))),
            Some(v) => Err(format!("{v} is no value of {dtype}")),
        }
    }

    /// The elements, whatever their type.
    pub(crate) fn to_f64s(&self) -> ArrayD<f64> {
        match self {
            Value::Float(_, array) => array.mapv(F::wide),
            Value::Int(_, array) => array.mapv(|v| v as f64),
        }
    }

    /// Element type in memory.
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Value::Float(dtype, _) | Value::Int(dtype, _) => *dtype,
        }
    }

    /// Extents.
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Value::Float(_, array) => array.shape(),
            Value::Int(_, array) => array.shape(),
        }
    }

    /// A float result: rounded to its type.
    pub(crate) fn floats(
        dtype: DType,
        shape: &[usize],
        values: impl IntoIterator<Item = F>,
    ) -> Result<Value<F>, String> {
        let values = values.into_iter().map(|v| v.stored(dtype)).collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| e.to_string())?;
        Ok(Value::Float(dtype, array))
    }

    /// An integer result: wrapped to its type.
    pub(crate) fn ints(
        dtype: DType,
        shape: &[usize],
        values: impl IntoIterator<Item = i64>,
    ) -> Result<Value<F>, String> {
        let values = values.into_iter().map(|v| number::wrap(dtype, v)).collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| e.to_string())?;
        Ok(Value::Int(dtype, array))
    }

    /// Elements of a float value in row-major order.
    pub(crate) fn to_floats(&self) -> Result<Vec<F>, String> {
        match self {
            Value::Float(_, array) => Ok(array.iter().copied().collect()),
            Value::Int(dtype, _) => Err(format!("floats are needed, not {dtype}")),
        }
    }

    /// Elements of an integer value in row-major order.
    pub(crate) fn to_i64s(&self) -> Result<Vec<i64>, String> {
        match self {
            Value::Int(_, array) => Ok(array.iter().copied().collect()),
            Value::Float(dtype, _) => Err(format!("integers are needed, not {dtype}")),
        }
    }
}
