//! Values to run on where none are given, and files of named values.

use std::collections::BTreeMap;
use std::path::Path;

use hla_ir::{DType, Diagnostic, Location, Tensor, TensorType};
use hla_runtime::Slot;
use hla_train::random::Random;
use safetensors::tensor::{Dtype, SafeTensors};

/// Values of a type, from a fixed seed and the name: floats are normal with deviation 0.1, integers
/// and booleans 0.
pub fn random(name: &str, ty: &TensorType) -> Result<Tensor, Diagnostic> {
    if !ty.dtype.is_float() {
        return Ok(Tensor::splat(ty.clone(), 0.0));
    }
    let mut random = Random::of(0, name, 0, 0);
    let values = (0..ty.elements()).map(|_| 0.1 * f64::from(random.normal()));
    Tensor::from_f64s(ty.clone(), values).map_err(|e| Diagnostic::error(Location::unknown(), e))
}

/// An input of a step for which nothing is given: what training would give it, with random images.
pub fn input(slot: &Slot, classes: Option<usize>) -> Result<Tensor, Diagnostic> {
    let name = slot.name.as_deref().unwrap_or_default();
    let one = |value: f64| Ok(Tensor::splat(slot.ty.clone(), value));
    match name {
        "learning_rate" => one(0.01),
        "loss_aware_weight" => one(0.1),
        "sparsity" => one(0.7),
        "labels" => {
            let mut random = Random::of(0, name, 0, 0);
            let classes = classes.unwrap_or(1).max(1) as u64;
            let labels: Vec<i64> = (0..slot.ty.elements())
                .map(|_| random.below(classes) as i64)
                .collect();
            Tensor::from_i64s(slot.ty.clone(), &labels)
                .map_err(|e| Diagnostic::error(Location::unknown(), e))
        }
        _ => random(name, &slot.ty),
    }
}

/// All tensors of a safetensors file.
///
/// # Errors
/// A file that cannot be read or is damaged, an element type that no program has.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, Diagnostic> {
    let place = Location::file(&*path.to_string_lossy(), 0, 0);
    let refuse = |message: String| Diagnostic::error(place.clone(), message);
    let bytes = std::fs::read(path).map_err(|e| {
        refuse(format!("the file cannot be read: {e}")).help("check the path and its permissions")
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| {
        refuse(format!("this is no sound safetensors file: {e}")).help("is the file complete?")
    })?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::BOOL => DType::I1,
            Dtype::I8 => DType::I8,
            Dtype::I16 => DType::I16,
            Dtype::I32 => DType::I32,
            Dtype::I64 => DType::I64,
            other => {
                return Err(refuse(format!("tensor '{name}' is of the type {other:?}"))
                    .help("programs take f32, f16, bf16, bool, i8, i16, i32 and i64"));
            }
        };
        let ty = TensorType::try_new(view.shape(), dtype).map_err(&refuse)?;
        let tensor = Tensor::from_bytes(ty, view.data().to_vec()).map_err(&refuse)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
