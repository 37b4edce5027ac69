//! Tensors as NumPy's `.npy` files, versions 1 to 3, C and Fortran order, either byte order.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Six magic
//! bytes, two of version, the header's length, the header (a Python dictionary of `descr`,
//! `fortran_order` and `shape`), then the elements. Element types are those of both worlds: f2,
//! f4, i1, i2, i4, i8, b1. A file that is shorter or longer than its header says is refused.

mod header;

use std::io::Write;
use std::path::Path;

use hla_ir::{DType, Diagnostic, Location, Tensor, TensorType};

use header::Header;
pub use header::Layout;

/// Reads a file.
pub fn read(path: &Path) -> Result<Tensor, Diagnostic> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| {
        Diagnostic::error(place(&name), format!("cannot read the file: {e}"))
            .help("give the path of a .npy file, as numpy.save writes it")
    })?;
    parse(&name, bytes)
}

/// Reads the header of a file's bytes alone, for who maps the elements instead of reading them;
/// `name` is what errors call it. Whether the elements are all there is for the caller to check.
pub fn layout(name: &str, bytes: &[u8]) -> Result<Layout, Diagnostic> {
    Layout::parse(bytes)
        .map_err(|(message, help)| Diagnostic::error(place(name), message).help(help))
}

/// Reads the contents of a file; `name` is what errors call it.
pub fn parse(name: &str, bytes: Vec<u8>) -> Result<Tensor, Diagnostic> {
    let refuse =
        |(message, help): (String, &str)| Diagnostic::error(place(name), message).help(help);
    let header = Header::parse(&bytes).map_err(refuse)?;
    let ty = TensorType::try_new(header.shape.clone(), header.dtype)
        .map_err(|e| refuse((e, "hlac takes tensors of at most 2^40 elements and rank 8")))?;
    let have = bytes.len() - header.data;
    if have != ty.bytes() {
        return Err(refuse((
            format!(
                "the header promises {ty}, which is {} bytes, but {have} bytes follow it",
                ty.bytes()
            ),
            "the file is damaged or was cut off: save it again",
        )));
    }
    let mut data = bytes;
    data.drain(..header.data);
    if header.big_endian {
        for element in data.chunks_exact_mut(header.dtype.bytes()) {
            element.reverse();
        }
    }
    if header.fortran {
        data = row_major(&data, &header.shape, header.dtype.bytes());
    }
    Tensor::from_bytes(ty, data).map_err(|e| refuse((e, "the file is damaged: save it again")))
}

fn place(name: &str) -> Location {
    Location::file(name, 0, 0)
}

/// Elements in the order of their row-major indices, from column-major ones.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..data.len() / size {
        let at = index
            .iter()
            .zip(shape)
            .rev()
            .fold(0, |at, (i, extent)| at * extent + i);
        out.extend_from_slice(&data[at * size..(at + 1) * size]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
        }
    }
    out
}

/// The contents of a `.npy` file of a tensor: version 1.0, C order, little-endian. A `bf16` tensor
/// is refused, since NumPy has no such type.
pub fn to_bytes(tensor: &Tensor) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = header(tensor.ty())?;
    bytes.extend_from_slice(&tensor.to_bytes());
    Ok(bytes)
}

/// The head of a `.npy` file for a tensor of this type; the elements follow it, row-major and
/// little-endian.
pub fn header(ty: &TensorType) -> Result<Vec<u8>, Diagnostic> {
    header::write(ty).ok_or_else(|| {
        Diagnostic::error(
            Location::unknown(),
            format!("{ty} cannot be written: NumPy has no type {}", ty.dtype),
        )
        .help("let the model end in a tosa.cast to f32")
    })
}

/// Writes a tensor as a `.npy` file.
pub fn write_to(tensor: &Tensor, out: &mut dyn Write) -> Result<(), Diagnostic> {
    out.write_all(&to_bytes(tensor)?).map_err(|e| {
        Diagnostic::error(Location::unknown(), format!("cannot write the tensor: {e}"))
    })
}

/// Element types of npy files, and how they spell them after the byte order.
const TYPES: [(&str, DType); 8] = [
    ("f4", DType::F32),
    ("f2", DType::F16),
    ("b1", DType::I1),
    ("i1", DType::I8),
    ("i2", DType::I16),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("i8", DType::Index),
];
