//! A safetensors file: `u64` length of the header, the header in JSON, the data.
//!
//! Format: <https://huggingface.co/docs/safetensors>. The header's sizes and offsets are checked by
//! the `safetensors` crate against each other and against the length of the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hla_ir::tensor::SharedBytes;
use hla_ir::{DType, Diagnostic, Location, Tensor, TensorType};
use hla_runtime::Mapped;
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};

/// An open file of weights.
pub(super) struct WeightsFile {
    path: Arc<str>,
    bytes: SharedBytes,
    data: usize,
    tensors: BTreeMap<String, TensorInfo>,
}

impl WeightsFile {
    /// Maps a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<WeightsFile, Diagnostic> {
        let name: Arc<str> = path.to_string_lossy().into();
        let error =
            |message: String| Diagnostic::error(Location::file(Arc::clone(&name), 0, 0), message);
        let mapped = Mapped::open(path).map_err(|e| {
            error(format!("the weights cannot be read: {e}"))
                .help("check the path and its permissions")
        })?;
        let (header, metadata) = SafeTensors::read_metadata(mapped.as_ref()).map_err(|e| {
            error(format!("this is no sound safetensors file: {e}"))
                .help("write the weights with safetensors.torch.save_file or safetensors.numpy.save_file; is the file complete?")
        })?;
        let tensors = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| (name, info.clone()))
            .collect();
        Ok(WeightsFile {
            path: name,
            bytes: Arc::new(mapped),
            data: header + size_of::<u64>(),
            tensors,
        })
    }

    /// Where the file is.
    pub(super) fn location(&self) -> Location {
        Location::file(Arc::clone(&self.path), 0, 0)
    }

    /// Names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor of this name; its bytes are those of the file.
    pub(super) fn tensor(&self, name: &str) -> Option<Result<Tensor, String>> {
        let info = self.tensors.get(name)?;
        Some(self.view(info))
    }

    fn view(&self, info: &TensorInfo) -> Result<Tensor, String> {
        let dtype = dtype(info.dtype)
            .ok_or_else(|| format!("its element type is {:?}, which hlac has not", info.dtype))?;
        let ty = TensorType::try_new(info.shape.clone(), dtype)?;
        let start = self
            .data
            .checked_add(info.data_offsets.0)
            .ok_or("its offset overflows")?;
        Tensor::from_shared(ty, Arc::clone(&self.bytes), start)
    }
}

/// hlac's element type for one of safetensors'.
fn dtype(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        Dtype::BOOL => Some(DType::I1),
        Dtype::I8 => Some(DType::I8),
        Dtype::I16 => Some(DType::I16),
        Dtype::I32 => Some(DType::I32),
        Dtype::I64 => Some(DType::I64),
        _ => None,
    }
}
