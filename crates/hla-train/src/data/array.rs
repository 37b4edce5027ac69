//! An array in a mapped file: where its elements are and how to read one.

use std::path::Path;
use std::sync::Arc;

use hla_ir::{Diagnostic, Location};
use hla_runtime::{Mapped, npy};
use safetensors::tensor::{Dtype, SafeTensors};

/// Element types of images and labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Element {
    F32,
    U8,
    I8,
    I16,
    I32,
    I64,
}

impl Element {
    pub(super) fn bytes(self) -> usize {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::I64 => 8,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::U8 => "u8",
            Element::I8 => "i8",
            Element::I16 => "i16",
            Element::I32 => "i32",
            Element::I64 => "i64",
        }
    }

    fn of_safetensors(dtype: Dtype) -> Option<Element> {
        match dtype {
            Dtype::F32 => Some(Element::F32),
            Dtype::U8 => Some(Element::U8),
            Dtype::I8 => Some(Element::I8),
            Dtype::I16 => Some(Element::I16),
            Dtype::I32 => Some(Element::I32),
            Dtype::I64 => Some(Element::I64),
            _ => None,
        }
    }

    fn of_npy(descr: &str) -> Option<Element> {
        match descr {
            "<f4" => Some(Element::F32),
            "|u1" => Some(Element::U8),
            "|i1" => Some(Element::I8),
            "<i2" => Some(Element::I16),
            "<i4" => Some(Element::I32),
            "<i8" => Some(Element::I64),
            _ => None,
        }
    }
}

/// A row-major, little-endian array. Cloning shares the file.
#[derive(Clone, Debug)]
pub(super) struct Array {
    file: Arc<Mapped>,
    /// Where the elements begin; all of them are inside the file.
    start: usize,
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    /// The file, for messages.
    pub(super) place: Location,
}

const TYPES: &str = "images are f32 or u8, labels i32, i64, i16, i8 or u8: convert the array, for example with x.astype(numpy.float32)";

impl Array {
    fn new(
        file: Arc<Mapped>,
        start: usize,
        shape: Vec<usize>,
        element: Element,
        place: Location,
    ) -> Result<Array, Diagnostic> {
        let elements = shape.iter().try_fold(1_usize, |n, &e| n.checked_mul(e));
        let end = elements
            .and_then(|n| n.checked_mul(element.bytes()))
            .and_then(|bytes| bytes.checked_add(start));
        let have = (*file).as_ref().len();
        if end.is_none_or(|end| end > have) {
            return Err(Diagnostic::error(
                place,
                format!("the elements of {shape:?} do not fit the file's {have} bytes"),
            )
            .help("the file is damaged or was cut off: write it again"));
        }
        Ok(Array {
            file,
            start,
            shape,
            element,
            place,
        })
    }

    /// Maps a `.npy` file.
    pub(super) fn npy(path: &Path) -> Result<Array, Diagnostic> {
        let (file, place) = map(path)?;
        let bytes = (*file).as_ref();
        let layout = npy::layout(&path.to_string_lossy(), bytes)?;
        let refuse = |message: String| Diagnostic::error(place.clone(), message);
        let element = Element::of_npy(&layout.descr).ok_or_else(|| {
            refuse(format!(
                "the element type '{}' is not supported",
                layout.descr
            ))
            .help(TYPES)
        })?;
        if layout.fortran && layout.shape.iter().filter(|&&e| e > 1).count() > 1 {
            return Err(refuse(
                "the array is in Fortran order, so no sample lies together".to_owned(),
            )
            .help("write it again: numpy.save(path, numpy.ascontiguousarray(x))"));
        }
        Array::new(Arc::clone(&file), layout.data, layout.shape, element, place)
    }

    /// Bytes of the elements of sample `index` along the first dimension, each sample being
    /// `elements` long.
    fn sample_bytes(&self, index: usize, elements: usize) -> &[u8] {
        let len = elements * self.element.bytes();
        let start = self.start + index * len;
        (*self.file)
            .as_ref()
            .get(start..start + len)
            .unwrap_or_default()
    }

    /// Copies sample `index` into `out`, whose length is that of a sample: `f32` as they are, `u8`
    /// divided by 255.
    pub(super) fn copy_f32s(&self, index: usize, out: &mut [f32]) {
        let bytes = self.sample_bytes(index, out.len());
        match self.element {
            Element::F32 => {
                for (out, chunk) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *out = f32::from_le_bytes(*chunk);
                }
            }
            _ => {
                for (out, &byte) in out.iter_mut().zip(bytes) {
                    *out = f32::from(byte) / 255.0;
                }
            }
        }
    }

    /// Element `index` of an array of integers.
    pub(super) fn integer(&self, index: usize) -> i64 {
        let bytes = self.sample_bytes(index, 1);
        match (self.element, bytes) {
            (Element::U8, &[b]) => i64::from(b),
            (Element::I8, &[b]) => i64::from(b as i8),
            (Element::I16, &[a, b]) => i64::from(i16::from_le_bytes([a, b])),
            (Element::I32, &[a, b, c, d]) => i64::from(i32::from_le_bytes([a, b, c, d])),
            (_, bytes) => bytes
                .first_chunk::<8>()
                .map_or(i64::MIN, |b| i64::from_le_bytes(*b)),
        }
    }
}

/// A safetensors file, mapped.
pub(super) struct Container {
    file: Arc<Mapped>,
    place: Location,
    data: usize,
    metadata: safetensors::tensor::Metadata,
}

impl Container {
    /// Maps a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Container, Diagnostic> {
        let (file, place) = map(path)?;
        let (header, metadata) = SafeTensors::read_metadata((*file).as_ref()).map_err(|e| {
            Diagnostic::error(
                place.clone(),
                format!("this is no sound safetensors file: {e}"),
            )
            .help("write the data with safetensors.numpy.save_file; is the file complete?")
        })?;
        Ok(Container {
            file,
            place,
            data: header + size_of::<u64>(),
            metadata,
        })
    }

    /// The tensor of this name.
    pub(super) fn array(&self, name: &str) -> Result<Array, Diagnostic> {
        let refuse = |message: String| Diagnostic::error(self.place.clone(), message);
        let Some(info) = self.metadata.info(name) else {
            let tensors = self.metadata.tensors();
            let mut names: Vec<&str> = tensors.keys().map(String::as_str).collect();
            names.sort_unstable();
            return Err(refuse(format!("the file has no tensor '{name}'")).help(format!(
                "its tensors are {}; a data set has 'images' and 'labels', or other names that options tell",
                names.join(", ")
            )));
        };
        let element = Element::of_safetensors(info.dtype).ok_or_else(|| {
            refuse(format!("tensor '{name}' is of the type {:?}", info.dtype)).help(TYPES)
        })?;
        Array::new(
            Arc::clone(&self.file),
            self.data + info.data_offsets.0,
            info.shape.clone(),
            element,
            self.place.clone(),
        )
    }
}

fn map(path: &Path) -> Result<(Arc<Mapped>, Location), Diagnostic> {
    let place = Location::file(&*path.to_string_lossy(), 0, 0);
    match Mapped::open(path) {
        Ok(mapped) => Ok((Arc::new(mapped), place)),
        Err(error) => Err(
            Diagnostic::error(place, format!("the data cannot be read: {error}"))
                .help("check the path and its permissions"),
        ),
    }
}
