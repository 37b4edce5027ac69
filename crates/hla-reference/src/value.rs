//! A tensor while it is computed with: elements widened to f32 or i64.

use hla_ir::{DType, Tensor, TensorType};
use ndarray::{ArrayD, IxDyn};

use crate::number;

/// Widened elements together with the type they have in memory.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// f32, f16 or bf16.
    Float(DType, ArrayD<f32>),
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

impl Value {
    /// Widens a tensor.
    pub(crate) fn from_tensor(tensor: &Tensor) -> Result<Value, String> {
        let shape = IxDyn(tensor.shape());
        let wrong = |e: ndarray::ShapeError| e.to_string();
        let dtype = tensor.dtype();
        Ok(match tensor.to_i64s() {
            Some(ints) => Value::Int(dtype, ArrayD::from_shape_vec(shape, ints).map_err(wrong)?),
            None => {
                let floats = tensor.to_f32s();
                Value::Float(dtype, ArrayD::from_shape_vec(shape, floats).map_err(wrong)?)
            }
        })
    }

    /// Narrows to a tensor; every element is a value of the type already.
    pub(crate) fn to_tensor(&self) -> Result<Tensor, String> {
        match self {
            Value::Float(DType::F32, array) => {
                let values: Vec<f32> = array.iter().copied().collect();
                Tensor::from_f32s(array.shape(), &values)
            }
            Value::Float(dtype, array) => Tensor::from_f64s(
                TensorType::try_new(array.shape(), *dtype)?,
                array.iter().map(|&v| f64::from(v)),
            ),
            Value::Int(dtype, array) => {
                let values: Vec<i64> = array.iter().copied().collect();
                Tensor::from_i64s(TensorType::try_new(array.shape(), *dtype)?, &values)
            }
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
        values: impl IntoIterator<Item = f32>,
    ) -> Result<Value, String> {
        let values = values
            .into_iter()
            .map(|v| number::round(dtype, v))
            .collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| e.to_string())?;
        Ok(Value::Float(dtype, array))
    }

    /// An integer result: wrapped to its type.
    pub(crate) fn ints(
        dtype: DType,
        shape: &[usize],
        values: impl IntoIterator<Item = i64>,
    ) -> Result<Value, String> {
        let values = values.into_iter().map(|v| number::wrap(dtype, v)).collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| e.to_string())?;
        Ok(Value::Int(dtype, array))
    }

    /// Elements of a float value in row-major order.
    pub(crate) fn to_f32s(&self) -> Result<Vec<f32>, String> {
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
