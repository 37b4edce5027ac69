//! Constant tensors: shared bytes, or one repeated element.

use std::fmt;
use std::sync::Arc;

use half::{bf16, f16};

use crate::types::{DType, TensorType};

/// Bytes that somebody owns: a vector, or a memory-mapped file.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A constant tensor. Cloning is cheap; data is little-endian and row-major.
#[derive(Clone)]
pub struct Tensor {
    ty: TensorType,
    data: Data,
}

#[derive(Clone)]
enum Data {
    /// `ty.bytes()` bytes at an offset.
    Dense(SharedBytes, usize),
    /// Every element has these `ty.dtype.bytes()` bytes.
    Splat([u8; 8]),
}

impl Tensor {
    /// A tensor over a part of shared bytes, beginning at `offset`.
    pub fn from_shared(
        ty: TensorType,
        bytes: SharedBytes,
        offset: usize,
    ) -> Result<Tensor, String> {
        let have = (*bytes).as_ref().len();
        let need = ty.bytes();
        match offset.checked_add(need) {
            Some(end) if end <= have => {}
            _ => {
                return Err(format!(
                    "{ty} needs {need} bytes, but {} are there",
                    have.saturating_sub(offset)
                ));
            }
        }
        let tensor = Tensor {
            ty,
            data: Data::Dense(bytes, offset),
        };
        if tensor.ty.dtype == DType::I1
            && tensor
                .dense_bytes()
                .is_some_and(|b| b.iter().any(|&x| x > 1))
        {
            return Err("a boolean is neither 0 nor 1".to_owned());
        }
        Ok(tensor)
    }

    /// A tensor that owns its bytes, which must be exactly `ty.bytes()` many.
    pub fn from_bytes(ty: TensorType, bytes: Vec<u8>) -> Result<Tensor, String> {
        if bytes.len() != ty.bytes() {
            return Err(format!(
                "{ty} needs {} bytes, but {} are there",
                ty.bytes(),
                bytes.len()
            ));
        }
        Tensor::from_shared(ty, Arc::new(bytes), 0)
    }

    /// A tensor with one value everywhere; `element` holds the little-endian bytes of one element.
    pub fn splat_bytes(ty: TensorType, element: &[u8]) -> Result<Tensor, String> {
        if element.len() != ty.dtype.bytes() {
            return Err(format!("an element of {ty} has {} bytes", ty.dtype.bytes()));
        }
        let mut bytes = [0; 8];
        bytes[..element.len()].copy_from_slice(element);
        Ok(Tensor {
            ty,
            data: Data::Splat(bytes),
        })
    }

    /// A tensor with `value` everywhere, rounded (floats) or saturated (integers) to the type.
    pub fn splat(ty: TensorType, value: f64) -> Tensor {
        let mut bytes = Vec::with_capacity(8);
        push_f64(&mut bytes, ty.dtype, value);
        let mut element = [0; 8];
        element[..bytes.len()].copy_from_slice(&bytes);
        Tensor {
            ty,
            data: Data::Splat(element),
        }
    }

    /// A tensor from values, each rounded (floats) or saturated (integers) to the type.
    pub fn from_f64s(
        ty: TensorType,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<Tensor, String> {
        let mut bytes = Vec::with_capacity(ty.bytes());
        for value in values {
            push_f64(&mut bytes, ty.dtype, value);
        }
        Tensor::from_bytes(ty, bytes)
    }

    /// A `f32` tensor.
    pub fn from_f32s(shape: impl Into<Vec<usize>>, values: &[f32]) -> Result<Tensor, String> {
        let ty = TensorType::try_new(shape, DType::F32)?;
        Tensor::from_bytes(ty, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// An integer tensor of any integer type; values that do not fit are refused.
    pub fn from_i64s(ty: TensorType, values: &[i64]) -> Result<Tensor, String> {
        let mut bytes = Vec::with_capacity(ty.bytes());
        for &v in values {
            let fits = match ty.dtype {
                DType::I1 => v == 0 || v == 1,
                DType::I8 => i8::try_from(v).is_ok(),
                DType::I16 => i16::try_from(v).is_ok(),
                DType::I32 => i32::try_from(v).is_ok(),
                DType::I64 | DType::Index => true,
                DType::F32 | DType::F16 | DType::BF16 => {
                    return Err(format!("{ty} is no integer tensor"));
                }
            };
            if !fits {
                return Err(format!("{v} does not fit {}", ty.dtype));
            }
            bytes.extend_from_slice(&v.to_le_bytes()[..ty.dtype.bytes()]);
        }
        Tensor::from_bytes(ty, bytes)
    }

    /// Type of the tensor.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// Extents.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// The bytes, if they are stored densely.
    pub fn dense_bytes(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Dense(bytes, offset) => {
                Some(&(**bytes).as_ref()[*offset..*offset + self.ty.bytes()])
            }
            Data::Splat(_) => None,
        }
    }

    /// The bytes of the one repeated element, if the tensor is stored so.
    pub fn splat_element(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Splat(bytes) => Some(&bytes[..self.ty.dtype.bytes()]),
            Data::Dense(..) => None,
        }
    }

    /// The one value that all elements have, if they do (bitwise); `None` for an empty tensor.
    pub fn splat_value(&self) -> Option<f64> {
        let n = self.ty.dtype.bytes();
        match &self.data {
            Data::Splat(bytes) => Some(element_f64(self.ty.dtype, &bytes[..n])),
            Data::Dense(..) => {
                let bytes = self.dense_bytes()?;
                let first = bytes.get(..n)?;
                bytes
                    .chunks_exact(n)
                    .all(|c| c == first)
                    .then(|| element_f64(self.ty.dtype, first))
            }
        }
    }

    /// All bytes, row-major; allocates for a splat.
    pub fn to_bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        match &self.data {
            Data::Dense(..) => std::borrow::Cow::Borrowed(self.dense_bytes().unwrap_or_default()),
            Data::Splat(bytes) => {
                std::borrow::Cow::Owned(bytes[..self.ty.dtype.bytes()].repeat(self.ty.elements()))
            }
        }
    }

