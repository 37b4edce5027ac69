//! Element types, shapes and tensor types.
//!
//! Shapes are static: dynamic dimensions are specialised when a model is imported. Every size is
//! checked against overflow here, once, so that later arithmetic on `usize` cannot wrap.

use std::fmt;

/// The largest number of elements a tensor may have (2⁴⁰). Anything larger is refused as hostile
/// or mistaken before memory is asked for.
pub const MAX_ELEMENTS: u64 = 1 << 40;

/// The largest rank a tensor may have.
pub const MAX_RANK: usize = 8;

/// Element type of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    BF16,
    /// Boolean, one byte in memory, 0 or 1.
    I1,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// MLIR's `index`: a 64-bit integer on every target of hlac.
    Index,
}

impl DType {
    /// All element types, in declaration order.
    pub const ALL: [DType; 9] = [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I1,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::Index,
    ];

    /// Bytes one element takes in memory.
    pub const fn bytes(self) -> usize {
        match self {
            DType::I1 | DType::I8 => 1,
            DType::F16 | DType::BF16 | DType::I16 => 2,
            DType::F32 | DType::I32 => 4,
            DType::I64 | DType::Index => 8,
        }
    }

    /// Whether this is a floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::BF16)
    }

    /// Whether this is an integer type other than the boolean.
    pub const fn is_int(self) -> bool {
        matches!(
            self,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 | DType::Index
        )
    }

    /// MLIR's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I1 => "i1",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::Index => "index",
        }
    }

    /// The type with this MLIR spelling.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A ranked tensor type with a static shape; row-major unless a layout attribute says otherwise.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TensorType {
    /// Extents, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

impl TensorType {
    /// A tensor type, refused if its rank or its number of elements is beyond what hlac accepts.
    pub fn try_new(shape: impl Into<Vec<usize>>, dtype: DType) -> Result<TensorType, String> {
        let shape = shape.into();
        if shape.len() > MAX_RANK {
            return Err(format!(
                "rank {} is beyond the supported {MAX_RANK}",
                shape.len()
            ));
        }
        // A zero extent must not hide an overflowing one: MAX_ELEMENTS holds for the non-zero part.
        let mut count: u64 = 1;
        for &extent in &shape {
            let extent = (extent as u64).max(1);
            count = count
                .checked_mul(extent)
                .filter(|&c| c <= MAX_ELEMENTS)
                .ok_or_else(|| format!("shape {shape:?} has more than 2^40 elements"))?;
        }
        Ok(TensorType { shape, dtype })
    }

    /// A tensor type whose shape is known to be small.
    ///
    /// # Panics
    /// If [`TensorType::try_new`] would refuse it; for shapes that come from a user, use that.
    pub fn new(shape: impl Into<Vec<usize>>, dtype: DType) -> TensorType {
        match TensorType::try_new(shape, dtype) {
            Ok(ty) => ty,
            Err(message) => panic!("{message}"),
        }
    }

    /// Shorthand for a `f32` tensor type. Panics like [`TensorType::new`].
    pub fn f32(shape: impl Into<Vec<usize>>) -> TensorType {
        TensorType::new(shape, DType::F32)
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of a dense row-major tensor of this type.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        row_major_strides(&self.shape)
    }

    /// The same shape with another element type.
    pub fn with_dtype(&self, dtype: DType) -> TensorType {
        TensorType {
            shape: self.shape.clone(),
            dtype,
        }
    }
}

/// Row-major strides, in elements, of a dense tensor of this shape.
pub fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * shape[i + 1];
    }
    strides
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for extent in &self.shape {
            write!(f, "{extent}x")?;
        }
        write!(f, "{}>", self.dtype)
    }
}

/// Type of a value: a tensor, or something only an opaque op understands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// A tensor hlac can compute with.
    Tensor(TensorType),
    /// MLIR's spelling of any other type, kept verbatim.
    Opaque(String),
}

impl Type {
    /// The tensor type, if it is one.
    pub fn tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(ty) => Some(ty),
            Type::Opaque(_) => None,
        }
    }
}

impl From<TensorType> for Type {
    fn from(ty: TensorType) -> Type {
        Type::Tensor(ty)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor(ty) => ty.fmt(f),
            Type::Opaque(text) => f.write_str(text),
        }
    }
}