    /// Elements as `f64`, in row-major order. Exact for every type but wide 64-bit integers.
    pub fn iter_f64(&self) -> impl Iterator<Item = f64> + '_ {
        let n = self.ty.dtype.bytes();
        (0..self.ty.elements()).map(move |i| match &self.data {
            Data::Dense(bytes, offset) => {
                let at = offset + i * n;
                element_f64(self.ty.dtype, &(**bytes).as_ref()[at..at + n])
            }
            Data::Splat(bytes) => element_f64(self.ty.dtype, &bytes[..n]),
        })
    }

    /// Elements as `f32`, in row-major order; exact for `f32`, `f16`, `bf16`, `i8`, `i16`.
    pub fn to_f32s(&self) -> Vec<f32> {
        match (self.ty.dtype, self.dense_bytes()) {
            (DType::F32, Some(bytes)) => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|c| f32::from_le_bytes(*c))
                .collect(),
            _ => self.iter_f64().map(|v| v as f32).collect(),
        }
    }

    /// Elements as `i64`, in row-major order. `None` for a floating-point tensor.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        if self.ty.dtype.is_float() {
            return None;
        }
        let n = self.ty.dtype.bytes();
        let bytes = self.to_bytes();
        let shift = 64 - 8 * n as u32;
        Some(
            bytes
                .chunks_exact(n)
                .map(|c| {
                    let mut wide = [0; 8];
                    wide[..n].copy_from_slice(c);
                    (i64::from_le_bytes(wide) << shift) >> shift
                })
                .collect(),
        )
    }

    /// The same bytes as elements of another type that takes as many; copies only a splat.
    pub fn reinterpret(&self, ty: TensorType) -> Result<Tensor, String> {
        match &self.data {
            Data::Dense(bytes, offset) if self.ty.bytes() == ty.bytes() => {
                Tensor::from_shared(ty, Arc::clone(bytes), *offset)
            }
            _ => Tensor::from_bytes(ty, self.to_bytes().into_owned()),
        }
    }

    /// The same data under another shape with as many elements.
    pub fn reshape(&self, shape: impl Into<Vec<usize>>) -> Result<Tensor, String> {
        let ty = TensorType::try_new(shape, self.ty.dtype)?;
        if ty.elements() != self.ty.elements() {
            return Err(format!("{} cannot be reshaped to {ty}", self.ty));
        }
        Ok(Tensor {
            ty,
            data: self.data.clone(),
        })
    }
}

/// Bitwise equality of type and contents: NaNs with equal bits are equal, 0.0 and −0.0 are not.
impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        if self.ty != other.ty {
            return false;
        }
        match (&self.data, &other.data) {
            (Data::Splat(a), Data::Splat(b)) => a == b || self.ty.elements() == 0,
            (Data::Dense(a, i), Data::Dense(b, j)) if Arc::ptr_eq(a, b) && i == j => true,
            _ => self.to_bytes() == other.to_bytes(),
        }
    }
}

impl Eq for Tensor {}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", self.ty)?;
        for (i, v) in self.iter_f64().take(8).enumerate() {
            write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.ty.elements() > 8 {
            ", …]"
        } else {
            "]"
        })
    }
}

/// Reads one little-endian element as `f64`.
pub fn element_f64(dtype: DType, bytes: &[u8]) -> f64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let raw = i64::from_le_bytes(wide);
    match dtype {
        DType::F32 => f64::from(f32::from_bits(raw as u32)),
        DType::F16 => f16::from_bits(raw as u16).to_f64(),
        DType::BF16 => bf16::from_bits(raw as u16).to_f64(),
        DType::I1 => f64::from(u8::from(raw & 1 == 1)),
        DType::I8 => f64::from(raw as i8),
        DType::I16 => f64::from(raw as i16),
        DType::I32 => f64::from(raw as i32),
        DType::I64 | DType::Index => raw as f64,
    }
}

/// Appends one element, rounded to nearest even (floats) or truncated and saturated (integers).
pub fn push_f64(bytes: &mut Vec<u8>, dtype: DType, value: f64) {
    match dtype {
        DType::F32 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
        DType::F16 => bytes.extend_from_slice(&f16::from_f64(value).to_le_bytes()),
        DType::BF16 => bytes.extend_from_slice(&bf16::from_f64(value).to_le_bytes()),
        DType::I1 => bytes.push(u8::from(value != 0.0)),
        DType::I8 => bytes.push((value as i8) as u8),
        DType::I16 => bytes.extend_from_slice(&(value as i16).to_le_bytes()),
        DType::I32 => bytes.extend_from_slice(&(value as i32).to_le_bytes()),
        DType::I64 | DType::Index => bytes.extend_from_slice(&(value as i64).to_le_bytes()),
    }
}
